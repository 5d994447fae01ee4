"""What the scaler sees of the API server, for as long as the process lives."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Self

from headrace.kube.kinds import FUNCTIONS, NODE_POOLS, NODES, PODS
from headrace.kube.mirror import Mirror
from headrace.kube.mirrors import Together, mirror_of
from headrace.kube.port import EVERYTHING, Kube
from headrace.model.errors import TransientError
from headrace.model.settings import KubernetesSettings
from headrace.nodes.power.servers import ServerMirrors
from headrace.scaler.kubernetes.gpus import Gpus
from headrace.scaler.kubernetes.objects import Functions, Workers, pools_in
from headrace.scaler.kubernetes.workers import Seen

SYNC_SECONDS = 60.0  # for the first lists


class Watching:
    """The mirrors: a standby that takes over has seen everything. Workers are some of all pods."""

    def __init__(self, kube: Kube, place: KubernetesSettings) -> None:
        self._place = place
        self.pods = Mirror(kube, PODS, EVERYTHING)
        self.nodes = Mirror(kube, NODES, EVERYTHING)
        functions = mirror_of(kube, FUNCTIONS, place.namespaces)
        pools = self.pool_objects = Mirror(kube, NODE_POOLS, EVERYTHING)
        servers = self.servers = ServerMirrors.of(kube) if place.gpu_networks else None
        self.functions, self.pools = Functions(functions, place), pools_in(pools)
        gpus = Gpus(self.pools, servers, place)
        workers = Workers(self.pods, place, functions)
        self.seen = Seen(self.nodes, self.pods, workers, self.functions, gpus)
        all_servers = servers.all if servers else ()
        self._all = Together((self.pods, self.nodes, functions, pools, *all_servers))

    @property
    def silent_seconds(self) -> float:
        """How long the API server has been out of reach; 0 while all watches stand."""
        return self._all.silent_seconds

    @property
    def left_out(self) -> Mapping[str, str]:
        """By tenant's namespace whose functions can't be seen now, why."""
        return self._all.left_out

    @property
    def out_of_reach(self) -> Mapping[str, str]:
        """The functions that were seen there before, and why they may be other than they were."""
        left_out = self.left_out
        return {
            name: f"namespace {space} can't be seen: {left_out[space]}"
            for name in (self.functions.by_name if left_out else ())
            if (space := self._place.namespace_of(name)) in left_out
        }

    @property
    def revision(self) -> int:
        """What `changed` compares with."""
        return self._all.revision

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Self]:
        """Watch while the block runs. Raises TransientError when the first lists do not come."""
        async with self._all:
            if not await self._all.sync(SYNC_SECONDS):
                raise TransientError(
                    f"the API server has not listed everything within {SYNC_SECONDS:g} s; is it up, and "
                    "may this account list functions, node pools, nodes, pods and, with remote GPUs, GPU "
                    "servers, resource slices and resource claims?"
                )
            yield self

    async def changed(self, seconds: float, *, since: int) -> None:
        """Until something is other than at this revision, so many seconds at most."""
        await self._all.changed(seconds, since=since)

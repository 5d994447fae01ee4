"""What the scaler sees of the API server, for as long as the process lives."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

from headrace.kube.kinds import FUNCTIONS, NODE_POOLS, NODES, PODS
from headrace.kube.mirror import Mirror
from headrace.kube.mirrors import View, mirror_of
from headrace.kube.port import EVERYTHING, Kube
from headrace.model.errors import TransientError
from headrace.model.settings import KubernetesSettings
from headrace.nodes.power.servers import ServerMirrors
from headrace.scaler.kubernetes.gpus import Gpus
from headrace.scaler.kubernetes.objects import Functions, pools_in, workers_in
from headrace.scaler.kubernetes.workers import Seen

SYNC_SECONDS = 60.0  # for the first lists


class Watching:
    """The mirrors: a standby that takes over has seen everything. Workers are some of all pods."""

    def __init__(self, kube: Kube, place: KubernetesSettings) -> None:
        self.pods = Mirror(kube, PODS, EVERYTHING)
        self.nodes = Mirror(kube, NODES, EVERYTHING)
        functions = mirror_of(kube, FUNCTIONS, place.namespaces)
        pools = self.pool_objects = Mirror(kube, NODE_POOLS, EVERYTHING)
        servers = self.servers = ServerMirrors.of(kube) if place.gpu_networks else None
        self.functions, self.pools = Functions(functions, place), pools_in(pools)
        gpus = Gpus(self.pools, servers, place)
        workers = workers_in(self.pods, place)
        self.seen = Seen(self.nodes, self.pods, workers, self.functions, gpus)
        self._all: tuple[View, ...] = (
            self.pods,
            self.nodes,
            functions,
            pools,
            *(servers.all if servers else ()),
        )

    @property
    def silent_seconds(self) -> float:
        """How long the API server has been out of reach; 0 while all watches stand."""
        return max(each.silent_seconds for each in self._all)

    @property
    def revisions(self) -> Sequence[int]:
        """What `changed` compares with."""
        return [each.revision for each in self._all]

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Self]:
        """Watch while the block runs. Raises TransientError when the first lists do not come."""
        async with AsyncExitStack() as closing:
            for mirror in self._all:
                await closing.enter_async_context(mirror)
            for mirror in self._all:
                if not await mirror.sync(SYNC_SECONDS):
                    raise TransientError(
                        f"the API server has not listed everything within {SYNC_SECONDS:g} s; is it up, and "
                        "may this account list functions, node pools, nodes, pods and, with remote GPUs, GPU "
                        "servers, resource slices and resource claims?"
                    )
            yield self

    async def changed(self, seconds: float, *, since: Sequence[int]) -> None:
        """Until something is other than at these revisions, so many seconds at most."""
        waits = [
            asyncio.create_task(mirror.changed(seconds, since=revision))
            for mirror, revision in zip(self._all, since, strict=True)
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

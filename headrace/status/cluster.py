"""What a stack on Kubernetes is asked besides: its API server, by mirrors that are kept open."""

from collections.abc import Callable, Hashable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Self

from headrace.catalog.deployed import function_of, known_as, pool_of, sound, tenant_at
from headrace.kube.kinds import CONFIG_MAPS, FUNCTIONS, LEASES, NODE_POOLS, NODES, PODS
from headrace.kube.mirror import Mirror
from headrace.kube.mirrors import View, Watched, mirror_of, told_left_out
from headrace.kube.naming import is_ending
from headrace.kube.parsed import Parsed
from headrace.kube.port import EVERYTHING, Kube, Manifest, Selection
from headrace.model import labels
from headrace.model.errors import ConfigurationError, NotFoundError, TransientError
from headrace.model.function import digest_of
from headrace.model.judging import judge
from headrace.model.pool import NodePool
from headrace.model.settings import KubernetesSettings, Settings
from headrace.model.status import READY, FunctionStatus, Truth, told
from headrace.nodes.power.servers import ServerMirrors
from headrace.operations.gpus import Objects, gpus_of
from headrace.scaler.explaining import Explanation
from headrace.scaler.kubernetes.names import NodeNames
from headrace.scaler.kubernetes.pods import WorkerPod, worker_pod_of
from headrace.scaler.kubernetes.telling import explanation_of
from headrace.status.installed import seen
from headrace.status.sight import FunctionSeen, GpusSeen
from headrace.status.sources import Answer

SILENT_SECONDS = 30.0  # without the API server, after which what a mirror shows is called old
LOOK_SECONDS = 5.0  # between two looks at the scaler's lease
LEASE_SECONDS = 30.0  # without a renewal, after which nobody is thought to scale


class Cluster:
    """The mirrors, and what is read of them. They follow while the block runs."""

    def __init__(
        self, kube: Kube, settings: Settings, place: KubernetesSettings, now: Callable[[], float]
    ) -> None:
        self._kube = kube
        self._place = place
        self._now = now
        self._functions = mirror_of(kube, FUNCTIONS, place.namespaces)
        component = {labels.COMPONENT: "scaler"}
        self._plans = Mirror(kube, CONFIG_MAPS, Selection(place.platform_namespace, component))
        self._pools = Mirror(kube, NODE_POOLS, EVERYTHING)
        self._nodes = Mirror(kube, NODES, EVERYTHING)
        self._pods = Mirror(kube, PODS, EVERYTHING)
        self._servers = ServerMirrors.of(kube) if place.gpu_networks else None
        self._seen = Parsed(
            self._functions, lambda each: _function_seen(each, settings, place), mark=_mark_of_function
        )
        self._workers = Parsed(self._pods, lambda each: _worker(each, place))
        self._names = NodeNames(self._nodes)
        self._plan: tuple[int, Explanation | None] = (-1, None)
        self._lease: tuple[float, float | None] | None = None  # when it was looked up, when it was renewed
        self._gpus: tuple[int, GpusSeen] | None = None
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        servers = self._servers.all if self._servers else ()
        views: tuple[Watched, ...] = (
            self._functions, self._plans, self._pools, self._nodes, self._pods, *servers,
        )  # fmt: skip
        for each in views:
            await self._open.enter_async_context(each)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @property
    def places(self) -> Mapping[str, str]:
        """By worker the scaler's name of its node, as far as it is known."""
        return {each.name: self._names.known(each.node) for each in self._workers.values if each.node}

    async def read_functions(self) -> Answer[tuple[FunctionSeen, ...]]:
        """Every Function object, in the order of names."""
        remark = self._old(functions=self._functions) or told_left_out(self._functions.left_out)
        found = sorted(self._seen.values, key=lambda each: each.name)
        return Answer(tuple(found), remark, self._at(self._functions))

    async def read_pools(self) -> Answer[Mapping[str, NodePool]]:
        """Those that are sound, by name."""
        remark = self._old(pools=self._pools)
        found = {each.name: each for each in sound(self._pools.items.values(), pool_of)}
        return Answer(found, remark, self._at(self._pools))

    async def read_plan(self) -> Answer[Explanation]:
        """What the scaler told last, of the time at which a scaler was last known to lead.

        Raises TransientError where it has told nothing yet.
        """
        remark = self._old(plans=self._plans)
        explained = self._explained()
        if explained is None:
            raise TransientError("the scaler has told nothing yet that can be read; does it run?")
        return await self._led(explained, remark)

    def _explained(self) -> Explanation | None:
        if self._plan[0] != self._plans.revision:
            found = self._plans.get(labels.PLAN, self._place.platform_namespace)
            self._plan = self._plans.revision, explanation_of(found) if found is not None else None
        return self._plan[1]

    async def _led(self, explained: Explanation, remark: str) -> Answer[Explanation]:
        """It writes only what has changed, so its lease tells whether it lives."""
        renewed = await self._renewed()
        if renewed is None:
            return Answer(explained, "no scaler has ever led; does it run?", explained.at)
        at = max(renewed, explained.at)
        silent = self._now() - at
        if silent > LEASE_SECONDS and not remark:
            remark = f"no scaler has renewed its lease for {silent:.0f} s; does it run?"
        return Answer(explained, remark, min(at, self._now()))

    async def _renewed(self) -> float | None:
        """When the scaler's lease was renewed, as looked up a moment ago; None: there is none."""
        now = self._now()
        if self._lease is None or now - self._lease[0] >= LOOK_SECONDS:
            namespace = self._place.platform_namespace
            try:
                found = await self._kube.get(LEASES, labels.SCALER_LEASE, namespace=namespace)
            except NotFoundError:
                self._lease = now, None
            else:
                self._lease = now, renewed_at(found)
        return self._lease[1]

    async def read_gpus(self) -> Answer[GpusSeen]:
        """GPUs of nodes and, where the stack has some, of servers."""
        servers = self._servers
        mirrors: dict[str, View] = {"nodes": self._nodes, "pods": self._pods, "pools": self._pools}
        if servers is not None:
            mirrors |= {"servers": servers.servers, "slices": servers.slices, "claims": servers.claims}
        remark = self._old(**mirrors)
        revision = sum(mirror.revision for mirror in mirrors.values())
        if self._gpus is None or self._gpus[0] != revision:
            self._gpus = revision, self._read_gpus()
        return Answer(self._gpus[1], remark, self._at(*mirrors.values()))

    def _old(self, **views: View) -> str:
        """What is to be said of views that show old things; empty: they show things as they are.

        Raises ConfigurationError where one may not see them, TransientError while one has seen none.
        """
        for what, view in views.items():
            if refused := getattr(view, "refused", ""):
                raise ConfigurationError(f"{what} can't be seen: {refused}")
            if not view.synced:
                raise TransientError(f"the API server has not listed {what} yet")
        silent = max(view.silent_seconds for view in views.values())
        return f"the API server has shown nothing for {silent:.0f} s" if silent > SILENT_SECONDS else ""

    def _at(self, *views: View) -> float:
        """Of when it is what they show."""
        return self._now() - max(view.silent_seconds for view in views)

    def _read_gpus(self) -> GpusSeen:
        servers = self._servers
        objects = Objects(
            pools=tuple(self._pools.items.values()),
            nodes=tuple(self._nodes.items.values()),
            pods=tuple(self._pods.items.values()),
            servers=tuple(servers.servers.items.values()) if servers else (),
            slices=tuple(servers.slices.items.values()) if servers else (),
            claims=tuple(servers.claims.items.values()) if servers else (),
        )
        workers = {each.name: each.function for each in self._workers.values}
        pods = {
            f"{namespace}/{name}": function
            for namespace, name in self._pods.items
            if (function := workers.get(_worker_name(namespace, name, self._place)))
        }
        return GpusSeen(gpus_of(objects), pods)


def renewed_at(lease: Manifest) -> float:
    """When a lease was last renewed, by the holder's clock, in seconds since the epoch; 0: never."""
    told: Any = lease.get("spec", {}).get("renewTime")
    return datetime.fromisoformat(told).timestamp() if told else 0.0


def _function_seen(manifest: Manifest, settings: Settings, place: KubernetesSettings) -> FunctionSeen | None:
    if is_ending(manifest):
        return None
    name = known_as(manifest, place)
    try:
        function = function_of(manifest, place)
    except ConfigurationError as error:
        return FunctionSeen(name, tenant_at(manifest, place), None, fault=str(error))
    fault = judge(function, place)
    return seen(function, digest_of(function, {}), settings, fault=fault, remark=_unready(manifest))


def _mark_of_function(manifest: Manifest) -> Hashable:
    """Figures in its status change all the time, and are no change of the function."""
    return manifest["metadata"].get("generation"), is_ending(manifest), _unready(manifest)


def _unready(manifest: Manifest) -> str:
    """What the controller says is not well; empty: nothing."""
    conditions = told(manifest, FunctionStatus).conditions
    bad = {each.type: Truth.FALSE if each.type == READY else Truth.TRUE for each in conditions}
    return "; ".join(each.message or each.reason for each in conditions if each.status is bad[each.type])


def _worker(pod: Manifest, place: KubernetesSettings) -> WorkerPod | None:
    namespace = pod["metadata"]["namespace"]
    if namespace not in place.namespaces:
        return None
    return worker_pod_of(pod, place.tenant_in(namespace))


def _worker_name(namespace: str, name: str, place: KubernetesSettings) -> str:
    tenant = place.tenant_in(namespace) if namespace in place.namespaces else namespace
    return f"{tenant}.{name}" if tenant else name

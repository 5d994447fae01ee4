"""The scaler's WorkerHost on Kubernetes: workers are pods, bound to the node that the plan names."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.kube.kinds import NODES, PODS
from headrace.kube.mirror import Mirror
from headrace.kube.naming import labels_of
from headrace.kube.parsed import Parsed
from headrace.kube.port import Kube, Manifest
from headrace.manifests.gpu_slices import Grant
from headrace.manifests.worker_pod import leaving_seconds, pod_name, worker_pod
from headrace.model.errors import ChangedError, ConfigurationError, ExistsError, NotFoundError
from headrace.model.function import Function
from headrace.model.labels import POOL, short_digest
from headrace.model.resources import ResourceList
from headrace.model.settings import KubernetesSettings
from headrace.model.tenancy import own_name
from headrace.placement.suiting import listed, request_of
from headrace.placement.ways import Choice, Way
from headrace.queue.port import Queue
from headrace.scaler.kubernetes.charging import charge_of
from headrace.scaler.kubernetes.failing import Failing
from headrace.scaler.kubernetes.gpus import Gpus
from headrace.scaler.kubernetes.hearing import Hearing
from headrace.scaler.kubernetes.names import NodeNames
from headrace.scaler.kubernetes.objects import Deployed, Functions
from headrace.scaler.kubernetes.placing import Actions, Birth, Farewell, Wish, actions, is_current
from headrace.scaler.kubernetes.pods import WorkerPod, worker_pod_of
from headrace.scaler.kubernetes.rooms import free_rooms
from headrace.scaler.kubernetes.unseen import Unseen
from headrace.scaler.ports import Present, RemoteGpus, Wanted

AT_ONCE = 20  # calls of the API server under way

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the host looks at: mirrors of all nodes and pods, workers among these, functions, and GPUs."""

    nodes: Mirror
    pods: Mirror
    workers: Parsed[WorkerPod]
    functions: Functions
    gpus: Gpus


class PodHost:
    """See the port. Nothing is done once `leading` says no; `now` gives seconds since the epoch."""

    def __init__(
        self,
        kube: Kube,
        settings: KubernetesSettings,
        seen: Seen,
        queue: Queue,
        *,
        leading: Callable[[], bool],
        now: Callable[[], float],
    ) -> None:
        self._kube = kube
        self._settings = settings
        self._seen = seen
        self._leading = leading
        self._sidecar = _sidecar_request(settings)
        self._names = NodeNames(seen.nodes)
        self._hearing = Hearing(queue, now)
        self._failing = Failing(now)
        self._unseen = Unseen(seen.pods, now)
        self._ordered: frozenset[str] = frozenset()  # uids whose deletion was ordered; the mirror may lag
        self._room = asyncio.Semaphore(AT_ONCE)
        self._present: Sequence[Present] = ()

    @property
    def troubles(self) -> Mapping[str, str]:
        """By function why its workers can't do their part, for people."""
        return self._failing.troubles

    async def listen(self) -> None:
        """Hear how workers stand; a standby calls it too. Raises TransientError."""
        await self._hearing.listen()

    def takes(self, function: Function) -> bool:
        """See the port: once the controller has made ready what workers of this very digest need."""
        found = self._seen.functions.by_name.get(function.name)
        return found is not None and found.ready

    def gpu(self, function: Function) -> Choice:
        """See the port."""
        return self._seen.gpus.choice(function)

    def request(self, function: Function, way: Way) -> ResourceList:
        """See the port: the function's own, and the supervisor's."""
        return request_of(function, way).plus(self._sidecar)

    def leaving_seconds(self, function: Function) -> float:
        """See the port."""
        return leaving_seconds(function)

    def remote(self) -> RemoteGpus:
        """See the port."""
        return self._seen.gpus.remote({each.name for each in self._present if not each.leaving})

    async def present(self) -> Sequence[Present]:
        """See the port. Pods that have ended are not there, and those of another digest leave."""
        await self._hearing.listen()
        functions, grants = self._seen.functions.by_name, self._seen.gpus.grants()
        self._present = [
            self._told(pod, functions, grants.get(pod.name, ()))
            for pod in sorted(self._pods(), key=lambda each: (each.started, each.name))
            if not pod.ended
        ]
        return self._present

    def _told(self, pod: WorkerPod, functions: Mapping[str, Deployed], grants: Sequence[Grant]) -> Present:
        found = Present(
            pod.name,
            pod.function,
            self._names.known(pod.node),
            pod.started,
            standing=self._hearing.standing(pod),
            places=tuple((each.server, each.number) for each in grants),
        )
        if not pod.leaving and self._is_current(pod, functions):
            return found
        tenant = self._settings.namespace_of(pod.function)
        return replace(found, leaving=True, tenant=tenant, charge=charge_of(pod, grants))

    def _is_current(self, pod: WorkerPod, functions: Mapping[str, Deployed]) -> bool:
        found = functions.get(pod.function)
        return found is not None and is_current(pod, found.digest, self.gpu(found.function).way)

    def _pods(self) -> list[WorkerPod]:
        pods, lost = self._unseen.beside(self._seen.workers.values), self._seen.gpus.lost()
        self._ordered &= {pod.uid for pod in pods}
        if not (self._ordered or lost):
            return list(pods)
        return [self._marked(pod, lost) for pod in pods]

    def _marked(self, pod: WorkerPod, lost: Collection[str]) -> WorkerPod:
        begins = not (pod.running or pod.ended)
        ordered = pod.leaving or pod.uid in self._ordered
        return replace(pod, leaving=ordered, lost=begins and pod.name in lost)

    async def reconcile(self, wanted: Mapping[str, Wanted]) -> None:
        """See the port. What could not be done now is looked at again in the next step."""
        pods, functions = self._pods(), self._seen.functions.by_name
        self._failing.learn(pods)
        todo = actions(
            pods,
            {name: self._wish(functions[name], each) for name, each in wanted.items() if name in functions},
            nodes={name for _, name in self._seen.nodes.items},
            held=lambda pod: self._hearing.standing(pod).held,
            free=free_rooms(self._seen.nodes, self._seen.pods, pods),
        )
        await self._carry_out(todo, functions, wanted)

    def _wish(self, deployed: Deployed, wanted: Wanted) -> Wish:
        kind = deployed.function.name, short_digest(deployed.digest)
        # The quota was kept for workers as they were decided; those of what it is by now may need more.
        changed = wanted.of is not None and wanted.of is not deployed.function
        held_up = changed or not deployed.ready or self._failing.is_held_up(kind)
        on = {self._names.object(node): number for node, number in wanted.on.items()}
        return Wish(deployed.digest, on, wanted.request, held_up=held_up, way=wanted.way)

    # Calls

    async def _carry_out(
        self, todo: Actions, functions: Mapping[str, Deployed], wanted: Mapping[str, Wanted]
    ) -> None:
        _tell(todo, functions)
        await self._each(self._end(each) for each in todo.farewells)
        await self._each(
            self._begin(each, functions[each.function], wanted[each.function].way) for each in todo.births
        )

    async def _each(self, steps: Iterable[Awaitable[None]]) -> None:
        """All, some at a time; the first fault is raised once all have ended."""
        ends = await asyncio.gather(*(self._in_turn(step) for step in steps), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _in_turn(self, step: Awaitable[None]) -> None:
        async with self._room:
            await step

    async def _end(self, farewell: Farewell) -> None:
        if farewell.abrupt and await self._is_there(farewell.node):
            return  # the mirror of nodes is late
        if not self._leading():
            return
        grace_seconds = 0 if farewell.abrupt else None
        try:
            await self._kube.delete(
                PODS,
                own_name(farewell.name),
                namespace=self._settings.namespace_of(farewell.name),
                uid=farewell.uid,
                grace_seconds=grace_seconds,
            )
        except ChangedError:
            return  # another bears the name by now: that one is looked at in the next step
        self._ordered |= {farewell.uid}

    async def _is_there(self, node: str) -> bool:
        try:
            await self._kube.get(NODES, node)
        except NotFoundError:
            return False
        return True

    async def _begin(self, birth: Birth, deployed: Deployed, way: Way) -> None:
        node = self._seen.nodes.get(birth.node)
        if node is None or not self._leading():
            return
        try:
            pod = worker_pod(
                deployed.function,
                deployed.digest,
                ordinal=birth.ordinal,
                node=birth.node,
                settings=self._settings,
                pool=labels_of(node).get(POOL, ""),
                way=way,
            )
            self._remember(await self._kube.create(PODS, pod))
        except ExistsError:
            return  # another scaler wants the same; or it was made, and the answer got lost
        except ConfigurationError as error:
            self._failing.refused((birth.function, short_digest(deployed.digest)), str(error))

    def _remember(self, created: Manifest) -> None:
        tenant = self._settings.tenant_in(created["metadata"]["namespace"])
        if pod := worker_pod_of(created, tenant):
            self._unseen.add(pod)


def _tell(todo: Actions, functions: Mapping[str, Deployed]) -> None:
    """Log what is about to be asked of the API server."""
    if not (todo.births or todo.farewells):
        return
    begin = [pod_name(each.function, functions[each.function].digest, each.ordinal) for each in todo.births]
    _log.info(
        "%d workers begin, %d end", len(todo.births), len(todo.farewells),
        extra={
            "action": "scaler.workers", "begin": begin, "end": [each.name for each in todo.farewells],
        },
    )  # fmt: skip


def _sidecar_request(settings: KubernetesSettings) -> ResourceList:
    if settings.sidecar is None:
        raise ConfigurationError(
            "settings: kubernetes.sidecar is missing, which the scaler needs to start workers; add it"
        )
    return listed(settings.sidecar.resources)

"""The scaler's WorkerHost on Kubernetes: workers are pods, bound to the node that the plan names."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.kube.kinds import PODS
from headrace.kube.mirror import Mirror
from headrace.kube.port import Kube
from headrace.manifests.worker_pod import worker_pod
from headrace.model.errors import ChangedError, ConfigurationError, ExistsError
from headrace.model.function import Function
from headrace.model.labels import POOL
from headrace.model.observation import Standing
from headrace.model.resources import CPU, EPHEMERAL_STORAGE, MEMORY, ResourceList
from headrace.model.settings import KubernetesSettings
from headrace.model.suiting import request_of
from headrace.queue.port import Queue
from headrace.scaler.backoff import Backoff
from headrace.scaler.kubernetes.objects import Deployed
from headrace.scaler.kubernetes.placing import Actions, Birth, Farewell, Wish, actions
from headrace.scaler.kubernetes.pods import WorkerPod, worker_pod_of
from headrace.scaler.ports import Present, Wanted

AT_ONCE = 20  # calls of the API server under way
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the host looks at: mirrors of worker pods and nodes, and the functions by name."""

    pods: Mirror
    nodes: Mirror
    functions: Callable[[], Mapping[str, Deployed]]


class PodHost:
    """See the port. Nothing is done once `leading` says no."""

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
        self._queue = queue
        self._leading = leading
        self._now = now
        self._sidecar = _sidecar_request(settings)
        self._standings: Mapping[str, Standing] = {}
        self._ordered: frozenset[str] = frozenset()  # uids whose deletion was ordered; the mirror may lag
        self._buried: set[str] = set()  # uids of failed pods that were counted
        self._backoffs: dict[str, Backoff] = {}
        self._troubles: dict[str, str] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    def takes(self, function: Function) -> bool:
        """See the port: once the controller has made ready what workers of this very digest need."""
        found = self._seen.functions().get(function.name)
        return found is not None and found.ready

    def request(self, function: Function) -> ResourceList:
        """See the port: the function's own, and the supervisor's."""
        return request_of(function).plus(self._sidecar)

    async def present(self) -> Sequence[Present]:
        """See the port. One that has told nothing yet holds nothing."""
        self._standings = await self._queue.standings()
        pods = [pod for pod in self._pods() if not pod.ended]
        functions = self._seen.functions()
        return [
            Present(
                pod.name,
                pod.function,
                pod.node,
                pod.started,
                leaving=pod.leaving or not _is_current(pod, functions),
                standing=self._standing(pod),
            )
            for pod in sorted(pods, key=lambda each: (each.started, each.name))
        ]

    def _standing(self, pod: WorkerPod) -> Standing:
        told = self._standings.get(pod.name)
        return told or Standing(function=pod.function, worker=pod.name, held=0, since=pod.started)

    def _pods(self) -> list[WorkerPod]:
        found = [pod for item in self._seen.pods.items.values() if (pod := worker_pod_of(item))]
        self._ordered &= {pod.uid for pod in found}
        return [_as_ordered(pod, self._ordered) for pod in found]

    async def reconcile(self, wanted: Mapping[str, Wanted]) -> None:
        """See the port. What could not be done now is looked at again in the next step."""
        pods, functions = self._pods(), self._seen.functions()
        self._learn(pods)
        wishes = {
            name: Wish(functions[name].digest, wish.on, held_up=self._is_held_up(name))
            for name, wish in wanted.items()
            if name in functions and functions[name].ready
        }
        nodes = {name for _, name in self._seen.nodes.items}
        await self._carry_out(actions(pods, wishes, nodes=nodes, standings=self._standings), functions)

    # Pods that can't live

    def _learn(self, pods: Sequence[WorkerPod]) -> None:
        for pod in pods:
            if pod.failed and pod.uid not in self._buried:
                before = self._backoffs.get(pod.function, Backoff())
                self._backoffs[pod.function] = before.after_death(started=pod.started, now=self._now())
                _tell(pod, "ended before its time", "scaler.worker_died")
        self._buried = {pod.uid for pod in pods if pod.failed}
        troubles = {pod.function: pod.trouble for pod in pods if pod.trouble and not pod.leaving}
        for pod in pods:
            if pod.trouble and self._troubles.get(pod.function) != troubles.get(pod.function):
                _tell(pod, pod.trouble, "scaler.worker_stuck")
        self._troubles = troubles

    def _is_held_up(self, function: str) -> bool:
        """No more of a kind that can't start: one that tries is enough to learn when it can."""
        return function in self._troubles or self._now() < self._backoffs.get(function, Backoff()).not_before

    # Calls

    async def _carry_out(self, todo: Actions, functions: Mapping[str, Deployed]) -> None:
        await self._each(self._end(each) for each in todo.farewells)
        await self._each(self._begin(each, functions[each.function]) for each in todo.births)

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
        if not self._leading():
            return
        try:
            await self._kube.delete(
                PODS,
                farewell.name,
                namespace=self._settings.namespace,
                uid=farewell.uid,
                grace_seconds=0 if farewell.abrupt else None,
            )
        except ChangedError:
            return  # another bears the name by now: that one is looked at in the next step
        self._ordered |= {farewell.uid}

    async def _begin(self, birth: Birth, deployed: Deployed) -> None:
        if not self._leading():
            return
        node = self._seen.nodes.get(birth.node)
        if node is None:
            return
        pool = (node["metadata"].get("labels") or {}).get(POOL, "")
        pod = worker_pod(
            deployed.function,
            deployed.digest,
            ordinal=birth.ordinal,
            node=birth.node,
            settings=self._settings,
            pool=pool,
        )
        try:
            await self._kube.create(PODS, pod)
        except ExistsError:
            return  # ordered before, and the mirror is late; or another scaler wants the same
        except ConfigurationError as error:
            _log.error(
                "no worker of %s: %s", birth.function, error,
                extra={"action": "scaler.worker_refused", "function": birth.function},
            )  # fmt: skip
            self._backoffs[birth.function] = self._backoffs.get(birth.function, Backoff()).after_death(
                started=self._now(), now=self._now()
            )


def _sidecar_request(settings: KubernetesSettings) -> ResourceList:
    if settings.sidecar is None:
        raise ConfigurationError(
            "settings: kubernetes.sidecar is missing, which the scaler needs to start workers; add it"
        )
    needs = settings.sidecar.resources
    return ResourceList.of(
        {
            CPU: needs.cpu_millicores,
            MEMORY: needs.memory_bytes,
            EPHEMERAL_STORAGE: needs.ephemeral_storage_bytes,
        }
    )


def _is_current(pod: WorkerPod, functions: Mapping[str, Deployed]) -> bool:
    found = functions.get(pod.function)
    return found is not None and found.digest.startswith(pod.digest)


def _as_ordered(pod: WorkerPod, ordered: frozenset[str]) -> WorkerPod:
    return replace(pod, leaving=True) if pod.uid in ordered else pod


def _tell(pod: WorkerPod, what: str, action: str) -> None:
    _log.warning(
        "worker %s: %s", pod.name, what,
        extra={"action": action, "function": pod.function, "worker": pod.name},
    )  # fmt: skip

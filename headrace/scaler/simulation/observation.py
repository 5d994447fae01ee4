"""What the policy gets to see: snapshots, made anew only where something changed since the last one."""

from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean

from headrace.scaler.learning import RECENT_WINDOWS, ArrivalHistory, BootHistory, ServiceHistory
from headrace.scaler.simulation.backlog import Backlog, Queued
from headrace.scaler.simulation.cluster import Cluster, Worker
from headrace.scaler.simulation.setting import SimFunction, SimPool
from headrace.scaler.simulation.trace import Trace
from headrace.scaler.snapshot import (
    Files,
    FunctionView,
    PoolView,
    Running,
    ServiceEstimate,
    Snapshot,
    TenantView,
)


class ObservedFunction:
    """One function: its waiting files, those in work, and what was learned of it."""

    def __init__(self, function: SimFunction, prior: ServiceEstimate) -> None:
        self.function = function
        self.backlog = Backlog()
        self._running: dict[int, Running] = {}
        self._service = ServiceHistory(prior)
        self._arrivals = ArrivalHistory()
        self._recent: tuple[Files, ...] = ()
        self._view: FunctionView | None = None

    @property
    def deadline(self) -> float:
        """When its oldest waiting file is to start, boots not counted. Raises IndexError without one."""
        return self.backlog.oldest.arrived + self.function.max_wait_seconds

    def arrived(self, queued: Queued) -> None:
        self.backlog.put(queued)
        self._arrivals = self._arrivals.arrived(queued.arrived, 1, queued.file.size_bytes)
        self._view = None

    def began(self, worker: Worker, queued: Queued) -> None:
        self._running[queued.number] = Running(worker.started, worker.node.name, queued.file.size_bytes)
        self._view = None

    def ended(self, queued: Queued) -> None:
        del self._running[queued.number]
        file = queued.file
        self._service = self._service.observed(1, file.size_bytes, file.service_seconds)
        self._view = None

    def lost(self, queued: Queued) -> None:
        """Its node died under it: it waits again."""
        del self._running[queued.number]
        self.backlog.put(queued)
        self._view = None

    def view(self, since: float) -> FunctionView:
        """With the arrivals from `since` on."""
        expired = bool(self._recent) and self._recent[0].arrived < since
        if self._view is None or expired:
            self._arrivals = self._arrivals.forgetting(since)
            self._recent = self._arrivals.groups
            self._view = self._make()
        return self._view

    def _make(self) -> FunctionView:
        function = self.function
        return FunctionView(
            name=function.name,
            request=function.request,
            pools=function.pools,
            waiting=self.backlog.view,
            running=tuple(self._running.values()),
            recent=self._recent,
            silences=self._arrivals.silences,
            last_arrival=self._arrivals.last,
            service=self._service.estimate,
            max_wait_seconds=function.max_wait_seconds,
            max_workers=function.max_workers,
            priority=function.priority,
            tenant=function.tenant,
        )


class ObservedPool:
    """One pool, and what was learned of its boots."""

    def __init__(self, pool: SimPool) -> None:
        self.pool = pool
        self._boots = BootHistory(pool.view.boot.usual_seconds)
        self._view = pool.view

    @property
    def view(self) -> PoolView:
        return self._view

    def booted(self, seconds: float) -> None:
        self._learn(self._boots.booted(seconds))

    def failed(self) -> None:
        self._learn(self._boots.failed())

    def _learn(self, boots: BootHistory) -> None:
        self._boots = boots
        self._view = replace(self._view, boot=boots.estimate)


def observe(
    functions: Iterable[ObservedFunction],
    pools: Iterable[ObservedPool],
    tenants: tuple[TenantView, ...],
    *,
    cluster: Cluster,
    now: float,
) -> Snapshot:
    """The moment's snapshot. Arrivals are told over twice the function's wait and the longest boot."""
    views = tuple(pool.view for pool in pools)
    boot_seconds = max((view.boot.safe_seconds for view in views), default=0.0)
    return Snapshot(
        functions=tuple(
            each.view(now - RECENT_WINDOWS * (each.function.max_wait_seconds + boot_seconds))
            for each in functions
        ),
        pools=views,
        nodes=cluster.node_views,
        workers=cluster.worker_views,
        tenants=tenants,
    )


def first_estimate(function: SimFunction, trace: Trace) -> ServiceEstimate:
    """What is believed before the first file: the true mean, times the function's factor."""
    seconds = [each.service_seconds for each in trace.arrivals if each.function == function.name]
    mean = fmean(seconds) if seconds else 1.0
    return ServiceEstimate(start_seconds=function.start_seconds, file_seconds=mean * function.believed_factor)

"""From what the queue and the workers show to a function's part of the snapshot. Pure.

The queue tells how many tasks there are and when the oldest came, not when each did: what arrived since the
scaler watches is remembered in groups, and older files are taken for as old as the oldest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from headrace.model.function import Function
from headrace.model.pool import NodePool
from headrace.model.resources import ResourceList
from headrace.model.tenant import Tenant
from headrace.placement.suiting import suits
from headrace.placement.ways import Choice
from headrace.queue.port import Backlog
from headrace.scaler.learning import RECENT_WINDOWS, ArrivalHistory
from headrace.scaler.memory import FunctionMemory
from headrace.scaler.ports import Present
from headrace.scaler.snapshot import Files, FunctionView, Running, TenantView, WorkerView

EMPTY = Backlog(tasks=0, leased=0, oldest_received=None, bytes_estimate=0, paused=False)


@dataclass(frozen=True, slots=True)
class Course:
    """How a function's queue went up to the last look. Times in seconds since the epoch; None: not so.

    `told`: files of which workers told, at that look, that they were done; most leave the queue a moment
    later. `surplus`: files that had left it, by then, without being told of.
    """

    tasks: int
    told: int = 0
    surplus: int = 0
    working_since: float | None = None  # a task is leased
    empty_since: float | None = None  # no task is in the queue

    def arrived(self, tasks: int) -> int:
        """How many files came since, if so many are in the queue now."""
        return max(0, tasks - self.tasks + self.told - self.surplus)

    def next(self, backlog: Backlog, told: int, now: float) -> "Course":
        """After a look that found this backlog, and heard of `told` files."""
        surplus = max(0, self.tasks - backlog.tasks - self.told + self.surplus)
        working = (self.working_since or now) if backlog.leased else None
        empty = (self.empty_since or now) if not backlog.tasks else None
        # What was neither told before nor now has not been worked, but purged, failed or overtaken.
        return Course(backlog.tasks, told, min(surplus, told), working, empty)


def tenant_view(tenant: Tenant) -> TenantView:
    """What the decision needs of a tenant."""
    bounds = tuple(tenant.quota.bounds.items())
    return TenantView(tenant.name, tenant.weight, tenant.priority, bounds)


def followed(
    course: Course | None, arrivals: ArrivalHistory, backlog: Backlog, *, now: float
) -> ArrivalHistory:
    """The arrivals with those since the last look; at the first one, all that came after the last known."""
    size = bytes_a_file(backlog)
    if course is not None:
        files = course.arrived(backlog.tasks)
        return arrivals.arrived(now, files, files * size) if files else arrivals
    oldest = backlog.oldest_received
    if oldest is None or (arrivals.last is not None and oldest <= arrivals.last):
        return arrivals
    return arrivals.arrived(oldest, backlog.tasks, backlog.tasks * size)


def bytes_a_file(backlog: Backlog) -> int:
    """The mean size of what is in the queue; 0 when it is empty."""
    return backlog.bytes_estimate // backlog.tasks if backlog.tasks else 0


def waiting_files(backlog: Backlog, busy: int, groups: Sequence[Files]) -> tuple[Files, ...]:
    """Groups of the files that no worker holds, oldest first: the queue gives out the oldest.

    Where no worker is busy a leased task is not known to be held: it waits for its retry, its worker died, or
    one that has just begun has not told yet. So one of them counts, lest that worker be taken for idle.
    """
    left = backlog.waiting or min(1, backlog.tasks if not busy else 0)
    if not left or backlog.oldest_received is None:
        return ()
    size, found = bytes_a_file(backlog), []
    for group in reversed(groups):
        number = min(left, group.count)
        if group.arrived <= backlog.oldest_received or not number:
            break
        found.append(Files(group.arrived, number, number * size))
        left -= number
    if left:
        found.append(Files(backlog.oldest_received, left, left * size))
    return tuple(reversed(found))


def worker_views(
    present: Iterable[Present], backlog: Backlog, course: Course, now: float
) -> list[WorkerView]:
    """A function's workers, the oldest first, as they told; of those that can't be told apart, as inferred.

    Inferred: as many have a file as tasks are leased, and none is told to be idle while a task is in the
    queue, as which of them holds it is not known.
    """
    views = []
    for number, worker in enumerate(present):
        if worker.standing is not None:
            busy, since = worker.standing.held > 0, worker.standing.since
        else:
            busy = number < backlog.leased
            since = (course.working_since if busy else course.empty_since) or now
        since = max(since, worker.started)
        views.append(WorkerView(worker.name, worker.function, worker.node, since, busy, places=worker.places))
    return views


def held_views(present: Iterable[Present]) -> list[WorkerView]:
    """Workers of a function of which it can't be told how much work it has: each may have a file in hand."""
    return [
        WorkerView(
            each.name,
            each.function,
            each.node,
            max(each.standing.since if each.standing else each.started, each.started),
            busy=True,
            places=each.places,
        )
        for each in present
    ]


@dataclass(frozen=True, slots=True)
class Sight:
    """All that is known of a function at one look."""

    function: Function
    memory: FunctionMemory
    backlog: Backlog
    workers: Sequence[WorkerView]
    takes: bool  # whether its workers can run here
    gpu: Choice  # how they come to GPUs
    request: ResourceList  # what one of them needs of its node
    leaving_seconds: float  # how long one that is told to end may go on with what it has in hand
    left_alone: str = ""  # why none of its workers shall come or go; empty: they may

    def view(self, pools: Sequence[NodePool], *, boot_seconds: float, now: float) -> FunctionView:
        """Its part of the snapshot; `boot_seconds`: of the slowest pool."""
        spec, arrivals = self.function.spec, self.memory.arrivals
        back = RECENT_WINDOWS * (spec.scale.max_wait_seconds + boot_seconds)
        size = bytes_a_file(self.backlog)
        return FunctionView(
            name=self.function.name,
            request=self.request,
            pools=tuple(pool.name for pool in pools if suits(self.function, pool, self.gpu.way)),
            waiting=waiting_files(self.backlog, sum(each.busy for each in self.workers), arrivals.groups),
            running=tuple(Running(each.since, each.node, size) for each in self.workers if each.busy),
            recent=arrivals.recent(now - back),
            silences=arrivals.silences,
            last_arrival=arrivals.last,
            service=self.memory.service.estimate,
            max_wait_seconds=spec.scale.max_wait_seconds,
            min_workers=spec.scale.min_workers,
            max_workers=spec.scale.max_workers,
            idle_seconds=spec.scale.idle_seconds,
            priority=spec.priority,
            tenant=self.function.metadata.namespace or "",
            paused=self.backlog.paused or spec.suspend or not self.takes or bool(self.left_alone),
            left_alone=self.left_alone,
            gpu=self.gpu,
            leaving_seconds=self.leaving_seconds,
        )

    def forgetting(self, boot_seconds: float, now: float) -> FunctionMemory:
        """The memory without arrivals that nobody will ask for."""
        back = RECENT_WINDOWS * (self.function.spec.scale.max_wait_seconds + boot_seconds)
        return replace(self.memory, arrivals=self.memory.arrivals.forgetting(now - back))

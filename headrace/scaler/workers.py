"""How many workers each function gets on the nodes that are on. Pure.

A worker with a file is never taken away. What is free goes to functions whose files wait: by priority, then
to the one that has fewest, then to the one whose oldest file is due first. A further worker is worth its
start only while those that are there would not have emptied the queue by then. Idle ones stay warm where
nobody else needs the room.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heapify, heappop, heappush
from math import inf
from operator import attrgetter

from headrace.model.resources import ResourceList
from headrace.scaler.plan import Reason, ReasonCode, Workers
from headrace.scaler.rooms import ON
from headrace.scaler.snapshot import FunctionView, Snapshot, WorkerView


def share_out(snapshot: Snapshot, now: float) -> tuple[Workers, ...]:
    """One entry a function, in the order of the snapshot."""
    ground = _Ground.of(snapshot)
    workers: dict[str, list[WorkerView]] = {}
    for worker in snapshot.workers:
        workers.setdefault(worker.function, []).append(worker)
    members = [_Member.of(function, workers.get(function.name, ())) for function in snapshot.functions]
    for member in members:
        for node, number in member.busy.items():
            member.on[node] += number
            ground.take(node, member.function.request, number)
    _give(members, ground, wish=_Member.wants_for_files)
    _give(members, ground, wish=_Member.wants_at_least)
    _give(members, ground, wish=lambda member: member.stays_warm(now))
    return tuple(member.told() for member in members)


@dataclass
class _Member:
    """A function while room is given out: what it has by node, and what it was refused."""

    function: FunctionView
    busy: Counter[str]
    idle: Counter[str]
    idle_since: float
    on: Counter[str] = field(default_factory=Counter)
    refused: bool = False

    @classmethod
    def of(cls, function: FunctionView, workers: Sequence[WorkerView]) -> "_Member":
        mine = [worker for worker in workers if worker.function == function.name]
        return cls(
            function,
            Counter(worker.node for worker in mine if worker.busy),
            Counter(worker.node for worker in mine if not worker.busy),
            max((worker.since for worker in mine if not worker.busy), default=0.0),
        )

    @property
    def count(self) -> int:
        """Workers given so far."""
        return self.on.total()

    @cached_property
    def waiting(self) -> int:
        """Files that wait."""
        return sum(files.count for files in self.function.waiting)

    @cached_property
    def backlog_seconds(self) -> float:
        """Their work."""
        size = sum(files.bytes for files in self.function.waiting)
        return self.function.service.seconds(self.waiting, size)

    def turn(self) -> tuple[int, int, float]:
        """Who comes first: the higher priority, then who has fewest, then whose oldest file is due first."""
        waiting = self.function.waiting
        due = waiting[0].arrived + self.function.max_wait_seconds if waiting else inf
        return -self.function.priority, self.count, due

    def wants_for_files(self) -> bool:
        """Whether another worker would have something to do, after its start."""
        added = self.count - self.busy.total()
        if self.function.paused or self.count >= self.function.max_workers or added >= self.waiting:
            return False
        if not self.count or added < self.idle.total():
            return True
        return self.backlog_seconds / self.count >= self.function.service.start_seconds

    def wants_at_least(self) -> bool:
        """Whether minWorkers asks for another."""
        return not self.function.paused and self.count < self.function.min_workers

    def stays_warm(self, now: float) -> bool:
        """Whether an idle worker of its own is kept a while longer."""
        if self.function.paused or self.count >= self.busy.total() + self.idle.total():
            return False
        return now - self.idle_since < self.function.idle_seconds and self.count < self.function.max_workers

    def told(self) -> Workers:
        """The result, and why."""
        return Workers(self.function.name, dict(self.on), self._reason())

    def _reason(self) -> Reason:
        function, figures = self.function, {"workers": self.count, "files": self.waiting}
        if function.paused:
            return Reason(ReasonCode.PAUSED, "the function is paused", figures)
        if self.refused:
            return Reason(ReasonCode.NO_ROOM, "no node that is on has room for another worker", figures)
        if self.waiting and self.count >= function.max_workers:
            return Reason(ReasonCode.LIMIT, f"maxWorkers is {function.max_workers}", figures)
        if self.waiting or self.busy:
            return Reason(ReasonCode.FILES_WAIT, f"{self.waiting} files wait", figures)
        if self.count and self.count <= function.min_workers:
            return Reason(ReasonCode.MIN_WORKERS, f"minWorkers is {function.min_workers}", figures)
        if self.count:
            return Reason(ReasonCode.KEPT_WARM, f"kept for {function.idle_seconds:g} s", figures)
        return Reason(ReasonCode.NOTHING_WAITS, "no file waits", figures)


@dataclass(slots=True)
class _Ground:
    """What is free of each node that is on, the oldest first.

    Room only shrinks while it is given out, so that a node without room for a request is never tried again.
    """

    names: Sequence[str]
    pools: Mapping[str, str]
    free: dict[str, ResourceList]
    _tried: dict[tuple[ResourceList, tuple[str, ...]], int] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "_Ground":
        capacity = {pool.name: pool.capacity for pool in snapshot.pools}
        on = [n for n in snapshot.nodes if n.state in ON and n.enabled and n.pool in capacity]
        on.sort(key=attrgetter("ordered", "name"))
        return cls(
            [node.name for node in on],
            {node.name: node.pool for node in on},
            {node.name: capacity[node.pool] for node in on},
        )

    def take(self, node: str, request: ResourceList, number: int = 1) -> None:
        """Less is free from now on; quiet for a node that is not on."""
        if node in self.free:
            self.free[node] = self.free[node].minus(request, number)

    def first(self, function: FunctionView) -> str | None:
        """The oldest node with room."""
        key = (function.request, function.pools)
        place = self._tried.get(key, 0)
        while place < len(self.names) and not self.holds(self.names[place], function):
            place += 1
        self._tried[key] = place
        return self.names[place] if place < len(self.names) else None

    def holds(self, node: str, function: FunctionView) -> bool:
        """Whether one more worker of the function fits there."""
        return self.pools.get(node) in function.pools and function.request.fits(self.free[node])


def _give(members: Sequence[_Member], ground: _Ground, *, wish: Callable[[_Member], bool]) -> None:
    """One worker at a time, until nobody who wants another finds room."""
    asking = [(member.turn(), index) for index, member in enumerate(members) if wish(member)]
    heapify(asking)
    while asking:
        _, index = heappop(asking)
        member = members[index]
        node = _place(member, ground)
        if node is None:
            member.refused = member.refused or bool(member.waiting)
            continue
        ground.take(node, member.function.request)
        member.on[node] += 1
        if wish(member):
            heappush(asking, (member.turn(), index))


def _place(member: _Member, ground: _Ground) -> str | None:
    """Where it has an idle worker already, or else the oldest node with room."""
    for node, number in member.idle.items():
        if member.on[node] < member.busy[node] + number and ground.holds(node, member.function):
            return node
    return ground.first(member.function)

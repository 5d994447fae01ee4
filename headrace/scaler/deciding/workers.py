"""How many workers each function gets on the nodes that are on. Pure.

A worker with a file is never taken away. What is free goes to functions whose files wait: by priority, then
to the one that has fewest, then to the one whose oldest file is due first. A further worker is worth its
start only while those that are there would not have emptied the queue by then. Idle ones stay warm where
nobody else needs the room.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from heapq import heapify, heappop, heappush
from math import inf

from headrace.scaler.deciding.ground import NO_LIMIT, Claim, Ground
from headrace.scaler.plan import Reason, ReasonCode, Workers
from headrace.scaler.snapshot import FunctionView, Snapshot, WorkerView


def share_out(snapshot: Snapshot, now: float) -> tuple[Workers, ...]:
    """One entry a function, in the order of the snapshot."""
    ground = Ground(snapshot)
    workers: dict[str, list[WorkerView]] = {}
    for worker in snapshot.workers:
        workers.setdefault(worker.function, []).append(worker)
    members = [
        _Member(function, workers.get(function.name, ()), ground.claim(function))
        for function in snapshot.functions
    ]
    for member in members:
        for node, number in member.busy.items():
            member.put(node, number)
    _give(members, wish=_Member.wants_for_files)
    _give(members, wish=_Member.wants_at_least)
    _give(members, wish=lambda member: member.stays_warm(now))
    return tuple(member.told() for member in members)


class _Member:
    """A function while room is given out: what it has by node, and why it got no more."""

    def __init__(self, function: FunctionView, workers: Sequence[WorkerView], claim: Claim) -> None:
        self.function = function
        self.claim = claim
        self.busy = Counter(worker.node for worker in workers if worker.busy)
        self.idle = Counter(worker.node for worker in workers if not worker.busy)
        self.idle_since = max((worker.since for worker in workers if not worker.busy), default=0.0)
        self.working, self.resting = self.busy.total(), self.idle.total()
        self.on: Counter[str] = Counter()
        self.count = 0  # of workers given so far
        self.refused: ReasonCode | None = None

    def put(self, node: str, workers: int = 1) -> None:
        """It has so many more on a node."""
        self.claim.take(node, workers)
        self.on[node] += workers
        self.count += workers

    @cached_property
    def waiting(self) -> int:
        """Files that wait."""
        return self.function.files_waiting

    def turn(self) -> tuple[int, int, float]:
        """Who comes first: the higher priority, then who has fewest, then whose oldest file is due first."""
        waiting = self.function.waiting
        due = waiting[0].arrived + self.function.max_wait_seconds if waiting else inf
        return -self.function.priority, self.count, due

    def wants_for_files(self) -> int:
        """How many more workers would have something to do, each after its start."""
        added = self.count - self.working
        most = min(self.function.max_workers - self.count, self.waiting - added)
        return min(most, max(self._worth_starting - self.count, self.resting - added, 1 - self.count))

    @cached_property
    def _worth_starting(self) -> int:
        """Up to how many workers each is ready before the others have done the work that waits."""
        service, size = self.function.service, sum(files.bytes for files in self.function.waiting)
        if service.start_seconds <= 0:
            return NO_LIMIT
        return int(service.seconds(self.waiting, size) / service.start_seconds) + 1

    def wants_at_least(self) -> int:
        """How many more minWorkers asks for."""
        return self.function.min_workers - self.count

    def stays_warm(self, now: float) -> int:
        """How many idle workers of its own are kept a while longer."""
        if now - self.idle_since >= self.function.idle_seconds:
            return 0
        return min(self.working + self.resting, self.function.max_workers) - self.count

    def place(self, workers: int) -> int:
        """Put so many where it has idle workers already, or else on the first nodes; how many found room."""
        left = allowed = self.claim.allowed(workers)
        for node, number in self.idle.items():
            warm = self.busy[node] + number - self.on[node]
            left -= self._put_within(node, min(left, warm))
        while left and (first := self.claim.first()) is not None:
            left -= self._put_within(first, left)
        return allowed - left

    def _put_within(self, node: str, workers: int) -> int:
        workers = min(workers, self.claim.room(node))
        if workers > 0:
            self.put(node, workers)
            self.claim.remote.take(workers)
        return max(0, workers)

    def refusal(self) -> ReasonCode:
        """What it lacks for one worker more."""
        if not self.claim.remote.allowed(1):
            return ReasonCode.NO_GPU_ROOM
        return ReasonCode.NO_ROOM if self.claim.allowed(1) else ReasonCode.QUOTA

    def told(self) -> Workers:
        """The result, and why."""
        return Workers(self.function.name, dict(self.on), self._reason())

    def _reason(self) -> Reason:
        function, figures = self.function, {"workers": self.count, "files": self.waiting}
        if function.paused:
            return Reason(ReasonCode.PAUSED, "the function is paused", figures)
        if self.refused is ReasonCode.QUOTA:
            return Reason(ReasonCode.QUOTA, f"the quota of tenant {function.tenant} is used up", figures)
        if self.refused is ReasonCode.NO_GPU_ROOM:
            servers = ", ".join(function.way.servers)
            return Reason(ReasonCode.NO_GPU_ROOM, f"the GPUs of {servers} have no room for more", figures)
        if self.refused:
            return Reason(ReasonCode.NO_ROOM, "the nodes that are on have no room for more", figures)
        if self.waiting and self.count >= function.max_workers:
            return Reason(ReasonCode.LIMIT, f"maxWorkers is {function.max_workers}", figures)
        if self.waiting or self.working:
            return Reason(ReasonCode.FILES_WAIT, f"{self.waiting} files wait", figures)
        if self.count and self.count <= function.min_workers:
            return Reason(ReasonCode.MIN_WORKERS, f"minWorkers is {function.min_workers}", figures)
        if self.count:
            return Reason(ReasonCode.KEPT_WARM, f"kept for {function.idle_seconds:g} s", figures)
        return Reason(ReasonCode.NOTHING_WAITS, "no file waits", figures)


def _give(members: Sequence[_Member], *, wish: Callable[[_Member], int]) -> None:
    """By turns until nobody who wants more finds room: one worker, or an eighth more to who has many."""
    asking = [
        (member.turn(), index)
        for index, member in enumerate(members)
        if not member.function.paused and wish(member) > 0
    ]
    heapify(asking)
    while asking:
        _, index = heappop(asking)
        member = members[index]
        share = min(wish(member), max(1, member.count // 8))
        if member.place(share) < share:
            if member.waiting:
                member.refused = member.refusal()
        elif wish(member) > 0:
            heappush(asking, (member.turn(), index))

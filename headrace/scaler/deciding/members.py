"""A function while workers are given out: what it has, what it wants, and why it got no more. Pure."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from math import inf

from headrace.scaler.deciding.budgets import Wish
from headrace.scaler.deciding.ground import NO_LIMIT, Claim
from headrace.scaler.deciding.parties import Party
from headrace.scaler.plan import Reason, ReasonCode, Workers
from headrace.scaler.snapshot import FunctionView, WorkerView


class Member:
    """What it has by node, and why it got no more. `cost` is what one worker adds to its party's use.

    Of the quota all its workers that are there have spent their part already; only new ones spend more.
    """

    def __init__(
        self, function: FunctionView, workers: Sequence[WorkerView], claim: Claim, *, party: Party, cost: Wish
    ) -> None:
        self.function = function
        self.claim = claim
        self.party = party
        self.cost = cost
        self.busy = Counter(worker.node for worker in workers if worker.busy)
        self.idle = Counter(worker.node for worker in workers if not worker.busy)
        self.idle_since = max((worker.since for worker in workers if not worker.busy), default=0.0)
        self.working, self.resting = self.busy.total(), self.idle.total()
        self.on: Counter[str] = Counter()
        self.count = 0  # of workers given so far
        self.refused: ReasonCode | None = None
        for node, number in self.busy.items():
            self.put(node, number)
        claim.spend(self.working + self.resting)

    def put(self, node: str, workers: int = 1) -> None:
        """It has so many more on a node."""
        self.claim.take(node, workers)
        if self.cost:
            self.party.take(self.cost, workers)
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

    def wants_within_share(self) -> int:
        """How many more files that wait and minWorkers ask for together."""
        return max(self.wants_for_files(), self.wants_at_least())

    def stays_warm(self, now: float) -> int:
        """How many idle workers of its own are kept a while longer."""
        if now - self.idle_since >= self.function.idle_seconds or self.claim.is_waited_for:
            return 0
        return min(self.working + self.resting, self.function.max_workers) - self.count

    def place(self, workers: int) -> int:
        """Put so many where it has idle workers already, or else on the first nodes; how many found room."""
        is_bound = self.claim.budget is not None
        left = allowed = self.claim.allowed(workers, kept=self._warm if is_bound else 0)
        for node, number in self.idle.items():
            warm = self.busy[node] + number - self.on[node]
            left -= self._put_within(node, min(left, warm))
        new = fresh = self.claim.fresh(left) if is_bound else left
        while fresh and (first := self.claim.first()) is not None:
            fresh -= self._put_within(first, fresh)
        self.claim.spend(new - fresh)
        return allowed - left + new - fresh

    @property
    def _warm(self) -> int:
        """Idle workers that are not counted on yet."""
        return sum(max(0, self.busy[node] + number - self.on[node]) for node, number in self.idle.items())

    def _put_within(self, node: str, workers: int) -> int:
        workers = min(workers, self.claim.room(node))
        if workers > 0:
            self.put(node, workers)
            self.claim.remote.take(workers)
        return max(0, workers)

    def refuse(self) -> None:
        """It gets no worker more, though files may wait."""
        if self.waiting:
            self.refused = self._refusal()
            if self.refused is ReasonCode.QUOTA:
                self.claim.wait_for_quota()

    def _refusal(self) -> ReasonCode:
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
            return Reason(ReasonCode.QUOTA, self.claim.exhausted, figures)
        if self.refused is ReasonCode.NO_GPU_ROOM:
            servers = ", ".join(function.way.servers)
            return Reason(ReasonCode.NO_GPU_ROOM, f"the GPUs of {servers} have no room for more", figures)
        if self.refused:
            return Reason(ReasonCode.NO_ROOM, "the nodes that are on have no room for more", figures)
        if self.waiting and self.count >= function.max_workers:
            return Reason(ReasonCode.LIMIT, f"maxWorkers is {function.max_workers}", figures)
        if self.waiting or self.working:
            waits = "1 file waits" if self.waiting == 1 else f"{self.waiting} files wait"
            return Reason(ReasonCode.FILES_WAIT, waits, figures)
        if self.count and self.count <= function.min_workers:
            return Reason(ReasonCode.MIN_WORKERS, f"minWorkers is {function.min_workers}", figures)
        if self.count:
            return Reason(ReasonCode.KEPT_WARM, f"kept for {function.idle_seconds:g} s", figures)
        return Reason(ReasonCode.NOTHING_WAITS, "no file waits", figures)

"""The queue in memory on a clock of its own: exact times, and a model of its rules that it must follow."""

from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headrace.model.task import Task
from headrace.queue.memory import MemoryQueue
from headrace.queue.port import Lease
from tests.fixtures.clock import VirtualClock

LEASE = 30.0
BOUND = 3
NAMES = "abcdef"

T = TypeVar("T")


def task(name: str) -> Task:
    return Task(id=name, function="f", bucket="b", key=name, etag="e", size=1, received=0.0)


async def queue_on(clock: VirtualClock) -> MemoryQueue:
    queue = MemoryQueue(clock.now, clock.sleep)
    await queue.ensure("f", lease_seconds=LEASE, max_leased=BOUND)
    return queue


async def pulled(queue: MemoryQueue, limit: int = 8) -> list[tuple[str, int]]:
    leases = await queue.pull("f", limit, wait_seconds=0.0)
    return [(lease.task.key, lease.deliveries) for lease in leases]


@pytest.mark.parametrize(
    ("delay", "extended_after", "gone_by"),
    [(None, None, LEASE), (None, 20.0, 20.0 + LEASE), (0.0, None, 0.0), (90.0, None, 90.0)],
)
async def test_a_task_is_free_again_at_the_very_moment(
    delay: float | None, extended_after: float | None, gone_by: float
) -> None:
    clock = VirtualClock()
    queue = await queue_on(clock)
    await queue.put(task("a"))
    (lease,) = await queue.pull("f", 1, wait_seconds=0.0)
    start = clock.now()
    if delay is not None:
        await lease.retry(delay)
    if extended_after is not None:
        clock.advance(extended_after)
        await lease.extend()
    if gone_by:
        clock.advance(start + gone_by - clock.now() - 0.001)
        assert await pulled(queue) == []
        clock.advance(0.001)
    assert await pulled(queue) == [("a", 2)]


async def test_tasks_come_back_in_the_order_of_their_times() -> None:
    clock = VirtualClock()
    queue = await queue_on(clock)
    for name in "abcd":
        await queue.put(task(name))
    leases = await queue.pull("f", 4, wait_seconds=0.0)
    assert len(leases) == BOUND
    for lease, delay in zip(leases, (3.0, 2.0, 1.0), strict=True):
        await lease.retry(delay)
    clock.advance(5.0)
    assert await pulled(queue) == [("c", 2), ("b", 2), ("a", 2)], "and d stays: as many are out as may be"


async def test_a_waiting_pull_ends_when_a_lease_runs_out() -> None:
    clock = VirtualClock()
    queue = await queue_on(clock)
    await queue.put(task("a"))
    await queue.pull("f", 1, wait_seconds=0.0)
    start = clock.now()
    (lease,) = await queue.pull("f", 1, wait_seconds=1000.0)
    assert (lease.deliveries, clock.now() - start) == (2, LEASE)


async def test_a_paused_pull_waits_its_time_although_a_task_is_free() -> None:
    clock = VirtualClock()
    queue = await queue_on(clock)
    await queue.put(task("a"))
    (lease,) = await queue.pull("f", 1, wait_seconds=0.0)
    await lease.retry()
    await queue.pause("f")
    start = clock.now()
    assert await queue.pull("f", 1, wait_seconds=7.0) == []
    assert clock.now() - start == 7.0


def finished(call: Coroutine[Any, Any, T]) -> T:
    """The result of a call that need not wait, without an event loop."""
    try:
        call.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class Rules(RuleBasedStateMachine):
    """Random steps; the model keeps for each task its deliveries and when it is free, None when new."""

    @initialize()
    def start(self) -> None:
        self.clock = VirtualClock()
        self.queue = finished(queue_on(self.clock))
        self.model: dict[str, tuple[int, float | None]] = {}
        self.leases: dict[str, Lease] = {}  # the latest of each task that is in the queue

    @rule(names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=6))
    def put(self, names: list[str]) -> None:
        for name in names:
            assert finished(self.queue.put(task(name))) is (name not in self.model)
            self.model.setdefault(name, (0, None))

    @rule(limit=st.integers(1, 5))
    def pull(self, limit: int) -> None:
        leases = finished(self.queue.pull("f", limit, wait_seconds=0.0))
        due, new = self.expected(limit)
        back = [self.model[lease.task.key][1] for lease in leases[: len(due)]]
        assert (back, [lease.task.key for lease in leases[len(due) :]]) == (due, new)
        for lease in leases:
            assert lease.deliveries == self.model[lease.task.key][0] + 1
        for lease in leases:
            self.leases[lease.task.key] = lease
            self.model[lease.task.key] = (lease.deliveries, self.clock.now() + LEASE)

    def expected(self, limit: int) -> tuple[list[float], list[str]]:
        """When those were due that come back, which go first, and the names of the new ones after them."""
        due = sorted(free for _, free in self.model.values() if free is not None and free <= self.clock.now())
        out = sum(free is not None for _, free in self.model.values())
        new = [name for name, (_, free) in self.model.items() if free is None][: max(0, BOUND - out)]
        return due[:limit], new[: max(0, limit - len(due))]

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), delay=st.sampled_from([None, 0.0, 5.0, 50.0]))
    def extend_or_retry(self, data: st.DataObject, delay: float | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.leases)))
        finished(self.leases[name].extend() if delay is None else self.leases[name].retry(delay))
        deliveries, free = self.model[name]
        if free is not None and free > self.clock.now():
            self.model[name] = (deliveries, self.clock.now() + (LEASE if delay is None else delay))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.leases)))
        finished(self.leases.pop(name).done())
        del self.model[name]

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        assert finished(self.queue.remove("f", name)) is (name in self.model)
        self.model.pop(name, None)
        self.leases.pop(name, None)

    @rule(seconds=st.sampled_from([1.0, 10.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def counts_agree(self) -> None:
        backlog = finished(self.queue.backlog("f"))
        leased = sum(free is not None for _, free in self.model.values())
        assert (backlog.tasks, backlog.leased) == (len(self.model), leased)
        assert [each.key for each in finished(self.queue.tasks("f", 99))] == list(self.model)


TestRules = Rules.TestCase
TestRules.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

"""The pool of worker processes, with processes that only pretend."""

from dataclasses import dataclass, field

import pytest

from headrace.local.workers import WorkerPool
from headrace.model.resources import CPU, ResourceList
from headrace.scaler.backoff import FIRST_SECONDS, MOST_SECONDS, STEADY_SECONDS, Backoff
from headrace.scaler.ports import Wanted
from tests.fixtures.clock import VirtualClock


@dataclass
class PretendedChild:
    function: str
    pid: int
    exit_status: int | None = None
    told: list[str] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return self.exit_status is None

    def terminate(self) -> None:
        self.told.append("terminate")

    def kill(self) -> None:
        self.told.append("kill")

    def log_tail(self) -> str:
        return "the end"


class Machine:
    def __init__(self, cores: int = 4) -> None:
        self.started: list[PretendedChild] = []
        self.clock = VirtualClock()
        self.pool = WorkerPool(self._launch, ResourceList.of({CPU: 1000 * cores}), self.clock.now)

    def _launch(self, function: str) -> PretendedChild:
        child = PretendedChild(function, pid=100 + len(self.started))
        self.started.append(child)
        return child

    async def want(self, millicores: int = 1000, **numbers: int) -> None:
        request = ResourceList.of({CPU: millicores})
        await self.pool.reconcile(
            {name: Wanted({"local": number}, request) for name, number in numbers.items()}
        )


async def test_it_starts_what_is_wanted_and_no_more() -> None:
    machine = Machine()
    for _ in range(3):
        await machine.want(a=2, b=1)
    assert [child.function for child in machine.started] == ["a", "a", "b"]
    assert machine.pool.running == {"a": 2, "b": 1}
    assert machine.pool.pids == {"worker-a-100": 100, "worker-a-101": 101, "worker-b-102": 102}


async def test_what_is_wanted_on_another_node_is_not_started_here() -> None:
    machine = Machine()
    await machine.pool.reconcile({"a": Wanted({"elsewhere": 2}, ResourceList.of({CPU: 1000}))})
    assert machine.started == []


async def test_the_youngest_leave_first_and_are_told_once() -> None:
    machine = Machine()
    for number in (3, 1, 1):
        await machine.want(a=number)
    assert [child.told for child in machine.started] == [[], ["terminate"], ["terminate"]]
    assert [(each.name, each.leaving) for each in await machine.pool.present()] == [
        ("worker-a-100", False), ("worker-a-101", True), ("worker-a-102", True),
    ]  # fmt: skip


async def test_a_leaving_worker_still_has_its_core() -> None:
    machine = Machine(cores=1)
    await machine.want(a=1)
    await machine.want(a=0, b=1)
    assert len(machine.started) == 1
    machine.started[0].exit_status = 0
    assert await machine.pool.present() == []
    await machine.want(a=0, b=1)
    assert [child.function for child in machine.started] == ["a", "b"]


async def test_requests_count_exactly() -> None:
    machine = Machine(cores=1)
    await machine.want(500, a=3)
    assert machine.pool.running == {"a": 2}
    await machine.want(2000, a=2, b=1)
    assert machine.pool.running == {"a": 2}


async def test_workers_of_a_function_that_is_gone_are_told_to_end() -> None:
    machine = Machine()
    await machine.want(a=1)
    await machine.want()
    assert machine.started[0].told == ["terminate"]


async def test_a_crashed_worker_leaves_nothing_behind_and_delays_only_its_own_function() -> None:
    machine = Machine()
    await machine.want(a=1)
    machine.started[0].exit_status = -9
    machine.clock.advance(1.0)
    assert await machine.pool.present() == []
    assert machine.started[0].told == ["kill"]
    await machine.want(a=1, b=1)
    assert [child.function for child in machine.started] == ["a", "b"]
    machine.clock.advance(FIRST_SECONDS)
    await machine.want(a=1, b=1)
    assert [child.function for child in machine.started] == ["a", "b", "a"]


async def test_a_worker_that_ends_by_itself_is_replaced_at_once() -> None:
    machine = Machine()
    await machine.want(a=1)
    machine.started[0].exit_status = 0
    machine.pool.reap()
    await machine.want(a=1)
    assert len(machine.started) == 2


async def test_kill_ends_all() -> None:
    machine = Machine()
    await machine.want(a=2)
    machine.pool.kill()
    assert [child.told for child in machine.started] == [["kill"], ["kill"]]
    assert machine.pool.running == {}


@pytest.mark.parametrize(
    ("failures", "ran_seconds", "expected"),
    [
        (0, 0.0, Backoff(1, 100.0 + FIRST_SECONDS)),
        (3, 0.0, Backoff(4, 100.0 + 8 * FIRST_SECONDS)),
        (99, 0.0, Backoff(100, 100.0 + MOST_SECONDS)),
        (99, STEADY_SECONDS, Backoff(1, 100.0 + FIRST_SECONDS)),
    ],
)
def test_the_pause_doubles_up_to_a_bound_and_a_steady_run_clears_it(
    failures: int, ran_seconds: float, expected: Backoff
) -> None:
    assert Backoff(failures).after_death(started=100.0 - ran_seconds, now=100.0) == expected

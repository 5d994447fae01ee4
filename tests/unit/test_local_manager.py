"""The loop that keeps workers in step with the queue, on a queue in memory and with pretended processes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from headrace.local.machine import this_machine
from headrace.local.manager import LOOK_SECONDS, FunctionFolder, Manager
from headrace.local.workers import WorkerPool
from headrace.model.errors import TransientError
from headrace.model.function import Function
from headrace.model.task import Task
from headrace.nodes.local import LocalNode
from headrace.queue.memory import MemoryQueue
from headrace.queue.port import Backlog, Lease
from headrace.scaler.explaining import misfit
from headrace.scaler.memory import Remembered
from headrace.scaler.plan import ReasonCode
from headrace.scaler.service import Decision, Scaler, World
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.turns import TURN_SECONDS
from tests.fixtures.clock import VirtualClock

FUNCTION = """\
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata: {{name: {name}}}
spec:
  run: {run}
  input: [{{bucket: uploads}}]
  scale: {{idleSeconds: 10, maxWaitSeconds: 20}}
"""


@dataclass
class PretendedChild:
    pid: int
    exit_status: int | None = None

    @property
    def alive(self) -> bool:
        return self.exit_status is None

    def terminate(self) -> None:
        self.exit_status = 0

    def kill(self) -> None:
        if self.exit_status is None:
            self.exit_status = -9

    def log_tail(self) -> str:
        return ""


class AwayQueue(MemoryQueue):
    """A queue whose server can be away."""

    away = False

    async def backlog(self, function: str) -> Backlog:
        if self.away:
            raise TransientError("the queue is away")
        return await super().backlog(function)


class NoWishes:
    def enabled(self) -> Mapping[str, bool]:
        return {}


class NoKeeper:
    def read(self) -> Remembered:
        return Remembered()

    def keep(self, remembered: Remembered) -> None:
        pass


@dataclass
class Machine:
    """Two cores for workers, and a folder of functions."""

    folder: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    children: list[PretendedChild] = field(default_factory=list)
    prepared: list[tuple[str, ...]] = field(default_factory=list)
    failures: list[TransientError] = field(default_factory=list)
    told: list[Decision] = field(default_factory=list)
    most_idle_seconds: float | None = None
    held: dict[str, list[Lease]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queue = AwayQueue(now=self.clock.now)
        pool = this_machine(2)
        self.pool = WorkerPool(self._launch, pool.allocatable, self.clock.now)
        world = World(
            self.queue, self.pool, {pool.name: LocalNode(pool.allocatable)}, NoWishes(), NoKeeper(),
            self.clock.now,
        )  # fmt: skip
        settings = ScalerSettings(period_seconds=LOOK_SECONDS)
        folder = FunctionFolder(self.folder, most_idle_seconds=self.most_idle_seconds)
        scaler = Scaler(world, (pool,), settings=settings, tell=self.told.append)
        self.manager = Manager(scaler, folder, prepare=self._prepare)

    def _launch(self, function: str) -> PretendedChild:
        self.children.append(PretendedChild(100 + len(self.children)))
        return self.children[-1]

    async def _prepare(self, functions: tuple[Function, ...]) -> None:
        for failure in self.failures:
            self.failures.remove(failure)
            raise failure
        self.prepared.append(tuple(function.name for function in functions))

    def write(self, name: str, run: str = "{script: run.sh}", more: str = "") -> None:
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "run.sh").write_text("true\n")
        (self.folder / name / "function.yaml").write_text(FUNCTION.format(name=name, run=run) + more)

    async def put(self, count: int, function: str = "a") -> None:
        await self.queue.ensure(function, lease_seconds=30.0, max_leased=100)
        for _ in range(count):
            await self.queue.put(
                Task(id=os.urandom(16).hex(), function=function, bucket="uploads", key="k", etag="e",
                     size=1, received=self.clock.now())
            )  # fmt: skip

    async def work_all(self, function: str = "a") -> None:
        for lease in await self.queue.pull(function, 1000, wait_seconds=0):
            await lease.done()

    async def work(self, function: str) -> None:
        """What a worker does meanwhile: end one file, and hold a few more."""
        for _ in range(3 - (await self.queue.backlog(function)).leased):
            self.held.setdefault(function, []).extend(await self.queue.pull(function, 1, wait_seconds=0))
        if self.held.get(function):
            await self.held[function].pop(0).done()

    async def look(self) -> dict[str, int]:
        """Worker processes by function after one look; the clock goes on."""
        await self.manager.look()
        self.clock.advance(LOOK_SECONDS)
        return self.pool.running

    def codes(self) -> dict[str, ReasonCode]:
        return {each.function: each.reason.code for each in self.told[-1].plan.workers}


@pytest.fixture
def world(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    found.write("a")
    return found


async def test_workers_start_when_files_wait_and_end_when_idle_for_long(world: Machine) -> None:
    assert await world.look() == {}
    await world.put(3)
    assert await world.look() == {"a": 2}
    await world.work_all()
    assert await world.look() == {"a": 2}
    assert world.codes() == {"a": ReasonCode.KEPT_WARM}
    world.clock.advance(9.0)
    assert await world.look() == {"a": 2}
    world.clock.advance(1.0)
    await world.look()
    assert await world.look() == {}
    assert world.codes() == {"a": ReasonCode.NOTHING_WAITS}
    assert [child.exit_status for child in world.children] == [0, 0]


async def test_the_demo_keeps_no_worker_for_long(tmp_path: Path) -> None:
    world = Machine(tmp_path, most_idle_seconds=2.0)
    world.write("a")
    await world.put(1)
    await world.look()
    await world.work_all()
    assert await world.look() == {"a": 1}
    world.clock.advance(2.0)
    await world.look()
    assert await world.look() == {}


async def test_workers_stay_while_any_file_is_in_hand(world: Machine) -> None:
    await world.put(3)
    await world.look()
    first, *others = await world.queue.pull("a", 3, wait_seconds=0)
    for lease in others:
        await lease.done()
    for _ in range(3):
        world.clock.advance(9.0)
        await first.extend()
        assert await world.look() == {"a": 2}


async def test_a_task_in_hand_without_any_worker_gets_one(world: Machine) -> None:
    await world.put(1)
    await world.queue.pull("a", 1, wait_seconds=0)
    for _ in range(3):
        assert await world.look() == {"a": 1}


async def test_a_function_whose_stream_is_not_there_yet_has_no_workers(world: Machine) -> None:
    assert await world.look() == {}
    assert world.told[-1].snapshot.functions[0].waiting == ()


async def test_a_paused_function_gets_no_workers(world: Machine) -> None:
    await world.put(1)
    await world.queue.pause("a")
    assert await world.look() == {}
    assert world.codes() == {"a": ReasonCode.PAUSED}


async def test_a_function_that_needs_a_container_gets_no_workers(world: Machine) -> None:
    world.write("a", run="{http: {port: 8080}}")
    await world.put(1)
    assert await world.look() == {}
    assert world.codes() == {"a": ReasonCode.PAUSED}


@pytest.mark.parametrize(
    ("more", "running"),
    [
        ("  resources: {cpu: 500m}\n", {"a": 4}),
        ("  resources: {cpu: '2'}\n", {"a": 1}),
        ("  resources: {cpu: 2001m}\n", {}),
        ("  resources: {memory: 1Ei}\n", {}),
        ("  gpu: {}\n", {}),
    ],
)
async def test_requests_count_exactly_against_the_machine(
    world: Machine, more: str, running: dict[str, int]
) -> None:
    world.write("a", more=more)
    await world.put(9)
    assert await world.look() == running
    snapshot, plan = world.told[-1].snapshot, world.told[-1].plan
    unmet = {each.reason.code for each in plan.unmet}
    assert (ReasonCode.NO_POOL_FITS in unmet) is (not running)
    assert (misfit(snapshot.functions[0], snapshot.pools) is not None) is (not running)


async def test_a_function_that_comes_is_prepared_before_it_is_worked(world: Machine) -> None:
    await world.look()
    world.write("b")
    await world.put(1, function="b")
    assert await world.look() == {"b": 1}
    await world.look()
    assert world.prepared == [("a",), ("a", "b")]


async def test_a_function_that_goes_loses_its_workers(world: Machine) -> None:
    await world.put(1)
    await world.look()
    (world.folder / "a" / "function.yaml").unlink()
    assert await world.look() == {"a": 1}  # told to end; it is reaped at the next look
    assert await world.look() == {}


async def test_a_changed_function_is_read_again(world: Machine) -> None:
    await world.put(2)
    await world.look()
    path = world.folder / "a" / "function.yaml"
    path.write_text(path.read_text().replace("idleSeconds: 10", "maxWorkers: 1"))
    os.utime(path, (1, 1))
    await world.look()
    assert await world.look() == {"a": 1}


async def test_while_the_queue_is_away_workers_stay_as_they_are(world: Machine) -> None:
    await world.put(2)
    await world.look()
    world.queue.away = True
    assert await world.look() == {"a": 2}
    assert len(world.told) == 1
    assert [child.alive for child in world.children] == [True, True]
    world.queue.away = False
    assert await world.look() == {"a": 2}
    assert len(world.told) == 2


async def test_a_failed_preparation_is_repeated_before_any_work(world: Machine) -> None:
    world.failures.append(TransientError("the store is away"))
    await world.put(1)
    with pytest.raises(TransientError):
        await world.look()
    assert world.children == []
    assert await world.look() == {"a": 1}
    assert world.prepared == [("a",)]


async def test_where_another_has_every_core_a_new_function_gets_one_at_once(world: Machine) -> None:
    world.write("b")
    await world.put(99)
    assert await world.look() == {"a": 2}
    await world.queue.pull("a", 9, wait_seconds=0)
    await world.look()
    await world.put(1, function="b")
    await world.look()
    assert await world.look() == {"a": 1, "b": 1}
    await world.queue.pull("b", 1, wait_seconds=0)
    for _ in range(50):
        assert await world.look() == {"a": 1, "b": 1}


async def test_where_cores_are_too_few_functions_take_turns_by_deadline(world: Machine) -> None:
    """Three functions of which more files come than two cores work: none falls far behind the others."""
    for name in "bc":
        world.write(name)
    for name in "abc":
        await world.put(1, function=name)
    shares: list[frozenset[str]] = []
    for _ in range(500):
        for name in await world.look():
            await world.work(name)
        for name in "abc":
            await world.put(1, function=name)
        shares.append(frozenset(world.pool.running))
    oldest = [(await world.queue.backlog(name)).oldest_received or 0.0 for name in "abc"]
    assert max(oldest) - min(oldest) < 20.0, "less than one maxWaitSeconds apart"
    changes = sum(one != two for one, two in pairwise(shares))
    assert 3 < changes < 500 * LOOK_SECONDS / TURN_SECONDS * 4, "each change costs a start"

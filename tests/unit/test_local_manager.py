"""The loop that keeps workers in step with the queue, on a queue in memory and with pretended processes."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headrace.local.manager import FunctionFolder, Look, Manager
from headrace.local.scale import Reason
from headrace.local.workers import WorkerPool
from headrace.model.errors import TransientError
from headrace.model.function import Function
from headrace.model.task import Task
from headrace.queue.memory import MemoryQueue
from headrace.queue.port import Backlog
from tests.fixtures.clock import VirtualClock

FUNCTION = """\
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata: {{name: {name}}}
spec:
  run: {run}
  input: [{{bucket: uploads}}]
  scale: {{idleSeconds: 10}}
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


@dataclass
class World:
    folder: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    children: list[PretendedChild] = field(default_factory=list)
    prepared: list[tuple[str, ...]] = field(default_factory=list)
    told: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = AwayQueue(now=self.clock.now)
        self.manager = Manager(
            self.queue, FunctionFolder(self.folder), WorkerPool(self._launch, cores=2),
            prepare=self._prepare, tell=self.told.append, now=self.clock.now,
        )  # fmt: skip

    def _launch(self, function: str) -> PretendedChild:
        self.children.append(PretendedChild(100 + len(self.children)))
        return self.children[-1]

    async def _prepare(self, functions: tuple[Function, ...]) -> None:
        self.prepared.append(tuple(function.name for function in functions))

    def write(self, name: str, run: str = "{script: run.sh}") -> None:
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "run.sh").write_text("true\n")
        (self.folder / name / "function.yaml").write_text(FUNCTION.format(name=name, run=run))

    async def put(self, count: int, function: str = "a") -> None:
        await self.queue.ensure(function, lease_seconds=30.0, max_leased=100)
        for number in range(count):
            await self.queue.put(
                Task(id=f"{number:032x}", function=function, bucket="uploads", key=str(number), etag="e",
                     size=1, received=self.clock.now())
            )  # fmt: skip

    async def look(self) -> dict[str, int]:
        return (await self.manager.look()).running


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path)
    found.write("a")
    return found


async def test_workers_start_when_files_wait_and_end_when_idle_for_long(world: World) -> None:
    assert await world.look() == {}
    await world.put(3)
    assert await world.look() == {"a": 2}
    for lease in await world.queue.pull("a", 3, wait_seconds=0):
        await lease.done()
    assert await world.look() == {"a": 2}
    world.clock.advance(9.0)
    assert await world.look() == {"a": 2}
    world.clock.advance(1.0)
    await world.look()
    assert await world.look() == {}
    assert [child.exit_status for child in world.children] == [0, 0]


async def test_a_function_whose_stream_is_not_there_yet_has_no_workers(world: World) -> None:
    assert await world.look() == {}
    assert world.told[-1].demands[0].waiting == 0


async def test_a_paused_function_gets_no_workers(world: World) -> None:
    await world.put(1)
    await world.queue.pause("a")
    assert await world.look() == {}
    assert world.told[-1].wanted[0].reason is Reason.PAUSED


async def test_a_function_that_needs_a_container_gets_no_workers(world: World) -> None:
    world.write("a", run="{http: {port: 8080}}")
    await world.put(1)
    assert await world.look() == {}


async def test_a_function_that_comes_is_prepared_before_it_is_worked(world: World) -> None:
    await world.look()
    world.write("b")
    await world.put(1, function="b")
    assert await world.look() == {"b": 1}
    await world.look()
    assert world.prepared == [("a",), ("a", "b")]


async def test_a_function_that_goes_loses_its_workers(world: World) -> None:
    await world.put(1)
    await world.look()
    (world.folder / "a" / "function.yaml").unlink()
    assert await world.look() == {"a": 1}  # told to end; it is reaped at the next look
    assert await world.look() == {}


async def test_a_changed_function_is_read_again(world: World) -> None:
    await world.put(2)
    await world.look()
    path = world.folder / "a" / "function.yaml"
    path.write_text(path.read_text().replace("{idleSeconds: 10}", "{maxWorkers: 1}"))
    os.utime(path, (1, 1))
    await world.look()
    assert await world.look() == {"a": 1}


async def test_while_the_queue_is_away_workers_stay_as_they_are(world: World) -> None:
    await world.put(2)
    await world.look()
    world.queue.away = True
    with pytest.raises(TransientError):
        await world.look()
    assert [child.alive for child in world.children] == [True, True]
    world.queue.away = False
    assert await world.look() == {"a": 2}


async def test_a_failed_preparation_is_repeated_before_any_work(world: World) -> None:
    failures = iter([TransientError("the store is away")])

    async def prepare(functions: tuple[Function, ...]) -> None:
        for failure in failures:
            raise failure
        world.prepared.append(tuple(function.name for function in functions))

    world.manager._prepare = prepare
    await world.put(1)
    with pytest.raises(TransientError):
        await world.look()
    assert world.children == []
    assert await world.look() == {"a": 1}
    assert world.prepared == [("a",)]

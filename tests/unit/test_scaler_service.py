"""The scaler's rounds on a queue and nodes in memory: what it does, learns, keeps, and outlives."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.function import Function
from headrace.model.node import NodeState
from headrace.model.observation import Finished
from headrace.model.pool import NodePool
from headrace.model.resources import ResourceList
from headrace.model.task import Task
from headrace.nodes.memory import Course, MemoryNodes
from headrace.nodes.port import Sighting
from headrace.placement.suiting import request_of
from headrace.placement.ways import NEEDS_NONE, Choice, Way
from headrace.queue.memory import MemoryQueue
from headrace.queue.port import Backlog
from headrace.scaler import fleet
from headrace.scaler.lifecycle import NodeMemory
from headrace.scaler.memory import Remembered
from headrace.scaler.plan import ReasonCode
from headrace.scaler.ports import Present, RemoteGpus, Wanted
from headrace.scaler.service import KEEP_SECONDS, Decision, Scaler, World
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import ServiceEstimate
from tests.fixtures.clock import VirtualClock

BOOT_SECONDS, PERIOD_SECONDS = 60.0, 10.0
NODES = ("cloud-0", "cloud-1")


def a_function(name: str = "a", **scale: object) -> Function:
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name},
        "spec": {
            "run": {"script": "run.sh"},
            "input": [{"bucket": "uploads"}],
            "scale": {"maxWaitSeconds": 0, "idleSeconds": 10, **scale},
        },
    }
    return Function.from_json(json.dumps(document))


POOL = NodePool.from_json(
    json.dumps(
        {
            "apiVersion": "headrace.dev/v1alpha1",
            "kind": "NodePool",
            "metadata": {"name": "cloud"},
            "spec": {
                "driver": "memory",
                "capacity": {"cpu": "2", "memory": "8Gi"},
                "bootSeconds": BOOT_SECONDS,
                "maxNodes": 2,
            },
        }
    )
)


class Pods:
    """Workers that are there as soon as they are wanted, and gone as soon as they are not."""

    def __init__(self, now: VirtualClock) -> None:
        self._clock = now
        self.there: list[Present] = []

    def gpu(self, function: Function) -> Choice:
        return NEEDS_NONE

    def request(self, function: Function, way: Way) -> ResourceList:
        return request_of(function, way)

    def leaving_seconds(self, function: Function) -> float:
        return 600.0

    def remote(self) -> RemoteGpus:
        return RemoteGpus()

    def takes(self, function: Function) -> bool:
        return True

    async def present(self) -> Sequence[Present]:
        return list(self.there)

    async def reconcile(self, wanted: Mapping[str, Wanted]) -> None:
        places = {(name, node): count for name, each in wanted.items() for node, count in each.on.items()}
        for (function, node), count in places.items():
            for number in range(count):
                if f"{function}-{node}-{number}" not in {each.name for each in self.there}:
                    self.there.append(
                        Present(f"{function}-{node}-{number}", function, node, self._clock.now())
                    )
        self.there = [
            each
            for each in self.there
            if int(each.name.rpartition("-")[2]) < places.get((each.function, each.node), 0)
        ]


@dataclass
class Memory:
    """A keeper and wishes in memory."""

    remembered: Remembered = field(default_factory=Remembered)
    kept: int = 0
    wishes: dict[str, bool] = field(default_factory=dict)
    fault: OSError | None = None

    def read(self) -> Remembered:
        if self.fault:
            raise self.fault
        return self.remembered

    def keep(self, remembered: Remembered) -> None:
        if self.fault:
            raise self.fault
        self.remembered, self.kept = remembered, self.kept + 1

    def enabled(self) -> Mapping[str, bool]:
        return self.wishes


class FaultyQueue(MemoryQueue):
    """A queue that can be away, or broken in a way that nobody foresaw; also for one function alone."""

    fault: Exception | None = None
    of: str = ""  # the only function whose backlog can't be read; empty: none can

    async def backlog(self, function: str) -> Backlog:
        if self.fault and self.of in ("", function):
            raise self.fault
        return await super().backlog(function)


class Place:
    """A scaler with all that it sees."""

    def __init__(self, memory: Memory | None = None, *boots: float) -> None:
        """`boots`: seconds of each node's boot, in order; without them the pool's."""
        self.clock = VirtualClock()
        self.queue = FaultyQueue(now=self.clock.now)
        self.pods = Pods(self.clock)
        self.memory = memory or Memory()
        courses = dict(zip(NODES, map(Course, boots or (BOOT_SECONDS, BOOT_SECONDS)), strict=True))
        self.driver = MemoryNodes(NODES, POOL.allocatable, now=self.clock.now, plan=courses.__getitem__)
        self.told: list[Decision] = []
        self.scaler = self._start()

    def _start(self) -> Scaler:
        world = World(self.queue, self.pods, {"cloud": self.driver}, self.memory, self.memory, self.clock.now)
        settings = ScalerSettings(period_seconds=PERIOD_SECONDS)
        return Scaler(world, (POOL,), settings=settings, tell=self.told.append)

    def restart(self) -> None:
        """The scaler ends and is started again; nodes and workers go on."""
        self.scaler.close()
        self.memory.remembered = Remembered.from_json(self.memory.remembered.to_json())
        self.scaler = self._start()

    async def put(self, count: int, function: str = "a", *, first: int = 0) -> None:
        await self.queue.ensure(function, lease_seconds=1e6, max_leased=100)
        for number in range(first, first + count):
            task = Task(
                id=f"{number:032x}", function=function, bucket="uploads", key=str(number), etag="e",
                size=100, received=self.clock.now(),
            )  # fmt: skip
            await self.queue.put(task)

    async def step(self, *functions: Function) -> Decision | None:
        found = await self.scaler.step(functions or (a_function(),))
        self.clock.advance(PERIOD_SECONDS)
        return found

    def states(self) -> dict[str, NodeState]:
        return {node.name: node.state for node in self.told[-1].snapshot.nodes}


@pytest.fixture
def place() -> Place:
    return Place()


async def test_from_zero_to_nodes_and_workers_and_back_to_zero(place: Place) -> None:
    await place.step()
    assert place.states() == {"cloud-0": NodeState.OFF, "cloud-1": NodeState.OFF}
    await place.put(4)
    for _ in range(8):
        await place.step()
    assert place.states() == {"cloud-0": NodeState.IDLE, "cloud-1": NodeState.IDLE}
    assert [(each.node, each.function) for each in place.pods.there] == [
        ("cloud-0", "a"), ("cloud-0", "a"), ("cloud-1", "a"), ("cloud-1", "a"),
    ]  # fmt: skip
    leases = await place.queue.pull("a", 4, wait_seconds=0)
    await place.step()
    assert place.states() == {"cloud-0": NodeState.BUSY, "cloud-1": NodeState.BUSY}
    for lease in leases:
        await lease.done()
    for _ in range(60):
        await place.step()
    assert place.states() == {"cloud-0": NodeState.OFF, "cloud-1": NodeState.OFF}
    assert place.pods.there == []


async def _until_stop(place: Place) -> int:
    """Steps until the first stop of a node, which a file worked and gone leaves behind."""
    function = a_function(minWorkers=1)
    await place.put(1)
    for number in range(100):
        if number == 8:
            (lease,) = await place.queue.pull("a", 1, wait_seconds=0)
            await lease.done()
        found = await place.step(function)
        if found is not None and found.plan.stop:
            return number
    pytest.fail("no node was stopped")


@pytest.mark.parametrize("comes", [False, True])
async def test_a_node_whose_worker_has_got_a_file_since_the_look_is_not_stopped(comes: bool) -> None:
    stopped_at = await _until_stop(Place())
    place = Place()
    reconcile = place.pods.reconcile

    async def with_a_file_between(wanted: Mapping[str, Wanted]) -> None:
        await reconcile(wanted)
        if comes and len(place.told) == stopped_at:  # this step is told only once it was carried out
            await place.put(1, first=9)
            await place.queue.pull("a", 1, wait_seconds=0)

    place.pods.reconcile = with_a_file_between  # type: ignore[method-assign]  # the world moves between look and act
    assert await _until_stop(place) == stopped_at
    await place.step(a_function(minWorkers=1))
    assert place.states()["cloud-0"] is (NodeState.BUSY if comes else NodeState.OFF)


async def test_what_boots_take_and_whether_they_fail_is_learned(place: Place) -> None:
    await place.put(1)
    for _ in range(9):
        await place.step()
    boots = place.told[-1].snapshot.pools[0].boot
    assert (boots.usual_seconds, boots.failing) == (BOOT_SECONDS, False)
    place.scaler.close()
    assert place.memory.remembered.pools["cloud"].boots.outcomes == (True,)


async def test_a_quick_boot_is_no_reason_to_give_up_one_that_takes_as_long_as_its_pool_says() -> None:
    place = Place(None, 5.0, BOOT_SECONDS)
    await place.put(4)
    for _ in range(8):
        await place.step()
    assert place.states() == {"cloud-0": NodeState.IDLE, "cloud-1": NodeState.IDLE}
    place.scaler.close()
    assert place.memory.remembered.pools["cloud"].boots.outcomes == (True, True)


async def test_what_workers_tell_is_learned_and_kept_over_a_restart(place: Place) -> None:
    await place.put(1)
    await place.step()
    for _ in range(200):
        await place.queue.tell(
            Finished(function="a", worker="w", files=2, bytes=200, seconds=6.0, load_seconds=4.0)
        )
    await place.step()
    learned = place.told[-1].snapshot.functions[0].service
    assert (learned.start_seconds, round(learned.seconds(1, 100), 1)) == (4.0, 3.0)
    place.restart()
    await place.step()
    assert place.told[-1].snapshot.functions[0].service == learned


async def test_files_worked_meanwhile_are_counted_as_arrivals(place: Place) -> None:
    await place.put(5)
    await place.step()
    await place.put(2, first=5)
    for lease in await place.queue.pull("a", 5, wait_seconds=0):
        await lease.done()
    await place.queue.tell(Finished(function="a", worker="w", files=5, bytes=500, seconds=1.0))
    await place.step()
    await place.step()
    recent = place.scaler._functions["a"].arrivals.groups
    assert sum(files.count for files in recent) == 7


async def test_what_is_remembered_is_written_seldom_when_it_changed_and_at_the_end(place: Place) -> None:
    await place.put(1)
    await place.scaler.step((a_function(),))
    assert place.memory.kept == 0
    place.clock.advance(KEEP_SECONDS)
    await place.scaler.step((a_function(),))
    assert place.memory.kept == 1
    place.clock.advance(KEEP_SECONDS)
    await place.scaler.step((a_function(),))
    assert place.memory.kept == 1, "nothing was learned"
    await place.queue.tell(Finished(function="a", worker="w", files=1, bytes=1, seconds=9.0))
    await place.scaler.step((a_function(),))
    place.scaler.close()
    assert place.memory.kept == 2
    assert place.memory.remembered.functions["a"].service.estimate != ServiceEstimate()


async def test_a_disabled_node_takes_no_new_work_and_stays_so_after_a_restart(place: Place) -> None:
    await place.put(9)
    for _ in range(9):
        await place.step()
    place.memory.wishes["cloud-0"] = False
    await place.queue.pull("a", 4, wait_seconds=0)
    await place.step()
    assert {each.node for each in place.pods.there} == {"cloud-1"}
    place.memory.wishes.clear()
    place.restart()
    await place.step()
    assert {each.node for each in place.pods.there} == {"cloud-1"}
    place.memory.wishes["cloud-0"] = True
    await place.step()
    assert {each.node for each in place.pods.there} == {"cloud-0", "cloud-1"}


@pytest.mark.parametrize("fault", [TransientError("the queue is away"), RuntimeError("nobody foresaw it")])
async def test_while_anything_fails_all_stays_as_it_is(place: Place, fault: Exception) -> None:
    await place.put(4)
    for _ in range(9):
        await place.step()
    there, nodes = list(place.pods.there), place.scaler._fleet.memory
    place.queue.fault = fault
    assert await place.step() is None
    assert (place.pods.there, place.scaler._fleet.memory) == (there, nodes)
    place.queue.fault = None
    assert await place.step() is not None


REFUSED = ConfigurationError("the queue refuses user lab")


@pytest.mark.parametrize("by_queue", [True, False])
async def test_a_function_that_can_not_be_looked_at_is_left_as_it_is_and_others_go_on(
    place: Place, by_queue: bool
) -> None:
    functions = (a_function("a"), a_function("b"))
    await place.put(2, "a")
    for _ in range(9):
        await place.step(*functions)
    for lease in await place.queue.pull("a", 2, wait_seconds=0):
        await lease.done()  # its workers are idle now, and their node would go
    place.queue.of = "a"
    left = None if by_queue else {"a": str(REFUSED)}
    place.queue.fault = REFUSED if by_queue else None
    before = [each for each in place.pods.there if each.function == "a"]
    assert before
    await place.put(2, "b")
    for _ in range(60):
        decision = await place.scaler.step(functions, left=left)
        place.clock.advance(PERIOD_SECONDS)
        assert decision is not None
        assert [each for each in place.pods.there if each.function == "a"] == before
    assert [each.node for each in place.pods.there if each.function == "b"] == ["cloud-1"] * 2
    assert place.states() == {"cloud-0": NodeState.BUSY, "cloud-1": NodeState.IDLE}
    told = {each.function: each.reason for each in place.told[-1].plan.workers}
    assert (told["a"].code, told["a"].text) == (ReasonCode.LEFT_ALONE, f"left as it is: {REFUSED}")


async def test_what_came_while_a_function_could_not_be_looked_at_is_known_after(place: Place) -> None:
    functions = (a_function("a"), a_function("b"))
    await place.step(*functions)
    place.queue.of, place.queue.fault = "a", REFUSED
    await place.put(3, "a")
    await place.step(*functions)
    place.queue.fault = None
    decision = await place.step(*functions)
    assert decision is not None
    (first, _) = decision.snapshot.functions
    assert (first.left_alone, first.files_waiting, sum(each.count for each in first.recent)) == ("", 3, 3)


async def test_which_functions_are_left_is_told_once_when_it_begins_and_ends(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    functions = (a_function("a"), a_function("b"))
    await place.put(1, "a")
    await place.put(1, "b")
    place.queue.of, place.queue.fault = "a", REFUSED
    with caplog.at_level("INFO", logger="headrace.scaler.service"):
        for _ in range(3):
            await place.step(*functions)
        place.queue.fault = None
        await place.step(*functions)
    assert [each.message for each in caplog.records] == [
        f"a: left as it is: {REFUSED}",
        "a: decided on again",
    ]


async def test_no_worker_gives_way_of_a_function_that_is_left_as_it_is(place: Place) -> None:
    """Its two workers fill a node; another's files wait that are more urgent, and no node is left."""
    functions = (a_function("a"), a_function("b"))
    await place.put(40, "a")
    for _ in range(9):
        await place.step(*functions)
    before = list(place.pods.there)
    assert len(before) == 4
    await place.queue.pull("a", 4, wait_seconds=0)
    place.queue.of, place.queue.fault = "a", REFUSED
    await place.put(4, "b")
    for _ in range(9):
        await place.step(*functions)
    assert place.pods.there == before
    place.queue.fault = None
    for _ in range(9):
        await place.step(*functions)
    assert any(each.function == "b" for each in place.pods.there)


async def test_while_a_driver_is_away_its_nodes_stay_as_they_were_and_orders_come_again(place: Place) -> None:
    await place.step()
    place.driver.unreachable = True
    await place.put(1)
    assert await place.step() is not None
    assert place.states() == {"cloud-0": NodeState.OFF, "cloud-1": NodeState.OFF}
    place.driver.unreachable = False
    await place.step()
    await place.step()
    assert place.states()["cloud-0"] is NodeState.BOOTING


async def test_a_driver_that_takes_long_holds_up_nobody_and_its_answer_counts_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "LOOK_SECONDS", 0.0)
    answers, looks = asyncio.Event(), 0
    nodes = place.driver.nodes

    async def slow() -> Sequence[Sighting]:
        nonlocal looks
        looks += 1
        await answers.wait()
        return await nodes()

    place.driver.nodes = slow  # type: ignore[method-assign]  # a machine's controller that takes its time
    for _ in range(3):
        assert await place.step() is not None
    assert (place.states(), looks) == ({}, 1)
    answers.set()
    await asyncio.sleep(0)
    await place.step()
    assert place.states() == {"cloud-0": NodeState.OFF, "cloud-1": NodeState.OFF}


async def test_nodes_are_ordered_together(place: Place) -> None:
    under_way, most = 0, 0
    start = place.driver.start

    async def counted(name: str) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        await start(name)
        under_way -= 1

    place.driver.start = counted  # type: ignore[method-assign]  # seen from outside
    await place.put(4)
    for _ in range(3):
        await place.step()
    assert most == 2


async def test_workers_that_could_not_be_reconciled_leave_no_order_half_done(place: Place) -> None:
    async def fails(_: Mapping[str, Wanted]) -> None:
        raise TransientError("the API server is away")

    await place.put(4)
    place.pods.reconcile = fails  # type: ignore[method-assign]  # away at this very moment
    for _ in range(2):
        assert await place.step() is None
    assert all(node.state is NodeState.BOOTING for node in place.scaler._fleet.views)


async def test_a_memory_that_can_not_be_read_or_written_stops_nothing() -> None:
    place = Place(Memory(fault=OSError("no space")))
    await place.put(1)
    assert await place.step() is not None
    assert await place.step() is not None
    place.scaler.close()


async def test_a_listener_that_fails_stops_nothing(place: Place) -> None:
    def broken(_: Decision) -> None:
        raise OSError("no space")

    place.scaler._tell = broken
    await place.put(1)
    for _ in range(9):
        await place.step()
    assert [each.function for each in place.pods.there] == ["a"]


def test_what_is_remembered_is_read_as_it_was_written() -> None:
    text = Remembered(
        pools={"cloud": Place().scaler._fleet.memory["cloud"]},
    ).to_json()
    assert Remembered.from_json(text).to_json() == text
    newer = json.loads(text) | {"added": {"by": "a newer version"}}
    assert Remembered.from_json(json.dumps(newer)).to_json() == text
    assert NodeMemory("x").enabled

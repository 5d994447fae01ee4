"""Two scalers at once on one node group, and scalers that are killed between two steps.

On a cluster the fence of leadership keeps them apart; here it lets both pass.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.kube.kinds import CONFIG_MAPS
from headrace.kube.memory import MemoryKube
from headrace.kube.port import Kube
from headrace.model.errors import TransientError
from headrace.model.labels import NODE_SLOTS
from headrace.nodes.clock import Clock
from headrace.nodes.eks.keeping import KeptRegister
from headrace.nodes.eks.memory import MemoryGroup
from headrace.nodes.eks.nodes import EksNodes
from headrace.nodes.eks.register import Register, Slot
from headrace.nodes.port import Power
from tests.fixtures.clock import VirtualClock
from tests.fixtures.instances import play_instances
from tests.fixtures.kube import Views, let_events_through, pool_of, views_of

OFFERED = {"cpu": "4", "memory": "8Gi"}
NAMES = ("p-0", "p-1", "p-2")
ROUNDS_TO_REST = 12


class Yielding:
    """An API server whose calls let others go first, as those over a network do."""

    def __init__(self, kube: MemoryKube) -> None:
        self._kube = kube

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._kube, name)
        if name not in ("get", "patch", "create", "evict"):
            return call

        async def yielding(*given: Any, **more: Any) -> Any:
            await asyncio.sleep(0)
            return await call(*given, **more)

        return yielding


class Scene:
    """A node group, an API server, and two drivers of one pool. `on`: nodes that are ordered to be on."""

    def __init__(self, kube: MemoryKube, views: Views, pending_seconds: float = 0.0) -> None:
        self.kube = kube
        self.views = views
        self.clock = VirtualClock()
        self.group = MemoryGroup(self.clock.now, pending_seconds=pending_seconds, ending_seconds=6.0)
        self.group.before = self._check_end
        self.drivers = [self.driver(), self.driver()]
        self.on: set[str] = set()
        self.started = 0
        self.faults: list[str] = []
        self.early: set[str] = set()
        self.tasks: list[asyncio.Task[Any]] = []

    def driver(self) -> EksNodes:
        kube: Kube = Yielding(self.kube)  # type: ignore[assignment]  # it hands on what it does not say
        slots = KeptRegister(kube, "headrace", group="g", pool="p")
        return EksNodes(
            pool_of("p", driver="eks", eks={"nodeGroup": "g"}), kube, self.views.nodes, self.views.pods,
            self.group, slots=slots, now=self.clock.now, clock=Clock(self.clock.now), drain_seconds=30.0,
        )  # fmt: skip

    def slots(self) -> dict[str, Slot]:
        """As they are written now."""
        for (_, name), stored in self.kube._stored.get(CONFIG_MAPS, {}).items():
            if name == NODE_SLOTS:
                return dict(Register.from_json(stored.manifest["data"]["g.json"]).slots)
        return {}

    def _check_end(self, call: str) -> None:
        verb, _, instance = call.partition(" ")
        if verb != "terminate":
            return
        found = [name for name, slot in self.slots().items() if slot.instance == instance]
        if [name for name in found if name in self.on] or not found:
            self.faults.append(f"{instance} is ended, which is {found}, and {sorted(self.on)} are to be on")

    # Moves

    async def start(self, who: int, name: str) -> None:
        before = name in self.slots()
        with suppress(TransientError):
            await self.drivers[who].start(name)
        if not before and name in self.slots():
            self.on.add(name)
            self.started += 1

    async def stop(self, who: int, name: str) -> None:
        """The chosen node is not wanted from the moment of the order on, whether it is confirmed or not."""
        if name in self.slots():
            self.on.discard(name)
        with suppress(TransientError):
            await self.drivers[who].stop(name)
        if name in self.on and self.slots()[name].ending is None:
            return
        self.on.discard(name)

    async def look(self, who: int, name: str) -> None:
        """In its own time: others go on meanwhile."""
        self.tasks.append(asyncio.create_task(self._looks(self.drivers[who])))
        for _ in range(NAMES.index(name) * 3):
            await asyncio.sleep(0)

    async def _looks(self, driver: EksNodes) -> None:
        with suppress(TransientError):
            await driver.nodes()

    async def work(self, who: int, name: str = "") -> None:
        """AWS does what it was told; `early`: instances that were not in service before."""
        for instance in self.group.alive:
            if not await self._is_in_service(instance):
                self.early.add(instance)
            else:
                self.early.discard(instance)
        self.group.work()

    async def time(self, who: int, name: str) -> None:
        self.clock.advance(3.0)

    async def kubelets(self, who: int, name: str) -> None:
        view = [name for name in self.group.alive if await self._is_in_service(name)]
        await play_instances(self.kube, view, pool="p", resources=OFFERED)
        await let_events_through()

    async def _is_in_service(self, instance: str) -> bool:
        return self.group._instance(instance, self.group._lives[instance]).is_safe

    async def kill(self, who: int, name: str) -> None:
        await self.drivers[who].close()
        self.drivers[who] = self.driver()

    async def rest(self) -> None:
        for _ in range(ROUNDS_TO_REST):
            await self.round(*self.drivers)
        await asyncio.gather(*self.tasks)

    async def round(self, *drivers: EksNodes) -> None:
        """Some seconds in which all do what there is to do."""
        self.clock.advance(6.0)
        await self.work(0)
        await self.kubelets(0, "")
        for driver in drivers:
            for _ in range(2):
                await self._looks(driver)
                await let_events_through()

    async def powers(self, driver: EksNodes) -> dict[str, Power]:
        return {seen.name: seen.power for seen in await driver.nodes()}

    async def until(self, driver: EksNodes, **powers: Power) -> None:
        """Until nodes of one driver stand so."""
        for _ in range(ROUNDS_TO_REST):
            seen = {name.replace("-", "_"): power for name, power in (await self.powers(driver)).items()}
            if powers.items() <= seen.items():
                return
            await self.round(driver)
        raise AssertionError(f"found {await self.powers(driver)}, wanted {powers}")

    async def killed_at(self, call: str) -> None:
        """The first driver goes on until it is about to make that call, and is killed there."""
        reached = asyncio.get_running_loop().create_future()

        def hang(about: str) -> object:
            self._check_end(about)
            if not about.startswith(call):
                return None
            if not reached.done():
                reached.set_result(None)
            return asyncio.get_running_loop().create_future()

        self.group.before = hang
        for _ in range(ROUNDS_TO_REST):
            if not reached.done():
                await self.round(self.drivers[0])
        assert reached.done(), f"it never called {call}"
        await self.drivers[0].close()
        self.group.before = self._check_end

    def check(self) -> None:
        assert self.faults == []
        launched = len(self.group._lives) - len(self.group.shrunk)
        assert launched <= self.started, "an instance was launched that nobody had asked for"
        assert set(self.group.shrunk) <= self.early, "a lower size has ended what was in service"

    async def close(self) -> None:
        for driver in self.drivers:
            await driver.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def running(pending_seconds: float = 0.0) -> AsyncIterator[Scene]:
    kube = MemoryKube()
    async with views_of(kube) as views:
        scene = Scene(kube, views, pending_seconds)
        yield scene
        await scene.close()


MOVES = ("start", "start", "stop", "look", "look", "look", "work", "time", "kubelets", "kill")
MOVE = st.tuples(st.sampled_from(MOVES), st.integers(0, 1), st.sampled_from(NAMES))


@settings(max_examples=40, deadline=None)
@given(st.lists(MOVE, max_size=40), st.sampled_from([0.0, 7.0]))
def test_never_more_instances_than_asked_for_and_never_another_one_ended(
    moves: list[tuple[str, int, str]], pending_seconds: float
) -> None:
    async def play() -> None:
        async with running(pending_seconds) as scene:
            for move, who, name in moves:
                await getattr(scene, move)(who, name)
                scene.check()
            await scene.rest()
            scene.check()
            wanted = {name: Power.ON if name in scene.on else Power.OFF for name in NAMES}
            for driver in scene.drivers:
                assert await scene.powers(driver) == wanted
            assert (len(scene.group.alive), scene.group.desired) == (len(scene.on), len(scene.on))

    asyncio.run(play())


# One scaler that is killed, and the next one


@pytest.mark.parametrize("call", ["set 2", "look", "launches"])
async def test_who_comes_next_starts_what_was_ordered_and_no_more(call: str) -> None:
    async with running() as scene:
        for name in ("p-0", "p-1"):
            await scene.start(0, name)
        await scene.killed_at(call)
        await scene.until(scene.drivers[1], p_0=Power.ON, p_1=Power.ON, p_2=Power.OFF)
        scene.check()
        assert (len(scene.group.alive), scene.group.desired) == (2, 2)


async def test_who_comes_next_knows_which_instance_is_which_node() -> None:
    async with running(pending_seconds=60.0) as scene:
        for name in ("p-0", "p-1"):
            await scene.start(0, name)
        for _ in range(3):
            await scene.round(scene.drivers[0])
        before = {name: slot.instance for name, slot in scene.slots().items()}
        assert all(before.values()), "they are launched, and no nodes yet"
        await scene.kill(0, "")
        scene.clock.advance(60.0)
        await scene.until(scene.drivers[0], p_0=Power.ON, p_1=Power.ON)
        assert {name: slot.instance for name, slot in scene.slots().items()} == before


@pytest.mark.parametrize("drained", [False, True])
async def test_who_comes_next_ends_exactly_what_was_to_be_ended(drained: bool) -> None:
    async with running() as scene:
        for name in NAMES:
            await scene.start(0, name)
        await scene.until(scene.drivers[0], p_0=Power.ON, p_1=Power.ON, p_2=Power.ON)
        chosen = scene.slots()["p-1"].instance
        await scene.stop(0, "p-1")
        if drained:
            await scene.killed_at("terminate")
        else:
            await scene.kill(0, "")
        assert scene.group.ended_by_us == []
        scene.clock.advance(60.0)
        await scene.until(scene.drivers[1], p_0=Power.ON, p_1=Power.OFF, p_2=Power.ON)
        scene.check()
        assert (scene.group.ended_by_us, scene.group.desired) == ([chosen], 2)


async def test_an_end_whose_answer_was_lost_is_not_asked_for_twice() -> None:
    async with running() as scene:
        scene.group.ending_seconds = 90.0
        for name in NAMES:
            await scene.start(0, name)
        await scene.until(scene.drivers[0], p_0=Power.ON, p_1=Power.ON, p_2=Power.ON)
        chosen = scene.slots()["p-1"].instance
        await scene.stop(0, "p-1")
        await scene.killed_at("terminate")
        await scene.group.terminate(chosen, lower=True)  # AWS had it, and the scaler never heard
        scene.clock.advance(60.0)
        await scene.until(scene.drivers[1], p_0=Power.ON, p_1=Power.STOPPING, p_2=Power.ON)
        assert (scene.group.calls.count(f"terminate {chosen}"), scene.group.desired) == (1, 2)


async def test_two_that_start_the_same_nodes_at_once_start_them_once() -> None:
    async with running() as scene:
        orders = [scene.start(who, name) for name in NAMES for who in range(2)]
        await asyncio.gather(*orders)
        await scene.rest()
        assert (len(scene.group._lives), scene.group.desired) == (3, 3)


async def test_two_that_stop_the_same_nodes_at_once_end_them_once_and_no_other() -> None:
    async with running() as scene:
        for name in NAMES:
            await scene.start(0, name)
        await scene.until(scene.drivers[0], p_0=Power.ON, p_1=Power.ON, p_2=Power.ON)
        chosen = sorted(scene.slots()[name].instance for name in ("p-0", "p-2"))
        await asyncio.gather(*(scene.stop(who, name) for name in ("p-0", "p-2") for who in range(2)))
        await scene.rest()
        scene.check()
        assert (sorted(scene.group.ended_by_us), scene.group.desired) == (chosen, 1)
        assert [call for call in scene.group.calls if call.startswith("set")] == ["set 3"]

"""What every driver of nodes does: the same tests on each adapter."""

import itertools
import math
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from statistics import mean, pstdev

import pytest

from headrace.kube.kinds import NODES
from headrace.kube.lightkube import LightKube
from headrace.kube.memory import MemoryKube
from headrace.kube.port import Kube, Selection
from headrace.model.errors import NotFoundError, TransientError
from headrace.model.labels import POOL
from headrace.model.pool import NodePool
from headrace.model.resources import CPU, GPU, MEMORY, PODS, ResourceList
from headrace.nodes.clock import Clock
from headrace.nodes.eks.keeping import KeptRegister
from headrace.nodes.eks.memory import MemoryGroup
from headrace.nodes.eks.nodes import EksNodes
from headrace.nodes.kwok import KwokNodes
from headrace.nodes.local import LocalNode
from headrace.nodes.memory import Course, MemoryNodes, Odds
from headrace.nodes.port import NodeDriver, Power, Sighting
from headrace.nodes.power.board import MemoryBoard
from headrace.nodes.power.nodes import PowerNodes
from headrace.nodes.static import StaticNodes
from tests.fixtures.clock import VirtualClock
from tests.fixtures.hosts import AT_ONCE, play_hosts
from tests.fixtures.instances import play_instances
from tests.fixtures.kube import (
    Views,
    let_events_through,
    play_kubelets,
    pool_of,
    settings_of,
    until,
    views_of,
)
from tests.fixtures.moto_groups import Moto
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.fakes import fake_node

ALLOCATABLE = ResourceList.of({CPU: 4000, MEMORY: 2**33, PODS: 110, GPU: 2})
OFFERED = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "20Gi", "nvidia.com/gpu": "2"}
_NUMBERS = itertools.count()


@dataclass
class Bench:
    """A driver, one of its nodes, what that has, and how to let an order take its full effect."""

    driver: NodeDriver
    name: str
    switchable: bool
    settle: Callable[[], Awaitable[None]]
    full: ResourceList = ALLOCATABLE

    async def sighting(self) -> Sighting:
        return {seen.name: seen for seen in await self.driver.nodes()}[self.name]

    async def power(self) -> Power:
        return (await self.sighting()).power


@pytest.fixture(
    params=[
        "memory",
        "local",
        "static in memory",
        "kwok in memory",
        "power in memory",
        "eks in memory",
        "eks on moto",
        "static on kubernetes",
        "kwok on kubernetes",
        "power on kubernetes",
        "eks on kubernetes",
    ]
)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    driver, _, place = str(request.param).partition(" ")
    if driver == "memory":
        yield _memory()
    elif driver == "local":
        yield Bench(LocalNode(ALLOCATABLE), "local", switchable=False, settle=let_events_through)
    elif driver == "power":
        async with _power(None if place == "in memory" else request.getfixturevalue("control_plane")) as made:
            yield made
    elif driver == "eks":
        box = request.getfixturevalue("control_plane") if place == "on kubernetes" else None
        async with _eks(None if place == "in memory" else request.getfixturevalue("moto"), box) as made:
            yield made
    elif place == "in memory":
        async with _on_memory_kube(driver) as made:
            yield made
    else:
        async with _on_kubernetes(driver, request.getfixturevalue("control_plane")) as made:
            yield made


def _memory() -> Bench:
    clock = VirtualClock()
    nodes = MemoryNodes(
        ["b", "a", "c"], ALLOCATABLE, now=clock.now, plan=lambda _: Course(30.0), stop_seconds=5.0
    )

    async def settle() -> None:
        clock.advance(60.0)

    return Bench(nodes, "a", switchable=True, settle=settle)


def _of(driver: str, pool: NodePool, kube: Kube, views: Views) -> tuple[NodeDriver, bool]:
    if driver == "static":
        return StaticNodes(pool, views.nodes, views.pods), False
    return KwokNodes(pool, kube, views.nodes, views.pods), True


@asynccontextmanager
async def _on_memory_kube(driver: str) -> AsyncIterator[Bench]:
    kube, pool = MemoryKube(), pool_of("pool")
    if driver == "static":
        for number in range(3):
            await kube.create(NODES, fake_node(f"pool-{number}", pool="pool", resources=OFFERED))
    async with views_of(kube) as views:
        made, switchable = _of(driver, pool, kube, views)

        async def settle() -> None:
            for _ in range(2):  # once to ask what is on a node to leave, once to delete it
                await play_kubelets(kube)
                await made.nodes()
            await let_events_through()

        await settle()
        yield Bench(made, "pool-1", switchable, settle, pool.allocatable)


@asynccontextmanager
async def _on_kubernetes(driver: str, box: Box) -> AsyncIterator[Bench]:
    name = f"pool-{os.getpid()}-{next(_NUMBERS)}"
    kube, pool = LightKube.of(settings_of(box.kubeconfig)), pool_of(name)
    if driver == "static":
        box.fake_nodes(3, pool=name, prefix=name, resources=OFFERED)
    async with views_of(kube) as views:
        made, switchable = _of(driver, pool, kube, views)

        async def settled() -> bool:
            return all(seen.joined or seen.power is Power.OFF for seen in await made.nodes())

        async def settle() -> None:
            await until(settled)

        await settle()
        yield Bench(made, f"{name}-1", switchable, settle, pool.allocatable)
    for node in (await kube.list(NODES, Selection(labels={POOL: name}))).items:
        await kube.delete(NODES, node["metadata"]["name"])
    await kube.close()


@asynccontextmanager
async def _power(box: Box | None) -> AsyncIterator[Bench]:
    """Hosts in memory whose kubelets are played: each registers once its host is on."""
    name = f"pool-{os.getpid()}-{next(_NUMBERS)}"
    kube = LightKube.of(settings_of(box.kubeconfig)) if box else MemoryKube()
    pool = pool_of(name, driver="power")
    board = MemoryBoard({f"{name}-{number}": Power.OFF for number in range(3)})
    async with views_of(kube) as views:
        nodes = PowerNodes(pool, kube, views.nodes, views.pods, board, clock=AT_ONCE)

        async def settled() -> bool:
            await play_hosts(kube, board, pool=name, resources=OFFERED)
            await let_events_through()
            seen = await nodes.nodes()
            return all(each.joined or (each.power is Power.OFF) for each in seen)

        async def settle() -> None:
            await until(settled)

        await settle()
        yield Bench(nodes, f"{name}-1", True, settle, pool.allocatable)
        await nodes.close()
    for node in board.hosts if box else ():
        with suppress(NotFoundError):
            await kube.delete(NODES, node)
    if isinstance(kube, LightKube):
        await kube.close()


@asynccontextmanager
async def _eks(moto: Moto | None, box: Box | None) -> AsyncIterator[Bench]:
    """Instances of a node group whose kubelets are played: each registers once it is in service."""
    name = f"pool-{os.getpid()}-{next(_NUMBERS)}"
    kube = LightKube.of(settings_of(box.kubeconfig)) if box else MemoryKube()
    clock = VirtualClock(time.time())
    group = moto.group() if moto else MemoryGroup(clock.now)
    driven = group if isinstance(group, MemoryGroup) else group.driven
    pool = pool_of(name, driver="eks", eks={"nodeGroup": name})
    async with views_of(kube) as views:
        nodes = EksNodes(
            pool, kube, views.nodes, views.pods, driven, now=clock.now, clock=Clock(clock.now),
            slots=KeptRegister(kube, "default", group=name, pool=name),
        )  # fmt: skip

        async def settled() -> bool:
            clock.advance(6.0)
            if isinstance(group, MemoryGroup):
                group.work()
            await play_instances(kube, group.alive, pool=name, resources=OFFERED, prefix=name)
            await let_events_through()
            return all(each.joined or each.power is Power.OFF for each in await nodes.nodes())

        async def settle() -> None:
            await until(settled)

        await settle()
        yield Bench(nodes, f"{name}-1", True, settle, pool.allocatable)
        await nodes.close()
    await play_instances(kube, (), pool=name, resources=OFFERED, prefix=name)
    if isinstance(kube, LightKube):
        await kube.close()


async def test_every_node_is_listed_once_in_the_order_of_names(bench: Bench) -> None:
    names = [seen.name for seen in await bench.driver.nodes()]
    assert bench.name in names
    assert names == sorted(set(names))


async def test_a_started_node_is_there_in_the_end_with_all_it_has(bench: Bench) -> None:
    await bench.driver.start(bench.name)
    await bench.settle()
    seen = await bench.sighting()
    assert (seen.power, seen.joined, seen.allocatable) == (Power.ON, True, bench.full)


async def test_an_order_is_in_force_at_once(bench: Bench) -> None:
    await bench.driver.start(bench.name)
    assert await bench.power() in (Power.STARTING, Power.ON)


async def test_a_start_repeated_changes_nothing(bench: Bench) -> None:
    await bench.driver.start(bench.name)
    await bench.settle()
    before = await bench.driver.nodes()
    await bench.driver.start(bench.name)
    assert await bench.driver.nodes() == before


async def test_a_start_touches_no_other_node(bench: Bench) -> None:
    before = [seen for seen in await bench.driver.nodes() if seen.name != bench.name]
    await bench.driver.start(bench.name)
    assert [seen for seen in await bench.driver.nodes() if seen.name != bench.name] == before


@pytest.mark.parametrize("stops", [1, 2])
async def test_a_stopped_node_is_off_in_the_end_if_it_can_be(bench: Bench, stops: int) -> None:
    await bench.driver.start(bench.name)
    await bench.settle()
    for _ in range(stops):
        await bench.driver.stop(bench.name)
    await bench.settle()
    assert await bench.power() is (Power.OFF if bench.switchable else Power.ON)


async def test_a_boot_can_be_stopped(bench: Bench) -> None:
    await bench.driver.start(bench.name)
    await bench.driver.stop(bench.name)
    await bench.settle()
    assert await bench.power() is (Power.OFF if bench.switchable else Power.ON)


async def test_a_stop_of_what_is_off_changes_nothing(bench: Bench) -> None:
    before = await bench.driver.nodes()
    await bench.driver.stop(bench.name)
    assert await bench.driver.nodes() == before


async def test_a_stopped_node_can_be_started_again(bench: Bench) -> None:
    for order in (bench.driver.start, bench.driver.stop, bench.driver.start):
        await order(bench.name)
        await bench.settle()
    assert await bench.power() is Power.ON


async def test_only_a_node_that_is_on_takes_workers(bench: Bench) -> None:
    for order in (bench.driver.start, bench.driver.stop):
        await order(bench.name)
        for seen in await bench.driver.nodes():
            assert seen.power is Power.ON or (not seen.joined and not seen.allocatable.amounts)
        await bench.settle()


async def test_a_name_that_the_pool_can_not_have_is_told(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match="node nowhere"):
        await bench.driver.start("nowhere")
    with pytest.raises(NotFoundError, match="node nowhere"):
        await bench.driver.stop("nowhere")


# What the driver in memory can be made to do


@dataclass
class Faulty:
    """Nodes in memory, each start of which goes as `course` says then."""

    clock: VirtualClock
    course: Course
    nodes: MemoryNodes

    async def after(self, seconds: float, name: str = "a") -> Sighting:
        self.clock.advance(seconds)
        return {seen.name: seen for seen in await self.nodes.nodes()}[name]


def faulty(course: Course) -> Faulty:
    clock = VirtualClock()
    made = Faulty(
        clock,
        course,
        MemoryNodes(["a"], ALLOCATABLE, now=clock.now, plan=lambda _: made.course, stop_seconds=5.0),
    )
    return made


async def test_a_boot_takes_as_long_as_planned_and_a_stop_too() -> None:
    made = faulty(Course(30.0))
    await made.nodes.start("a")
    assert (await made.after(29.0)).power is Power.STARTING
    assert (await made.after(1.0)).power is Power.ON
    await made.nodes.stop("a")
    assert (await made.after(4.0)).power is Power.STOPPING
    assert (await made.after(1.0)).power is Power.OFF


async def test_an_order_repeated_on_the_way_takes_no_longer() -> None:
    made = faulty(Course(30.0))
    await made.nodes.start("a")
    await made.after(20.0)
    await made.nodes.start("a")
    assert (await made.after(10.0)).power is Power.ON
    await made.nodes.stop("a")
    await made.after(3.0)
    await made.nodes.stop("a")
    await made.nodes.start("a")
    assert (await made.after(2.0)).power is Power.OFF


async def test_devices_come_later_than_the_node() -> None:
    made = faulty(Course(30.0, device_seconds=300.0))
    await made.nodes.start("a")
    bare = await made.after(30.0)
    assert (bare.joined, bare.allocatable) == (True, ALLOCATABLE.minus(ResourceList.of({GPU: 2})))
    assert (await made.after(300.0)).allocatable == ALLOCATABLE


async def test_a_failing_boot_hangs_until_it_is_stopped_and_the_next_may_go_well() -> None:
    made = faulty(Course(math.inf))
    await made.nodes.start("a")
    assert (await made.after(1e6)).power is Power.STARTING
    await made.nodes.stop("a")
    assert (await made.after(5.0)).power is Power.OFF
    made.course = Course(30.0)
    await made.nodes.start("a")
    assert (await made.after(30.0)).power is Power.ON


async def test_a_node_dies_when_its_life_is_over_and_can_be_started_again() -> None:
    made = faulty(Course(30.0, life_seconds=100.0))
    await made.nodes.start("a")
    assert (await made.after(129.0)).power is Power.ON
    assert (await made.after(1.0)).power is Power.OFF
    await made.nodes.start("a")
    assert (await made.after(30.0)).power is Power.ON


async def test_a_node_can_be_killed_at_any_moment() -> None:
    made = faulty(Course(30.0))
    await made.nodes.start("a")
    await made.after(30.0)
    made.nodes.kill("a")
    assert (await made.after(0.0)).power is Power.OFF


async def test_nodes_out_of_reach_say_so_and_take_no_order() -> None:
    made = faulty(Course(30.0))
    made.nodes.unreachable = True
    for call in (made.nodes.start("a"), made.nodes.stop("a"), made.nodes.nodes()):
        with pytest.raises(TransientError, match="unreachable"):
            await call
    made.nodes.unreachable = False
    assert (await made.after(60.0)).power is Power.OFF


def test_odds_without_chance_give_the_boot_itself() -> None:
    assert Odds(150.0).course(Random(1)) == Course(150.0)


def test_odds_are_met_over_many_boots() -> None:
    odds = Odds(100.0, boot_deviation=0.2, failing_share=0.1, device_seconds=7.0, mean_life_seconds=1000.0)
    chance = Random(1)
    courses = [odds.course(chance) for _ in range(4000)]
    good = [course for course in courses if course.boot_seconds < math.inf]
    assert 0.08 < 1 - len(good) / len(courses) < 0.12
    assert 99 < mean(course.boot_seconds for course in good) < 101
    assert 19 < pstdev(course.boot_seconds for course in good) < 21
    assert 950 < mean(course.life_seconds for course in courses) < 1050
    assert {course.device_seconds for course in courses} == {7.0}


def test_the_same_seed_gives_the_same_courses() -> None:
    odds = Odds(100.0, boot_deviation=0.2, failing_share=0.5, mean_life_seconds=1000.0)
    one, other = Random(7), Random(7)
    assert [odds.course(one) for _ in range(20)] == [odds.course(other) for _ in range(20)]

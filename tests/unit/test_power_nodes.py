"""Hosts as nodes, on an API server in memory: emptied before they go off, there once their kubelet is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from headrace.kube.kinds import NODES, PODS
from headrace.kube.memory import MemoryKube
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError
from headrace.model.labels import STARTED, STOPPING
from headrace.nodes.port import Power
from headrace.nodes.power.board import MemoryBoard, Word
from headrace.nodes.power.nodes import PowerNodes
from tests.fixtures.clock import VirtualClock
from tests.fixtures.hosts import AT_ONCE, play_hosts
from tests.fixtures.kube import Views, let_events_through, pool_of, views_of

OFFERED = {"cpu": "4", "memory": "8Gi"}


@dataclass
class Lab:
    """A pool of two hosts."""

    kube: MemoryKube
    views: Views
    clock: VirtualClock = field(default_factory=VirtualClock)
    board: MemoryBoard = field(default_factory=lambda: MemoryBoard({"a": Power.OFF, "b": Power.OFF}))

    def driver(self) -> PowerNodes:
        pool = pool_of("p", driver="power")
        return PowerNodes(
            pool, self.kube, self.views.nodes, self.views.pods, self.board,
            now=self.clock.now, clock=AT_ONCE, drain_seconds=120.0,
        )  # fmt: skip

    async def boots(self) -> None:
        """Kubelets of hosts that are on tell how they are."""
        await play_hosts(self.kube, self.board, pool="p", resources=OFFERED, now=self.clock.now())
        await let_events_through()

    async def is_lost(self) -> None:
        """Kubernetes has not heard of the host for a while."""
        status = {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}
        await self.kube.apply_status(NODES, {"metadata": {"name": "a"}, "status": status}, manager="kubelet")
        await let_events_through()

    async def seen(self, driver: PowerNodes, name: str = "a") -> tuple[Power, bool]:
        await driver.nodes()
        await let_events_through()
        found = {each.name: each for each in await driver.nodes()}[name]
        return found.power, found.joined

    async def on(self, driver: PowerNodes) -> None:
        await driver.start("a")
        await let_events_through()
        await self.boots()
        assert await self.seen(driver) == (Power.ON, True)

    async def pod(self, name: str) -> None:
        made = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": "a", "containers": [{"name": "c"}]},
        }
        await self.kube.create(PODS, made)
        await self.kube.apply_status(PODS, {**made, "status": {"phase": "Running"}}, manager="kubelet")
        await let_events_through()

    async def node(self) -> Manifest:
        return await self.kube.get(NODES, "a")


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    kube = MemoryKube()
    async with views_of(kube) as views:
        yield Lab(kube, views)


async def test_a_host_that_is_on_but_no_node_yet_takes_no_workers(lab: Lab) -> None:
    driver = lab.driver()
    await driver.start("a")
    assert await lab.seen(driver) == (Power.ON, False)
    await lab.boots()
    assert await lab.seen(driver) == (Power.ON, True)


async def test_a_host_goes_off_once_its_pods_have_left(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await lab.pod("worker")
    await driver.stop("a")
    assert await lab.seen(driver) == (Power.STOPPING, False)
    assert lab.board.told == [(Word.ON, "a")], "its pod is still there"
    node = await lab.node()
    assert (node["spec"]["unschedulable"], STOPPING in node["metadata"]["annotations"]) == (True, True)
    await lab.kube.delete(PODS, "worker", namespace="default", grace_seconds=0)
    await let_events_through()
    assert await lab.seen(driver) == (Power.OFF, False)
    assert lab.board.told == [(Word.ON, "a"), (Word.OFF, "a")]


async def test_who_leads_next_completes_an_order_to_stop(lab: Lab) -> None:
    first = lab.driver()
    await lab.on(first)
    await lab.pod("worker")
    await first.stop("a")
    await first.close()
    await lab.kube.delete(PODS, "worker", namespace="default", grace_seconds=0)
    await let_events_through()
    second = lab.driver()
    assert await lab.seen(second) == (Power.OFF, False)
    assert lab.board.hosts["a"] is Power.OFF


async def test_a_node_that_is_started_again_is_there_once_its_kubelet_came_again(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await driver.stop("a")
    assert await lab.seen(driver) == (Power.OFF, False)
    lab.clock.advance(20)
    await driver.start("a")
    assert await lab.seen(driver) == (Power.ON, False), "Kubernetes still says that it is ready"
    node = await lab.node()
    assert node["metadata"]["annotations"][STARTED] == f"{lab.clock.now():.3f}"
    assert (STOPPING in node["metadata"]["annotations"], node["spec"].get("unschedulable")) == (False, None)
    lab.clock.advance(30)
    await lab.boots()
    assert await lab.seen(driver) == (Power.ON, True)


async def test_a_start_while_it_stops_is_without_effect(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await lab.pod("worker")
    await driver.stop("a")
    await driver.start("a")
    assert await lab.seen(driver) == (Power.STOPPING, False)


async def test_a_boot_that_never_joins_can_be_stopped(lab: Lab) -> None:
    driver = lab.driver()
    await driver.start("a")
    assert await lab.seen(driver) == (Power.ON, False)
    await driver.stop("a")
    assert await lab.seen(driver) == (Power.OFF, False)
    assert lab.board.told == [(Word.ON, "a"), (Word.OFF, "a")]


async def test_a_node_that_died_is_seen_by_its_power(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await lab.is_lost()
    assert await lab.seen(driver) == (Power.ON, False)


async def test_a_host_that_went_off_by_order_may_be_woken_by_a_person(lab: Lab) -> None:
    """The order is carried out once Kubernetes too takes the node for gone."""
    driver = lab.driver()
    await lab.on(driver)
    await driver.stop("a")
    assert await lab.seen(driver) == (Power.OFF, False)
    assert STOPPING in (await lab.node())["metadata"]["annotations"], "Kubernetes still says that it is ready"
    await lab.is_lost()
    assert await lab.seen(driver) == (Power.OFF, False)
    node = await lab.node()
    assert (STOPPING in node["metadata"]["annotations"], node["spec"].get("unschedulable")) == (False, None)
    lab.board.hosts["a"] = Power.ON
    lab.clock.advance(600)
    await lab.boots()
    second = lab.driver()
    assert await lab.seen(second) == (Power.ON, True)
    assert lab.board.told == [(Word.ON, "a"), (Word.OFF, "a")]


async def test_a_cordon_of_a_person_outlives_an_order_of_theirs(lab: Lab) -> None:
    """Without an order to stop nothing is taken off a node whose host is off."""
    driver = lab.driver()
    await lab.on(driver)
    lab.board.hosts["a"] = Power.OFF
    await lab.kube.patch(NODES, "a", {"spec": {"unschedulable": True}})
    await lab.is_lost()
    await lab.seen(lab.driver())
    assert (await lab.node())["spec"]["unschedulable"] is True


async def test_a_node_that_a_person_cordoned_is_unknown(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await lab.kube.patch(NODES, "a", {"spec": {"unschedulable": True}})
    await let_events_through()
    assert await lab.seen(driver) == (Power.UNKNOWN, False)


async def test_a_node_of_another_pool_is_not_started(lab: Lab) -> None:
    await lab.kube.create(NODES, {"metadata": {"name": "a", "labels": {"headrace.dev/pool": "other"}}})
    await let_events_through()
    with pytest.raises(
        ConfigurationError, match="node a: found one of pool other, allowed one of p; label it"
    ):
        await lab.driver().start("a")
    assert lab.board.told == []

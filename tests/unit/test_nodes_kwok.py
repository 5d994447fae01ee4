"""kwok's nodes on an API server in memory: orders, draining, a mirror that lags, two scalers at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from headrace.kube.kinds import NODES, PODS
from headrace.kube.memory import MemoryKube
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.labels import POOL, STARTED, STOPPING
from headrace.nodes.kwok import KwokNodes
from headrace.nodes.port import Power
from tests.fixtures.clock import VirtualClock
from tests.fixtures.kube import Views, let_events_through, play_kubelets, pool_of, views_of

TAINTS = [{"key": "nvidia.com/gpu", "value": "yes", "effect": "NoSchedule"}]
POOL_SPEC: dict[str, Any] = {"labels": {"zone": "a"}, "taints": TAINTS, "reserved": {"cpu": "500m"}}


@dataclass
class Lab:
    """A pool on a clock."""

    kube: MemoryKube
    views: Views
    clock: VirtualClock = field(default_factory=VirtualClock)

    def driver(self, name: str = "p", **spec: Any) -> KwokNodes:
        pool = pool_of(name, **{**POOL_SPEC, **spec})
        return KwokNodes(pool, self.kube, self.views.nodes, self.views.pods, now=self.clock.now)

    async def node(self, name: str = "p-0") -> Manifest:
        return await self.kube.get(NODES, name)

    async def names(self) -> list[str]:
        return [each["metadata"]["name"] for each in (await self.kube.list(NODES)).items]

    async def pod(self, name: str, node: str = "p-0", **metadata: Any) -> None:
        spec = {"nodeName": node, "containers": [{"name": "c"}]}
        made = {"metadata": {"name": name, "namespace": "default", **metadata}, "spec": spec}
        await self.kube.create(PODS, made)
        await self.kube.apply_status(PODS, {**made, "status": {"phase": "Running"}}, manager="kubelet")
        await let_events_through()

    async def pods(self) -> list[str]:
        return [each["metadata"]["name"] for each in (await self.kube.list(PODS)).items]

    async def on(self, driver: KwokNodes, name: str = "p-0") -> None:
        await driver.start(name)
        await play_kubelets(self.kube)

    async def passes(self, driver: KwokNodes, count: int = 1) -> Power:
        for _ in range(count):
            seen = await driver.nodes()
            await let_events_through()
        return {each.name: each for each in seen}["p-0"].power


@asynccontextmanager
async def _lab() -> AsyncIterator[Lab]:
    kube = MemoryKube()
    async with views_of(kube) as views:
        yield Lab(kube, views)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with _lab() as made:
        yield made


async def test_a_start_makes_the_node_that_its_pool_describes(lab: Lab) -> None:
    await lab.driver().start("p-0")
    node = await lab.node()
    assert node["metadata"]["labels"] == {
        "kubernetes.io/hostname": "p-0",
        "kubernetes.io/os": "linux",
        "zone": "a",
        POOL: "p",
    }
    assert node["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake", STARTED: "1700000000.000"}
    assert node["spec"] == {"taints": TAINTS}
    assert node["status"]["capacity"] == {
        "cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2", "pods": "110", "ephemeral-storage": "20Gi",
    }  # fmt: skip
    assert node["status"]["allocatable"]["cpu"] == "3500m"


async def test_all_names_that_could_be_started_are_listed(lab: Lab) -> None:
    seen = await lab.driver(maxNodes=11).nodes()
    assert [each.name for each in seen] == sorted(f"p-{number}" for number in range(11))
    assert {each.power for each in seen} == {Power.OFF}


async def test_two_that_start_the_same_node_make_one(lab: Lab) -> None:
    one, other = lab.driver(), lab.driver()
    await one.start("p-0")
    await other.start("p-0")  # its mirror has not shown the node yet
    assert await lab.names() == ["p-0"]
    assert (await other.nodes())[0].power is Power.STARTING


async def test_an_order_counts_before_the_mirror_shows_it(lab: Lab) -> None:
    driver = lab.driver()
    await driver.start("p-0")
    assert lab.views.nodes.get("p-0") is None
    assert (await driver.nodes())[0].power is Power.STARTING
    await play_kubelets(lab.kube)
    await driver.stop("p-0")
    assert STOPPING not in lab.views.nodes.get("p-0")["metadata"]["annotations"]
    assert (await driver.nodes())[0].power is Power.STOPPING


async def test_a_node_that_never_shows_up_in_the_mirror_is_off_in_the_end(lab: Lab) -> None:
    driver = lab.driver()
    await driver.start("p-0")
    await lab.kube.delete(NODES, "p-0")  # before the mirror has seen it
    await lab.views.nodes.stop()
    lab.clock.advance(11.0)
    assert (await driver.nodes())[0].power is Power.OFF


async def test_a_stop_cordons_at_once_and_deletes_when_nothing_is_left(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await driver.stop("p-0")
    node = await lab.node()
    assert node["spec"]["unschedulable"] is True
    assert node["metadata"]["annotations"][STOPPING] == "1700000000.000"
    assert await lab.passes(driver, 2) is Power.OFF
    assert await lab.names() == []


async def test_what_is_on_a_node_is_asked_to_leave_before_it_goes(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    daemon = {"kind": "DaemonSet", "apiVersion": "apps/v1", "name": "d", "uid": "d", "controller": True}
    await lab.pod("worker")
    await lab.pod("platform")
    await lab.pod("daemon", ownerReferences=[daemon])
    await lab.pod("elsewhere", node="p-1")
    await driver.stop("p-0")
    assert await lab.passes(driver, 3) is Power.STOPPING
    assert await lab.names() == ["p-0"]
    await play_kubelets(lab.kube)
    assert await lab.passes(driver, 2) is Power.OFF
    assert await lab.pods() == ["daemon", "elsewhere"]


async def test_a_pod_that_does_not_end_holds_a_node_no_longer_than_the_bound(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await lab.pod("stubborn")
    await driver.stop("p-0")
    lab.clock.advance(119.0)
    assert await lab.passes(driver, 2) is Power.STOPPING
    lab.clock.advance(2.0)
    assert await lab.passes(driver, 2) is Power.OFF
    assert "default/stubborn did not leave in time" in caplog.text


async def test_a_budget_holds_a_node_and_that_is_told_once(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await lab.pod("kept")
    lab.kube.budgeted.add(("default", "kept"))
    await driver.stop("p-0")
    lab.clock.advance(1000.0)
    assert await lab.passes(driver, 5) is Power.STOPPING
    assert caplog.text.count("default/kept did not leave in time") == 1
    assert "disruption budget" in caplog.text
    lab.kube.budgeted.clear()
    await lab.passes(driver)
    await play_kubelets(lab.kube)
    assert await lab.passes(driver, 2) is Power.OFF


async def test_another_leader_completes_a_stop(lab: Lab) -> None:
    await lab.on(lab.driver())
    await lab.driver().stop("p-0")
    await let_events_through()
    assert await lab.passes(lab.driver(), 2) is Power.OFF


async def test_a_start_does_not_call_off_a_stop(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await driver.stop("p-0")
    await driver.start("p-0")
    assert await lab.passes(driver, 2) is Power.OFF


async def test_a_stop_by_an_old_view_does_not_hit_the_next_node_of_that_name(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await lab.views.nodes.stop()  # it shows the first node for good
    await lab.kube.delete(NODES, "p-0")
    await lab.driver().start("p-0")
    await lab.kube.create(NODES, {"metadata": {"name": "p-0", "labels": {POOL: "p"}}, "spec": {}})
    await driver.stop("p-0")
    await driver.nodes()
    node = await lab.node()
    assert (STOPPING in node["metadata"].get("annotations", {}), node["spec"]) == (False, {})


async def test_a_server_out_of_reach_is_told_and_nothing_is_remembered_of_the_order(lab: Lab) -> None:
    driver = lab.driver()
    lab.kube.unreachable = True
    with pytest.raises(TransientError):
        await driver.start("p-0")
    lab.kube.unreachable = False
    assert (await driver.nodes())[0].power is Power.OFF


async def test_a_drain_that_can_not_go_on_now_goes_on_later(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await driver.stop("p-0")
    lab.kube.unreachable = True
    assert await lab.passes(driver, 2) is Power.STOPPING
    lab.kube.unreachable = False
    assert await lab.passes(driver, 2) is Power.OFF


async def test_a_node_of_another_pool_by_that_name_is_left_alone(lab: Lab) -> None:
    await lab.kube.create(NODES, {"metadata": {"name": "p-0", "labels": {POOL: "q"}}, "spec": {}})
    driver = lab.driver()
    for _ in range(2):  # before and after the mirror shows it
        for order in (driver.start, driver.stop) if lab.views.nodes.get("p-0") else (driver.start,):
            with pytest.raises(ConfigurationError, match="found one of pool q, allowed one of p"):
                await order("p-0")
        await let_events_through()
    assert (await driver.nodes())[0].power is Power.UNKNOWN


async def test_a_node_beyond_the_bound_is_seen_and_can_be_stopped(lab: Lab) -> None:
    await lab.on(lab.driver(maxNodes=5), "p-4")
    driver = lab.driver(maxNodes=2)
    assert {seen.name: seen.power for seen in await driver.nodes()} == {
        "p-0": Power.OFF,
        "p-1": Power.OFF,
        "p-4": Power.ON,
    }
    await driver.stop("p-4")
    await lab.passes(driver, 2)
    assert await lab.names() == []


async def test_looking_costs_no_call(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    before = lab.kube.requests.total()
    for _ in range(10):
        await driver.nodes()
    assert lab.kube.requests.total() == before


async def test_300_nodes_cost_one_call_each_to_start_and_two_to_stop(lab: Lab) -> None:
    driver = lab.driver(maxNodes=300)
    lab.kube.requests.clear()
    for number in range(300):
        await driver.start(f"p-{number}")
    assert dict(lab.kube.requests) == {("create", "nodes"): 300}
    await let_events_through()
    lab.kube.requests.clear()
    for number in range(300):
        await driver.stop(f"p-{number}")
    for _ in range(3):
        await driver.nodes()
        for _ in range(10):
            await let_events_through()
    assert dict(lab.kube.requests) == {("patch", "nodes"): 300, ("delete", "nodes"): 300}
    assert await lab.names() == []

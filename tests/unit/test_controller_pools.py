"""What the controller tells of pools: how many nodes they have, and whether they can be used."""

from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.controller.pools import LOOK_SECONDS
from headrace.controller.tally import Figures, Tally
from headrace.controller.telling import BETWEEN_SECONDS
from headrace.kube.kinds import NODE_POOLS, NODES
from headrace.kube.memory import MemoryKube
from headrace.kube.mirror import Mirror
from headrace.kube.port import Change, Event
from headrace.model.labels import API_VERSION, POOL, STOPPING
from headrace.model.pool import Driver, NodePool
from headrace.model.settings import EksSettings, HostsSettings, KubernetesSettings
from headrace.model.switching import ON_KUBERNETES, unswitched
from headrace.scaler.kubernetes.drivers import Means, Sights, driver_of
from tests.fixtures.clock import VirtualClock
from tests.unit.controller_bench import Bench, readiness, running

WRITING = ("apply_status", NODE_POOLS.plural)


def a_pool(name: str = "sim", **spec: Any) -> dict[str, Any]:
    """One node that is always there, so that every driver takes it."""
    told = {"driver": "kwok", "capacity": {"cpu": "2", "memory": "4Gi"}, "minNodes": 1, "maxNodes": 1}
    return {
        "apiVersion": API_VERSION,
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": told | spec,
    }


def a_node(name: str, pool: str | None = "sim", *, ready: str = "True", **spec: Any) -> dict[str, Any]:
    labels = {} if pool is None else {POOL: pool}
    status = {"conditions": [{"type": "Ready", "status": ready, "reason": "KubeletReady"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


async def beat(bench: Bench, name: str, moment: int, ready: str = "True") -> None:
    """What a kubelet says every while."""
    condition = {"type": "Ready", "status": ready, "reason": "Kubelet", "lastHeartbeatTime": str(moment)}
    told = {"metadata": {"name": name}, "status": {"conditions": [condition]}}
    await bench.kube.apply_status(NODES, told, manager="kubelet")


async def status_of(bench: Bench, name: str = "sim") -> dict[str, Any]:
    found = await bench.get(NODE_POOLS, name, "")
    assert found is not None
    return found.get("status", {})


async def figures(bench: Bench, name: str = "sim") -> tuple[int, int]:
    status = await status_of(bench, name)
    return status["nodes"], status["ready"]


@asynccontextmanager
async def with_pools(*names: str):
    """A bench with sound pools of which all is told, and the next figure may be told at once."""
    async with running() as bench:
        for name in names:
            await bench.kube.create(NODE_POOLS, a_pool(name))
        await bench.settle(BETWEEN_SECONDS)
        yield bench


# How many nodes


async def test_a_sound_pool_without_nodes_is_ready():
    async with with_pools("sim") as bench:
        status = await status_of(bench)
        assert (status["observedGeneration"], status["nodes"], status["ready"]) == (1, 0, 0)
        assert readiness(status)[:2] == ("True", "Ready")


async def test_only_nodes_with_its_label_count_and_only_those_that_take_workers_as_ready():
    async with with_pools("sim") as bench:
        stopping = a_node("stopping")
        stopping["metadata"]["annotations"] = {STOPPING: "1.0"}
        nodes = (
            a_node("good"),
            a_node("away", ready="Unknown"),
            a_node("cordoned", unschedulable=True),
            stopping,
            a_node("another", "other"),
            a_node("none", None),
        )
        for each in nodes:
            await bench.kube.create(NODES, each)
        await bench.settle(1)
        assert await figures(bench) == (4, 1)


async def test_a_node_that_changes_its_pool_is_told_of_both():
    async with with_pools("sim", "other") as bench:
        await bench.kube.create(NODES, a_node("moved"))
        await bench.settle(BETWEEN_SECONDS)
        assert (await figures(bench), await figures(bench, "other")) == ((1, 1), (0, 0))
        await bench.kube.patch(NODES, "moved", {"metadata": {"labels": {POOL: "other"}}})
        await bench.settle(1)
        assert (await figures(bench), await figures(bench, "other")) == ((0, 0), (1, 1))


POOL_OR_NONE = st.sampled_from(["x", "y", None])


@given(st.lists(st.tuples(st.sampled_from("abc"), POOL_OR_NONE, st.booleans(), st.booleans())))
def test_after_any_events_the_tally_is_what_a_count_of_all_nodes_gives(steps):
    tally = Tally(Mirror(MemoryKube(now=VirtualClock().now), NODES))
    nodes: dict[str, tuple[str | None, bool]] = {}
    for name, pool, ready, gone in steps:
        node = a_node(name, pool, ready=str(ready))
        tally._hear(Event(Change.GONE if gone else Change.PUT, node))
        nodes.pop(name, None)
        nodes |= {} if gone else {name: (pool, ready)}
    for pool in "xy":
        those = [ready for at, ready in nodes.values() if at == pool]
        assert tally.figures(pool) == Figures(len(those), sum(those))


# How often it is told


async def test_heartbeats_of_nodes_write_no_status():
    async with with_pools("sim") as bench:
        names = [f"node-{number}" for number in range(50)]
        for name in names:
            await bench.kube.create(NODES, a_node(name))
        await bench.settle(2 * BETWEEN_SECONDS)
        before = bench.kube.requests[WRITING]
        assert before > 0
        for moment in range(5):
            for name in names:
                await beat(bench, name, moment)
            await bench.settle(BETWEEN_SECONDS)
        assert bench.kube.requests[WRITING] == before


async def test_heartbeats_of_nodes_take_no_turn():
    async with with_pools("sim") as bench:
        await bench.kube.create(NODES, a_node("node"))
        await bench.settle(BETWEEN_SECONDS)
        bench.service.turns._due.clear()
        for moment in range(5):
            await beat(bench, "node", moment)
            await bench.settle()
        assert bench.service.turns._due == {}
        await beat(bench, "node", 6, ready="False")
        await bench.settle()
        assert [each.name for each in bench.service.turns._due] == ["sim"]


async def test_nodes_that_come_one_by_one_are_told_every_two_seconds_at_most_and_then_all():
    async with with_pools("sim") as bench:
        before, seconds = bench.kube.requests[WRITING], 10
        for number in range(seconds * 10):
            await bench.kube.create(NODES, a_node(f"node-{number}"))
            await bench.settle(0.1)
        assert 1 < bench.kube.requests[WRITING] - before <= seconds / BETWEEN_SECONDS + 1
        await bench.settle(BETWEEN_SECONDS)
        assert await figures(bench) == (100, 100)


async def test_a_status_that_others_changed_is_put_right():
    async with with_pools("sim") as bench:
        wrong = {"metadata": {"name": "sim"}, "status": {"nodes": 7}}
        await bench.kube.apply_status(NODE_POOLS, wrong, manager="somebody")
        await bench.settle(LOOK_SECONDS)
        assert await figures(bench) == (0, 0)


# Whether it can be used


HOSTS, EKS = HostsSettings(inventory="/hosts"), EksSettings(cluster="c", region="eu-west-1")


def place(hosts: HostsSettings | None = None, eks: EksSettings | None = None) -> KubernetesSettings:
    return KubernetesSettings(namespace="functions", platform_namespace="platform", hosts=hosts, eks=eks)


def of_driver(driver: Driver) -> dict[str, Any]:
    return a_pool(driver=driver.value, **({"eks": {"nodeGroup": "g"}} if driver is Driver.EKS else {}))


@pytest.mark.parametrize("driver", Driver)
async def test_a_pool_is_ready_where_its_driver_works_on_kubernetes(driver):
    async with running() as bench:
        manifest = of_driver(driver)
        await bench.kube.create(NODE_POOLS, manifest)
        await bench.settle(1)
        ready, reason, message = readiness(await status_of(bench))
        if driver in ON_KUBERNETES and driver not in (Driver.POWER, Driver.EKS):
            assert (ready, reason) == ("True", "Ready")
        else:
            assert (ready, reason) == ("False", "DriverUnsupported")
            assert message == unswitched(NodePool.model_validate(manifest, strict=False), place())
            assert f"driver {driver.value}" in message


@pytest.mark.parametrize("found", [place(), place(HOSTS), place(eks=EKS), place(HOSTS, EKS)])
@pytest.mark.parametrize("driver", Driver)
def test_the_scaler_has_a_driver_for_exactly_the_pools_that_are_told_to_work(driver, found):
    kube = MemoryKube(now=VirtualClock().now)
    pool = NodePool.model_validate(of_driver(driver), strict=False)
    sights = Sights(Mirror(kube, NODES), Mirror(kube, NODES))
    means = Means(kube, sights, found, VirtualClock().now, AsyncExitStack())
    assert (driver_of(pool, means) is None) == bool(unswitched(pool, found))


async def test_a_fault_is_told_with_its_text_and_a_mended_pool_is_ready():
    async with running() as bench:
        await bench.kube.create(NODE_POOLS, a_pool(minNodes=2))
        await bench.kube.create(NODES, a_node("node"))
        await bench.settle(1)
        ready, reason, message = readiness(await status_of(bench))
        assert (ready, reason) == ("False", "Invalid")
        assert "minNodes 2 above maxNodes 1" in message
        assert await figures(bench) == (1, 1), "its nodes are counted all the same"
        await bench.kube.patch(NODE_POOLS, "sim", {"spec": {"maxNodes": 2}})
        await bench.settle()
        status = await status_of(bench)
        assert (readiness(status)[0], status["observedGeneration"]) == ("True", 2)


async def test_a_pool_that_others_hold_while_it_is_deleted_is_not_ready():
    async with running() as bench:
        held = a_pool()
        held["metadata"]["finalizers"] = ["example.org/waits"]
        await bench.kube.create(NODE_POOLS, held)
        await bench.settle(1)
        await bench.kube.delete(NODE_POOLS, "sim")
        await bench.settle(1)
        assert readiness(await status_of(bench))[:2] == ("False", "Ending")


async def test_a_pool_that_is_gone_is_looked_at_no_more_and_one_of_its_name_is_told_anew():
    async with with_pools("sim") as bench:
        await bench.kube.create(NODES, a_node("node"))
        await bench.settle(BETWEEN_SECONDS)
        await bench.kube.delete(NODE_POOLS, "sim")
        await bench.settle(2 * LOOK_SECONDS)
        assert bench.service.turns._due == {}
        assert (bench.service._pools._last, bench.service._pools._teller._written) == ({}, {})
        await bench.kube.create(NODE_POOLS, a_pool())
        await bench.settle()
        assert await figures(bench) == (1, 1)

"""The driver of node groups, AWS and API server in memory: orders, draining, losses, refusals, updates."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from headrace.kube.kinds import CONFIG_MAPS, NODES, PODS
from headrace.kube.memory import MemoryKube
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError, NotFoundError, TransientError
from headrace.model.labels import NODE, NODE_SLOTS, POOL, STOPPING
from headrace.nodes.clock import Clock
from headrace.nodes.eks.keeping import KeptRegister
from headrace.nodes.eks.memory import MemoryGroup
from headrace.nodes.eks.nodes import EksNodes
from headrace.nodes.eks.register import Register
from headrace.nodes.port import Power, Sighting
from tests.fixtures.clock import VirtualClock
from tests.fixtures.instances import play_instances
from tests.fixtures.kube import Views, let_events_through, pool_of, views_of

OFFERED = {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2"}
SPOT = "Server.SpotInstanceTermination: Instance terminated due to a Spot interruption"
FULL = "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We do not have sufficient"


@dataclass
class Lab:
    """A pool of three nodes on a clock."""

    kube: MemoryKube
    views: Views
    clock: VirtualClock = field(default_factory=VirtualClock)
    group: MemoryGroup = field(init=False)

    def __post_init__(self) -> None:
        self.group = MemoryGroup(self.clock.now)

    def driver(self, name: str = "p", **spec: Any) -> EksNodes:
        pool = pool_of(name, driver="eks", eks={"nodeGroup": "g"}, **spec)
        slots = KeptRegister(self.kube, "headrace", group="g", pool=name)
        clock = Clock(self.clock.now, lambda _: asyncio.sleep(0))
        return EksNodes(
            pool, self.kube, self.views.nodes, self.views.pods, self.group,
            slots=slots, now=self.clock.now, clock=clock, drain_seconds=120.0,
        )  # fmt: skip

    async def register(self) -> Register:
        found = await self.kube.get(CONFIG_MAPS, NODE_SLOTS, namespace="headrace")
        return Register.from_json(found["data"]["g.json"])

    async def kubelets(self) -> None:
        """Instances in service are nodes, those that are gone are none."""
        view = await self.group.look()
        there = [each.id for each in view.instances.values() if each.is_alive]
        await play_instances(self.kube, there, pool="p", resources=OFFERED)
        await let_events_through()

    async def looks(self, driver: EksNodes, count: int = 1, *, seconds: float = 5.0) -> dict[str, Sighting]:
        """AWS works and the driver looks, so many times."""
        for _ in range(count):
            await self.look(driver, seconds)
            self.group.work()
            await self.kubelets()
            await driver.nodes()
            await let_events_through()
        return {each.name: each for each in await driver.nodes()}

    async def look(self, driver: EksNodes, seconds: float) -> dict[str, Sighting]:
        """The driver looks, and AWS does nothing meanwhile."""
        self.clock.advance(seconds)
        await driver.nodes()
        await let_events_through()
        return {each.name: each for each in await driver.nodes()}

    async def powers(self, driver: EksNodes, count: int = 1) -> dict[str, Power]:
        return {name: seen.power for name, seen in (await self.looks(driver, count)).items()}

    async def on(self, driver: EksNodes, *names: str) -> None:
        for name in names:
            await driver.start(name)
        seen = await self.looks(driver, 3)
        assert [seen[name].joined for name in names] == [True] * len(names)

    async def node(self, instance: str) -> Manifest:
        return await self.kube.get(NODES, f"ip-{instance}")

    async def pod(self, name: str, instance: str) -> None:
        spec = {"nodeName": f"ip-{instance}", "containers": [{"name": "c"}]}
        made = {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
        await self.kube.create(PODS, made)
        await self.kube.apply_status(PODS, {**made, "status": {"phase": "Running"}}, manager="kubelet")
        await let_events_through()

    async def leaves(self, pod: str) -> None:
        await self.kube.delete(PODS, pod, namespace="default", grace_seconds=0)
        await let_events_through()


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    kube = MemoryKube()
    async with views_of(kube) as views:
        yield Lab(kube, views)


OFF, STARTING, ON, STOPPING_, UNKNOWN = Power.OFF, Power.STARTING, Power.ON, Power.STOPPING, Power.UNKNOWN


# Starting


async def test_all_names_that_could_be_started_are_listed(lab: Lab) -> None:
    seen = await lab.driver(maxNodes=11).nodes()
    assert [each.name for each in seen] == sorted(f"p-{number}" for number in range(11))
    assert {(each.power, each.certain) for each in seen} == {(OFF, True)}


async def test_a_start_has_aws_launch_one_instance_that_is_the_node_once_it_has_joined(lab: Lab) -> None:
    lab.group.pending_seconds = 12.0
    driver = lab.driver()
    await driver.start("p-1")
    assert (await lab.powers(driver))["p-1"] is STARTING
    assert (lab.group.desired, lab.group.guarded) == (1, True)
    seen = await lab.looks(driver, 2)
    assert (seen["p-1"].power, seen["p-1"].joined) == (STARTING, False), "nothing protects it yet"
    seen = await lab.looks(driver, 3)
    assert (seen["p-1"].power, seen["p-1"].joined) == (ON, True)
    (instance,) = lab.group.alive
    assert (await lab.node(instance))["metadata"]["labels"][NODE] == "p-1"
    assert {seen[name].power for name in ("p-0", "p-2")} == {OFF}


async def test_the_group_is_guarded_before_anything_is_launched(lab: Lab) -> None:
    driver = lab.driver()
    await driver.start("p-0")
    await lab.looks(driver)
    told = [call for call in lab.group.calls if call not in ("look", "launches")]
    assert told == ["guard", "set 1"]


async def test_orders_that_come_together_are_one_write_and_one_size(lab: Lab) -> None:
    driver = lab.driver(maxNodes=8)
    await driver.nodes()
    lab.kube.requests.clear()
    lab.group.calls.clear()
    await asyncio.gather(*(driver.start(f"p-{number}") for number in range(8)))
    assert lab.kube.requests["create", "configmaps"] == 1
    assert lab.kube.requests["patch", "configmaps"] <= 1
    await lab.looks(driver)
    assert [call for call in lab.group.calls if call.startswith("set")] == ["set 8"]


async def test_a_node_without_its_pools_label_gets_it_from_its_group(lab: Lab) -> None:
    driver = lab.driver()
    await driver.start("p-0")
    await lab.looks(driver)
    await lab.kube.patch(NODES, "ip-i-0000", {"metadata": {"labels": {POOL: None, NODE: None}}})
    await let_events_through()
    assert (await lab.looks(driver))["p-0"].joined
    assert (await lab.node("i-0000"))["metadata"]["labels"][POOL] == "p"


async def test_a_node_that_says_it_is_another_pools_is_unknown(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0")
    await lab.kube.patch(NODES, "ip-i-0000", {"metadata": {"labels": {POOL: "q"}}})
    await let_events_through()
    assert (await lab.powers(driver))["p-0"] is UNKNOWN


async def test_two_pools_can_not_have_one_node_group(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0")
    with pytest.raises(ConfigurationError, match="found pool p on it, allowed one pool alone; give pool q"):
        await lab.driver("q").nodes()
    await driver.stop("p-0")
    await lab.looks(driver, 3)
    assert (await lab.driver("q").nodes())[0].power is OFF, "nobody has it any more"


async def test_looking_is_paid_by_the_period_not_by_the_node(lab: Lab) -> None:
    driver = lab.driver(maxNodes=50)
    lab.group.most = 50
    await lab.on(driver, *(f"p-{number}" for number in range(50)))
    await lab.looks(driver, 7)
    lab.group.calls.clear()
    for _ in range(300):  # as the scaler does, each second
        lab.clock.advance(1.0)
        await driver.nodes()
        await let_events_through()
    assert set(lab.group.calls) == {"look"}
    assert len(lab.group.calls) <= 11


# Stopping


async def test_exactly_the_chosen_instance_ends_and_nothing_takes_its_place(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0", "p-1", "p-2")
    chosen = (await lab.register()).slots["p-1"].instance
    await driver.stop("p-1")
    powers = await lab.powers(driver, 4)
    assert powers == {"p-0": ON, "p-1": OFF, "p-2": ON}
    assert (lab.group.ended_by_us, lab.group.shrunk, lab.group.desired) == ([chosen], [], 2)
    assert len(lab.group.alive) == 2


async def test_a_node_is_emptied_before_its_instance_ends(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0")
    await lab.pod("worker", "i-0000")
    await driver.stop("p-0")
    node = await lab.node("i-0000")
    assert (node["spec"]["unschedulable"], STOPPING in node["metadata"]["annotations"]) == (True, True)
    assert (await lab.powers(driver, 3))["p-0"] is STOPPING_
    assert lab.group.ended_by_us == []
    await lab.leaves("worker")
    assert (await lab.powers(driver, 3))["p-0"] is OFF
    assert lab.group.ended_by_us == ["i-0000"]


async def test_an_instance_that_is_no_node_yet_ends_as_it_is(lab: Lab) -> None:
    driver = lab.driver()
    lab.group.pending_seconds = 1000.0
    await driver.start("p-0")
    await lab.look(driver, 5)
    lab.group.work()
    await lab.look(driver, 5)
    assert (await lab.register()).slots["p-0"].instance == "i-0000"
    await driver.stop("p-0")
    assert (await driver.nodes())[0].power is STOPPING_
    assert (await lab.powers(driver, 3))["p-0"] is OFF
    assert (lab.group.ended_by_us, lab.group.desired) == (["i-0000"], 0)


async def test_a_launch_that_is_called_off_costs_no_instance_unless_it_came_first(lab: Lab) -> None:
    driver = lab.driver()
    await driver.start("p-0")
    await driver.stop("p-0")
    assert (await driver.nodes())[0].power is STOPPING_
    assert (await lab.powers(driver, 8))["p-0"] is OFF
    assert lab.group.alive == []
    await driver.start("p-0")
    await lab.look(driver, 1)
    lab.group.work()  # AWS has launched it, and nobody has seen that yet
    await driver.stop("p-0")
    assert (await lab.powers(driver, 8))["p-0"] is OFF
    assert (lab.group.alive, lab.group.ended_by_us) == ([], ["i-0000"])


async def test_while_an_instance_ends_its_node_stops(lab: Lab) -> None:
    lab.group.ending_seconds = 30.0
    driver = lab.driver()
    await lab.on(driver, "p-0")
    await driver.stop("p-0")
    assert (await lab.powers(driver, 4))["p-0"] is STOPPING_
    await driver.stop("p-0")
    await driver.start("p-0")
    assert (await lab.powers(driver, 6))["p-0"] is OFF
    assert (lab.group.calls.count("terminate i-0000"), lab.group.desired) == (1, 0)


async def test_a_group_whose_least_size_keeps_an_instance_says_so(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.group.least = lab.group.desired = 1
    driver = lab.driver()
    assert (await lab.looks(driver, 2, seconds=30))["p-0"].joined
    await driver.stop("p-0")
    assert (await lab.powers(driver, 3))["p-0"] is STOPPING_
    assert "found the group's least size 1, allowed 0" in caplog.text
    assert lab.group.ended_by_us == []


# What AWS does by itself


async def test_a_spot_interruption_is_seen_as_what_it_is_and_its_replacement_too(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0", "p-1")
    victim = (await lab.register()).slots["p-0"].instance
    lab.group.take(victim, SPOT)
    seen = await lab.look(driver, 30)
    assert (seen["p-0"].power, seen["p-0"].certain) == (OFF, True)
    assert SPOT in seen["p-0"].hindrance
    assert f"node p-0: its instance {victim} is gone: {SPOT}" in caplog.text
    await lab.look(driver, 5)
    assert lab.group.desired == 1, "it is not replaced unless somebody wants it"
    assert (await lab.looks(driver, 1))["p-0"].hindrance == ""
    await driver.start("p-0")
    assert (await lab.looks(driver, 3))["p-0"].joined


async def test_a_replacement_that_aws_has_launched_already_serves_whoever_is_started_next(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0")
    lab.group.take("i-0000", SPOT)
    lab.group.work()  # replaces it
    powers = {name: seen.power for name, seen in (await lab.look(driver, 30)).items()}
    assert powers == {"p-0": OFF, "p-1": STARTING, "p-2": OFF}
    assert (await lab.looks(driver, 3))["p-1"].joined
    assert (lab.group.alive, lab.group.desired) == (["i-0001"], 1)


async def test_a_group_that_is_balanced_or_shrunk_by_others_ends_no_node(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0", "p-1")
    lab.group.desired = 0  # a person, or EKS at the end of an update
    seen = await lab.looks(driver, 3)
    assert [seen[name].joined for name in ("p-0", "p-1")] == [True, True]
    assert lab.group.shrunk == []
    await driver.start("p-2")
    assert (await lab.looks(driver, 3))["p-2"].joined
    assert (lab.group.desired, len(lab.group.alive)) == (3, 3)


async def test_an_instance_that_aws_adds_to_replace_another_is_not_one_more(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0")
    added = lab.group.launch()  # as capacity rebalancing does, before it ends the one at risk
    seen = await lab.looks(driver, 2, seconds=30)
    assert (seen["p-1"].joined, lab.group.desired) == (True, 1)
    lab.group.take("i-0000", "rebalanced")
    assert (await lab.powers(driver, 8)) == {"p-0": OFF, "p-1": ON, "p-2": OFF}
    assert lab.group.alive == [added]


async def test_while_eks_updates_a_group_its_size_is_eks_own_and_old_nodes_are_not_lost_but_stopped(
    lab: Lab,
) -> None:
    lab.group.ending_seconds = 10.0
    driver = lab.driver()
    await lab.on(driver, "p-0")
    lab.group.held = "node group g is being updated by EKS"
    lab.group.desired = 2  # EKS adds a new node beside the old one
    lab.group.work()
    seen = await lab.looks(driver, 2, seconds=30)
    assert (seen["p-0"].joined, seen["p-1"].joined) == (True, True)
    assert "is being updated by EKS; nodes are started again after that" in seen["p-2"].hindrance
    with pytest.raises(TransientError, match="being updated by EKS"):
        await driver.start("p-2")
    await lab.kube.patch(NODES, "ip-i-0000", {"spec": {"unschedulable": True}})
    await let_events_through()
    assert (await lab.powers(driver))["p-0"] is UNKNOWN, "EKS empties it"
    lab.group.calls.clear()
    await lab.group.terminate("i-0000", lower=False)
    lab.group.desired = 1
    assert (await lab.powers(driver))["p-0"] is STOPPING_
    powers = await lab.powers(driver, 4)
    assert (powers["p-0"], powers["p-1"]) == (OFF, ON)
    assert not any(call.startswith(("set", "guard")) for call in lab.group.calls)
    lab.group.held = ""
    await lab.looks(driver, 1)
    await driver.start("p-0")
    assert (await lab.looks(driver, 9))["p-0"].joined


# What can't be had


async def test_a_refused_launch_is_told_with_the_reason_and_tried_again_later(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.group.refusal = FULL
    driver = lab.driver()
    await driver.start("p-0")
    assert (await lab.powers(driver, 10))["p-0"] is STARTING, "AWS tries its other zones"
    seen = await lab.looks(driver, 4)
    assert (seen["p-0"].power, lab.group.desired) == (OFF, 0)
    again = time.strftime("%H:%M:%S UTC", time.gmtime((await lab.register()).pause.until))
    assert seen["p-0"].hindrance == f"AWS launches no instance, tried again at {again}: {FULL}"
    assert seen["p-1"].hindrance == seen["p-0"].hindrance, "no node of this pool can be had"
    assert "AWS launches no instance, tried again in 60 s" in caplog.text
    with pytest.raises(TransientError, match="InsufficientInstanceCapacity"):
        await driver.start("p-0")
    other = lab.driver()  # whoever leads next
    await other.nodes()
    with pytest.raises(TransientError, match="InsufficientInstanceCapacity"):
        await other.start("p-1")
    lab.clock.advance(60)
    seen = {each.name: each for each in await driver.nodes()}
    assert seen["p-0"].hindrance == ""
    await driver.start("p-0")
    await lab.looks(driver, 15)
    assert "tried again in 120 s" in caplog.text
    lab.clock.advance(120)
    lab.group.refusal = ""
    await lab.on(driver, "p-0")
    assert (await lab.register()).pause.failures == 0


async def test_what_came_before_aws_had_no_more_stays(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0")
    lab.group.refusal = FULL
    await driver.start("p-1")
    seen = await lab.looks(driver, 15)
    assert (seen["p-0"].joined, seen["p-1"].power, lab.group.desired) == (True, OFF, 1)
    assert lab.group.shrunk == []


async def test_beyond_the_groups_greatest_size_no_node_can_be_had(lab: Lab) -> None:
    lab.group.most = 1
    driver = lab.driver()
    await lab.on(driver, "p-0")
    with pytest.raises(ConfigurationError, match="its greatest size, 1; raise its maxSize"):
        await driver.start("p-1")
    assert "raise its maxSize" in (await lab.looks(driver))["p-1"].hindrance


async def test_aws_out_of_reach_is_told_and_asked_again_after_pauses_that_grow(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0")
    await lab.looks(driver, 7)

    def throttled(call: str) -> None:
        raise TransientError("autoscaling:DescribeAutoScalingGroups: Throttling: Rate exceeded")

    lab.group.before = throttled
    for _ in range(80):  # of what was seen, so long
        lab.clock.advance(1.0)
        seen = await driver.nodes()
        await let_events_through()
    assert seen[0].joined
    pauses = [f"again in {seconds} s" for seconds in (5, 10, 20)]
    assert [pause in caplog.text for pause in pauses] == [True] * 3
    lab.clock.advance(60.0)
    with pytest.raises(TransientError, match="Rate exceeded"):
        await driver.nodes()
    lab.group.before = lambda _: None
    lab.clock.advance(120.0)
    assert (await driver.nodes())[0].joined


async def test_the_first_look_that_fails_is_told(lab: Lab) -> None:
    def refuses(call: str) -> None:
        raise ConfigurationError("autoscaling:DescribeAutoScalingGroups: AccessDenied")

    lab.group.before = refuses
    driver = lab.driver()
    for call in (driver.nodes, lambda: driver.start("p-0"), lambda: driver.stop("p-0")):
        with pytest.raises(ConfigurationError, match="AccessDenied"):
            await call()


async def test_a_name_that_the_pool_can_not_have_is_told(lab: Lab) -> None:
    driver = lab.driver()
    for order in (driver.start, driver.stop):
        with pytest.raises(NotFoundError, match="node p-3 is none of pool p's 3"):
            await order("p-3")


async def test_a_node_beyond_the_bound_is_seen_and_can_be_stopped(lab: Lab) -> None:
    await lab.on(lab.driver(maxNodes=5), "p-4")
    driver = lab.driver(maxNodes=2)
    assert await lab.powers(driver) == {"p-0": OFF, "p-1": OFF, "p-4": ON}
    await driver.stop("p-4")
    assert await lab.powers(driver, 3) == {"p-0": OFF, "p-1": OFF}


# Whoever leads next


async def test_a_register_that_was_lost_is_made_anew_by_what_the_nodes_say(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-2", "p-0")
    before = await lab.register()
    for text in (None, "{"):
        change = {"data": {"g.json": text}}
        await lab.kube.patch(CONFIG_MAPS, NODE_SLOTS, change, namespace="headrace")
        other = lab.driver()
        await lab.looks(other, 2)
        assert (await lab.register()).by_instance() == before.by_instance()


async def test_a_node_object_that_outlives_its_instance_gives_its_name_away(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver, "p-0")
    lab.group.take("i-0000", SPOT)
    for _ in range(2):
        await lab.look(driver, 30)
    assert NODE not in (await lab.node("i-0000"))["metadata"]["labels"]


async def test_an_order_that_was_not_written_is_not_in_force(lab: Lab) -> None:
    driver = lab.driver()
    await driver.nodes()
    lab.kube.unreachable = True
    with pytest.raises(TransientError):
        await driver.start("p-0")
    lab.kube.unreachable = False
    assert (await lab.powers(driver, 2))["p-0"] is OFF
    assert lab.group.desired == 0

"""A node group on an emulator of AWS, driven by the scaler's fleet: from nothing to three nodes and back."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from headrace.kube.kinds import CONFIG_MAPS, NODES
from headrace.kube.memory import MemoryKube
from headrace.model.labels import NODE, NODE_SLOTS
from headrace.model.node import NodeState
from headrace.model.pool import NodePool
from headrace.model.settings import KubernetesSettings
from headrace.nodes.clock import Clock
from headrace.nodes.eks.keeping import KeptRegister
from headrace.nodes.eks.nodes import EksNodes
from headrace.nodes.eks.register import Register
from headrace.nodes.port import Power
from headrace.scaler.fleet import Fleet
from headrace.scaler.kubernetes.drivers import Means, Sights, driver_of
from headrace.scaler.settings import ScalerSettings
from tests.fixtures.clock import VirtualClock
from tests.fixtures.instances import play_instances
from tests.fixtures.kube import Views, let_events_through, pool_of, until, views_of
from tests.fixtures.moto_groups import Moto, MotoGroup

OFFERED = {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2"}
NAMES = ["gpu-0", "gpu-1", "gpu-2"]
SETTINGS = ScalerSettings(period_seconds=1.0)


@dataclass
class Site:
    """A cluster whose nodes are instances of one group, on a clock."""

    moto: Moto
    group: MotoGroup
    kube: MemoryKube
    views: Views
    clock: VirtualClock

    @property
    def pool(self) -> NodePool:
        return pool_of("gpu", driver="eks", eks={"nodeGroup": self.group.name}, bootSeconds=300)

    def driver(self) -> EksNodes:
        slots = KeptRegister(self.kube, "headrace", group=self.group.name, pool="gpu")
        return EksNodes(
            self.pool, self.kube, self.views.nodes, self.views.pods, self.group.driven,
            slots=slots, now=self.clock.now, clock=Clock(self.clock.now),
        )  # fmt: skip

    def fleet(self, driver: EksNodes) -> Fleet:
        return Fleet([self.pool], {"gpu": driver}, settings=SETTINGS, remembered={})

    async def register(self) -> Register:
        found = await self.kube.get(CONFIG_MAPS, NODE_SLOTS, namespace="headrace")
        return Register.from_json(found["data"][f"{self.group.name}.json"])

    async def step(self, *fleets: Fleet, busy: Collection[str] = ()) -> None:
        """The scalers look; kubelets and the cloud's controller do their part."""
        self.clock.advance(1.0)
        await play_instances(self.kube, self.group.alive, pool="gpu", resources=OFFERED)
        await let_events_through()
        for fleet in fleets:
            await fleet.look(busy, self.clock.now())

    async def until(self, *fleets: Fleet, busy: Collection[str] = (), **states: NodeState) -> None:
        """Until nodes of all fleets stand so."""

        async def stands() -> bool:
            await self.step(*fleets, busy=busy)
            wanted = {name.replace("_", "-"): state for name, state in states.items()}
            return all(wanted.items() <= _states(fleet).items() for fleet in fleets)

        await until(stands, 60.0)

    async def start(self, fleet: Fleet, *names: str) -> None:
        await asyncio.gather(*(fleet.start(name, "gpu", self.clock.now()) for name in names))

    async def stop(self, fleet: Fleet, *names: str, busy: bool = False) -> None:
        now = self.clock.now()
        await asyncio.gather(*(fleet.stop(name, "gpu", busy=busy, now=now) for name in names))


def _states(fleet: Fleet) -> dict[str, NodeState]:
    return {view.name: view.state for view in fleet.views}


OFF, BOOTING, IDLE, BUSY = NodeState.OFF, NodeState.BOOTING, NodeState.IDLE, NodeState.BUSY


@pytest.fixture
async def site(moto: Moto) -> AsyncIterator[Site]:
    kube = MemoryKube()
    async with views_of(kube) as views:
        yield Site(moto, moto.group(most=3), kube, views, VirtualClock(time.time()))


async def test_a_fleet_grows_from_nothing_to_three_nodes_and_back_to_nothing(site: Site) -> None:
    fleet = site.fleet(site.driver())
    await site.until(fleet, gpu_0=OFF, gpu_1=OFF, gpu_2=OFF)
    assert (site.group.alive, site.group.desired) == ([], 0)
    await site.start(fleet, *NAMES)
    assert set(_states(fleet).values()) == {BOOTING}
    await site.until(fleet, gpu_0=IDLE, gpu_1=IDLE, gpu_2=IDLE)
    assert (len(site.group.alive), site.group.desired) == (3, 3)
    chosen = (await site.register()).slots["gpu-1"].instance
    await site.until(fleet, busy=["gpu-0"], gpu_0=BUSY)
    await site.stop(fleet, "gpu-0", busy=True)
    await site.stop(fleet, "gpu-1")
    await site.until(fleet, busy=["gpu-0"], gpu_0=BUSY, gpu_1=OFF, gpu_2=IDLE)
    assert chosen not in site.group.alive
    assert (len(site.group.alive), site.group.desired) == (2, 2)
    await site.until(fleet, gpu_0=IDLE)
    await site.stop(fleet, "gpu-0", "gpu-2")
    await site.until(fleet, gpu_0=OFF, gpu_1=OFF, gpu_2=OFF)
    assert (site.group.alive, site.group.desired) == ([], 0)
    shown = site.group.shown()
    assert [each["ProcessName"] for each in shown["SuspendedProcesses"]] == ["AZRebalance"]
    assert shown["NewInstancesProtectedFromScaleIn"]


async def test_two_scalers_at_once_start_and_end_the_same_nodes_once(site: Site) -> None:
    fleets = [site.fleet(site.driver()) for _ in range(2)]
    await site.until(*fleets, gpu_0=OFF, gpu_1=OFF, gpu_2=OFF)
    await asyncio.gather(*(site.start(fleet, "gpu-0", "gpu-1", "gpu-2") for fleet in fleets))
    await site.until(*fleets, gpu_0=IDLE, gpu_1=IDLE, gpu_2=IDLE)
    before = {name: slot.instance for name, slot in (await site.register()).slots.items()}
    assert sorted(before.values()) == site.group.alive
    assert len(before) == 3
    await asyncio.gather(*(site.stop(fleet, "gpu-0", "gpu-2") for fleet in fleets))
    await site.until(*fleets, gpu_0=OFF, gpu_1=IDLE, gpu_2=OFF)
    assert (site.group.alive, site.group.desired) == ([before["gpu-1"]], 1)


async def test_a_scaler_that_begins_finds_the_nodes_that_the_last_one_started(site: Site) -> None:
    first = site.driver()
    fleet = site.fleet(first)
    await site.until(fleet, gpu_0=OFF)
    await site.start(fleet, "gpu-1")
    await first.close()  # killed before AWS was told
    second = site.fleet(site.driver())
    await site.until(second, gpu_0=OFF, gpu_1=IDLE, gpu_2=OFF)
    assert len(site.group.alive) == 1
    (node,) = (await site.kube.list(NODES)).items
    assert node["metadata"]["labels"][NODE] == "gpu-1"


async def test_an_instance_that_somebody_else_has_ended_is_off_and_can_be_started_again(site: Site) -> None:
    fleet = site.fleet(site.driver())
    await site.until(fleet, gpu_0=OFF)
    await site.start(fleet, "gpu-0")
    await site.until(fleet, gpu_0=IDLE)
    (instance,) = site.group.alive
    site.moto.client("autoscaling").detach_instances(
        AutoScalingGroupName=site.group.scaling, InstanceIds=[instance], ShouldDecrementDesiredCapacity=True
    )
    site.moto.client("ec2").terminate_instances(InstanceIds=[instance])
    await site.until(fleet, gpu_0=OFF)
    await site.start(fleet, "gpu-0")
    await site.until(fleet, gpu_0=IDLE)
    assert (await site.register()).slots["gpu-0"].instance != instance


async def test_the_driver_of_a_pool_is_made_by_the_stacks_settings(site: Site) -> None:
    place = KubernetesSettings(namespace="functions", platform_namespace="headrace", eks=site.moto.settings)
    sights = Sights(site.views.nodes, site.views.pods)
    async with AsyncExitStack() as closing:
        driver = driver_of(site.pool, Means(site.kube, sights, place, site.clock.now, closing))
        assert driver is not None
        assert [(seen.name, seen.power) for seen in await driver.nodes()] == [
            (name, Power.OFF) for name in NAMES
        ]
        await driver.start("gpu-1")
        assert [seen.power for seen in await driver.nodes()] == [Power.OFF, Power.STARTING, Power.OFF]
    assert list((await site.register()).slots) == ["gpu-1"]

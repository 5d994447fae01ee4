"""A node group for which AWS has no machines: another pool serves meanwhile, and it is tried again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from headrace.kube.memory import MemoryKube
from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.nodes.clock import Clock
from headrace.nodes.eks.keeping import KeptRegister
from headrace.nodes.eks.memory import MemoryGroup
from headrace.nodes.eks.nodes import EksNodes
from headrace.scaler.decide import decide
from headrace.scaler.fleet import Fleet
from headrace.scaler.plan import Plan, ReasonCode
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import Files, FunctionView, ServiceEstimate, Snapshot
from tests.fixtures.clock import VirtualClock
from tests.fixtures.instances import play_instances
from tests.fixtures.kube import Views, let_events_through, pool_of, views_of

OFFERED = {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2"}
PRICES = {"cheap": 1.0, "dear": 9.0}
SETTINGS = ScalerSettings(period_seconds=1.0)
SPOT = "Could not launch Spot Instances. MaxSpotInstanceCountExceeded - Max spot instance count exceeded."
ECHO = FunctionView(
    "echo",
    ResourceList.of({"cpu": 4000}),
    ("cheap", "dear"),
    service=ServiceEstimate(file_seconds=600.0),
    max_wait_seconds=0.0,
)


@dataclass
class Scene:
    """Two pools of three nodes each, a file that waits, and the scaler's decision each second."""

    kube: MemoryKube
    views: Views
    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        self.groups = {name: MemoryGroup(self.clock.now) for name in PRICES}
        self.pools = [
            pool_of(name, driver="eks", eks={"nodeGroup": name}, pricePerHour=price, bootSeconds=60)
            for name, price in PRICES.items()
        ]
        drivers = {pool.name: self._driver(pool.name) for pool in self.pools}
        self.fleet = Fleet(self.pools, drivers, settings=SETTINGS, remembered={})
        self.arrived = self.clock.now()

    def _driver(self, name: str) -> EksNodes:
        (pool,) = [pool for pool in self.pools if pool.name == name]
        return EksNodes(
            pool, self.kube, self.views.nodes, self.views.pods, self.groups[name],
            slots=KeptRegister(self.kube, "headrace", group=name, pool=name),
            now=self.clock.now, clock=Clock(self.clock.now),
        )  # fmt: skip

    async def step(self, files: int) -> Plan:
        self.clock.advance(1.0)
        now = self.clock.now()
        for name, group in self.groups.items():
            group.work()
            await play_instances(self.kube, group.alive, pool=name, resources=OFFERED, prefix=name)
        await let_events_through()
        await self.fleet.look((), now)
        waiting = (Files(self.arrived, files),) if files else ()
        echo = FunctionView(
            ECHO.name, ECHO.request, ECHO.pools, waiting, recent=waiting, service=ECHO.service,
            max_wait_seconds=ECHO.max_wait_seconds,
        )  # fmt: skip
        plan = decide(Snapshot((echo,), self.fleet.pool_views, self.fleet.views), SETTINGS, now)
        for each in plan.start:
            await self.fleet.start(each.node, each.pool, now)
        return plan

    async def steps(self, count: int, *, files: int = 1) -> Plan:
        for _ in range(count):
            plan = await self.step(files)
        return plan

    def on(self) -> dict[str, int]:
        return {
            pool: sum(view.pool == pool and view.state is NodeState.IDLE for view in self.fleet.views)
            for pool in PRICES
        }


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    kube = MemoryKube()
    async with views_of(kube) as views:
        yield Scene(kube, views)


async def test_the_cheaper_pool_serves_where_aws_has_machines(scene: Scene) -> None:
    await scene.steps(30)
    assert scene.on() == {"cheap": 1, "dear": 0}


async def test_where_aws_has_none_another_pool_serves_and_no_node_is_given_up_for_good(scene: Scene) -> None:
    scene.groups["cheap"].refusal = SPOT
    await scene.steps(90)
    assert scene.on() == {"cheap": 0, "dear": 1}
    assert (scene.groups["cheap"].desired, scene.groups["dear"].desired) == (0, 1)
    cheap = [view for view in scene.fleet.views if view.pool == "cheap"]
    assert {(view.state, view.failures) for view in cheap} == {(NodeState.OFF, 0)}
    assert all(SPOT in view.hindrance for view in cheap)


async def test_where_no_pool_has_any_the_files_are_told_why_and_it_is_tried_again(scene: Scene) -> None:
    for group in scene.groups.values():
        group.refusal = SPOT
    plan = Plan()
    while not plan.unmet:  # while one is left alone the other is tried, until their pauses have grown
        assert scene.clock.now() - scene.arrived < 600
        plan = await scene.step(1)
    assert plan.start == ()
    (unmet,) = plan.unmet
    assert unmet.reason.code is ReasonCode.NO_CAPACITY
    assert unmet.reason.text.count(SPOT) == 2, "of both pools"
    for group in scene.groups.values():
        group.refusal = ""
    while not sum(scene.on().values()):
        assert scene.clock.now() - scene.arrived < 900
        await scene.step(1)

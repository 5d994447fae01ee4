"""The fleet after a restart: orders that a former process gave are given once more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from headrace.model.node import NodeState
from headrace.model.resources import NOTHING, ResourceList
from headrace.nodes.port import Power, Sighting
from headrace.scaler.fleet import Fleet
from headrace.scaler.learning import BootHistory
from headrace.scaler.lifecycle import NodeMemory
from headrace.scaler.memory import PoolMemory
from headrace.scaler.settings import ScalerSettings
from tests.fixtures.kube import pool_of


@dataclass
class Seen:
    """A driver that shows what it is told, and writes orders down."""

    power: Power
    orders: list[str] = field(default_factory=list)
    hindrance: str = ""
    allocatable: ResourceList = NOTHING

    async def nodes(self) -> Sequence[Sighting]:
        joined = self.allocatable != NOTHING
        return [Sighting("p-0", self.power, joined, self.allocatable, hindrance=self.hindrance)]

    async def start(self, name: str) -> None:
        self.orders.append(f"start {name}")

    async def stop(self, name: str) -> None:
        self.orders.append(f"stop {name}")


@pytest.mark.parametrize(
    ("state", "power", "orders"),
    [
        (NodeState.BOOTING, Power.OFF, ["start p-0"]),
        (NodeState.BOOTING, Power.STARTING, ["start p-0"]),  # a driver takes it for what it has
        (NodeState.STOPPING, Power.ON, ["stop p-0"]),
        (NodeState.STOPPING, Power.OFF, []),  # it is off by now
        (NodeState.OFF, Power.OFF, []),
        (NodeState.IDLE, Power.ON, []),
    ],
)
async def test_an_order_under_way_is_repeated_once(state: NodeState, power: Power, orders: list[str]) -> None:
    driver = Seen(power)
    memory = PoolMemory(BootHistory(150.0), (NodeMemory("p-0", state, since=1000.0, ordered=1000.0),))
    fleet = Fleet([pool_of("p")], {"p": driver}, settings=ScalerSettings(), remembered={"p": memory})
    for moment in (1001.0, 1002.0):
        await fleet.look((), moment)
    assert driver.orders == orders


async def test_of_a_node_that_a_person_disabled_nothing_is_ordered() -> None:
    driver = Seen(Power.OFF)
    node = NodeMemory("p-0", NodeState.BOOTING, since=1000.0, ordered=1000.0, enabled=False)
    memory = {"p": PoolMemory(BootHistory(150.0), (node,))}
    fleet = Fleet([pool_of("p")], {"p": driver}, settings=ScalerSettings(), remembered=memory)
    await fleet.look((), 1001.0)
    assert driver.orders == []


async def test_a_start_that_its_driver_gives_up_is_no_failure_and_is_told_while_it_can_not_be_had() -> None:
    driver = Seen(Power.OFF)
    fleet = Fleet([pool_of("p")], {"p": driver}, settings=ScalerSettings(), remembered={})
    await fleet.look((), 1000.0)
    await fleet.start("p-0", "p", 1000.0)
    driver.hindrance = "AWS has no more"
    await fleet.look((), 1030.0)
    (view,) = fleet.views
    assert (view.state, view.failures, view.hindrance) == (NodeState.OFF, 0, "AWS has no more")
    assert (view.startable, fleet.pool_views[0].boot.failing) == (False, False)
    driver.hindrance = ""
    await fleet.look((), 1090.0)
    assert fleet.views[0].startable


async def test_what_others_have_of_a_node_is_seen_and_devices_that_it_lacks_are_not() -> None:
    pool = pool_of("p")
    gone = ResourceList.of({"cpu": 1500, "nvidia.com/gpu": 1})
    driver = Seen(Power.ON, allocatable=pool.allocatable.minus(gone).plus(ResourceList.of({"memory": 2**40})))
    fleet = Fleet([pool], {"p": driver}, settings=ScalerSettings(), remembered={})
    await fleet.look((), 1000.0)
    assert fleet.views[0].taken == ResourceList.of({"cpu": 1500})
    driver.allocatable = pool.allocatable
    await fleet.look((), 1001.0)
    assert fleet.views[0].taken == NOTHING


@pytest.mark.parametrize(("driver", "named"), [("kwok", False), ("power", True), ("eks", True)])
def test_only_listed_nodes_can_be_started_where_a_driver_knows_them_all(driver: str, named: bool) -> None:
    pool = pool_of("p", driver=driver, **({"eks": {"nodeGroup": "g"}} if driver == "eks" else {}))
    fleet = Fleet([pool], {"p": Seen(Power.OFF)}, settings=ScalerSettings(), remembered={})
    assert fleet.pool_views[0].named is named


@pytest.mark.parametrize(
    ("spec", "fixed", "by_hand"),
    [
        ({"driver": "static"}, True, "kubectl label node NODE headrace.dev/pool=p"),
        ({"driver": "static", "provides": "gpuServers"}, True, ""),
        ({"driver": "kwok"}, False, ""),
    ],
)
def test_a_node_of_a_static_pool_is_added_by_its_label_alone(
    spec: dict[str, str], fixed: bool, by_hand: str
) -> None:
    pool = pool_of("p", minNodes=3, **spec)
    (view,) = Fleet([pool], {"p": Seen(Power.ON)}, settings=ScalerSettings(), remembered={}).pool_views
    assert (view.fixed, view.by_hand) == (fixed, by_hand)

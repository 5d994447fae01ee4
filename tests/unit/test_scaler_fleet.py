"""The fleet after a restart: orders that a former process gave are given once more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from headrace.model.node import NodeState
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

    async def nodes(self) -> Sequence[Sighting]:
        return [Sighting("p-0", self.power)]

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

"""What nodes cost while they were seen, beside what they would have cost always on. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.model.node import NodeState
from headrace.scaler.snapshot import PoolView, Snapshot

HOUR_SECONDS = 3600.0
PAID = frozenset({NodeState.BOOTING, NodeState.IDLE, NodeState.BUSY, NodeState.DRAINING, NodeState.STOPPING})


@dataclass(frozen=True, slots=True)
class Bill:
    """By pool: seconds for which nodes were on, their cost, and that of all its nodes always on."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    always_on: Mapping[str, float] = field(default_factory=dict)

    def after(self, snapshot: Snapshot, seconds: float) -> "Bill":
        """With so many seconds more, for which things were as in the snapshot."""
        on = {pool.name: _paid(pool, snapshot) * seconds for pool in snapshot.pools}
        hourly = {pool.name: pool.price_per_hour / HOUR_SECONDS for pool in snapshot.pools}
        cost = {name: amount * hourly[name] for name, amount in on.items()}
        always_on = {pool.name: pool.max_nodes * seconds * hourly[pool.name] for pool in snapshot.pools}
        return Bill(_added(self.seconds, on), _added(self.cost, cost), _added(self.always_on, always_on))


def _paid(pool: PoolView, snapshot: Snapshot) -> int:
    return sum(node.pool == pool.name and node.state in PAID for node in snapshot.nodes)


def _added(before: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {**before, **{name: before.get(name, 0.0) + amount for name, amount in more.items()}}

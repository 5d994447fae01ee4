"""What is free for workers on the nodes that are on, and what tenants' quotas leave, as it is given out.

Plain lists of whole numbers, looked up once a function: thousands of workers are placed in one decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from headrace.model.resources import ResourceList
from headrace.scaler.rooms import ON
from headrace.scaler.snapshot import FunctionView, Snapshot

Wish = tuple[tuple[int, int], ...]  # places on the axis of resources, and how much of each


@dataclass(slots=True)
class Trail:
    """The first node that is worth trying: room only shrinks, so that those before it never fit again."""

    start: int = 0


class Ground:
    """Nodes by number, the oldest first."""

    def __init__(self, snapshot: Snapshot) -> None:
        pools = {pool.name: pool for pool in snapshot.pools}
        on = [n for n in snapshot.nodes if n.state in ON and n.enabled and n.pool in pools]
        on.sort(key=attrgetter("ordered", "name"))
        self._axis = sorted({name for pool in snapshot.pools for name, _ in pool.capacity})
        self.names = [node.name for node in on]
        self.numbers: Mapping[str, int] = {name: number for number, name in enumerate(self.names)}
        self.pools = [node.pool for node in on]
        capacity = {name: self._vector(pool.capacity) for name, pool in pools.items()}
        self.free = [list(capacity[node.pool]) for node in on]
        self._quotas = {quota.tenant: self._vector(quota.most) for quota in snapshot.quotas}
        self._trails: dict[tuple[ResourceList, tuple[str, ...]], Trail] = {}

    def claim(self, function: FunctionView) -> "Claim":
        """What one function may take of it."""
        trail = self._trails.setdefault((function.request, function.pools), Trail())
        places = {name: place for place, name in enumerate(self._axis)}
        known = all(name in places for name, _ in function.request)
        wish = tuple((places[name], amount) for name, amount in function.request) if known else None
        return Claim(self, wish, frozenset(function.pools), self._quotas.get(function.tenant), trail)

    def _vector(self, amounts: ResourceList) -> list[int]:
        return [amounts[name] for name in self._axis]


@dataclass(slots=True)
class Claim:
    """One function's: `wish` is None where it asks for what no pool has, `quota` what its tenant has left."""

    ground: Ground
    wish: Wish | None
    pools: frozenset[str]
    quota: list[int] | None
    trail: Trail

    def take(self, node: str, workers: int = 1) -> None:
        """Less is free from now on; of the quota only, where the node is not on."""
        number = self.ground.numbers.get(node)
        for place, amount in self.wish or ():
            if self.quota is not None:
                self.quota[place] -= workers * amount
            if number is not None:
                self.ground.free[number][place] -= workers * amount

    def first(self) -> str | None:
        """The oldest node with room for one more worker; None where there is none."""
        number, names = self.trail.start, self.ground.names
        while number < len(names) and not self._holds(number):
            number += 1
        self.trail.start = number
        return names[number] if number < len(names) else None

    def holds(self, node: str) -> bool:
        """Whether one more worker fits there."""
        number = self.ground.numbers.get(node)
        return number is not None and self._holds(number)

    def allowed(self) -> bool:
        """Whether the quota leaves one more worker."""
        if self.quota is None:
            return True
        return all(self.quota[place] >= amount for place, amount in self.wish or ())

    def _holds(self, number: int) -> bool:
        if self.wish is None or self.ground.pools[number] not in self.pools:
            return False
        free = self.ground.free[number]
        for place, amount in self.wish:  # noqa: SIM110  (a generator costs more than the comparison)
            if free[place] < amount:
                return False
        return True

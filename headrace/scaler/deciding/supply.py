"""Which nodes to order for so many workers: the cheapest that hold them, within each pool's limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.snapshot import NodeView, PoolView, Snapshot

NO_LIMIT = 10**9


@dataclass(slots=True)
class Supply:
    """Nodes of one pool that may still be ordered in this decision, by name, in a fixed order."""

    pool: PoolView
    left: int
    names: Iterator[str]
    chosen: set[str] = field(default_factory=set)  # names taken out of turn


@dataclass(slots=True)
class Supplies:
    """Those of all pools; together no more than `left` may be ordered."""

    pools: Mapping[str, Supply]
    left: int

    @classmethod
    def of(cls, snapshot: Snapshot, *, max_booting: int = 0) -> "Supplies":
        """Within max_nodes, and within what may boot at once of a pool and of all (0: no limit)."""
        nodes: dict[str, list[NodeView]] = {pool.name: [] for pool in snapshot.pools}
        for node in snapshot.nodes:
            nodes.setdefault(node.pool, []).append(node)
        booting = sum(1 for node in snapshot.nodes if node.state is NodeState.BOOTING)
        left = max(0, max_booting - booting) if max_booting else NO_LIMIT
        return cls({pool.name: _supply(pool, nodes[pool.name]) for pool in snapshot.pools}, left)

    def of_pool(self, name: str) -> int:
        """How many of this pool may still be ordered."""
        return min(self.left, self.pools[name].left)

    def take(self, name: str) -> str:
        """The name of the pool's next node."""
        supply = self.pools[name]
        return self._taken(supply, next(each for each in supply.names if each not in supply.chosen))

    def choose(self, node: NodeView) -> bool:
        """Take that very node; False: no more may be ordered."""
        if self.of_pool(node.pool) < 1:
            return False
        supply = self.pools[node.pool]
        supply.chosen.add(self._taken(supply, node.name))
        return True

    def _taken(self, supply: Supply, node: str) -> str:
        self.left -= 1
        supply.left -= 1
        return node


def _supply(pool: PoolView, nodes: Sequence[NodeView]) -> Supply:
    there = [node for node in nodes if node.state is not NodeState.OFF]
    left = pool.max_nodes - len(there)
    if pool.fixed:
        left = 0
    elif pool.named:
        left = min(left, sum(1 for node in nodes if node.startable))
    if pool.max_booting:
        left = min(left, pool.max_booting - sum(1 for n in there if n.state is NodeState.BOOTING))
    return Supply(pool, max(0, left), _names(pool, nodes))


def _names(pool: PoolView, nodes: Sequence[NodeView]) -> Iterator[str]:
    """Those that are off first, then new ones: two leaders that see the same name the same."""
    yield from sorted(node.name for node in nodes if node.startable)
    known = {node.name for node in nodes}
    for number in count():
        name = f"{pool.name}-{number}"
        if name not in known:
            yield name


@dataclass(frozen=True, slots=True)
class Choice:
    """How many nodes of each pool, what they cost an hour, and workers for which there is no node."""

    nodes: Mapping[str, int] = field(default_factory=dict)
    price: float = 0.0
    missing: int = 0

    @property
    def count(self) -> int:
        return sum(self.nodes.values())

    def with_more(self, other: "Choice") -> "Choice":
        """This and another one of other pools, for what is missing here."""
        return Choice({**self.nodes, **other.nodes}, self.price + other.price, other.missing)

    def without_spare(self, workers: int) -> "Choice":
        """The same nodes, where for so many of the workers there need be none."""
        return replace(self, missing=max(0, self.missing - workers))


def choose(
    workers: int,
    request: ResourceList,
    homes: Sequence[PoolView],
    supplies: Supplies,
    *,
    beside: int = 0,
) -> Choice:
    """The nodes for so many workers: full ones where a worker is cheapest, then the cheapest for the rest.

    `beside` nodes of other pools are chosen already, and not yet ordered.
    """
    left = {pool.name: supplies.of_pool(pool.name) for pool in homes}
    total = supplies.left - beside
    chosen: dict[str, int] = {}
    missing, price = workers, 0.0
    while missing > 0:
        open_pools = [pool for pool in homes if min(total, left[pool.name]) > 0]
        offers = [_offer(pool, request, missing, min(total, left[pool.name])) for pool in open_pools]
        if not offers:
            break
        _, _, pool, nodes, held = min(offers, key=lambda offer: offer[:2])
        chosen[pool.name] = chosen.get(pool.name, 0) + nodes
        left[pool.name] -= nodes
        total -= nodes
        missing -= held
        price += nodes * pool.price_per_hour
    return Choice(chosen, price, max(0, missing))


def _offer(
    pool: PoolView, request: ResourceList, workers: int, most: int
) -> tuple[float, str, PoolView, int, int]:
    """Price a worker held, name, pool, nodes and workers held: full nodes, or one for less than one holds."""
    each = request.count_in(pool.capacity)
    nodes = min(most, max(1, workers // each))
    held = min(workers, nodes * each)
    return nodes * pool.price_per_hour / held, pool.name, pool, nodes, held

"""What is free for workers on the nodes that are on, and what tenants' quotas leave, as it is given out.

Plain lists of whole numbers, looked up once a function: thousands of workers are placed in one decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from headrace.model.resources import ResourceList
from headrace.scaler.deciding.axis import Axis
from headrace.scaler.deciding.budgets import Budget, Wish
from headrace.scaler.deciding.charges import Charges
from headrace.scaler.deciding.classes import price_a_worker
from headrace.scaler.deciding.remote import Remote, Share
from headrace.scaler.deciding.rooms import ON
from headrace.scaler.snapshot import FunctionView, Snapshot

NO_LIMIT = 10**9


@dataclass(slots=True)
class Trail:
    """Nodes by number, in the order in which one kind of worker fills them, and the first worth trying.

    Room only shrinks, so that those before it never fit again.
    """

    nodes: Sequence[int]
    start: int = 0


class Ground:
    """Nodes by number, the oldest first; and the tenants' budgets."""

    def __init__(self, snapshot: Snapshot, charges: Charges) -> None:
        pools = self._views = {pool.name: pool for pool in snapshot.pools}
        on = [n for n in snapshot.nodes if n.state in ON and n.enabled and n.pool in pools]
        on.sort(key=attrgetter("ordered", "name"))
        axis = Axis(snapshot.pools)
        self._places = {name: place for place, name in enumerate(axis.names)}
        self.names = [node.name for node in on]
        self.numbers: Mapping[str, int] = {name: number for number, name in enumerate(self.names)}
        self.pools = [node.pool for node in on]
        self.free = [axis.left(node) for node in on]
        self._charges = charges
        self._budgets = _budgets(snapshot)
        self._remote = Remote(snapshot)
        self._trails: dict[tuple[ResourceList, tuple[str, ...]], Trail] = {}

    def claim(self, function: FunctionView) -> "Claim":
        """What one function may take of it."""
        key = (function.request, function.pools)
        if key not in self._trails:
            self._trails[key] = Trail(self._order(function))
        trail = self._trails[key]
        known = all(name in self._places for name, _ in function.request)
        wish = tuple((self._places[name], amount) for name, amount in function.request) if known else None
        budget, remote = self._budgets.get(function.tenant), self._remote.of(function)
        charge = budget.wish(self._charges.of(function)) if budget is not None else ()
        return Claim(self, wish, frozenset(function.pools), budget, charge, trail, remote)

    def _order(self, function: FunctionView) -> Sequence[int]:
        """Where a worker is cheapest first, so that dear nodes run dry; of these the oldest."""
        prices = {
            name: price_a_worker(pool, function.request)
            for name, pool in self._views.items()
            if name in function.pools and function.request.fits(pool.capacity)
        }
        able = [number for number, pool in enumerate(self.pools) if pool in prices]
        return sorted(able, key=lambda number: prices[self.pools[number]])


def _budgets(snapshot: Snapshot) -> Mapping[str, Budget]:
    """By tenant, where it has bounds; workers that are leaving have spent their part already."""
    found = {each.name: Budget.of(each) for each in snapshot.tenants if each.bounds}
    for worker in snapshot.leaving:
        if worker.tenant in found:
            budget = found[worker.tenant]
            budget.take(budget.wish(worker.charge), 1)
    return found


@dataclass(slots=True)
class Claim:
    """One function's: `wish` is None where it asks for what no pool has.

    `charge` is what a worker uses of its tenant's `budget`. `remote` is its share of the servers' GPUs, of
    which whoever gives a new worker takes by itself.
    """

    ground: Ground
    wish: Wish | None
    pools: frozenset[str]
    budget: Budget | None
    charge: Wish
    trail: Trail
    remote: Share

    def take(self, node: str, workers: int = 1) -> None:
        """Less is free from now on, where the node is on."""
        number = self.ground.numbers.get(node)
        if number is None:
            return
        for place, amount in self.wish or ():
            self.ground.free[number][place] -= workers * amount

    def spend(self, workers: int) -> None:
        """So many more are there, or will be: the quota has less left."""
        if self.budget is not None:
            self.budget.take(self.charge, workers)

    @property
    def nodes(self) -> Sequence[str]:
        """Those that its workers may run on."""
        return [self.ground.names[number] for number in self.trail.nodes]

    def first(self) -> str | None:
        """The first node with room for one more worker; None where there is none."""
        nodes, free, wish = self.trail.nodes, self.ground.free, self.wish or ()
        for place in range(self.trail.start, len(nodes)):
            row = free[nodes[place]]
            for resource, amount in wish:
                if row[resource] < amount:
                    break
            else:
                self.trail.start = place
                return self.ground.names[nodes[place]]
        self.trail.start = len(nodes)
        return None

    def room(self, node: str) -> int:
        """How many more workers fit there; the quota is another matter."""
        number = self.ground.numbers.get(node)
        return 0 if number is None else self._room(number)

    def wait_for_quota(self) -> None:
        """Files wait that the quota leaves no worker for: its tenant's idle ones are to end."""
        if self.budget is not None:
            self.budget.is_waited_for = True

    @property
    def is_waited_for(self) -> bool:
        """Whether files wait that the quota leaves no worker for."""
        return self.budget is not None and self.budget.is_waited_for

    @property
    def exhausted(self) -> str:
        """What the quota allows no further worker for, for people."""
        return "" if self.budget is None else self.budget.told(self.charge)

    def fits_beside(self, node: str, other: "Claim") -> bool:
        """Whether one more worker would fit there if one of the other's were gone."""
        number = self.ground.numbers.get(node)
        if number is None or self.wish is None or self.ground.pools[number] not in self.pools:
            return False
        free, back = self.ground.free[number], dict(other.wish or ())
        return all(free[place] + back.get(place, 0) >= amount for place, amount in self.wish)

    def allowed(self, workers: int, *, kept: int = 0) -> int:
        """How many of so many more the quota and the servers' GPUs leave; `kept` are spent already."""
        if self.budget is not None:
            workers = max(0, min(workers, kept + self.budget.allows(self.charge, workers)))
        return self.remote.allowed(workers)

    def fresh(self, workers: int) -> int:
        """How many of so many the quota leaves that nothing is spent for yet."""
        return workers if self.budget is None else max(0, self.budget.allows(self.charge, workers))

    def _room(self, number: int) -> int:
        if self.wish is None or self.ground.pools[number] not in self.pools:
            return 0
        free, most = self.ground.free[number], NO_LIMIT
        for place, amount in self.wish:
            fits = free[place] // amount
            if fits < most:  # noqa: PLR1730  (a call of min costs more than all the rest)
                most = fits
        return max(0, most)

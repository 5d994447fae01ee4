"""Fair shares of tenants: who has how much of all that there may be, and whose turn it is. Pure.

Weighted dominant resource fairness (Ghodsi et al., NSDI 2011): a tenant's share is the greatest part that it
has of any resource, through its weight; the next worker goes to whoever's share is least. Parts are of what
all pools may have at most, and all GPU servers: so no share changes as nodes come and go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from headrace.model.resources import ResourceList, total
from headrace.model.tenant import REMOTE_MEMORY, REMOTE_SESSIONS
from headrace.scaler.deciding.budgets import Wish
from headrace.scaler.deciding.charges import Charges
from headrace.scaler.snapshot import FunctionView, Snapshot, TenantView

NO_LIMIT = 10**9
OTHERS = TenantView("")  # functions whose tenant is not declared

Standing = tuple[int, float]  # who comes first: the higher priority, then the smaller share


@dataclass(slots=True)
class Party:
    """A tenant, or all functions that have none together, while workers are given out.

    `scales` are the share that one unit of each resource is; none where it is alone, and has no need of any.
    `served` is when it was last seen to have a worker, by which turns go where shares are the same; -inf:
    it has one that is free.
    """

    tenant: TenantView
    scales: Sequence[float]
    used: list[int]
    served: float = 0.0

    @property
    def share(self) -> float:
        """The greatest part that it has of anything, through its weight."""
        return max((used * scale for used, scale in zip(self.used, self.scales, strict=True)), default=0.0)

    def share_without(self, cost: Wish, workers: int = 1) -> float:
        """Its share if it had so many workers of this cost less."""
        self.take(cost, -workers)
        share = self.share
        self.take(cost, workers)
        return share

    @property
    def standing(self) -> Standing:
        """The least is served first."""
        return -self.tenant.priority, self.share

    def take(self, cost: Wish, workers: int = 1) -> None:
        """It has so many more workers of this cost, or fewer."""
        for place, amount in cost:
            self.used[place] += workers * amount

    def until(self, cost: Wish, other: Standing) -> int:
        """How many workers more it takes one after another before another one's turn comes; at least one."""
        if -self.tenant.priority < other[0] or not cost:
            return NO_LIMIT
        return max(1, min((int(other[1] / self.scales[n]) - self.used[n]) // amount for n, amount in cost))


def tenants_of(snapshot: Snapshot) -> Mapping[str, TenantView]:
    """By function: its tenant, where that is declared; else all of them have one in common."""
    declared = {tenant.name: tenant for tenant in snapshot.tenants}
    return {each.name: declared.get(each.tenant, OTHERS) for each in snapshot.functions}


def is_contested(tenants: Mapping[str, TenantView]) -> bool:
    """Whether functions of several tenants are there."""
    return len({tenant.name for tenant in tenants.values()}) > 1


class Parties:
    """All of them; those without a declared tenant are one.

    Where there is but one nothing is reckoned, unless `always`.
    """

    def __init__(self, snapshot: Snapshot, charges: Charges, *, always: bool = False) -> None:
        self._charges = charges
        self._of = tenants_of(snapshot)
        found = {tenant.name: tenant for tenant in self._of.values()}
        self.contested = is_contested(self._of)
        capacity = self._capacity = _capacity(snapshot) if self.contested or always else {}
        served = self._served(snapshot) if self.contested else {}
        self.all = tuple(
            Party(tenant, _scales(capacity, tenant), [0] * len(capacity), served.get(name, 0.0))
            for name, tenant in sorted(found.items())
        )
        self._parties = {party.tenant.name: party for party in self.all}

    def _served(self, snapshot: Snapshot) -> Mapping[str, float]:
        """Who has a worker that starts, or waits for files, is the first: its turn is not over."""
        there = {each.function for each in snapshot.workers if not (each.busy or each.gives)}
        having = {self._of[name].name for name in there if name in self._of}
        return {**dict(snapshot.served), **dict.fromkeys(having, -inf)}

    def of(self, function: FunctionView) -> Party:
        """The one that a function belongs to."""
        return self._parties[self._of[function.name].name]

    def greatest(self, function: FunctionView) -> tuple[float, str]:
        """The greatest part that the function's party has of anything, its weight left aside, and of what."""
        used = zip(self._capacity, self.of(function).used, strict=True)
        parts = {name: amount / self._capacity[name] for name, amount in used if amount}
        name = max(parts, key=lambda each: parts[each], default="")
        return parts.get(name, 0.0), name

    def cost(self, function: FunctionView) -> Wish:
        """What one worker of a function adds to its party's use."""
        if not self._capacity:
            return ()
        charge = self._charges.of(function)
        return tuple((place, amount) for place, name in enumerate(self._capacity) if (amount := charge[name]))


def _scales(capacity: Mapping[str, int], tenant: TenantView) -> Sequence[float]:
    return [1 / (amount * tenant.weight) for amount in capacity.values()]


def _capacity(snapshot: Snapshot) -> Mapping[str, int]:
    """All that there may be, of pools that some function may use, and of servers."""
    used = {name for function in snapshot.functions for name in function.pools}
    rooms = (*snapshot.remote, *snapshot.standby)
    remote = {
        REMOTE_MEMORY: sum(room.memory_bytes for room in rooms),
        REMOTE_SESSIONS: sum(room.free_sessions for room in rooms),
    }
    nodes = (pool.capacity.times(pool.max_nodes) for pool in snapshot.pools if pool.name in used)
    return dict(total((*nodes, ResourceList.of(remote))))

"""Single slots, which tenants have by turns: where one has nothing and another a single worker. Pure.

Shares can't part one worker, and by deadline the tenant that came first would keep it until its last file is
worked. A tenant without a worker gets the slot back once the others have had their turns: the length of each
is as its weight, so it is a weighted round robin.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from functools import cached_property
from math import inf

from headrace.scaler.snapshot import FunctionView, Snapshot, TenantView

LEAST_TURN_SECONDS = 30.0  # of the tenant of the least weight among those that want the slot, ...
STARTS_A_TURN = 4.0  # ... or so many times a worker's start: starts take a fifth of the time then


class Slots:
    """Whose turn it is; `busy` are the functions of the workers that have a file, one entry each."""

    def __init__(
        self, snapshot: Snapshot, tenants: Mapping[str, TenantView], busy: Collection[str], now: float
    ) -> None:
        self._snapshot, self._tenants, self._now = snapshot, tenants, now
        self._held = Counter(tenants[name].name for name in busy if name in tenants)

    def passes(self, owner: FunctionView, function: FunctionView) -> bool:
        """Whether the single worker of another tenant's function is to make room for one of this function."""
        ours, theirs = self._tenants[function.name], self._tenants[owner.name]
        if (self._held[ours.name], self._held[theirs.name], theirs.priority) != (0, 1, ours.priority):
            return False
        start = max(owner.service.start_seconds, function.service.start_seconds)
        turn = max(LEAST_TURN_SECONDS, STARTS_A_TURN * start)
        lacking = self._now - dict(self._snapshot.served).get(ours.name, -inf)
        return lacking >= turn * self._turns_of_others(ours.name)

    @cached_property
    def _weights(self) -> Mapping[str, float]:
        """Of the tenants that have a worker or want one; reckoned where a slot is single, which is seldom."""
        functions, tenants = self._snapshot.functions, self._tenants
        waiting = {tenants[each.name].name for each in functions if each.waiting and not each.paused}
        asking = waiting | self._held.keys()
        return {each.name: each.weight for each in tenants.values() if each.name in asking}

    def _turns_of_others(self, tenant: str) -> float:
        """How many turns of the least weight the others have until it is this one's again."""
        others = sum(weight for name, weight in self._weights.items() if name != tenant)
        return others / min(self._weights.values())

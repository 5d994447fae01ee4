"""Tenants in a run: whose turn it is, whom a quota holds back, and which node is kept for whom.

The rules are the scaler's own (`deciding.parties`, `deciding.budgets`). Without tenants nothing is held back
and everybody's turn is alike.
"""

from collections.abc import Mapping, Sequence

from headrace.scaler.deciding.budgets import Budget, Wish
from headrace.scaler.deciding.charges import Charges
from headrace.scaler.deciding.parties import Parties, Standing
from headrace.scaler.simulation.cluster import Node
from headrace.scaler.simulation.setting import Setting, SimFunction
from headrace.scaler.snapshot import FunctionView, Snapshot


class Tenancy:
    """What tenants have of files in work."""

    def __init__(self, setting: Setting) -> None:
        views = [FunctionView(f.name, f.request, f.pools, tenant=f.tenant) for f in setting.functions]
        snapshot = Snapshot(tuple(views), tuple(pool.view for pool in setting.pools), tenants=setting.tenants)
        charges = Charges(snapshot)
        parties = Parties(snapshot, charges)
        self.is_contested = parties.contested
        self._parties = {view.name: parties.of(view) for view in views}
        self._costs = {view.name: parties.cost(view) for view in views}
        bound = {tenant.name: Budget.of(tenant) for tenant in setting.tenants if tenant.bounds}
        self._budgets: Mapping[str, tuple[Budget, Wish]] = {
            view.name: (budget, budget.wish(charges.of(view)))
            for view in views
            if (budget := bound.get(view.tenant)) is not None
        }
        self._kept: dict[str, Node] = {}  # by function
        self._functions = {function.name: function for function in setting.functions}

    def standing(self, function: SimFunction) -> Standing:
        """The least is served first."""
        return self._parties[function.name].standing

    def allows(self, function: SimFunction) -> bool:
        """Whether a quota leaves one more of its files to be worked."""
        if function.name not in self._budgets:
            return True
        budget, wish = self._budgets[function.name]
        return budget.allows(wish, 1) > 0

    def count(self, function: SimFunction, files: int) -> None:
        """So many more of its files are in work, or fewer."""
        self._parties[function.name].take(self._costs[function.name], files)
        if function.name in self._budgets:
            budget, wish = self._budgets[function.name]
            budget.take(wish, files)

    def is_before(self, first: SimFunction, other: SimFunction) -> bool:
        """Whether one's turn comes before another's, of another tenant."""
        ours, theirs = self._parties[first.name], self._parties[other.name]
        return ours is not theirs and ours.standing < theirs.standing

    # Nodes that are kept

    @property
    def kept(self) -> Sequence[Node]:
        """All of them."""
        return tuple(self._kept.values())

    def keep(self, node: Node, function: SimFunction) -> None:
        """Until a file of the function starts, those whose turn comes later start none on the node."""
        self._kept.setdefault(function.name, node)

    def is_kept(self, node: Node, function: SimFunction) -> bool:
        """Whether the node is kept for somebody whose turn comes before the function's."""
        return any(
            kept is node and self.is_before(self._functions[name], function)
            for name, kept in self._kept.items()
        )

    def keeps_none(self, function: SimFunction) -> bool:
        """Whether no node is kept for the function."""
        return function.name not in self._kept

    def started(self, function: SimFunction) -> Node | None:
        """A file of it has started; the node that was kept for it is anybody's again."""
        return self._kept.pop(function.name, None)

    def forget(self, node: Node) -> None:
        """It serves no more."""
        self._kept = {name: kept for name, kept in self._kept.items() if kept is not node}

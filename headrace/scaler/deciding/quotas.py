"""What tenants' quotas leave to classes of files as they are promised workers. Pure."""

from collections.abc import Mapping, Sequence

from headrace.scaler.deciding.budgets import Budget, Wish
from headrace.scaler.deciding.classes import WorkClass
from headrace.scaler.snapshot import Snapshot


class Quotas:
    """Files in work are counted from the beginning, what is promised beyond them as it is."""

    def __init__(self, snapshot: Snapshot, found: Sequence[WorkClass]) -> None:
        self._budgets = {each.name: Budget.of(each) for each in snapshot.tenants if each.bounds}
        self._wishes: Mapping[str, Wish] = {
            each.name: self._budgets[each.tenant].wish(each.charge)
            for each in found
            if each.tenant in self._budgets
        }
        for each in found:
            self._spend(each, each.running)

    def allowed(self, each: WorkClass, most: int) -> tuple[int, str]:
        """How many workers a class may have beside the others, `most` at most, and why no more.

        It was promised none yet.
        """
        budget = self._budgets.get(each.tenant)
        if budget is None:
            return most, ""
        wish = self._wishes[each.name]
        within = max(0, each.running + budget.allows(wish, most))
        if within >= most:
            return most, ""
        budget.take(wish, within - each.running)
        told = budget.told(wish)
        budget.take(wish, each.running - within)
        return within, told

    def promise(self, each: WorkClass, workers: int) -> None:
        """The class has so many, those that run among them."""
        self._spend(each, max(0, workers - each.running))

    def _spend(self, each: WorkClass, workers: int) -> None:
        if each.tenant in self._budgets:
            self._budgets[each.tenant].take(self._wishes[each.name], workers)

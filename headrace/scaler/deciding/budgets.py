"""What a tenant's quota leaves as workers are given out. Plain lists: thousands are in one decision."""

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.model.resources import ResourceList
from headrace.model.tenant import amount_text
from headrace.scaler.snapshot import TenantView

Wish = tuple[tuple[int, int], ...]  # places on an axis, and how much of each


@dataclass(slots=True)
class Budget:
    """A tenant's bounds, in a fixed order, and what is used of each."""

    tenant: str
    names: tuple[str, ...]
    most: tuple[int, ...]
    used: list[int]
    is_waited_for: bool = False  # files wait for which nothing is left

    @classmethod
    def of(cls, tenant: TenantView) -> "Budget":
        """With nothing used yet."""
        names, most = zip(*tenant.bounds, strict=True) if tenant.bounds else ((), ())
        return cls(tenant.name, names, most, [0] * len(most))

    def wish(self, charge: ResourceList) -> Wish:
        """What one worker uses of what is bound."""
        return tuple((place, amount) for place, name in enumerate(self.names) if (amount := charge[name]))

    def take(self, wish: Wish, workers: int) -> None:
        """So many workers more, or fewer; whether they may is another matter."""
        for place, amount in wish:
            self.used[place] += workers * amount

    def allows(self, wish: Wish, most: int) -> int:
        """How many more it leaves room for, `most` at most; below zero: how many are too many."""
        for place, amount in wish:
            most = min(most, (self.most[place] - self.used[place]) // amount)
        return most

    def told(self, wish: Wish) -> str:
        """What allows no further worker, for people."""
        short = [place for place, amount in wish if self.used[place] + amount > self.most[place]]
        return (
            f"the quota of tenant {self.tenant} allows no further worker: {', '.join(map(self._use, short))}"
        )

    def _use(self, place: int) -> str:
        name = self.names[place]
        used, most = amount_text(name, self.used[place]), amount_text(name, self.most[place])
        return f"{name} {used} used, {most} allowed"

    @property
    def figures(self) -> Mapping[str, int]:
        """What is used, by name."""
        return dict(zip(self.names, self.used, strict=True))

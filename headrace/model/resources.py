"""Amounts of resources: what a node offers, what a worker needs. Every resource counts, GPUs too."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

CPU = "cpu"  # in millicores
MEMORY = "memory"  # in bytes
EPHEMERAL_STORAGE = "ephemeral-storage"  # in bytes
PODS = "pods"
GPU = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True)
class ResourceList:
    """Whole units by name: cpu in millicores, memory and ephemeral-storage in bytes, all else counted.

    Without zeros and in the order of names, so that equal lists are equal values; build it by `of`.
    """

    amounts: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, amounts: Mapping[str, int]) -> "ResourceList":
        """Raises ValueError for a negative amount."""
        for name, amount in amounts.items():
            if amount < 0:
                raise ValueError(f"{name}: found {amount}, allowed 0 or more")
        return cls(tuple(sorted((name, amount) for name, amount in amounts.items() if amount)))

    def __getitem__(self, name: str) -> int:
        return dict(self.amounts).get(name, 0)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self.amounts)

    def plus(self, other: "ResourceList", times: int = 1) -> "ResourceList":
        """This and `times` the other."""
        sums = dict(self.amounts)
        for name, amount in other.amounts:
            sums[name] = sums.get(name, 0) + times * amount
        return ResourceList.of(sums)

    def times(self, number: int) -> "ResourceList":
        """So many times this."""
        return ResourceList(tuple((name, number * amount) for name, amount in self.amounts if number))

    def minus(self, other: "ResourceList", times: int = 1) -> "ResourceList":
        """What is left of this without `times` the other; never below nothing."""
        taken = dict(other.amounts)
        left = ((name, amount - times * taken.get(name, 0)) for name, amount in self.amounts)
        return ResourceList(tuple(each for each in left if each[1] > 0))

    def count_in(self, room: "ResourceList") -> int:
        """How many times this fits into `room`. Raises ValueError where this is empty."""
        if not self.amounts:
            raise ValueError("a request for nothing fits any number of times; give it a resource")
        offered = dict(room.amounts)
        return min(offered.get(name, 0) // amount for name, amount in self.amounts)

    def fits(self, room: "ResourceList") -> bool:
        """Whether `room` holds this."""
        offered = dict(room.amounts)
        return all(offered.get(name, 0) >= amount for name, amount in self.amounts)


NOTHING = ResourceList()


def total(lists: Iterable[ResourceList]) -> ResourceList:
    """The sum of all."""
    sums: dict[str, int] = {}
    for each in lists:
        for name, amount in each.amounts:
            sums[name] = sums.get(name, 0) + amount
    return ResourceList.of(sums)

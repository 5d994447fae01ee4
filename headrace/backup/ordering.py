"""In which order a backup copies objects: results before what they were made of. Pure.

A result that is copied may be newer than the records that were read before. Its input, copied after it, is
then at least as new, and has no record in the backup: it is worked again, and the result put right.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from headrace.model.cycles import steps_between
from headrace.model.function import Function


def ranks(functions: Iterable[Function]) -> Mapping[str, int]:
    """By function 1, or one more than the highest rank of those that its results start.

    A ring, which no stack takes, is cut where it closes.
    """
    steps = steps_between(functions)
    found: dict[str, int] = {}

    def rank(name: str, path: frozenset[str]) -> int:
        if name not in found:
            followers = [step.starts for step in steps[name] if step.starts not in path]
            found[name] = 1 + max((rank(each, path | {each}) for each in followers), default=0)
        return found[name]

    for name in steps:
        rank(name, frozenset({name}))
    return found


@dataclass(frozen=True, slots=True)
class Pass:
    """A bucket's objects of one rank; `is_rest`: those that no function takes, too."""

    bucket: str
    rank: int
    is_rest: bool


class Order:
    """The passes over buckets, and which of them an object belongs to."""

    def __init__(
        self, functions: Iterable[Function], buckets: Iterable[str], real: Callable[[str], str]
    ) -> None:
        self._functions = tuple(functions)
        self._ranks = ranks(self._functions)
        self._real = real
        written = {real(each.bucket) for function in self._functions for each in function.spec.output}
        self.passes = tuple(
            sorted(
                (
                    each
                    for bucket in set(buckets)
                    for each in self._passes(bucket, is_written=bucket in written)
                ),
                key=lambda each: (each.rank, each.bucket),
            )
        )

    def _passes(self, bucket: str, *, is_written: bool) -> Iterable[Pass]:
        taken = {self._ranks[each.name] for each in self._functions if self._reads(each, bucket)}
        own = sorted(taken | ({0} if is_written or not taken else set()))
        return [Pass(bucket, rank, is_rest=rank == own[0]) for rank in own]

    def _reads(self, function: Function, bucket: str) -> bool:
        return any(self._real(each.bucket) == bucket for each in function.spec.input)

    def belongs(self, key: str, to: Pass) -> bool:
        """Whether an object of the pass's bucket is copied in it."""
        takers = [
            self._ranks[function.name]
            for function in self._functions
            if any(self._real(i.bucket) == to.bucket and i.takes(key) for i in function.spec.input)
        ]
        return max(takers) == to.rank if takers else to.is_rest

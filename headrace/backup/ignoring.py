"""Which tasks are to be ignored after a restore, as their files were older than the function. Pure.

The store dates restored objects anew, so that the listing, which compares dates, would take them all.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import floor, inf

from headrace.backup.entry import Entry
from headrace.backup.translating import Identities
from headrace.model.function import Existing, Function, Input
from headrace.model.task import task_id


def tasks_of_unknown(
    function: str,
    entries: Iterable[Entry],
    identities: Identities,
    *,
    first_seen: float,
    before: Mapping[str, float],
) -> Iterator[str]:
    """Ids, as they are now, of tasks on all files older than a function of which a backup knows no more.

    It was deleted, could not be read, or came while the backup was taken. If it comes again, the listing
    heeds these ids for inputs that ignore what is older. `first_seen` and `before` as in Ignoring.
    """
    for entry in entries:
        former = task_id(function, entry.bucket, entry.key, entry.identity)
        if entry.modified < floor(first_seen) or entry.modified <= before.get(former, -inf):
            yield _present_id(function, entry, identities)


def _present_id(function: str, entry: Entry, identities: Identities) -> str:
    return task_id(function, identities.real(entry.bucket), entry.key, identities.identity(entry))


@dataclass(frozen=True, slots=True)
class Ignoring:
    """A function as it stood: when it was first seen, and tasks ignored since an earlier restore.

    `before`: until which date of its file such a task is ignored. `real` gives the name that the store had,
    at the backup's time, for a bucket that the function names.
    """

    function: Function
    first_seen: float
    before: Mapping[str, float]
    real: Callable[[str], str]

    def tasks(self, entries: Iterable[Entry], identities: Identities) -> Iterator[str]:
        """Ids, as they are now, of tasks that the listing would put and did not before."""
        name = self.function.name
        for entry in entries:
            sources = [each for each in self.function.spec.input if self._takes(each, entry)]
            if not sources:
                continue
            former = task_id(name, entry.bucket, entry.key, entry.identity)
            is_old = entry.modified <= self.before.get(former, -inf)
            if is_old or not any(self._wants(each, entry) for each in sources):
                yield _present_id(name, entry, identities)

    def _takes(self, source: Input, entry: Entry) -> bool:
        is_marker = entry.key.endswith("/")
        return self.real(source.bucket) == entry.bucket and source.takes(entry.key) and not is_marker

    def _wants(self, source: Input, entry: Entry) -> bool:
        """As the listing does: an object of the function's first second counts as newer."""
        return source.existing is Existing.PROCESS or entry.modified >= floor(self.first_seen)

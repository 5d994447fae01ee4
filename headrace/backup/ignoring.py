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
                bucket = identities.real(entry.bucket)
                yield task_id(name, bucket, entry.key, identities.identity(entry))

    def _takes(self, source: Input, entry: Entry) -> bool:
        is_marker = entry.key.endswith("/")
        return self.real(source.bucket) == entry.bucket and source.takes(entry.key) and not is_marker

    def _wants(self, source: Input, entry: Entry) -> bool:
        """As the listing does: an object of the function's first second counts as newer."""
        return source.existing is Existing.PROCESS or entry.modified >= floor(self.first_seen)

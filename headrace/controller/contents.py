"""What is in a bucket: how much, as far as it takes to know that there is much. Old versions are data too."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.model.errors import NotFoundError
from headrace.model.keys import BUCKETS, FUNCTIONS
from headrace.model.status import BucketStatus
from headrace.storage.port import Storage, Version

MOST = 1000  # objects and old versions counted; a page of a listing
CHUNK = 200  # of them removed at a time
# What services note in the platform's bucket for themselves: no data of anybody.
NOTED = (f"{FUNCTIONS}/", f"{BUCKETS}/", "race/")


@dataclass(frozen=True, slots=True)
class Contents:
    """`old`: older versions and marks of deletion; `is_bound`: there are at least so many of both."""

    objects: int = 0
    old: int = 0
    is_bound: bool = False

    def __bool__(self) -> bool:
        return bool(self.objects or self.old)

    def told(self, bucket: str) -> str:
        """For people: uploads (at least 990 objects and 10 old versions)."""
        parts = [_many(self.objects, "object")] if self.objects or not self.old else []
        parts += [_many(self.old, "old version")] if self.old else []
        return f"{bucket} ({'at least ' if self.is_bound else ''}{' and '.join(parts)})"


def told_contents(status: BucketStatus) -> Contents:
    """As a status tells it."""
    return Contents(status.objects, status.old_versions, status.is_bound)


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


async def look(storage: Storage, bucket: str, *, but: Sequence[str] = ()) -> Contents:
    """Count what a bucket keeps, without what is below the prefixes `but`."""
    objects = old = 0
    try:
        async for version in storage.versions(bucket):
            if version.key.startswith(tuple(but)):
                continue
            objects, old = objects + version.is_object, old + (not version.is_object)
            if objects + old == MOST:
                return Contents(objects, old, is_bound=True)
    except NotFoundError:
        return Contents()
    return Contents(objects, old)


async def some_versions(
    storage: Storage, bucket: str, *, within: Sequence[str], but: str = ""
) -> list[Version]:
    """The first that a bucket keeps below the prefixes `within`, CHUNK at most; without the key `but`."""
    found: list[Version] = []
    try:
        async for version in storage.versions(bucket):
            if version.key != but and version.key.startswith(tuple(within)):
                found.append(version)
            if len(found) == CHUNK:
                break
    except NotFoundError:
        return []
    return found

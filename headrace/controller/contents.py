"""What is in a bucket: how many objects, as far as it takes to know that there are many."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.model.errors import NotFoundError
from headrace.model.keys import FUNCTIONS
from headrace.storage.port import Storage

MOST = 1000  # objects counted; a page of a listing
CHUNK = 200  # objects removed at a time
# What services note in the platform's bucket for themselves: no data of anybody.
NOTED = (f"{FUNCTIONS}/", "race/")


@dataclass(frozen=True, slots=True)
class Contents:
    """`is_bound`: there are at least so many objects."""

    objects: int = 0
    is_bound: bool = False

    def told(self, bucket: str) -> str:
        """For people: uploads (at least 1000 objects)."""
        least = "at least " if self.is_bound else ""
        return f"{bucket} ({least}{self.objects} object{'' if self.objects == 1 else 's'})"


async def look(storage: Storage, bucket: str, *, but: Sequence[str] = ()) -> Contents:
    """Count the objects of a bucket, without those below the prefixes `but`."""
    counted = 0
    try:
        async for info in storage.list(bucket):
            if info.key.startswith(tuple(but)):
                continue
            counted += 1
            if counted == MOST:
                return Contents(counted, is_bound=True)
    except NotFoundError:
        return Contents()
    return Contents(counted)


async def some_keys(storage: Storage, bucket: str) -> list[str]:
    """Keys of the first objects of a bucket, CHUNK at most."""
    found: list[str] = []
    try:
        async for info in storage.list(bucket):
            found.append(info.key)
            if len(found) == CHUNK:
                break
    except NotFoundError:
        return []
    return found

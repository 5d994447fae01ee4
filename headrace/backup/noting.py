"""What a backup has copied so far, noted in its place now and then, so that a kill costs little."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from headrace.backup.entry import Entry
from headrace.backup.repository import Repository

# What is copied again after a kill, at most.
OBJECTS, BYTES, SECONDS = 500, 64 * 2**20, 5.0


@dataclass(slots=True)
class Notes:
    """`now` gives seconds on any clock that only goes forward."""

    repository: Repository
    now: Callable[[], float]
    _run: str = field(default_factory=lambda: secrets.token_hex(4))
    _written: int = 0
    _fresh: list[Entry] = field(default_factory=list)
    _size: int = 0
    _since: float = 0.0

    async def add(self, entry: Entry) -> None:
        """An object is copied."""
        if not self._fresh:
            self._since = self.now()
        self._fresh.append(entry)
        self._size += entry.size
        is_late = self.now() - self._since >= SECONDS
        if len(self._fresh) >= OBJECTS or self._size >= BYTES or is_late:
            await self.write()

    async def write(self) -> None:
        """Note all that is not noted yet."""
        fresh, self._fresh, self._size = self._fresh, [], 0
        if fresh:
            self._written += 1
            await self.repository.note_progress(f"{self._run}-{self._written}", fresh)

"""From the stack's store to a place of backups, one object at a time."""

import secrets
from dataclasses import dataclass, field

from headrace.backup.entry import Entry
from headrace.backup.noting import Notes
from headrace.backup.repository import Repository, digest_of
from headrace.backup.site import Site, Telling
from headrace.backup.stock import Stock
from headrace.model.errors import ChangedError, NotFoundError, TransientError
from headrace.storage.port import ObjectInfo

MOST_CHANGES = 10  # of one object while it is read


@dataclass(slots=True)
class Amount:
    """Objects and their bytes."""

    objects: int = 0
    size: int = 0

    def add(self, size: int) -> None:
        """One more object."""
        self.objects += 1
        self.size += size


@dataclass(slots=True)
class Copier:
    """Copies objects that are not there yet, and remembers what it has copied.

    `fresh`: the SHA-256 of each content that it has stored itself.
    """

    site: Site
    repository: Repository
    stock: Stock
    telling: Telling
    copied: Amount = field(default_factory=Amount)
    unchanged: Amount = field(default_factory=Amount)
    fresh: set[str] = field(default_factory=set)
    notes: Notes = field(init=False)

    def __post_init__(self) -> None:
        self.notes = Notes(self.repository, self.site.now)

    async def copy(self, info: ObjectInfo) -> Entry | None:
        """The newest version of an object that was listed; None when it is gone by now."""
        entry = self.stock.whole(info)
        if entry is None:
            entry = await self.site.patiently(lambda: self._copy(info))
        else:
            self.unchanged.add(entry.size)
        self.telling.step(info.size)
        return entry

    async def _copy(self, info: ObjectInfo) -> Entry | None:
        found = info
        for _ in range(MOST_CHANGES):
            try:
                if self.stock.content(found) is not None:
                    found = await self.site.storage.head(info.bucket, info.key)
                entry = await self._as_it_is(found)
            except ChangedError:
                found = await self.site.storage.head(info.bucket, info.key)
            except NotFoundError:
                return None
            else:
                await self.notes.add(entry)
                return entry
        raise TransientError(f"s3://{info.bucket}/{info.key} is overwritten faster than it can be read")

    async def _as_it_is(self, info: ObjectInfo) -> Entry:
        """`info` is as `head` tells it where the content is there already."""
        known = self.stock.content(info)
        if known is not None:
            self.unchanged.add(info.size)
            return Entry.of(info, known)
        path = self.repository.shelf.scratch / secrets.token_hex(8)
        found = await self.site.storage.download(
            info.bucket, info.key, path, version=info.version, etag=info.etag
        )
        sha256 = await digest_of(path, found.size)
        if sha256 in self.fresh:
            path.unlink()
        else:  # what an earlier backup left there may be damaged, and this is not
            await self.repository.move_in(path, sha256)
            self.stock.contents[sha256] = found.size
            self.fresh.add(sha256)
        self.copied.add(found.size)
        return Entry.of(found, sha256)

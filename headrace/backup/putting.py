"""From a place of backups to the stack's store, one object at a time. What is there stays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from headrace.backup.copying import Amount
from headrace.backup.entry import Entry, Place
from headrace.backup.repository import SMALL_BYTES, Repository
from headrace.backup.site import Site, Telling
from headrace.model.marks import restored, restored_content
from headrace.storage.port import ObjectInfo


@dataclass(slots=True)
class Putter:
    """Puts objects into a bucket. `there`: what it holds by key; `left`: places that hold something else.

    `reduced`: places that lack metadata which the backup has, with these names.
    """

    site: Site
    repository: Repository
    telling: Telling
    bucket: str
    there: Mapping[str, ObjectInfo]
    put: Amount = field(default_factory=Amount)
    kept: Amount = field(default_factory=Amount)
    left: set[Place] = field(default_factory=set)
    reduced: dict[Place, frozenset[str]] = field(default_factory=dict)

    async def restore(self, entry: Entry) -> None:
        """Put one object, unless it is there. Raises RejectedError for a content that is damaged."""
        found = self.there.get(entry.key)
        if found is None:
            await self.site.patiently(partial(self._put, entry))
            self.put.add(entry.size)
        elif await self._is_it(entry, found):
            self.kept.add(entry.size)
        else:
            self.left.add((self.bucket, entry.key))
        await self._look_for_metadata(entry)
        self.telling.step(entry.size)

    async def _is_it(self, entry: Entry, found: ObjectInfo) -> bool:
        """Whether it is there already: as it was, or under the ETag that a restore gave it."""
        if entry.has_content_of(found):
            return True
        if entry.size != found.size:
            return False
        info = await self.site.patiently(partial(self.site.storage.head, self.bucket, entry.key))
        return restored_content(info.metadata, self.bucket, entry.key) == entry.sha256

    async def _look_for_metadata(self, entry: Entry) -> None:
        if not entry.unportable or (self.bucket, entry.key) in self.left:
            return
        info = await self.site.patiently(partial(self.site.storage.head, self.bucket, entry.key))
        if lost := entry.unportable - info.metadata.keys():
            self.reduced[self.bucket, entry.key] = lost

    async def _put(self, entry: Entry) -> None:
        metadata = {name: value for name, value in entry.metadata.items() if name not in entry.unportable}
        metadata |= restored(self.bucket, entry.key, entry.sha256)
        store, key, headers = self.site.storage, entry.key, entry.headers
        if entry.size <= SMALL_BYTES:
            content = await self.repository.content(entry.sha256)
            await store.put(self.bucket, key, content, metadata=metadata, headers=headers)
            return
        path = await self.repository.file(entry.sha256)
        try:
            await store.put(self.bucket, key, path, metadata=metadata, headers=headers)
        finally:
            await self.repository.shelf.release(path)

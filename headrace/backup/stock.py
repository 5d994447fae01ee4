"""What a place of backups has already of what is about to be copied."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.backup.entry import Entry, Place
from headrace.backup.repository import Repository
from headrace.model.errors import HeadraceError
from headrace.storage.port import ObjectInfo


@dataclass(slots=True)
class Stock:
    """Objects of the newest backup and of unfinished ones, and the size of each content that is there."""

    entries: Mapping[Place, Entry] = field(default_factory=dict)
    contents: dict[str, int] = field(default_factory=dict)

    @classmethod
    async def of(cls, repository: Repository) -> "Stock":
        """Read it. A newest backup that is damaged is left aside: all is copied anew then."""
        entries: dict[Place, Entry] = {}
        for name in (await repository.names())[-1:]:
            try:
                manifest = await repository.manifest(name)
                entries = {entry.place: entry for entry in await repository.entries(manifest.lists)}
            except HeadraceError:
                entries = {}
        entries.update({entry.place: entry for entry in await repository.progress()})
        return cls(entries, await repository.contents())

    def whole(self, info: ObjectInfo) -> Entry | None:
        """The entry of this very put, whose content is there; None where there is none."""
        entry = self._at(info)
        return entry if entry is not None and entry.is_still(info) else None

    def content(self, info: ObjectInfo) -> str | None:
        """The SHA-256 of this object's content, where that is there, though its metadata may have changed."""
        entry = self._at(info)
        return entry.sha256 if entry is not None and entry.has_content_of(info) else None

    def _at(self, info: ObjectInfo) -> Entry | None:
        entry = self.entries.get((info.bucket, info.key))
        if entry is None or self.contents.get(entry.sha256) != entry.size:
            return None
        return entry

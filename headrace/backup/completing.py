"""Results that were recorded and not yet published when a backup read them: taken from staging instead."""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace

from headrace.backup.copying import Copier
from headrace.backup.entry import Entry, Place
from headrace.backup.flowing import flow
from headrace.backup.pending import unpublished
from headrace.backup.site import MOST_AT_ONCE
from headrace.model.errors import NotFoundError
from headrace.model.keys import MARK, mark_of
from headrace.model.record import Output, Record
from headrace.model.task import Task
from headrace.storage.port import ObjectInfo


@dataclass(frozen=True, slots=True)
class Completion:
    """Completes `objects`, those of `buckets`, so that each key holds what its record names."""

    copier: Copier
    objects: MutableMapping[Place, Entry]
    buckets: frozenset[str]

    async def complete(self, records: Sequence[Entry], staged: Mapping[str, ObjectInfo]) -> list[Task]:
        """`staged` is what there is, by key. The tasks of records whose results can't be had any more.

        Those were published and swept, and overwritten since then by what was made of a newer input, or by a
        rerun: their files are to be worked again.
        """
        lost = []
        for record in await flow(self.copier.repository.ending, records, most=MOST_AT_ONCE):
            if not isinstance(record, Record):
                continue
            missing = [each for each in unpublished(record, self.objects) if each.bucket in self.buckets]
            if not all([await self._take(record, each, staged.get(each.staging_key)) for each in missing]):
                lost.append(record.task)
        return lost

    async def _take(self, record: Record, output: Output, staged: ObjectInfo | None) -> bool:
        """Whether an output is had, or was deleted by a person."""
        entry = await self.copier.copy(staged) if staged is not None else None
        if entry is None:  # swept, and so published
            try:
                info = await self.copier.site.storage.head(output.bucket, output.key)
            except NotFoundError:
                return True
            if info.metadata.get(MARK) != mark_of(record.task.id, record.attempt):
                return False
            entry = await self.copier.copy(info)
        if entry is not None:
            self.objects[output.bucket, output.key] = replace(entry, bucket=output.bucket, key=output.key)
        return True

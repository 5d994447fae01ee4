"""Tasks, records and keys of a backup as they are called in another store. Pure.

A task's id is made of its input's bucket, key and identity. Where the store keeps the ETag and the bucket its
name, nothing changes. It does where a bucket keeps versions (a restored object is a new version), where an
object came in parts of an unusual size, and where the new stack calls a bucket otherwise.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from headrace.backup import areas
from headrace.backup.entry import Entry, Place
from headrace.model.keys import RECORDS
from headrace.model.record import Ended, FailureRecord, Output, read_record
from headrace.model.task import Task, task_id
from headrace.storage.port import ObjectInfo


@dataclass(frozen=True, slots=True)
class Identities:
    """What became of objects: by former place the former identity and the object as it is now."""

    real: Callable[[str], str]  # a bucket's former real name -> the present one
    changed: Mapping[Place, tuple[str, ObjectInfo]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, entries: Iterable[Entry], now: Mapping[Place, ObjectInfo], real: Callable[[str], str]
    ) -> "Identities":
        """`now` are the objects of the new store. One that is not there, or not the same, changes nothing."""
        pairs = ((entry, now.get((real(entry.bucket), entry.key))) for entry in entries)
        return cls(
            real,
            {
                entry.place: (entry.identity, info)
                for entry, info in pairs
                if info is not None and info.size == entry.size and info.identity != entry.identity
            },
        )

    def identity(self, entry: Entry) -> str:
        """An object's identity now."""
        _, info = self.changed.get(entry.place, (None, None))
        return entry.identity if info is None else info.identity

    def task(self, task: Task) -> Task:
        """The task as it is called now; the very same where nothing changed."""
        bucket = self.real(task.bucket)
        former, info = self.changed.get((task.bucket, task.key), (None, None))
        if info is None or former != task.identity:
            return task if bucket == task.bucket else _moved(task, bucket, task.etag, task.version)
        return _moved(task, bucket, info.etag, info.version)

    def record(self, record: Ended) -> Ended:
        """The record as it reads now; the very same where nothing changed."""
        task = self.task(record.task)
        if isinstance(record, FailureRecord):
            return record if task is record.task else record.model_copy(update={"task": task})
        outputs = tuple(map(self._output, record.outputs))
        if task is record.task and outputs == record.outputs:
            return record
        return record.model_copy(update={"task": task, "outputs": outputs})

    def _output(self, output: Output) -> Output:
        return output.model_copy(update={"bucket": self.real(output.bucket)})


def _moved(task: Task, bucket: str, etag: str, version: str | None) -> Task:
    changed = task.model_copy(update={"bucket": bucket, "etag": etag, "version": version})
    own = task_id(task.function, bucket, task.key, changed.identity, run=task.run)
    return changed.model_copy(update={"id": own})


@dataclass(frozen=True, slots=True)
class Document:
    """A record, or one of the history, as it is restored; `ids`: its task's id in the backup, and now.

    `failure`: the record itself, where it is one of no result. What can't be read is restored as it is.
    """

    key: str
    content: bytes
    ids: tuple[str, str] | None = None
    failure: FailureRecord | None = None


def document_of(key: str, content: bytes, identities: Identities) -> Document:
    """What becomes of an object of `records/` or `history/`."""
    try:
        record = read_record(content)
    except ValidationError:
        return Document(key, content)
    changed = identities.record(record)
    ids = record.task.id, changed.task.id
    failure = changed if isinstance(changed, FailureRecord) and areas.area_of(key) == RECORDS else None
    if changed is record:
        return Document(key, content, ids, failure)
    return Document(rekeyed(key, dict([ids])), changed.to_json(), ids, failure)


def rekeyed(key: str, ids: Mapping[str, str]) -> str:
    """The key of what is kept of a task, by its present id."""
    area, function, rest = key.split("/", 2)
    former = areas.task_of(key)
    return f"{area}/{function}/{ids.get(former, former)}{rest.removeprefix(former)}"

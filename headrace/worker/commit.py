"""The end of a task: stage outputs, create the one record, publish. Every step may be repeated."""

import asyncio
from collections.abc import Callable, Sequence

from headrace.model.errors import NotFoundError, TransientError
from headrace.model.keys import failure_key, history_key, log_key, note_key, record_key, staging_key
from headrace.model.marks import marks
from headrace.model.record import AttemptNote, Ending, FailureRecord, Output, Record
from headrace.model.task import Task
from headrace.storage.port import Storage
from headrace.worker.outputs import Publication
from headrace.worker.publish import Publisher

_PASSING = frozenset({Ending.GONE, Ending.SUPERSEDED})  # endings that an input which comes back undoes


class Ledger:
    """Writes records, notes and staged outputs into the platform bucket."""

    def __init__(self, storage: Storage, platform_bucket: str) -> None:
        self._storage = storage
        self._bucket = platform_bucket
        self.publisher = Publisher(storage, platform_bucket)

    async def stage(self, task: Task, attempt: str, files: Sequence[Publication]) -> tuple[Output, ...]:
        """Put each written file under the attempt's own keys, once, however many places it goes to."""
        by_name = {file.written.name: file.written for file in files}
        metadata = marks(task, attempt)
        etags = dict(
            zip(
                by_name,
                await asyncio.gather(
                    *(
                        self._storage.put(
                            self._bucket,
                            staging_key(task.function, task.id, attempt, name),
                            written.path,
                            metadata=metadata,
                        )
                        for name, written in by_name.items()
                    )
                ),
                strict=True,
            )
        )
        return tuple(
            Output(
                name=file.written.name,
                bucket=file.bucket,
                key=file.key,
                staging_key=staging_key(task.function, task.id, attempt, file.written.name),
                etag=etags[file.written.name],
                size=file.written.size,
            )
            for file in files
        )

    async def commit(self, record: Record, *, recorded: Callable[[], None] = lambda: None) -> bool:
        """Create the record if absent, and publish it or whichever was there before.

        Returns whether this attempt's own record is the one that holds; `recorded` is called once it was
        created. Raises TransientError when the store does not answer; repeat it then with the same record.
        """
        holds = await self._ended_by(record)
        if holds is record:
            recorded()
            await self.publisher.publish(record)
        return isinstance(holds, Record) and holds.attempt == record.attempt

    async def fail(self, record: FailureRecord) -> None:
        """End a task without a result, unless it has ended already.

        The index comes first: one without a record is found stale, a record without one would be missed.
        Raises TransientError as `commit` does.
        """
        index = failure_key(record.task.function, record.task.id)
        await self._storage.put(self._bucket, index, record.index())
        await self._ended_by(record)

    async def _ended_by(self, record: Record | FailureRecord) -> Record | FailureRecord:
        """Create the one record of a task, and give it, or the one that was there before and holds."""
        if await self._storage.create(self._bucket, self._key(record.task), record.to_json()):
            return record
        found = await self.publisher.find(record.task.function, record.task.id)
        if found is None:
            raise TransientError(
                f"the record of task {record.task.id} was refused, yet is not there; try again"
            )
        if await self.holds(found):
            return found
        await self.reopen(found)
        raise TransientError(f"the record of task {record.task.id} was an older one's; try again")

    async def holds(self, found: Record | FailureRecord) -> bool:
        """Whether an ending still counts; a result that does is published by then.

        The same bytes put again make the same task: an input that was gone or overwritten may be back.
        """
        if isinstance(found, Record):
            return await self.publisher.ensure(found)
        return found.state not in _PASSING or not await self.publisher.current(found.task)

    async def reopen(self, record: Record | FailureRecord) -> None:
        """Take back an ending that no longer holds; the record moves to the history.

        The record goes last, so that a redelivery finishes what was cut short. Should two workers do this
        at once, the slower one may delete the other's new record: the listing then has the file worked anew.
        """
        task = record.task
        ended = record.times.committed if isinstance(record, Record) else record.ended
        history = history_key(task.function, task.id, f"{ended:017.6f}")
        await self._storage.put(self._bucket, history, record.to_json())
        stale = [failure_key(task.function, task.id), note_key(task.function, task.id)]
        await self._storage.delete(self._bucket, stale)
        await self._storage.delete(self._bucket, [self._key(task)])

    async def note(self, task: Task) -> AttemptNote:
        """What is remembered of earlier attempts."""
        try:
            return AttemptNote.from_json(
                await self._storage.read(self._bucket, note_key(task.function, task.id))
            )
        except NotFoundError:
            return AttemptNote()

    async def remember(self, task: Task, note: AttemptNote) -> None:
        """Store the note."""
        await self._storage.put(self._bucket, note_key(task.function, task.id), note.to_json())

    async def keep_log(self, task: Task, attempt: str, log: bytes) -> None:
        """Store an attempt's whole log, where the record keeps only its end."""
        await self._storage.put(self._bucket, log_key(task.function, task.id, attempt), log)

    def _key(self, task: Task) -> str:
        return record_key(task.function, task.id)

"""Reads what the platform bucket keeps of tasks. Writing records is the worker's business."""

import json
from dataclasses import dataclass

from pydantic import ValidationError

from headrace.model.errors import NotFoundError, RejectedError
from headrace.model.keys import (
    DISMISSED,
    FAILURES,
    HISTORY,
    IGNORED,
    NOTES,
    RECORDS,
    REPLAYS,
    RUNS,
    function_key,
    note_key,
    record_key,
)
from headrace.model.record import AttemptNote, FailureRecord, Record, read_record
from headrace.model.restoration import IgnoredTasks
from headrace.operations.concurrently import concurrently
from headrace.storage.port import ObjectInfo, Storage


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one stack. Raises RejectedError for an object that is not what its key says."""

    storage: Storage
    bucket: str

    async def find(self, function: str, task_id: str) -> Record | FailureRecord | None:
        """The record of a task; None while there is none."""
        return await self._read(record_key(function, task_id), function, task_id)

    async def listed(self, function: str) -> dict[str, ObjectInfo]:
        """Every task that has a record, and that record's object; nothing is read."""
        return {_stem(i.key): i async for i in self.storage.list(self.bucket, f"{RECORDS}/{function}/")}

    async def marked(self, function: str) -> frozenset[str]:
        """Tasks that have failed at some time or whose replay has begun: all failures are among them."""
        indices = await self._ids(f"{FAILURES}/{function}/")
        return indices | await self._ids(f"{REPLAYS}/{function}/")

    async def failures(self, function: str) -> tuple[FailureRecord, ...]:
        """Every failure record, oldest first."""
        found = await concurrently(lambda i: self.find(function, i), sorted(await self.marked(function)))
        return tuple(
            sorted((r for r in found if isinstance(r, FailureRecord)), key=lambda r: (r.ended, r.task.id))
        )

    async def replays(self, function: str) -> frozenset[str]:
        """Tasks whose replay has begun and not ended."""
        return await self._ids(f"{REPLAYS}/{function}/")

    async def dismissed(self, function: str) -> frozenset[str]:
        """Tasks whose jobs a client of the API has deleted."""
        return await self._ids(f"{DISMISSED}/{function}/")

    async def last_failure(self, function: str, task_id: str) -> FailureRecord | None:
        """The newest failure that a replay superseded."""
        keys = [i.key async for i in self.storage.list(self.bucket, f"{HISTORY}/{function}/{task_id}/")]
        found = await self._read(max(keys), function, task_id) if keys else None
        return found if isinstance(found, FailureRecord) else None

    async def note(self, function: str, task_id: str) -> AttemptNote:
        """What is remembered of failed attempts; an empty note where nothing went wrong."""
        try:
            return AttemptNote.from_json(await self.storage.read(self.bucket, note_key(function, task_id)))
        except NotFoundError:
            return AttemptNote()

    async def noted(self, function: str) -> frozenset[str]:
        """Tasks that have a note."""
        return await self._ids(f"{NOTES}/{function}/")

    async def runs(self, function: str) -> tuple[int, ...]:
        """The numbers of the reruns so far, ascending."""
        return tuple(sorted(int(i) for i in await self._ids(f"{RUNS}/{function}/")))

    async def first_seen(self, function: str) -> float | None:
        """Seconds since the epoch at which the receiver first saw the function; None before that."""
        key = function_key(function)
        try:
            return float(json.loads(await self.storage.read(self.bucket, key))["firstSeen"])
        except NotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise self._unreadable(key, error) from error

    async def ignored(self, function: str, task_id: str, modified: float) -> bool:
        """Whether a task's file was restored, and was older than the function before."""
        async for info in self.storage.list(self.bucket, f"{IGNORED}/{function}/"):
            try:
                found = IgnoredTasks.from_json(await self.storage.read(self.bucket, info.key))
            except ValidationError as error:
                raise self._unreadable(info.key, error) from error
            if task_id in found.tasks and modified <= found.until:
                return True
        return False

    async def _read(self, key: str, function: str, task_id: str) -> Record | FailureRecord | None:
        """A tenant's workers write its records: what one says of another's task is not acted upon."""
        try:
            found = read_record(await self.storage.read(self.bucket, key))
        except NotFoundError:
            return None
        except ValidationError as error:
            raise self._unreadable(key, error) from error
        if (found.task.function, found.task.id) != (function, task_id):
            said = ValueError(f"it is of task {found.task.id} of {found.task.function}")
            raise self._unreadable(key, said) from said
        return found

    async def _ids(self, prefix: str) -> frozenset[str]:
        return frozenset([_stem(info.key) async for info in self.storage.list(self.bucket, prefix)])

    def _unreadable(self, key: str, error: Exception) -> RejectedError:
        return RejectedError(
            f"object {key!r} of the platform bucket {self.bucket!r} is not what Headrace wrote there "
            f"({str(error).splitlines()[0]}); restore or delete it"
        )


def _stem(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")

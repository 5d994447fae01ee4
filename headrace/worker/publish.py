"""From a record to the final keys: copies on the server, repeatable by anybody who finds the record."""

import asyncio

from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.keys import record_key
from headrace.model.marks import wanted
from headrace.model.record import FailureRecord, Output, Record, read_record
from headrace.model.task import Task, task_id
from headrace.storage.port import ObjectInfo, Storage


class Publisher:
    """Publishes what records name, from staging in the platform bucket."""

    def __init__(self, storage: Storage, platform_bucket: str) -> None:
        self._storage = storage
        self._platform = platform_bucket

    async def publish(self, record: Record) -> None:
        """Publish an attempt that has just won, then look whether its input is still this version."""
        await asyncio.gather(*(self._copy(record, output) for output in record.outputs))
        await self._settle(record.task)

    async def ensure(self, record: Record) -> bool:
        """Publish what of an older record is missing; an output that carries its mark is left alone.

        False: another version's result lies there and this one's staging is swept. That happens when an
        input changed, was worked, and changed back: the file has to be worked anew.
        """
        missing = [output for output in record.outputs if await self._missing(record, output)]
        copied = True
        if missing and await self.current(record.task):
            copied = all(await asyncio.gather(*(self._copy(record, output) for output in missing)))
        await self._settle(record.task)
        return copied

    async def current(self, task: Task) -> bool:
        """Whether the input is there, as the version that the task is of."""
        try:
            return (await self._storage.head(task.bucket, task.key)).identity == task.identity
        except NotFoundError:
            return False

    async def _missing(self, record: Record, output: Output) -> bool:
        found = await self._find(output.bucket, output.key)
        return wanted(found.metadata if found else None, record)

    async def _find(self, bucket: str, key: str) -> ObjectInfo | None:
        try:
            return await self._storage.head(bucket, key)
        except NotFoundError:
            return None

    async def _copy(self, record: Record, output: Output) -> bool:
        """Copy one output; False when that can't be done any more, and something else lies there."""
        try:
            await self._storage.copy((self._platform, output.staging_key), (output.bucket, output.key))
        except NotFoundError as error:
            if await self._find(self._platform, output.staging_key) is not None:
                raise ConfigurationError(
                    f"bucket {output.bucket!r} of task {record.task.id} is not there: "
                    "create it, and the result is published"
                ) from error
            # Staging is only removed after publishing: where nothing lies now, a person deleted the result.
            return await self._find(output.bucket, output.key) is None
        return True

    async def _settle(self, task: Task) -> None:
        """Put right a copy that came after the input had changed and the newer result was published."""
        info = await self._find(task.bucket, task.key)
        if info is None or info.identity == task.identity:
            return
        newer = await self.find(task.function, task_id(task.function, task.bucket, task.key, info.identity))
        if isinstance(newer, Record):
            for output in newer.outputs:
                if await self._missing(newer, output):
                    await self._copy(newer, output)

    async def find(self, function: str, identifier: str) -> Record | FailureRecord | None:
        """The record of a task; None while there is none."""
        try:
            return read_record(await self._storage.read(self._platform, record_key(function, identifier)))
        except NotFoundError:
            return None

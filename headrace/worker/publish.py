"""From a record to the final keys: copies on the server, repeatable by anybody who finds the record."""

import asyncio

from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.keys import MARK, mark_of, record_key
from headrace.model.record import FailureRecord, Record, read_record
from headrace.model.task import Task, task_id
from headrace.storage.port import ObjectInfo, Storage

RUN = "headrace-run"  # user metadata on every output: the task's run number


class Publisher:
    """Publishes what records name, from staging in the platform bucket."""

    def __init__(self, storage: Storage, platform_bucket: str) -> None:
        self._storage = storage
        self._platform = platform_bucket

    async def publish(self, record: Record) -> None:
        """Publish an attempt that has just won, while its input is still this version."""
        if await self._current(record.task):
            await asyncio.gather(*(self._copy(record, index) for index in range(len(record.outputs))))
            await self._settle(record)

    async def ensure(self, record: Record) -> None:
        """Publish what of an older record is missing; an output that carries its mark is left alone."""
        wanted = [i for i in range(len(record.outputs)) if await self._wanted(record, i)]
        if wanted and await self._current(record.task):
            await asyncio.gather(*(self._copy(record, index) for index in wanted))
            await self._settle(record)

    async def _current(self, task: Task) -> bool:
        try:
            return (await self._storage.head(task.bucket, task.key)).identity == task.identity
        except NotFoundError:
            return False

    async def _wanted(self, record: Record, index: int) -> bool:
        output = record.outputs[index]
        found = await self._find(output.bucket, output.key)
        if found is None:
            return True
        if found.metadata.get(MARK) == mark_of(record.task.id, record.attempt):
            return False
        return int(found.metadata.get(RUN, "0")) <= record.task.run

    async def _find(self, bucket: str, key: str) -> ObjectInfo | None:
        try:
            return await self._storage.head(bucket, key)
        except NotFoundError:
            return None

    async def _copy(self, record: Record, index: int) -> None:
        output = record.outputs[index]
        try:
            await self._storage.copy((self._platform, output.staging_key), (output.bucket, output.key))
        except NotFoundError as error:
            # Staging is only removed after publishing: without it, a person deleted the result.
            if await self._find(self._platform, output.staging_key) is not None:
                raise ConfigurationError(
                    f"bucket {output.bucket!r} is not there: create it, and the result is published"
                ) from error

    async def _settle(self, record: Record) -> None:
        """Put right a copy that came after the input had changed and the newer result was published."""
        task = record.task
        try:
            info = await self._storage.head(task.bucket, task.key)
        except NotFoundError:
            return
        if info.identity == task.identity:
            return
        newer = await self.find(task.function, task_id(task.function, task.bucket, task.key, info.identity))
        if isinstance(newer, Record):
            await asyncio.gather(*(self._copy(newer, index) for index in range(len(newer.outputs))))

    async def find(self, function: str, identifier: str) -> Record | FailureRecord | None:
        """The record of a task; None while there is none."""
        try:
            return read_record(await self._storage.read(self._platform, record_key(function, identifier)))
        except NotFoundError:
            return None

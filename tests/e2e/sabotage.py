"""`python -m tests.e2e.sabotage --settings FILE --function MODE`: a worker with one safeguard switched off.

The function's name tells which. Every mode makes what the safeguards are for happen often: leases are not
extended, so that several workers work the same file at once, and each waits a random time between its record
and its publishing. With no safeguard switched off (`control`) the promise must hold all the same.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum

import typer

from headrace.model.keys import MARK, mark_of
from headrace.model.record import Output, Record
from headrace.model.task import Task
from headrace.storage.s3 import S3Storage
from headrace.worker import __main__ as worker
from headrace.worker.commit import Ledger
from headrace.worker.leases import Leases
from headrace.worker.outputs import Publication
from headrace.worker.publish import Publisher

MOST_PAUSE_SECONDS = 1.5


class Mode(StrEnum):
    """The safeguard that is switched off."""

    CONTROL = "control"
    OVERWRITE = "overwrite"  # records are put, whether or not there is one
    UNSTAGED = "unstaged"  # outputs go to their final keys at once


async def _keep_nothing(self: Leases, on_standstill: Callable[[], None]) -> None:
    await asyncio.Event().wait()


def _pausing(publish: Callable) -> Callable:
    async def publish_late(self: Publisher, record: Record) -> None:
        await asyncio.sleep(random.uniform(0, MOST_PAUSE_SECONDS))
        await publish(self, record)

    return publish_late


async def _put_always(self: S3Storage, bucket: str, key: str, body: bytes) -> bool:
    await self.put(bucket, key, body)
    return True


def _publishing_at_once(stage: Callable) -> Callable:
    async def stage_and_publish(
        self: Ledger, task: Task, attempt: str, files: Sequence[Publication]
    ) -> tuple[Output, ...]:
        for file in files:
            await self._storage.put(
                file.bucket, file.key, file.written.path, metadata={MARK: mark_of(task.id, attempt)}
            )
        return await stage(self, task, attempt, files)

    return stage_and_publish


async def _publish_nothing(self: Publisher, record: Record) -> None:
    pass


def sabotage(mode: Mode) -> None:
    """Switch one safeguard off in this process."""
    Leases.keep = _keep_nothing
    Publisher.publish = _pausing(Publisher.publish)
    if mode is Mode.OVERWRITE:
        S3Storage.create = _put_always
    if mode is Mode.UNSTAGED:
        Ledger.stage = _publishing_at_once(Ledger.stage)
        Publisher.publish = Publisher.ensure = _publish_nothing


if __name__ == "__main__":
    sabotage(Mode(sys.argv[-1]))
    typer.run(worker.main)

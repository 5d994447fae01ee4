"""`python -m tests.e2e.sabotage --settings FILE --function MODE`: a worker with one safeguard switched off.

The function's name tells which. Every mode makes what the safeguards are for happen to each file: leases
are not extended, so that several workers work it at once; the first to come then stands still before it
stages, until another has its record, and the others stand still before they publish, until the first has
come through. With no safeguard switched off (`control`) the promise must hold all the same.
"""

import asyncio
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

PAUSE_SECONDS = 4.0  # in which a lease runs out and another worker has its record


class Mode(StrEnum):
    """The safeguard that is switched off."""

    CONTROL = "control"
    OVERWRITE = "overwrite"  # records are put, whether or not there is one
    UNSTAGED = "unstaged"  # outputs go to their final keys at once


async def _keep_nothing(self: Leases, on_standstill: Callable[[], None]) -> None:
    await asyncio.Event().wait()


class _Standstill:
    """Makes the first attempt at a file slow to end, the others slow to publish."""

    def __init__(self, mode: Mode) -> None:
        stage = Ledger.stage
        self._stage = _publishing_at_once(stage) if mode is Mode.UNSTAGED else stage
        self._publish, self._create = Publisher.publish, S3Storage.create
        self._first: set[str] = set()

    def stage(self) -> Callable:
        async def stage_late(
            ledger: Ledger, task: Task, attempt: str, files: Sequence[Publication]
        ) -> tuple[Output, ...]:
            if await self._create(ledger._storage, ledger._bucket, f"sabotage/{task.id}", b""):
                self._first.add(attempt)
                await asyncio.sleep(PAUSE_SECONDS)
            return await self._stage(ledger, task, attempt, files)

        return stage_late

    def publish(self) -> Callable:
        async def publish_late(publisher: Publisher, record: Record) -> None:
            if record.attempt not in self._first:
                await asyncio.sleep(2 * PAUSE_SECONDS)
            await self._publish(publisher, record)

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


async def _publish_nothing(self: Publisher, record: Record) -> bool:
    return True


def sabotage(mode: Mode) -> None:
    """Switch one safeguard off in this process."""
    Leases.keep = _keep_nothing
    still = _Standstill(mode)
    Ledger.stage, Publisher.publish = still.stage(), still.publish()
    if mode is Mode.OVERWRITE:
        S3Storage.create = _put_always
    if mode is Mode.UNSTAGED:
        Publisher.publish = Publisher.ensure = _publish_nothing


if __name__ == "__main__":
    sabotage(Mode(sys.argv[-1]))
    typer.run(worker.main)

"""From a lease to a staged file, or to the task's end where there is nothing left to do."""

import asyncio
from dataclasses import dataclass

from headrace.model.errors import ChangedError, NotFoundError
from headrace.model.record import Ending, FailureRecord, Record
from headrace.storage.port import Storage
from headrace.worker.attempt import GiveUp, attempt_number, before_start
from headrace.worker.commit import Ledger
from headrace.worker.held import Held
from headrace.worker.identity import Identity
from headrace.worker.names import staged_name


@dataclass(frozen=True, slots=True)
class Stager:
    """Stages inputs. `lost_leases`: starts that may kill their worker before the task fails."""

    storage: Storage
    ledger: Ledger
    identity: Identity
    lost_leases: int

    async def prepare(self, held: Held) -> bool:
        """Stage the input; False when the task has ended, now or before, and is to be acknowledged.

        Raises TransientError and ConfigurationError: hand the task back then.
        """
        if held.lease.deliveries > 1:
            held.note = await self.ledger.note(held.task)
            verdict = before_start(held.note, deliveries=held.lease.deliveries, lost_leases=self.lost_leases)
            if isinstance(verdict, GiveUp):
                await self._end(held, Ending.FAILED, verdict.reason, verdict.attempts)
                return False
            held.number = attempt_number(held.note)
        record, ending = await self._find_and_stage(held)
        if record is None and ending is None:
            return True
        if record is not None and ending is None and not await self._holds(record):
            await self.ledger.reopen(record)
            return True
        if record is None and ending is not None:
            await self._end(held, ending, _REASONS[ending], len(held.note.failures))
        elif isinstance(record, Record):
            await self.ledger.publisher.ensure(record)
        return False

    async def _find_and_stage(self, held: Held) -> tuple[Record | FailureRecord | None, Ending | None]:
        """The record is looked for while the input comes: it is there only after a repeated notification.

        Both have come to their end when this raises: a download that went on would write into a folder
        that is another task's by then.
        """
        finding = asyncio.create_task(self.ledger.publisher.find(held.task.function, held.task.id))
        staging = asyncio.create_task(self._stage(held))
        await asyncio.wait({finding, staging})
        return finding.result(), staging.result()

    async def _holds(self, record: Record | FailureRecord) -> bool:
        """Whether an ending still counts, now that the very version it is of is there.

        The same bytes put again make the same task: an input that was gone or overwritten may be back.
        """
        if isinstance(record, Record):
            return await self.ledger.publisher.ensure(record)
        return record.state not in _REASONS

    async def mark_start(self, held: Held) -> None:
        """Remember that the handler starts, where the task has been lost before."""
        if held.marked:
            return
        note = before_start(held.note, deliveries=held.lease.deliveries, lost_leases=self.lost_leases)
        if isinstance(note, GiveUp) or note is held.note:
            return
        await self.ledger.remember(held.task, note)
        held.note, held.marked = note, True

    async def _stage(self, held: Held) -> Ending | None:
        task = held.task
        held.file = held.folder.input / staged_name(task.key)
        try:
            await self.storage.download(
                task.bucket, task.key, held.file, version=task.version, etag=task.etag
            )
        except NotFoundError:
            return Ending.GONE
        except ChangedError:
            return Ending.SUPERSEDED
        return None

    async def _end(self, held: Held, ending: Ending, reason: str, attempts: int) -> None:
        await self.ledger.fail(
            FailureRecord(
                state=ending,
                task=held.task,
                reason=reason,
                attempts=attempts,
                function_digest=self.identity.digest,
                worker=self.identity.worker,
                ended=self.identity.now(),
            )
        )


_REASONS = {
    Ending.GONE: "the input was deleted before it was read",
    Ending.SUPERSEDED: "the input was overwritten before it was read; the new version is a task of its own",
}

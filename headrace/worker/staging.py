"""From a lease to a staged file, or to the task's end where there is nothing left to do."""

from dataclasses import dataclass

from headrace.model.errors import ChangedError, NotFoundError
from headrace.model.record import Ending, FailureRecord
from headrace.storage.port import ObjectInfo, Storage
from headrace.worker.attempt import GiveUp, attempt_number, before_start, is_first
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
        info, ending = await self._stage(held)
        if info is not None and is_first(held.task, held.lease.deliveries, info.modified):
            return True
        return not await self._has_ended(held, ending)

    async def _has_ended(self, held: Held, ending: Ending | None) -> bool:
        """Whether the task has its record, now or from before; one that does not hold is taken back."""
        found = await self.ledger.publisher.find(held.task.function, held.task.id)
        if found is None and ending is not None:
            await self._end(held, ending, _REASONS[ending], len(held.note.failures))
        if found is None:
            return ending is not None
        if await self.ledger.holds(found) or ending is not None:
            return True
        await self.ledger.reopen(found)
        return False

    async def mark_start(self, held: Held) -> None:
        """Remember that the handler starts, where the task has been lost before."""
        if held.marked:
            return
        note = before_start(held.note, deliveries=held.lease.deliveries, lost_leases=self.lost_leases)
        if isinstance(note, GiveUp) or note is held.note:
            return
        await self.ledger.remember(held.task, note)
        held.note, held.marked = note, True

    async def _stage(self, held: Held) -> tuple[ObjectInfo | None, Ending | None]:
        task = held.task
        held.file = held.folder.input / staged_name(task.key)
        try:
            info = await self.storage.download(
                task.bucket, task.key, held.file, version=task.version, etag=task.etag
            )
        except NotFoundError:
            return None, Ending.GONE
        except ChangedError:
            return None, Ending.SUPERSEDED
        return info, None

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
        held.ending = ending


_REASONS = {
    Ending.GONE: "the input was deleted before it was read",
    Ending.SUPERSEDED: "the input was overwritten before it was read; the new version is a task of its own",
}

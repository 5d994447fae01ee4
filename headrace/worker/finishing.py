"""From the outcome of a run to the task's record, its retry, or its failure record."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.model.errors import RejectedError
from headrace.model.record import Ending, FailureRecord, Output, Record, Times
from headrace.worker.attempt import Cause, GiveUp, Outcome, after_failure
from headrace.worker.commit import Ledger
from headrace.worker.held import Held
from headrace.worker.identity import Identity
from headrace.worker.outputs import publications, written_files
from headrace.worker.secrets import Redactor

LOG_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Finisher:
    """Ends attempts. `buckets` maps logical to real names."""

    ledger: Ledger
    identity: Identity
    redactor: Redactor
    buckets: Mapping[str, str]
    retry_seconds: float

    async def succeed(self, held: Held) -> float | None:
        """Commit and publish; returns a delay where the outputs can't be kept and the task is retried.

        Raises TransientError and ConfigurationError: what was done is kept, repeat it.
        """
        try:
            files = publications(
                self.identity.function, held.task, written_files(held.folder.output), self.buckets
            )
        except RejectedError as error:
            return await self.fail(held, Outcome(Cause.EXCEPTION, str(error)))
        outputs = await self.ledger.stage(held.task, held.attempt, files)
        held.uploaded, held.output_bytes = self.identity.now(), sum(each.size for each in outputs)
        log = await self._log(held)
        await self._commit(held, self._record(held, outputs=outputs, log=log))
        return None

    async def _commit(self, held: Held, record: Record) -> None:
        """Noting when it was recorded and published, where this attempt is the one that holds."""

        def recorded() -> None:
            held.committed = self.identity.now()

        if await self.ledger.commit(record, recorded=recorded):
            held.published = self.identity.now()
            held.committed = held.committed or held.published  # by an earlier try, whose answer was lost

    def _record(self, held: Held, *, outputs: tuple[Output, ...], log: str) -> Record:
        return Record(
            task=held.task,
            attempt=held.attempt,
            attempt_number=held.number,
            outputs=outputs,
            function_digest=self.identity.digest,
            worker=self.identity.worker,
            times=Times(
                received=held.task.received,
                pulled=held.pulled,
                staged=held.staged,
                started=held.started,
                finished=held.finished,
                committed=self.identity.now(),
            ),
            load_seconds=held.load_seconds,
            files_before=held.files_before,
            gpu=self.identity.gpu,
            runtime=self.identity.runtime,
            log=log,
        )

    async def fail(self, held: Held, outcome: Outcome) -> float | None:
        """Count a lone failure; returns the delay of the retry, or None after the last attempt."""
        log = await self._log(held)
        held.failure = self.redactor.hide(outcome.reason)
        verdict = after_failure(
            held.note,
            outcome,
            attempts=self.identity.function.spec.delivery.attempts,
            retry_seconds=self.retry_seconds,
        )
        if isinstance(verdict, GiveUp):
            await self.ledger.fail(self._failure(held, verdict, log))
            held.ending = Ending.FAILED
            return None
        await self.ledger.remember(held.task, verdict.note)
        return verdict.delay_seconds

    def _failure(self, held: Held, verdict: GiveUp, log: str) -> FailureRecord:
        return FailureRecord(
            state=Ending.FAILED,
            task=held.task,
            reason=self.redactor.hide(verdict.reason),
            attempts=verdict.attempts,
            function_digest=self.identity.digest,
            worker=self.identity.worker,
            ended=self.identity.now(),
            log=log,
        )

    async def _log(self, held: Held) -> str:
        """The end of what the attempt printed; a longer log is kept whole as an object of its own."""
        path = held.folder.log
        size = path.stat().st_size if path.exists() else 0
        if size == 0:
            return ""
        if size > LOG_TAIL_BYTES:
            text = self.redactor.hide(await asyncio.to_thread(_text, path))
            await self.ledger.keep_log(held.task, held.attempt, text.encode())
            return text[-LOG_TAIL_BYTES:]
        return self.redactor.hide(_text(path))


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")

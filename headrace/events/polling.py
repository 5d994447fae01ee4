"""The source of notifications that is a queue of messages: polls, has their tasks stored, deletes them.

A message is deleted only when the queue of tasks holds every task of it that a tenant's bound lets in (other
files stay in their bucket, where the listing finds them), or when it can never be one and the dead-letter
queue has it. Every other comes again, to this process or another; a task that is stored twice is
refused by the queue or acknowledged by its record.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from headrace.events.intake import Intake
from headrace.events.messages import Message, MessageQueue, Verdict, rest_seconds
from headrace.events.telling import tell
from headrace.events.watcher import NO_DIALECT, UNWATCHED, Outcome, Source, Watcher
from headrace.model.errors import HeadraceError, RejectedError, TransientError
from headrace.model.settings import SqsSettings
from headrace.notification import read_body

GRACE_SECONDS = 5.0  # beyond a poll, for what it brought, when the process is told to stop
DELETE_TRIES = 3
DELETE_PAUSE_SECONDS = 0.5

_log = logging.getLogger(__name__)


class Polling:
    """Several polls at once, here and in other processes: no two get one message while it is hidden."""

    def __init__(
        self,
        queue: MessageQueue,
        intake: Intake,
        settings: SqsSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        watcher: Watcher = UNWATCHED,
    ) -> None:
        self._queue = queue
        self._watcher = watcher
        self._intake = intake
        self._settings = settings
        self._sleep = sleep
        self._fault = f"the queue of events has not answered yet: {settings.queue_url}"
        self._stopping = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def fault(self) -> str:
        """Why the queue can't be read now; empty when it can."""
        return self._fault

    def start(self) -> None:
        """Begin to poll."""
        count = self._settings.receivers
        self._tasks = tuple(asyncio.create_task(self._poll(), name=f"poll-{n}") for n in range(count))

    async def stop(self) -> None:
        """Let the polls that are under way end, and take what they bring: a poll that is cut off may have
        got messages already, which then stay hidden from others for a while.
        """
        self._stopping.set()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=self._settings.poll_seconds + GRACE_SECONDS)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def turn(self) -> bool:
        """Take what one poll brings; returns whether to go on at once: some was taken, or no server was away.

        One account that is in trouble must not slow down what comes for others: its messages are deferred.
        """
        try:
            if self._fault:
                await self._queue.check()
            messages = await self._queue.receive()
        except HeadraceError as error:
            self._tell_away(str(error))
            return False
        self._tell_reached()
        verdicts = await asyncio.gather(*(self._judge(message) for message in messages))
        ended = [m for m, verdict in zip(messages, verdicts, strict=True) if verdict.is_final]
        others = [m for m, verdict in zip(messages, verdicts, strict=True) if not verdict.is_final]
        await self._delete(ended)
        await self._defer(others)
        return not self._fault and (Verdict.AWAY not in verdicts or Verdict.DONE in verdicts)

    async def _poll(self) -> None:
        bad_turns = 0
        while not self._stopping.is_set():
            try:
                is_well = await self.turn()
            except Exception:  # noqa: BLE001  (the loop's top: it must outlive every fault)
                _log.exception("unexpected", extra={"action": "events.loop_failed"})
                is_well = False
            bad_turns = 0 if is_well else bad_turns + 1
            if bad_turns:
                await self._rest(rest_seconds(bad_turns))

    async def _rest(self, seconds: float) -> None:
        """Wait, or until the process is told to stop."""
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    # Single messages

    async def _judge(self, message: Message) -> Verdict:
        try:
            return await self._take(message)
        except RejectedError as error:
            self._note(Outcome.REFUSED)
            return await self._bury(message, str(error))
        except (TransientError, TimeoutError) as error:
            reason = str(error) or f"not stored within {self._work_seconds:g} s"
            _tell_kept(logging.WARNING, "events.postponed", message, reason)
            self._note(Outcome.POSTPONED)
            return Verdict.AWAY
        except HeadraceError as error:
            _tell_kept(logging.ERROR, "events.failed", message, str(error))
        except Exception:  # noqa: BLE001  (as in _poll: the other messages of the batch must not suffer)
            _log.exception("unexpected", extra={"action": "events.failed", "message_id": message.id})
        self._note(Outcome.FAILED)
        return Verdict.FAILED

    def _note(self, outcome: Outcome, dialect: str = NO_DIALECT) -> None:
        self._watcher.notified(Source.SQS, outcome, dialect)

    @property
    def _work_seconds(self) -> float:
        return self._settings.visibility_seconds / 2

    async def _take(self, message: Message) -> Verdict:
        reading = read_body(message.body.encode(errors="replace"))
        async with asyncio.timeout(self._work_seconds):
            report = await self._intake.take(reading.delivery)
        tell(report)
        self._note(Outcome.TAKEN, reading.dialect)
        self._watcher.took(Source.SQS, report.offer)
        return Verdict.DONE

    async def _bury(self, message: Message, reason: str) -> Verdict:
        try:
            await self._queue.bury(message, reason)
        except HeadraceError as error:
            told = f"refused ({reason}), but it can't be put among the dead letters: {error}"
            _tell_kept(logging.ERROR, "events.failed", message, told)
            return Verdict.AWAY if isinstance(error, TransientError) else Verdict.FAILED
        _log.warning(
            "refused, and put among the dead letters: %s",
            reason,
            extra={"action": "events.refused", "message_id": message.id},
        )
        return Verdict.BURIED

    # Batches

    async def _delete(self, messages: Sequence[Message]) -> None:
        """One that can't be deleted comes again, which does no harm."""
        waiting = messages
        for number in range(DELETE_TRIES):
            if number and waiting:
                await self._sleep(DELETE_PAUSE_SECONDS)
            waiting = await self._delete_once(waiting, is_last=number == DELETE_TRIES - 1)

    async def _delete_once(self, messages: Sequence[Message], *, is_last: bool) -> Sequence[Message]:
        """Returns the messages that are worth another try."""
        if not messages:
            return ()
        try:
            left = await self._queue.delete(messages)
        except HeadraceError as error:
            self._tell_away(str(error))
            return messages if isinstance(error, TransientError) else ()
        self._tell_reached()
        for each in left:
            if each.is_final or is_last:
                _tell_kept(logging.WARNING, "events.not_deleted", each.message, each.reason)
        return [each.message for each in left if not each.is_final]

    async def _defer(self, messages: Sequence[Message]) -> None:
        """One that can't be deferred comes again when it is no longer hidden."""
        if messages:
            with contextlib.suppress(HeadraceError):
                await self._queue.defer(messages)

    # What people are told

    def _tell_away(self, fault: str) -> None:
        if fault != self._fault:
            _log.warning("the queue of events: %s", fault, extra={"action": "events.sqs_away"})
        self._fault = fault

    def _tell_reached(self) -> None:
        if self._fault:
            _log.info("the queue of events is read", extra={"action": "events.sqs_reached"})
        self._fault = ""


def _tell_kept(level: int, action: str, message: Message, reason: str) -> None:
    _log.log(level, "kept: %s", reason, extra={"action": action, "message_id": message.id})

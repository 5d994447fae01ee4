"""The service's life: its start, the loops beside the receiver, and what its readiness means."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from pydantic import ValidationError

from headrace.events.deposit import Deposit
from headrace.events.figures import Standing, figures
from headrace.events.gate import Gate
from headrace.events.intake import Intake
from headrace.events.listing import Listing
from headrace.events.messages import MessageQueue
from headrace.events.polling import Polling
from headrace.events.receiver import READY_SECONDS, Receiver
from headrace.events.roster import Roster
from headrace.events.sources import FunctionSource
from headrace.events.watcher import UNWATCHED, Watcher
from headrace.metrics.family import Figure
from headrace.model.backed import LastBackup
from headrace.model.errors import HeadraceError, NotFoundError, TransientError
from headrace.model.keys import last_backup_key
from headrace.model.settings import Settings
from headrace.queue.port import Queue
from headrace.storage.port import Storage
from headrace.storage.race import race_check

WATCH_SECONDS = 1.0  # between two looks at the functions, where nobody tells that they changed
FAILED_SECONDS = 2.0  # before what failed is done again
STANDBY_SECONDS = 1.0  # between two looks whether this process is the one that lists by now
# Another receiver may learn of a function some seconds later, and ignores its files until then; a store that
# is told of another bucket may notify of nothing for as long.
YOUNG_SECONDS = 60.0
AGAIN_SECONDS = 15.0
START_RETRY_SECONDS = 0.5
_PROBE = "readyz"  # neither an object nor a function of this name need be there

_log = logging.getLogger(__name__)


class Service:
    """Everything of `events` but the HTTP server and the adapters.

    Several may run at once: each takes notifications and races the store, as each rests on what the race
    shows; `messages` are shared by all that poll. Listings are for the one that is `leading` at their start;
    two at once would only find the same. But each looks again itself for files that it held back, as nobody
    else knows of them.
    """

    def __init__(
        self,
        settings: Settings,
        source: FunctionSource,
        storage: Storage,
        queue: Queue,
        *,
        clock: Callable[[], float],
        leading: Callable[[], bool] = lambda: True,
        messages: MessageQueue | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        watcher: Watcher = UNWATCHED,
    ) -> None:
        self._settings = settings
        self._watcher = watcher
        self._listed_at = 0.0
        self._storage = storage
        self._queue = queue
        self._gate = Gate(queue, settings.kubernetes, clock)
        deposit = Deposit(queue, settings.queue, self._gate)
        self._source = source
        self._roster = Roster(source, storage, deposit, platform_bucket=settings.platform_bucket, clock=clock)
        intake = Intake(
            storage, deposit, functions=lambda: self._roster.functions, settings=settings, clock=clock
        )
        self._listing = Listing(storage, queue, deposit, settings=settings, clock=clock, watcher=watcher)
        self._clock = clock
        self._leading = leading
        self._sleep = sleep
        self._held: frozenset[str] = frozenset()  # functions to look again for: files of theirs have room now
        self._is_proven = False
        self._refusal: HeadraceError | None = None
        token = settings.receiver.token
        self.receiver = Receiver(intake, token=token, probe=self._probe, watcher=watcher)
        self._polling: Polling | None = None
        if settings.sqs is not None and messages is not None:
            self._polling = Polling(messages, intake, settings.sqs, sleep=sleep, watcher=watcher)

    async def start(self) -> None:
        """Wait for the servers and read the functions.

        Raises ConfigurationError for a folder or an access that a person must mend.
        """
        await self._until_there(self._answer)  # no function of a tenant's keeps the roster waiting for them
        await self._until_there(self._roster.refresh)
        _log.info("started", extra={"action": "events.started", "functions": len(self._roster.functions)})

    @contextlib.asynccontextmanager
    async def background(self, give_up: Callable[[], None]) -> AsyncIterator[None]:
        """Run the loops while the block runs, and race the store.

        The race takes SeaweedFS some 8 s, so notifications are taken meanwhile, but the service is
        not ready. When the store is refused, `give_up` is called to end the block, and the block's
        end raises FatalError.
        """
        tasks = [
            asyncio.create_task(self._prove(give_up)),
            asyncio.create_task(self._repeat(self._watch, self._source.changed)),
            asyncio.create_task(self._repeat(self._list, self._sleep)),
            asyncio.create_task(self._repeat(self._list_young, self._sleep)),
        ]
        if self._polling is not None:
            self._polling.start()
        try:
            yield
        finally:
            if self._polling is not None:
                await self._polling.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._refusal is not None:
            raise self._refusal

    async def _prove(self, give_up: Callable[[], None]) -> None:
        try:
            await self._until_there(lambda: race_check(self._storage, self._settings.platform_bucket))
        except HeadraceError as error:
            self._refusal = error
            give_up()
        else:
            self._is_proven = True
            _log.info("ready", extra={"action": "events.ready"})

    async def _watch(self) -> float:
        came = await self._roster.refresh()
        if came and self._leading():
            # A function with `existing: process` must not wait for the next listing.
            await self._listing.run([each for each in self._roster.listed if each.function.name in came])
        return WATCH_SECONDS

    async def _list_young(self) -> float:
        """Look again for files of functions that came a moment ago, then for those it held back."""
        if self._leading():
            now = self._clock()
            await self._listing.run([e for e in self._roster.listed if now - e.first_seen < YOUNG_SECONDS])
        self._held |= await self._gate.returning()
        if self._held:
            found = await self._listing.run(
                [each for each in self._roster.listed if each.function.name in self._held]
            )
            if not found.is_worth_repeating:
                self._held = frozenset()
        return AGAIN_SECONDS

    async def _list(self) -> float:
        if not self._leading():
            return STANDBY_SECONDS
        found = await self._listing.run(self._roster.listed)
        self._listed_at = self._clock()
        _log.info(
            "listing: %d objects compared, %d lost ones put",
            found.compared,
            found.put,
            extra={"action": "events.listed", "compared": found.compared, "put": found.put},
        )
        usual = self._settings.receiver.listing_seconds
        return min(usual, FAILED_SECONDS) if found.is_worth_repeating else usual

    async def _probe(self) -> None:
        """Return when all is ready for notifications. Raises TransientError."""
        if not self._is_proven:
            raise TransientError("the store is still being raced")
        if self._polling is not None and self._polling.fault:
            raise TransientError(self._polling.fault)
        await self._answer()

    async def _answer(self) -> None:
        """Return when store and queue answer, whatever it is. Raises TransientError."""
        await self._ask_store()
        await self._ask_queue()

    async def _ask_store(self) -> None:
        with contextlib.suppress(NotFoundError):
            await self._storage.head(self._settings.platform_bucket, _PROBE)

    async def _ask_queue(self) -> None:
        with contextlib.suppress(NotFoundError):
            await self._queue.backlog(_PROBE)

    async def figures(self) -> Sequence[Figure]:
        """What Prometheus is told of how it stands; asks store and queue, and waits READY_SECONDS at most."""
        store, queue, backup = await asyncio.gather(
            _answers(self._ask_store()), _answers(self._ask_queue()), self._last_backup()
        )
        sqs = {"sqs": not self._polling.fault} if self._polling is not None else {}
        standing = Standing(
            servers={"store": store, "queue": queue, **sqs},
            is_leading=self._leading(),
            listed_at=self._listed_at,
            listing_seconds=self._settings.receiver.listing_seconds,
            dropped_spans=self._watcher.tracer.dropped,
            backup=backup,
        )
        return figures(standing)

    async def _last_backup(self) -> LastBackup | None:
        """The note that a backup leaves; None where it is not to be had in time."""
        with contextlib.suppress(HeadraceError, TimeoutError, ValidationError):
            async with asyncio.timeout(READY_SECONDS):
                return LastBackup.from_json(
                    await self._storage.read(self._settings.platform_bucket, last_backup_key())
                )
        return None

    async def _until_there(self, step: Callable[[], Awaitable[object]]) -> None:
        """Wait for servers that are away, and for the platform's bucket, which another service may make."""
        told = ""
        while True:
            try:
                await step()
            except (TransientError, NotFoundError) as error:
                if str(error) != told:
                    told = str(error)
                    _log.warning("waiting: %s", told, extra={"action": "events.waiting"})
                await self._sleep(START_RETRY_SECONDS)
            else:
                return

    async def _repeat(
        self, action: Callable[[], Awaitable[float]], rest: Callable[[float], Awaitable[None]]
    ) -> None:
        """Do something for ever; it says after how many seconds it is to be done again, and `rest` waits."""
        while True:
            try:
                await rest(await action())
            except HeadraceError as error:
                _log.warning("%s", error, extra={"action": "events.loop_failed"})
                await self._sleep(FAILED_SECONDS)
            except Exception:  # noqa: BLE001  (the loop's top: it must outlive every fault)
                _log.exception("unexpected", extra={"action": "events.loop_failed"})
                await self._sleep(FAILED_SECONDS)


async def _answers(question: Awaitable[None]) -> bool:
    """Whether a server answers in time."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            await question
    except (HeadraceError, TimeoutError):
        return False
    return True

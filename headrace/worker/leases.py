"""The leases that a worker holds: extended while it works, given back or acknowledged at the end."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_when_event_set, wait_random_exponential

from headrace.model.errors import HeadraceError, TransientError
from headrace.queue.port import Lease
from headrace.worker.folders import TaskFolders
from headrace.worker.held import Held, Watch, unwatched
from headrace.worker.identity import Identity

log = logging.getLogger(__name__)

TROUBLE_SECONDS = 5.0  # before a task that met an unexpected error is tried again
WAIT = wait_random_exponential(multiplier=0.2, max=5.0)  # while the store or the queue is away

T = TypeVar("T")


class Leases:
    """Every task in hand, by its attempt."""

    def __init__(
        self, identity: Identity, folder: Path, lease_seconds: float, watch: Watch = unwatched
    ) -> None:
        self._identity = identity
        self._watch = watch
        self._folders = TaskFolders(folder)
        self._seconds = lease_seconds
        self._held: dict[str, Held] = {}
        self.changed = asyncio.Event()  # set whenever a task comes or goes; who looks clears it
        self._abandoned = threading.Event()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, held: Held) -> bool:
        return held.attempt in self._held

    def take(self, lease: Lease) -> Held:
        """Hold a lease from now on, with a folder and an attempt of its own."""
        attempt = self._identity.new_attempt()
        held = Held(lease, attempt, self._folders.take(), self._identity.now())
        self._held[attempt] = held
        self.changed.set()
        return held

    async def keep(self, on_standstill: Callable[[], None]) -> None:
        """Extend every lease three times in its length, for ever.

        A process that stood still beyond the lease (stopped, or its machine asleep) has lost what it
        held to others: `on_standstill` is called before anything is extended again.
        """
        last = time.monotonic()
        while True:
            await asyncio.sleep(self._seconds / 3)
            if time.monotonic() - last > self._seconds:
                log.warning("stood still beyond the lease", extra={"action": "worker.standstill"})
                on_standstill()
            last = time.monotonic()
            extended = [held.lease.extend() for held in self._held.values()]
            for result in set(map(repr, await asyncio.gather(*extended, return_exceptions=True))):
                if result != "None":
                    log.warning("leases not extended: %s", result, extra={"action": "worker.extend_failed"})

    async def guarded(self, held: Held, step: Awaitable[None]) -> None:
        """Await a step; whatever goes wrong, the task is handed back and the worker goes on."""
        try:
            await step
        except HeadraceError as error:
            log.warning(
                "%s: %s", held.task.key, error, extra={"action": "worker.trouble", "task": held.task.id}
            )
            await self.release(held, TROUBLE_SECONDS)
        except Exception:
            log.exception("%s", held.task.key, extra={"action": "worker.defect", "task": held.task.id})
            await self.release(held, TROUBLE_SECONDS)

    async def persistently(self, step: Callable[[], Awaitable[T]]) -> T:
        """Repeat a step while servers are away. Raises the last TransientError after `abandon`."""
        with suppress(TransientError):  # most steps need no second try
            return await step()
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=WAIT,
            stop=stop_when_event_set(self._abandoned),
            reraise=True,
        ):
            with attempt:
                return await step()
        raise AssertionError("unreachable: the loop returns or raises")

    def abandon(self) -> None:
        """Repeat nothing any more: the worker has to end."""
        self._abandoned.set()

    async def done(self, held: Held) -> None:
        """Acknowledge: the task has its record."""
        await self.persistently(held.lease.done)
        held.is_acknowledged = True
        self.forget(held)

    async def release(self, held: Held, delay_seconds: float) -> None:
        """Hand a task back; when the queue is away, its lease runs out by itself."""
        with suppress(TransientError):
            await held.lease.retry(delay_seconds)
        self.forget(held)

    async def release_all(self) -> None:
        """Hand everything back."""
        await asyncio.gather(*(self.release(held, 0.0) for held in list(self._held.values())))

    def forget(self, held: Held) -> None:
        """Drop a task and its files."""
        if self._held.pop(held.attempt, None) is not None:
            held.left = self._identity.now()
            self._watch(held)
            self._folders.give_back(held.folder)
            self.changed.set()

"""The worker: pull ahead, stage while the model computes, run, finish, acknowledge."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from headrace.model.errors import HeadraceError
from headrace.queue.port import Lease, Queue
from headrace.worker.attempt import Cause, Outcome
from headrace.worker.batches import Batches
from headrace.worker.finishing import Finisher
from headrace.worker.held import Held
from headrace.worker.leases import TROUBLE_SECONDS, Leases
from headrace.worker.pace import files_ahead, take_batch
from headrace.worker.staging import Stager
from headrace.worker.standing import Posture

log = logging.getLogger(__name__)

PULL_SECONDS = 1.0  # how long one pull waits; bounds how late a stop is noticed
MOST_FINISHING = 32  # commits under way at once


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker is made of."""

    queue: Queue
    leases: Leases
    stager: Stager
    batches: Batches
    finisher: Finisher
    posture: Posture


class Worker:
    """Works one function until it is told to stop. `grace_seconds`: how long a stop waits for what runs."""

    def __init__(self, parts: Parts, *, prefetch_seconds: float, grace_seconds: float) -> None:
        self._parts = parts
        self._function = parts.stager.identity.function
        self._now = parts.stager.identity.now
        self._prefetch_seconds = prefetch_seconds
        self._grace_seconds = grace_seconds
        self._ready: deque[Held] = deque()
        self._preparing = 0
        self._changed = asyncio.Condition()
        self._finishing = asyncio.Semaphore(MOST_FINISHING)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Pull no more, finish what runs, hand back what does not."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`. No single task can end it; raises OSError when no runner can be started."""
        keeping = asyncio.create_task(self._parts.leases.keep(self._drop_unstarted))
        telling = asyncio.create_task(self._parts.posture.keep_telling())
        pulling = asyncio.create_task(self._pull())
        running = asyncio.create_task(self._run_batches())
        try:
            await asyncio.wait({pulling, running}, return_when=asyncio.FIRST_COMPLETED)
            self.stop()  # also when running broke down: nothing must be pulled that nobody works
            await pulling
            await self._wind_up(running)
        finally:
            tasks = (keeping, telling, pulling, running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._parts.posture.tell()
            await self._parts.batches.close()

    async def _wind_up(self, running: asyncio.Task[None]) -> None:
        """Let what runs and what is being written come to its end; hand back the rest."""
        await self._notify()
        await asyncio.wait({running}, timeout=self._grace_seconds)
        if not running.done():
            running.cancel()
        self._parts.leases.abandon()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._grace_seconds)
        await self._parts.leases.release_all()
        if running.done() and not running.cancelled():
            running.result()

    # Pull and stage

    async def _pull(self) -> None:
        while not self._stopping.is_set():
            room = self._room()
            if room <= 0:
                await self._wait()
                continue
            for lease in await self._pulled(room):
                held = self._parts.leases.take(lease)
                self._preparing += 1
                self._spawn(self._parts.leases.guarded(held, self._prepare(held)))

    async def _pulled(self, room: int) -> Sequence[Lease]:
        try:
            return await self._parts.queue.pull(self._function.name, room, wait_seconds=PULL_SECONDS)
        except HeadraceError as error:
            log.warning("nothing pulled: %s", error, extra={"action": "worker.pull_failed"})
            await asyncio.sleep(PULL_SECONDS)
            return ()

    def _room(self) -> int:
        ahead = files_ahead(
            self._parts.batches.seconds_per_file,
            prefetch_seconds=self._prefetch_seconds,
            batch_files=self._parts.batches.most_files,
        )
        return ahead - len(self._ready) - self._preparing

    async def _prepare(self, held: Held) -> None:
        try:
            unfinished = await self._parts.stager.prepare(held)
            held.staged = self._now()
        finally:
            self._preparing -= 1
            await self._notify()
        if not unfinished:
            await self._parts.leases.done(held)
        elif held in self._parts.leases:
            self._ready.append(held)
            await self._notify()

    def _drop_unstarted(self) -> None:
        while self._ready:
            self._parts.leases.forget(self._ready.popleft())

    # Run and finish

    async def _run_batches(self) -> None:
        await self._parts.batches.warm()
        while not self._stopping.is_set():
            if not self._ready:
                await self._wait()
                continue
            await self._linger()
            if self._ready and not self._stopping.is_set():
                await self._run(take_batch(self._ready, self._parts.batches.most_files, lambda h: h.alone))

    async def _linger(self) -> None:
        deadline = time.monotonic() + self._function.spec.batch.linger_seconds
        while len(self._ready) < self._parts.batches.most_files and not self._stopping.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            await self._wait(left)

    async def _run(self, batch: list[Held]) -> None:
        batch = [held for held in batch if await self._marked(held)]
        await self._notify()  # there is room to pull again
        if not batch:
            return
        for held, outcome in await self._parts.batches.run(batch):
            await self._finishing.acquire()
            self._spawn(self._parts.leases.guarded(held, self._finish(held, outcome)))

    async def _marked(self, held: Held) -> bool:
        try:
            await self._parts.leases.persistently(partial(self._parts.stager.mark_start, held))
        except HeadraceError as error:
            log.warning("%s: not started: %s", held.task.key, error, extra={"action": "worker.trouble"})
            await self._parts.leases.release(held, TROUBLE_SECONDS)
            return False
        return True

    async def _finish(self, held: Held, outcome: Outcome) -> None:
        try:
            delay = await self._parts.leases.persistently(lambda: self._concluded(held, outcome))
            if delay is None:
                await self._parts.leases.done(held)
            else:
                await self._parts.leases.release(held, delay)
        finally:
            self._finishing.release()

    async def _concluded(self, held: Held, outcome: Outcome) -> float | None:
        if outcome.good:
            return await self._parts.finisher.succeed(held)
        if outcome.cause is Cause.LEFT:
            return 0.0
        log.info(
            "%s: %s", held.task.key, outcome.reason,
            extra={"action": "worker.attempt_failed", "task": held.task.id, "cause": outcome.cause.value},
        )  # fmt: skip
        return await self._parts.finisher.fail(held, outcome)

    # Waiting

    def _spawn(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _wait(self, seconds: float = PULL_SECONDS) -> None:
        """Until something changed, a second at most: then the loops look again by themselves."""
        with suppress(TimeoutError):
            async with self._changed, asyncio.timeout(seconds):
                await self._changed.wait()

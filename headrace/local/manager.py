"""Looks at the queue several times a second and keeps as many workers as the files waiting call for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from headrace.catalog.folder import FILE_NAME, Installed, examine, function_folders
from headrace.local.scale import Demand, Wanted, wanted_workers
from headrace.local.workers import WorkerPool
from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.function import Function
from headrace.queue.port import Backlog, Queue

LOOK_SECONDS = 0.2  # a file that finds no worker waits half of this, on average, until one is started

_EMPTY = Backlog(tasks=0, leased=0, oldest_received=None, bytes_estimate=0, paused=False)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found and what was done about it; `running` counts worker processes by function."""

    demands: tuple[Demand, ...]
    wanted: tuple[Wanted, ...]
    running: dict[str, int]


class FunctionFolder:
    """The functions of a folder, read again when a function.yaml changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[tuple[str, int, int], ...] | None = None
        self._installed: tuple[Installed, ...] = ()

    @property
    def functions(self) -> tuple[Function, ...]:
        return tuple(each.function for each in self._installed)

    async def refresh(self) -> bool:
        """Whether something changed. Functions with faults are left out; the receiver logs the faults.

        Raises ConfigurationError when the folder can't be read.
        """
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._installed = (await asyncio.to_thread(lambda: examine(function_folders(self._path)))).installed
        self._stamp = stamp
        return True

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        files = [folder / FILE_NAME for folder in function_folders(self._path)]
        return tuple((str(f), s.st_mtime_ns, s.st_size) for f in files for s in (f.stat(),))


class Manager:
    """Keeps the workers of a pool in step with the queue.

    `prepare` is called with the functions at the start and whenever they change, before any work on them;
    `tell` after each look. `now` is a steady clock in seconds.
    """

    def __init__(
        self,
        queue: Queue,
        folder: FunctionFolder,
        pool: WorkerPool,
        *,
        prepare: Callable[[tuple[Function, ...]], Awaitable[None]],
        tell: Callable[[Look], None],
        now: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._folder = folder
        self._pool = pool
        self._prepare = prepare
        self._tell = tell
        self._now = now
        self._prepared = False
        self._idle_since: dict[str, float] = {}
        self._away = False

    async def run(self) -> None:
        """Look until cancelled. No fault of queue, store or folder ends it."""
        while True:
            try:
                await self.look()
            except HeadraceError as error:
                if not self._away:
                    _log.warning("workers stay as they are: %s", error, extra={"action": "stack.look_failed"})
                self._away = True
            except Exception:  # noqa: BLE001  (the loop's top: it must outlive every fault)
                _log.exception("unexpected", extra={"action": "stack.look_failed"})
            else:
                self._away = False
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> Look:
        """One look. Raises TransientError when the queue does not answer: then workers stay as they are."""
        await self._keep_prepared()
        self._pool.reap(self._now())
        functions = self._folder.functions
        backlogs = await asyncio.gather(*(self._backlog(function.name) for function in functions))
        now = self._now()
        demands = tuple(
            self._demand(function, backlog, now)
            for function, backlog in zip(functions, backlogs, strict=True)
        )
        wanted = wanted_workers(demands, cores=self._pool.cores, now=now)
        self._pool.reconcile({each.function: each.workers for each in wanted}, now)
        look = Look(demands, wanted, self._pool.running)
        self._tell(look)
        return look

    async def _keep_prepared(self) -> None:
        if await self._folder.refresh():
            self._prepared = False
        if not self._prepared:
            await self._prepare(self._folder.functions)
            self._prepared = True

    async def _backlog(self, function: str) -> Backlog:
        try:
            return await self._queue.backlog(function)
        except NotFoundError:
            return _EMPTY  # the receiver makes its stream in a moment

    def _demand(self, function: Function, backlog: Backlog, now: float) -> Demand:
        scale = function.spec.scale
        if backlog.tasks:
            self._idle_since.pop(function.name, None)
        else:
            self._idle_since.setdefault(function.name, now)
        return Demand(
            function=function.name,
            waiting=backlog.waiting,
            leased=backlog.leased,
            workers=self._pool.count(function.name),
            min_workers=scale.min_workers,
            max_workers=scale.max_workers,
            idle_seconds=scale.idle_seconds,
            idle_since=self._idle_since.get(function.name),
            # A function whose image serves HTTP needs a container: here its files wait.
            paused=backlog.paused or function.spec.suspend or function.spec.run.http is not None,
        )

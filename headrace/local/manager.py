"""Keeps functions as their folder has them, and lets the scaler decide several times a second."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from headrace.catalog.folder import FILE_NAME, Installed, examine, function_folders
from headrace.model.errors import HeadraceError
from headrace.model.function import Function
from headrace.scaler.service import Decision, Scaler

LOOK_SECONDS = 0.2  # a file that finds no worker waits half of this, on average, until one is started

_log = logging.getLogger(__name__)


class FunctionFolder:
    """The functions of a folder, read again when a function.yaml changed.

    With `most_idle_seconds` their workers are kept without files for no longer than that.
    """

    def __init__(self, path: Path, *, most_idle_seconds: float | None = None) -> None:
        self._path = path
        self._most_idle_seconds = most_idle_seconds
        self._stamp: tuple[tuple[str, int, int], ...] | None = None
        self._installed: tuple[Installed, ...] = ()

    @property
    def functions(self) -> tuple[Function, ...]:
        functions = (each.function for each in self._installed)
        most = self._most_idle_seconds
        return tuple(each if most is None else _hasty(each, most) for each in functions)

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
    """Steps the scaler with the functions that there are.

    `prepare` is called with them at the start and whenever they change, before any work on them.
    """

    def __init__(
        self,
        scaler: Scaler,
        folder: FunctionFolder,
        *,
        prepare: Callable[[tuple[Function, ...]], Awaitable[None]],
    ) -> None:
        self._scaler = scaler
        self._folder = folder
        self._prepare = prepare
        self._prepared = False
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

    async def look(self) -> Decision | None:
        """One step of the scaler. Raises TransientError when room could not be made for functions."""
        if await self._folder.refresh():
            self._prepared = False
        if not self._prepared:
            await self._prepare(self._folder.functions)
            self._prepared = True
        return await self._scaler.step(self._folder.functions)


def _hasty(function: Function, most_idle_seconds: float) -> Function:
    scale = function.spec.scale
    idle = min(scale.idle_seconds, most_idle_seconds)
    spec = function.spec.model_copy(update={"scale": scale.model_copy(update={"idle_seconds": idle})})
    return function.model_copy(update={"spec": spec})

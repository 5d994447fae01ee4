"""Where functions come from: a port, and the folder of the embedded default."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from headrace.catalog.folder import FILE_NAME, Examined, examine, function_folders
from headrace.model.function import Function

Stamp = tuple[tuple[str, int, int], ...]  # of each function.yaml: folder, time of change, size

_log = logging.getLogger(__name__)


class FunctionSource(Protocol):
    """Who knows the functions. One with faults stays as it was, and the faults are logged."""

    async def functions(self) -> tuple[Function, ...]:
        """Those that there are now, by name; the very same tuple for as long as nothing changes.

        Raises TransientError, and ConfigurationError when a person must mend the source itself.
        """
        ...

    async def changed(self, seconds: float) -> None:
        """Return when they may have changed, after so many seconds at the latest."""
        ...


class FolderSource:
    """The functions of a folder, read again when a function.yaml changed."""

    def __init__(self, folder: Path, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._folder = folder
        self._sleep = sleep
        self._stamp: Stamp | None = None
        self._functions: tuple[Function, ...] = ()
        self._folders: Mapping[str, Path] = {}

    async def functions(self) -> tuple[Function, ...]:
        """See the port."""
        stamp = _stamp(self._folder)
        if stamp != self._stamp:
            self._take(await asyncio.to_thread(lambda: examine(function_folders(self._folder))))
            self._stamp = stamp
        return self._functions

    async def changed(self, seconds: float) -> None:
        """See the port. Nobody tells of a file's change."""
        await self._sleep(seconds)

    def _take(self, examined: Examined) -> None:
        for fault in examined.faults:
            _log.error("%s", fault, extra={"action": "events.function_refused"})
        folders = {each.function.name: each.folder for each in examined.installed}
        found = {each.function.name: each.function for each in examined.installed}
        before = {each.name: each for each in self._functions}
        for name, folder in self._folders.items():
            # Half-written files must not make a function's files go unnoticed.
            if name not in found and folder not in folders.values() and (folder / FILE_NAME).is_file():
                found[name], folders[name] = before[name], folder
        self._folders = folders
        self._functions = tuple(found[name] for name in sorted(found))


def _stamp(folder: Path) -> Stamp:
    stamps = []
    for each in function_folders(folder):
        status = (each / FILE_NAME).stat()
        stamps.append((each.name, status.st_mtime_ns, status.st_size))
    return tuple(stamps)

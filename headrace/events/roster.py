"""The functions that files are matched against, kept in step with the folder they lie in."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson

from headrace.catalog.folder import FILE_NAME, Examined, examine, function_folders
from headrace.events.deposit import Deposit
from headrace.events.listing import Listed
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.model.keys import function_key
from headrace.storage.port import Storage

Stamp = tuple[tuple[str, int, int], ...]  # of each function.yaml: folder, time of change, size

_log = logging.getLogger(__name__)


class Roster:
    """Functions by name. One appears here only when its stream is there and its first sight is noted."""

    def __init__(
        self,
        folder: Path,
        storage: Storage,
        deposit: Deposit,
        *,
        platform_bucket: str,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._storage = storage
        self._deposit = deposit
        self._platform_bucket = platform_bucket
        self._clock = clock
        self._listed: Mapping[str, Listed] = {}
        self._folders: Mapping[str, Path] = {}
        self._functions: tuple[Function, ...] = ()
        self._stamp: Stamp | None = None

    @property
    def functions(self) -> tuple[Function, ...]:
        """Those that are known now, in order of names."""
        return self._functions

    @property
    def listed(self) -> tuple[Listed, ...]:
        """The same, with the moments of their first sight."""
        return tuple(self._listed[function.name] for function in self._functions)

    async def refresh(self) -> tuple[str, ...]:
        """Read the folder if a function.yaml changed; returns the names of functions that came.

        A function whose file has faults stays as it was, and the faults are logged. Raises TransientError,
        and ConfigurationError when the folder itself can't be read; all is tried again the next time.
        """
        stamp = _stamp(self._folder)
        if stamp == self._stamp:
            return ()
        examined = await asyncio.to_thread(lambda: examine(function_folders(self._folder)))
        _log_faults(examined)
        folders = {each.function.name: each.folder for each in examined.installed}
        found = {each.function.name: each.function for each in examined.installed}
        for name, folder in self._folders.items():
            # Half-written files must not make a function's files go unnoticed.
            if name not in found and folder not in folders.values() and (folder / FILE_NAME).is_file():
                found[name], folders[name] = self._listed[name].function, folder
        came = tuple(sorted(found.keys() - self._listed.keys()))
        first_seen = {name: await self._introduce(name) for name in came}
        self._listed = {
            name: Listed(function, first_seen[name] if name in first_seen else self._listed[name].first_seen)
            for name, function in found.items()
        }
        self._folders = folders
        self._functions = tuple(found[name] for name in sorted(found))
        self._stamp = stamp
        return came

    async def _introduce(self, name: str) -> float:
        """Give a function its stream, and note when it was first seen unless that is noted."""
        await self._deposit.open(name)
        now = self._clock()
        key = function_key(name)
        if await self._storage.create(self._platform_bucket, key, orjson.dumps({"firstSeen": now})):
            _log.info("function %s came", name, extra={"action": "events.function_came", "function": name})
            return now
        return _first_seen(key, await self._storage.read(self._platform_bucket, key))


def _first_seen(key: str, body: bytes) -> float:
    try:
        document = orjson.loads(body)
        return float(document["firstSeen"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{key} in the platform bucket holds {body[:80]!r}; it must be an object with firstSeen, "
            "seconds since the epoch: delete it"
        ) from error


def _stamp(folder: Path) -> Stamp:
    stamps = []
    for each in function_folders(folder):
        status = (each / FILE_NAME).stat()
        stamps.append((each.name, status.st_mtime_ns, status.st_size))
    return tuple(stamps)


def _log_faults(examined: Examined) -> None:
    for fault in examined.faults:
        _log.error("%s", fault, extra={"action": "events.function_refused"})

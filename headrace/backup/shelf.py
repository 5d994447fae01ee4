"""Where backups lie: the port, and a folder. Each piece is whole or not there, under a name like a path."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace.files.whole import write_private
from headrace.model.errors import ConfigurationError, NotFoundError

LOCK = "lock"
PARTIAL = "partial"  # what is being written, and nothing else; emptied at each start


@dataclass(frozen=True, slots=True)
class Piece:
    """`size` in bytes, `modified` in seconds since the epoch."""

    name: str
    size: int
    modified: float


class Shelf(Protocol):
    """Named pieces. Calls raise what the storage port's do; `read` and `fetch` NotFoundError."""

    @property
    def scratch(self) -> Path:
        """A local folder for files that are about to be put here."""
        ...

    async def read(self, name: str) -> bytes:
        """The whole of a small piece."""
        ...

    async def fetch(self, name: str) -> Path:
        """A piece as a local file, which may be the piece itself: give it back by `release`, unchanged."""
        ...

    async def release(self, path: Path) -> None:
        """A file that `fetch` gave is no longer needed."""
        ...

    async def write(self, name: str, content: bytes) -> None:
        """Store a piece, replacing it in one step."""
        ...

    async def move_in(self, path: Path, name: str) -> None:
        """Store a file of `scratch` as a piece; the file is gone then."""
        ...

    async def rename(self, name: str, to: str) -> None:
        """Give a piece another name. Raises NotFoundError, ConfigurationError where that is not allowed."""
        ...

    def list(self, prefix: str) -> AsyncIterator[Piece]:
        """Every piece below a prefix, which is empty or ends with `/`, in no promised order."""
        ...

    async def remove(self, names: Iterable[str]) -> None:
        """Delete pieces; quiet about those that are not there."""
        ...

    async def settle(self) -> None:
        """Return when what was stored survives a loss of power."""
        ...


class FolderShelf:
    """A folder of mode 0700, one file a piece."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: set[Path] = set()

    def __str__(self) -> str:
        return str(self.path)

    @property
    def scratch(self) -> Path:
        """On the same file system, so that moving a file in only renames it."""
        return self.path / PARTIAL

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the folder alone while the block runs, made if needed; let go however this process ends.

        Raises ConfigurationError when another holds it, or when it can't be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{self.path} can't be written: {error.strerror}") from error
        with _closing(descriptor):
            self._lock(descriptor, fcntl.LOCK_EX)
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(mode=0o700)
            yield

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Hold the folder beside other readers; one that is not there, or can't be written to, needs no lock.

        Raises ConfigurationError while a backup is written there.
        """
        try:
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            yield
            return
        with _closing(descriptor):
            self._lock(descriptor, fcntl.LOCK_SH)
            yield

    def _lock(self, descriptor: int, how: int) -> None:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"another backup or restore uses {self.path}; wait for its end, or name another folder"
            ) from None

    async def read(self, name: str) -> bytes:
        """See the port."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"{self.path / name} is not there") from error

    async def fetch(self, name: str) -> Path:
        """See the port: the piece itself."""
        if not (self.path / name).is_file():
            raise NotFoundError(f"{self.path / name} is not there")
        return self.path / name

    async def release(self, path: Path) -> None:
        """See the port."""

    async def write(self, name: str, content: bytes) -> None:
        """See the port."""
        write_private(self._place(name), content)

    async def move_in(self, path: Path, name: str) -> None:
        """See the port."""
        path.replace(self._place(name))

    async def rename(self, name: str, to: str) -> None:
        """See the port."""
        try:
            (self.path / name).replace(self._place(to))
        except FileNotFoundError as error:
            raise NotFoundError(f"{self.path / name} is not there") from error
        except OSError as error:
            raise ConfigurationError(f"{self.path / to} can't be written: {error.strerror}") from error

    async def list(self, prefix: str) -> AsyncIterator[Piece]:
        """See the port."""
        for folder, _, names in os.walk(self.path / prefix):
            own = os.path.relpath(folder, self.path)
            for name in names:
                told = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118  (a Path costs as much again)
                yield Piece(os.path.normpath(f"{own}/{name}"), told.st_size, told.st_mtime)

    async def remove(self, names: Iterable[str]) -> None:
        """See the port."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    async def settle(self) -> None:
        """See the port. Of one file at a time it would take a millisecond and more each."""
        await asyncio.to_thread(os.sync)

    def _place(self, name: str) -> Path:
        path = self.path / name
        if path.parent not in self._made:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._made.add(path.parent)
        return path


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)

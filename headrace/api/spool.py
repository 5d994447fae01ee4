"""Bodies under way: on disk until they are whole, so that none fills the memory and a cut one is nothing.

Whether a body is base64 is known at its last byte only, so that it can't go to the store before.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from headrace.api.payload import Base64Watch, decoded
from headrace.health.faults import Fault, FaultError, refusal

PIECE_BYTES = 1024**2  # written at once
RETRY_AFTER_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Taken:
    """A whole body on disk, `size` in bytes."""

    path: Path
    size: int
    is_base64: bool


class Spool:
    """Takes bodies of at most `most_bytes` each; all that is under way has `room_bytes` together."""

    def __init__(
        self, directory: Path | None, *, most_bytes: int, room_bytes: int, stall_seconds: float
    ) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._room_bytes = room_bytes
        self._stall_seconds = stall_seconds
        self._used = 0

    @property
    def used_bytes(self) -> int:
        """What is under way now."""
        return self._used

    @property
    def room_bytes(self) -> int:
        """What may be under way at once."""
        return self._room_bytes

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder of one call's own, gone at its end."""
        with tempfile.TemporaryDirectory(prefix="headrace-api-", dir=self._directory) as made:
            yield Path(made)

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Room for so many bytes while the block runs. Raises FaultError when there is none."""
        self._claim(size)
        try:
            yield
        finally:
            self._used -= size

    @asynccontextmanager
    async def taking(
        self, stream: AsyncIterator[bytes], *, declared: int | None, is_raw: bool
    ) -> AsyncIterator[Taken]:
        """A body, decoded where it is base64 unless `is_raw`; gone at the block's end.

        Raises FaultError for one that is too large, stalls, or finds no room; whatever the stream raises.
        """
        if declared is not None and declared > self._most_bytes:
            raise self._too_large()
        with self.folder() as folder, self._counted() as count:
            taken = await self._write(stream, folder / "body", count)
            if taken.is_base64 and not is_raw:
                count(taken.size)
                taken = await asyncio.to_thread(_decode, taken.path, folder / "decoded")
            yield taken

    async def _write(self, stream: AsyncIterator[bytes], path: Path, count: Callable[[int], None]) -> Taken:
        watch, size, buffer = Base64Watch(), 0, bytearray()
        with path.open("wb") as file:
            async for piece in self._pieces(stream):
                size += len(piece)
                if size > self._most_bytes:
                    raise self._too_large()
                count(len(piece))
                watch.feed(piece)
                buffer += piece
                if len(buffer) >= PIECE_BYTES:
                    await asyncio.to_thread(file.write, bytes(buffer))
                    buffer.clear()
            file.write(buffer)
        return Taken(path, size, watch.holds)

    async def _pieces(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._stall_seconds):
                    piece = await anext(stream, None)
            except TimeoutError as error:
                reason = f"nothing came for {self._stall_seconds:g} s; send it again"
                raise refusal(HTTPStatus.REQUEST_TIMEOUT, "the upload stalled", reason) from error
            if piece is None:
                return
            yield piece

    @contextmanager
    def _counted(self) -> Iterator[Callable[[int], None]]:
        used = 0

        def count(size: int) -> None:
            nonlocal used
            self._claim(size)
            used += size

        try:
            yield count
        finally:
            self._used -= used

    def _claim(self, size: int) -> None:
        if self._used + size > self._room_bytes:
            reason = f"{self._used} of {self._room_bytes} bytes for uploads are taken; send it again later"
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise FaultError(Fault(HTTPStatus.SERVICE_UNAVAILABLE, "no room now", reason, headers=headers))
        self._used += size

    def _too_large(self) -> FaultError:
        reason = (
            f"an upload may have {self._most_bytes} bytes at most; put a larger file into the function's "
            "bucket by an S3 client"
        )
        return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large", reason, limit_bytes=self._most_bytes)


def _decode(source: Path, target: Path) -> Taken:
    size = 0
    with source.open("rb") as text, target.open("wb") as file:
        for piece in decoded(_read(text)):
            size += file.write(piece)
    source.unlink()
    return Taken(target, size, is_base64=False)


def _read(file: BinaryIO) -> Iterator[bytes]:
    return iter(partial(file.read, PIECE_BYTES), b"")

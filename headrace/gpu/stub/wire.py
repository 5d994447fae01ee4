"""Frames over asyncio's streams; client/headrace_stub/framing.py says what a frame is."""

import socket
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headrace.gpu.stub.client.headrace_stub.connection import set_options
from headrace.gpu.stub.client.headrace_stub.errors import FrameError
from headrace.gpu.stub.client.headrace_stub.framing import HEADER, Header, pack, parse_header

BUFFER_BYTES = 2**20  # read ahead: fewer stops of a payload's reading
_CHUNK_BYTES = 2**18


@dataclass(frozen=True, slots=True)
class Frame:
    """One that came; `skipped_bytes` of payload were more than wanted and thrown away."""

    head: bytes
    payload: bytes = b""
    skipped_bytes: int = 0


class Frames:
    """Those of one connection, in and out."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        connection: socket.socket | None = writer.get_extra_info("socket")
        if connection is not None:
            set_options(connection)

    @property
    def peer(self) -> str:
        """Who is at the other end, for people."""
        name = self._writer.get_extra_info("peername")
        return f"{name[0]}:{name[1]}" if name else "a peer that has gone"

    async def read(self, *, most_bytes: int) -> Frame | None:
        """The next one; None when the peer ended. A larger payload is read over, so that the next is found.

        Raises FrameError, after which nothing more can be read.
        """
        header = await self._header()
        if header is None:
            return None
        try:
            head = await self._reader.readexactly(header.head_bytes)
            if header.payload_bytes <= most_bytes:
                return Frame(head, await self._reader.readexactly(header.payload_bytes))
            await self._skip(header.payload_bytes)
        except IncompleteReadError as error:
            raise FrameError(f"frame: ended after {len(error.partial)} of {error.expected} bytes") from error
        return Frame(head, skipped_bytes=header.payload_bytes)

    async def _header(self) -> Header | None:
        try:
            return parse_header(await self._reader.readexactly(HEADER.size))
        except IncompleteReadError as error:
            if error.partial:
                raise FrameError(f"frame: ended after {len(error.partial)} bytes of its header") from error
            return None

    async def _skip(self, size_bytes: int) -> None:
        while size_bytes:
            size_bytes -= len(await self._reader.readexactly(min(size_bytes, _CHUNK_BYTES)))

    async def write(self, head: Mapping[str, object], buffers: Iterable[memoryview] = ()) -> None:
        """Returns when the peer has room for more. Raises ConnectionError when it has gone."""
        parts = list(buffers)
        self._writer.writelines([pack(head, sum(len(part) for part in parts)), *parts])
        await self._writer.drain()

    def abort(self) -> None:
        """End the connection at once; the other end is told by a reset."""
        self._writer.transport.abort()

"""One TCP connection to a server: requests out, answers in, in order.

`ask` waits for the answer; `tell` does not, as CUDA's asynchronous calls don't: what went wrong with it is
raised by the next `ask`.
"""

from __future__ import annotations

import socket
from typing import Any, Mapping, Sequence

from .errors import FrameError, OutOfMemoryError, RefusedError, ServerLostError
from .framing import HEADER, Buffer, Head, pack, parse_head, parse_header
from .place import Place

CONNECT_SECONDS = 10.0
MOST_UNANSWERED = 64  # calls told: their answers must fit the sockets' buffers while nobody reads them
SMALL_BYTES = 2**16  # what is smaller goes out in one packet with its head: a copy costs less than a packet

# A server that was cut off gives no sign: after 10 + 3 x 5 seconds of silence the kernel gives it up.
KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


class Counts:
    """What went over one connection: calls, those of them that were waited for, and bytes with all heads."""

    def __init__(self) -> None:
        self.calls = 0
        self.waits = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        self.gpu_seconds = 0.0  # as the server says with its answers


class Connection:
    """To one session; not to be used by two threads at once. Raises ServerLostError."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.counts = Counts()
        self._unanswered = 0
        try:
            self._socket = socket.create_connection((place.host, place.port), CONNECT_SECONDS)
            self._socket.settimeout(None)
            set_options(self._socket)
        except OSError as error:
            raise self._lost(error) from error

    def ask(self, head: Mapping[str, Any], buffers: Sequence[Buffer] = ()) -> tuple[Head, bytearray]:
        """Send a request and wait for its answer. Raises RefusedError for it or for one told before."""
        self.tell(head, buffers)
        self.counts.waits += 1
        refused = None
        while self._unanswered:
            answer, payload = self._receive()
            refused = refused or _refusal(answer)
        if refused is not None:
            raise refused
        return answer, payload

    def tell(self, head: Mapping[str, Any], buffers: Sequence[Buffer] = ()) -> None:
        """Send a request whose answer nobody waits for."""
        if self._unanswered >= MOST_UNANSWERED:
            self.ask({"call": "synchronize"})
        size = sum(len(buffer) for buffer in buffers)
        prefix = pack(head, size)
        parts = [prefix, *buffers] if size > SMALL_BYTES else [b"".join([prefix, *buffers])]
        try:
            for part in parts:
                self._socket.sendall(part)
        except OSError as error:
            raise self._lost(error) from error
        self._unanswered += 1
        self.counts.calls += 1
        self.counts.bytes_sent += len(prefix) + size

    def close(self) -> None:
        """The server frees all that this connection had there."""
        self._socket.close()

    def _receive(self) -> tuple[Head, bytearray]:
        try:
            header = parse_header(self._read(HEADER.size))
            head, payload = parse_head(self._read(header.head_bytes)), self._read(header.payload_bytes)
        except (OSError, FrameError) as error:
            self.close()  # what follows would be taken for other calls' answers
            raise self._lost(error) from error
        self._unanswered -= 1
        self.counts.bytes_received += HEADER.size + header.head_bytes + header.payload_bytes
        self.counts.gpu_seconds += head.get("gpu_seconds", 0.0)
        return head, payload

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        view, at = memoryview(data), 0
        while at < size:
            count = self._socket.recv_into(view[at:])
            if count == 0:
                raise ConnectionResetError("it closed the connection")
            at += count
        return data

    def _lost(self, error: Exception) -> ServerLostError:
        return ServerLostError(
            f"GPU server {self._place.server} stopped answering: {error} (session {self._place.session}; "
            "what was on its GPU is lost, the file has to be worked again)"
        )


def set_options(connection: socket.socket) -> None:
    """Small calls go out at once, and a peer that was cut off is noticed."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if hasattr(socket, name):  # not all systems have them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _refusal(answer: Head) -> RefusedError | None:
    reason = answer.get("refused")
    if reason is None:
        return None
    kind = OutOfMemoryError if reason == "out-of-memory" else RefusedError
    return kind(str(reason), str(answer.get("error")))

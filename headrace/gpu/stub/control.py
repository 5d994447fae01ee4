"""Client of the stub's control calls; each call is a connection of its own.

Raises TransientError when the server does not answer in time; ConfigurationError when it never will do what
is asked of it so; RejectedError when it answers that it has no room for it now.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from headrace.gpu.stub.client.headrace_stub.errors import FrameError
from headrace.gpu.stub.client.headrace_stub.framing import MOST_PAYLOAD_BYTES, parse_head
from headrace.gpu.stub.refusal import Reason
from headrace.gpu.stub.status import ServerStatus, SessionStatus
from headrace.gpu.stub.wire import Frames
from headrace.model.errors import ConfigurationError, RejectedError, TransientError

TIMEOUT_SECONDS = 5.0

_NO_ROOM = frozenset({Reason.GPU_MEMORY, Reason.SESSIONS, Reason.CLOSING})


async def open_session(
    address: str, port: int, *, session: str, gpu: int, memory_bytes: int, timeout: float = TIMEOUT_SECONDS
) -> None:
    """Reserve so much memory of a GPU; once more on the same terms changes nothing."""
    head = {"call": "open", "session": session, "gpu": gpu, "memoryBytes": memory_bytes}
    await _ask(address, port, head, timeout)


async def close_session(address: str, port: int, *, session: str, timeout: float = TIMEOUT_SECONDS) -> None:
    """End it and its connections; nothing happens where it isn't open.

    A call that computes is waited for. When time runs out, the server goes on closing by itself.
    """
    await _ask(address, port, {"call": "close", "session": session}, timeout)


async def sessions(address: str, port: int, *, timeout: float = TIMEOUT_SECONDS) -> tuple[SessionStatus, ...]:
    """All that are open."""
    answer = await _ask(address, port, {"call": "sessions"}, timeout)
    try:
        return tuple(SessionStatus.model_validate(each) for each in answer["sessions"])
    except (KeyError, TypeError, ValidationError) as error:
        raise _foreign(address, port, error) from error


async def probe(address: str, port: int, *, timeout: float = TIMEOUT_SECONDS) -> ServerStatus:
    """Whether it serves, and what."""
    answer = await _ask(address, port, {"call": "status"}, timeout)
    try:
        return ServerStatus.model_validate(answer["status"], strict=False)
    except (KeyError, ValidationError) as error:
        raise _foreign(address, port, error) from error


async def _ask(address: str, port: int, head: Mapping[str, object], timeout: float) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(timeout):
            answer = await _exchange(address, port, head)
    except FrameError as error:
        raise _foreign(address, port, error) from error
    except TimeoutError as error:
        raise TransientError(f"GPU server {address}:{port}: no answer within {timeout:g} s") from error
    except OSError as error:
        raise TransientError(f"GPU server {address}:{port}: {error}") from error
    if "refused" not in answer:
        return answer
    kind = RejectedError if answer["refused"] in _NO_ROOM else ConfigurationError
    raise kind(f"GPU server {address}:{port}: {answer.get('error')}")


async def _exchange(address: str, port: int, head: Mapping[str, object]) -> Mapping[str, Any]:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        frames = Frames(reader, writer)
        await frames.write(head)
        frame = await frames.read(most_bytes=MOST_PAYLOAD_BYTES)
    finally:
        writer.close()
    if frame is None:
        raise ConnectionResetError("it closed the connection without an answer")
    return parse_head(frame.head)


def _foreign(address: str, port: int, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"GPU server {address}:{port}: its answer is not a stub GPU server's: {error}; name the port of one"
    )

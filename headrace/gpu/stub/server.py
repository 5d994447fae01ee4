"""The stub's server: takes connections, and ends those of a session that is closed.

A connection's first call makes it what it is: `attach` lets it work in a session, all else is control. What a
connection holds on the GPU is freed when it ends; the session stays until it is closed.
"""

import asyncio
import logging
from asyncio import StreamReader, StreamWriter, Task
from dataclasses import dataclass

from headrace.gpu.stub.client.headrace_stub.errors import FrameError
from headrace.gpu.stub.refusal import Reason, RefusedError
from headrace.gpu.stub.requests import (
    Attach,
    Close,
    ControlRequest,
    DataRequest,
    Open,
    Request,
    Sessions,
    Status,
    parse_request,
)
from headrace.gpu.stub.sessions import Books, Session, Terms
from headrace.gpu.stub.wire import BUFFER_BYTES, Frame, Frames
from headrace.gpu.stub.workspace import Answer, Workspace

log = logging.getLogger("headrace.gpu.stub")

FIRST_CALL_SECONDS = 10.0  # who says nothing for so long is no client


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A connection that works in a session."""

    task: Task[None]
    frames: Frames


class Server:
    """Serves the GPUs of its books."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._gpus = [asyncio.Lock() for _ in books.gpus]
        self._members: dict[str, set[Member]] = {}
        self._connections: set[Task[None]] = set()

    async def start(self, address: str, port: int) -> int:
        """Listen; returns the port, which the system chooses for 0. Raises OSError."""
        self._listener = await asyncio.start_server(self._accept, address, port, limit=BUFFER_BYTES)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """End all connections."""
        self._listener.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task, frames = asyncio.current_task(), Frames(reader, writer)
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._connections.add(task)
        peer = frames.peer
        try:
            await self._talk(frames, task)
        except (FrameError, TimeoutError) as error:
            log.warning("%s: %s", peer, error, extra={"action": "gpu.refused_peer", "peer": peer})
        except OSError as error:
            log.info("%s has gone: %s", peer, error, extra={"action": "gpu.peer_gone", "peer": peer})
        except Exception:  # a fault of one connection must not end the others
            log.exception("%s: its connection fails", peer, extra={"action": "gpu.failed", "peer": peer})
        finally:
            self._connections.discard(task)
            writer.close()

    async def _talk(self, frames: Frames, task: Task[None]) -> None:
        async with asyncio.timeout(FIRST_CALL_SECONDS):
            frame = await frames.read(most_bytes=0)
        while frame is not None:
            session = await self._joined(frames, frame)
            if session is not None:
                await self._work(session, Member(task, frames))
                return
            frame = await frames.read(most_bytes=0)

    async def _joined(self, frames: Frames, frame: Frame) -> Session | None:
        """The session that the peer attaches to; None: its call was for control and is answered."""
        try:
            request = parse_request(frame.head)
            if isinstance(request, Attach):
                return self.books.joinable(request.session)
            answer = await self._control(request)
        except RefusedError as error:
            answer = _refusal(error)
        await frames.write(answer)
        return None

    async def _control(self, request: Request) -> dict[str, object]:
        match request:
            case Open():
                self.books.open(request.session, Terms(request.gpu, request.memory_bytes))
                log.info(
                    "session %s has %d bytes of GPU %d", request.session, request.memory_bytes, request.gpu,
                    extra={"action": "gpu.opened", "session": request.session},
                )  # fmt: skip
                return {}
            case Close():
                await self._close(request.session)
                return {}
            case Sessions():
                return {"sessions": [self._told(name) for name in self.books.sessions]}
            case Status():
                return {"status": self.books.status().model_dump(mode="json")}
            case _:
                raise RefusedError(Reason.BAD_CALL, f"call {request.call}: attach to a session first")

    def _told(self, name: str) -> dict[str, object]:
        connections = len(self._members.get(name, ()))
        return self.books.session_status(name, connections=connections).model_dump(mode="json")

    async def _close(self, name: str) -> None:
        """Its memory goes back when no call of it computes any more."""
        session = self.books.begin_close(name)
        members = tuple(self._members.get(name, ()))
        for member in members:
            member.frames.abort()
        if members:
            await asyncio.wait([member.task for member in members])
        if self.books.sessions.get(name) is session:  # not one that was opened since
            self.books.close(name)
        log.info("session %s is closed", name, extra={"action": "gpu.closed", "session": name})

    async def _work(self, session: Session, member: Member) -> None:
        members = self._members.setdefault(session.name, set())
        members.add(member)
        workspace = Workspace(session, self._gpus[session.terms.gpu])
        try:
            await member.frames.write({})
            while frame := await member.frames.read(most_bytes=session.terms.memory_bytes):
                answer = await _worked(workspace, session, frame)
                await member.frames.write(answer.head, answer.buffers)
        finally:
            workspace.release()
            members.discard(member)
            if not members and self._members.get(session.name) is members:
                del self._members[session.name]


async def _worked(workspace: Workspace, session: Session, frame: Frame) -> Answer:
    """The answer to a call of a session, a refusal too."""
    try:
        if frame.skipped_bytes:
            session.allocate(frame.skipped_bytes)  # refused: it is more than the quota
        return await workspace.answer(_data_request(frame.head), frame.payload)
    except RefusedError as error:
        return Answer(_refusal(error))


def _data_request(head: bytes) -> DataRequest:
    request = parse_request(head)
    if isinstance(request, Attach | ControlRequest):
        raise RefusedError(Reason.BAD_CALL, f"call {request.call}: this connection works in a session")
    return request


def _refusal(error: RefusedError) -> dict[str, object]:
    return {"refused": error.reason.value, "error": str(error)}

"""Server-sent events: each reader gets what has changed since its last message, at its own pace.

Nothing is kept for a reader but the number of what it has seen. So one that reads slowly gets fewer messages,
and one that takes none for a while is left. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.types import Message, Receive, Scope, Send

from headrace.status.edition import Edition
from headrace.status.service import Newsroom

MOST_READERS = 200
BEAT_SECONDS = 5.0  # of silence, after which a reader is told that nothing has changed
STALL_SECONDS = 20.0  # for one message to be taken; then the reader is left
RETRY_MILLISECONDS = 2000  # after which a browser connects anew

_log = logging.getLogger(__name__)


@dataclass
class Seats:
    """How many read now; there is room for so many."""

    most: int = MOST_READERS
    taken: int = field(default=0, init=False)

    @property
    def full(self) -> bool:
        return self.taken >= self.most

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take one while the block runs."""
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


@dataclass(frozen=True, slots=True)
class Stream:
    """An ASGI response: the events of one reader, from where its last connection ended (`mark`)."""

    newsroom: Newsroom
    seats: Seats
    headers: Mapping[str, str]
    with_names: bool
    ending: Callable[[], bool] = lambda: False
    mark: str = ""
    beat_seconds: float = BEAT_SECONDS
    stall_seconds: float = STALL_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the reader leaves, or stands still."""
        del scope
        with self.seats.one():
            writing = asyncio.create_task(self._write(send))
            leaving = asyncio.create_task(_left(receive))
            done, _ = await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            for task in (writing, leaving):
                task.cancel()
            await asyncio.gather(writing, leaving, return_exceptions=True)
            if writing in done:
                self._ended(writing.exception())

    def _ended(self, error: BaseException | None) -> None:
        if isinstance(error, TimeoutError):
            why = "a reader took nothing for %g s, and is left"
            _log.info(why, self.stall_seconds, extra={"action": "status.reader_left"})
        elif error is not None:
            raise error

    async def _write(self, send: Send) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        await self._send(send, {"type": "http.response.start", "status": 200, "headers": headers})
        await self._put(send, f"retry: {RETRY_MILLISECONDS}\n\n".encode())
        seen: Edition | None = None
        now = asyncio.get_running_loop().time
        due = now() + self.beat_seconds
        while not self.ending():
            edition = self.newsroom.edition(with_names=self.with_names)
            message = self._message(seen, edition) if edition is not None else b""
            if not message and edition is not None and now() >= due:
                message = _event("beat", edition.beat, edition.mark)
            if message:
                await self._put(send, message)
                seen, due = edition, now() + self.beat_seconds
            await self.newsroom.next(edition, max(0.0, due - now()))
        await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    def _message(self, seen: Edition | None, edition: Edition) -> bytes:
        """What brings a reader up to date; empty: nothing has changed."""
        known = edition.knows(self.mark) if seen is None else seen.sequence
        if known is None:
            return _event("document", edition.body, edition.mark)
        if seen is not None and known == edition.sequence:
            return b""
        return _event("change", edition.since(known), edition.mark)

    async def _put(self, send: Send, body: bytes) -> None:
        await self._send(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _send(self, send: Send, message: Message) -> None:
        """Raises TimeoutError for a reader that takes nothing."""
        async with asyncio.timeout(self.stall_seconds):
            await send(message)


async def _left(receive: Receive) -> None:
    """Return once the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(kind: str, data: bytes, mark: str) -> bytes:
    """One event; the data is JSON of one line."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (kind.encode(), mark.encode(), data)

"""The connection to a NATS server: opened by the call that needs it, shared, its errors translated.

The library's own reconnecting is not used: it sends what was asked while the server was away long after
its caller gave up, and leaves a socket open for each attempt at a server that accepts but stands still.
What is asked of the server is headrace.queue.jetstream's matter.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError
from nats.js import JetStreamContext
from nats.js.errors import APIError
from nats.js.errors import NotFoundError as NatsNotFoundError

from headrace.model.errors import (
    ConfigurationError,
    HeadraceError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from headrace.model.settings import QueueSettings
from headrace.model.troubles import Trouble
from headrace.queue.jetstream_login import close, login

log = logging.getLogger(__name__)

T = TypeVar("T")

AWAY_SECONDS = 2.0  # how long a call waits for a server that is away
ANSWER_SECONDS = 5.0  # how long a call waits for its answer
RETRY_SECONDS = 0.1  # between two attempts to connect


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the library's errors into Headrace's; `doing` says at what, with the object's name."""
    try:
        yield
    except HeadraceError:
        raise
    except NatsNotFoundError as error:
        raise NotFoundError(f"{doing}: {error.description}") from error
    except MaxPayloadError as error:
        raise RejectedError(f"{doing}: larger than the server's max_payload") from error
    except APIError as error:
        kind = ConfigurationError if error.code is not None and error.code < 500 else TransientError
        raise kind(f"{doing}: the queue server refused: {error.description}") from error
    except (NatsError, OSError, TimeoutError) as error:
        raise TransientError(
            f"{doing}: the queue server did not answer: {error!r}", trouble=Trouble.QUEUE_AWAY
        ) from error


class Server:
    """One connection, shared by all calls of a queue. Every method raises TransientError when it is away."""

    def __init__(self, settings: QueueSettings) -> None:
        self._settings = settings
        self._url = settings.url
        self._client: Client | None = None
        self._opening: asyncio.Task[HeadraceError | None] | None = None
        self._closed = False
        self._on_loss: set[tuple[Client, Callable[[], None]]] = set()
        self._background: set[asyncio.Task[Any]] = set()

    async def client(self) -> Client:
        """The connected client; opened anew where needed, for all who wait for it at once."""
        while self._client is None or not self._client.is_connected:
            if self._closed:
                raise TransientError(f"the connection to the queue server {self._url} was given back")
            if self._opening is None or self._opening.done():
                self._opening = self.spawn(self._open())
            error = await asyncio.shield(self._opening)
            if error is not None:
                raise type(error)(str(error), trouble=error.trouble) from error
        return self._client

    @property
    def connected(self) -> Client | None:
        """The client while its connection is open, for what must not wait for one."""
        return self._client if self._client is not None and self._client.is_connected else None

    async def jetstream(self) -> JetStreamContext:
        """The library's calls to manage streams; for use within `translated`."""
        return (await self.client()).jetstream(timeout=ANSWER_SECONDS)

    async def request(
        self, subject: str, payload: bytes = b"", *, seconds: float = ANSWER_SECONDS
    ) -> Msg | None:
        """One question, one answer; None when nothing on the server serves this subject."""
        client = await self.client()
        now = asyncio.get_running_loop().time
        with translated(f"request to {subject}"):
            async with asyncio.timeout(None) as patience:
                with self.told_of_loss(client, lambda: patience.reschedule(now())):
                    try:
                        return await client.request(subject, payload, timeout=seconds)
                    except NoRespondersError:
                        return None

    async def api(self, call: str, document: Mapping[str, object]) -> dict[str, Any]:
        """One call of the JetStream API, for what the library lacks; its answer parsed."""
        answer = await self.request(f"$JS.API.{call}", orjson.dumps(document))
        if answer is None:
            raise TransientError(f"{call}: JetStream is not ready on {self._url}", trouble=Trouble.QUEUE_AWAY)
        parsed: dict[str, Any] = orjson.loads(answer.data)
        if "error" in parsed:
            with translated(call):
                raise APIError.from_error(parsed["error"])
        return parsed

    @contextmanager
    def told_of_loss(self, client: Client, tell: Callable[[], None]) -> Iterator[None]:
        """Have `tell` called when this client's connection breaks meanwhile."""
        item = (client, tell)
        self._on_loss.add(item)
        try:
            yield
        finally:
            self._on_loss.discard(item)

    def spawn(self, step: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let a step go on whatever happens to its caller; `close` waits for it."""
        task = asyncio.create_task(step)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def close(self) -> None:
        """Let background steps end, then give the connection back. Quiet when there is none."""
        self._closed = True
        if self._background:
            _, late = await asyncio.wait(self._background, timeout=AWAY_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._client is not None:
            await close(self._client)

    async def _open(self) -> HeadraceError | None:
        """Connect, trying for AWAY_SECONDS; the error when it could not be done."""
        now = asyncio.get_running_loop().time
        deadline = now() + AWAY_SECONDS
        while True:
            try:
                self._client = await login(self._settings, on_error=_note, on_loss=self._lost)
            except ConfigurationError as error:
                return error
            except TransientError as error:
                if self._closed or now() >= deadline:
                    return error
                await asyncio.sleep(RETRY_SECONDS)
            else:
                log.info("connected to %s", self._url, extra={"action": "queue.connected"})
                return None

    async def _lost(self, client: Client) -> None:
        """A late call for a connection that was replaced leaves the new one's requests alone."""
        if not self._closed:
            log.warning("connection to %s lost", self._url, extra={"action": "queue.disconnected"})
        for owner, tell in tuple(self._on_loss):
            if owner is client:
                tell()


async def _note(error: Exception) -> None:
    """Requests that are not permitted are not answered: their caller only sees that time goes by."""
    if "permissions violation" in str(error).lower():
        log.error("%s; check this user's rights", error, extra={"action": "queue.not_permitted"})
    else:
        log.debug("%r", error, extra={"action": "queue.connection_error"})

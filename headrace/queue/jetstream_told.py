"""What workers tell of their work, as plain NATS messages: sent and forgotten, never stored (ADR 9)."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import ValidationError

from headrace.model.observation import Finished, Standing
from headrace.model.tenancy import own_name
from headrace.queue.jetstream_layout import RubbishError
from headrace.queue.jetstream_server import Server, translated
from headrace.queue.port import TOLD_MOST
from headrace.queue.standings import Standings

log = logging.getLogger(__name__)

T = TypeVar("T", Finished, Standing)

UNSENT_MOST_BYTES = 2**20  # waiting for the socket: beyond it the server is slow, and nothing is told
ORDERED = "$JS.API.INFO"  # any question: its answer shows that the server knows what was sent before it
_ROOTS = {Finished: "finished", Standing: "standing"}


def subject(kind: type[Finished | Standing], function: str) -> str:
    """The subject on which a function's workers tell; with `*`, those of all functions."""
    return f"{_ROOTS[kind]}.{own_name(function)}"


def read_told(kind: type[T], on_subject: str, body: bytes) -> T:
    """Parse a message. Raises RubbishError with the reason."""
    try:
        told = kind.from_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise RubbishError(f"it tells nothing {_ROOTS[kind]}: {fault['msg']}") from error
    if subject(kind, told.function) != on_subject:
        raise RubbishError(f"what it tells of {told.function} does not belong there")
    return told


async def tell(server: Server, told: Finished | Standing) -> None:
    """Write a message to the open connection's buffer; without a connection, or with much unsent, drop it.

    Below the library's own limit on that buffer (2 MiB) its publish waits for nothing.
    https://github.com/nats-io/nats.py/blob/main/nats/src/nats/aio/client.py (_send_command)
    """
    client = server.connected
    if client is None or client.pending_data_size > UNSENT_MOST_BYTES:
        return
    with suppress(NatsError, OSError):  # the connection broke just now
        await client.publish(subject(type(told), told.function), told.to_json())


class _Listener(Generic[T]):
    """Listens on the connection that it finds, and anew on each later one."""

    def __init__(self, server: Server, kind: type[T], hear: Callable[[T], None]) -> None:
        self._server = server
        self._kind: type[T] = kind
        self._hear: Callable[[T], None] = hear
        self._listens_on: Client | None = None

    async def listen(self) -> None:
        """Raises TransientError while the server is away."""
        client = await self._server.client()
        if client is self._listens_on:
            return
        self._listens_on = client  # before it listens: two calls at once must not hear all twice
        everybody = subject(self._kind, "*")
        with translated(f"listening on {everybody}"):
            await client.subscribe(everybody, cb=self._arrived)
        await self._server.request(ORDERED)

    async def _arrived(self, message: Msg) -> None:
        try:
            self._hear(read_told(self._kind, message.subject, message.data))
        except RubbishError as reason:
            _report(message.subject, reason)


class Ear:
    """Hears of finished batches; keeps the newest TOLD_MOST."""

    def __init__(self, server: Server) -> None:
        self._heard: deque[Finished] = deque(maxlen=TOLD_MOST)
        self._listener = _Listener(server, Finished, self._heard.append)

    async def heard(self) -> Sequence[Finished]:
        """What came since the last call, oldest first. Raises TransientError while the server is away."""
        await self._listener.listen()
        heard = tuple(self._heard)
        self._heard.clear()
        return heard


class StandingEar:
    """Hears how workers stand. `now` gives seconds on any clock that only goes forward."""

    def __init__(self, server: Server, now: Callable[[], float] = time.monotonic) -> None:
        self._standings = Standings(now)
        self._listener = _Listener(server, Standing, self._standings.hear)

    async def heard(self) -> Mapping[str, Standing]:
        """The newest word of each worker heard lately. Raises TransientError while the server is away."""
        await self._listener.listen()
        return self._standings.fresh()


def _report(on_subject: str, reason: RubbishError) -> None:
    log.error("%s: %s", on_subject, reason, extra={"action": "queue.rubbish", "subject": on_subject})

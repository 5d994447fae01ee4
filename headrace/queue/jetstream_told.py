"""What workers tell of their work, as plain NATS messages: sent and forgotten, never stored (ADR 9)."""

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import ValidationError

from headrace.model.observation import Finished
from headrace.queue.jetstream_layout import RubbishError
from headrace.queue.jetstream_server import Server, translated
from headrace.queue.port import TOLD_MOST

log = logging.getLogger(__name__)

UNSENT_MOST_BYTES = 2**20  # waiting for the socket: beyond it the server is slow, and nothing is told
ORDERED = "$JS.API.INFO"  # any question: its answer shows that the server knows what was sent before it


def subject(function: str) -> str:
    """The subject on which a function's workers tell; with `*`, those of all functions."""
    return f"finished.{function}"


def read_finished(on_subject: str, body: bytes) -> Finished:
    """Parse a message. Raises RubbishError with the reason."""
    try:
        finished = Finished.from_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise RubbishError(f"it is no finished batch: {fault['msg']}") from error
    if subject(finished.function) != on_subject:
        raise RubbishError(f"its batch of {finished.function} does not belong there")
    return finished


async def tell(server: Server, finished: Finished) -> None:
    """Write a message to the open connection's buffer; without a connection, or with much unsent, drop it.

    Below the library's own limit on that buffer (2 MiB) its publish waits for nothing.
    https://github.com/nats-io/nats.py/blob/main/nats/src/nats/aio/client.py (_send_command)
    """
    client = server.connected
    if client is None or client.pending_data_size > UNSENT_MOST_BYTES:
        return
    with suppress(NatsError, OSError):  # the connection broke just now
        await client.publish(subject(finished.function), finished.to_json())


class Ear:
    """Listens on the connection that it finds, and anew on each later one; keeps the newest TOLD_MOST."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._listens_on: Client | None = None
        self._heard: deque[Finished] = deque(maxlen=TOLD_MOST)

    async def heard(self) -> Sequence[Finished]:
        """What came since the last call, oldest first. Raises TransientError while the server is away."""
        client = await self._server.client()
        if client is not self._listens_on:
            self._listens_on = client  # before it listens: two calls at once must not hear all twice
            with translated(f"listening on {subject('*')}"):
                await client.subscribe(subject("*"), cb=self._arrived)
            await self._server.request(ORDERED)
        heard = tuple(self._heard)
        self._heard.clear()
        return heard

    async def _arrived(self, message: Msg) -> None:
        try:
            self._heard.append(read_finished(message.subject, message.data))
        except RubbishError as reason:
            _report(message.subject, reason)


def _report(on_subject: str, reason: RubbishError) -> None:
    log.error("%s: %s", on_subject, reason, extra={"action": "queue.rubbish", "subject": on_subject})

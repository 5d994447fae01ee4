"""Several messages for one request: how pulls and reads of a stream get theirs, losing none."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import orjson
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from headrace.model.errors import TransientError
from headrace.queue.jetstream_server import Server, translated

QUIET_SECONDS = 0.01  # no more comes after this; the server says so itself but at the bound on leases
CLOSE_SECONDS = 2.0  # for what is still on its way
NAK = b"-NAK"

# https://docs.nats.io/reference/reference-protocols/nats_api_reference: what ends an answer in good order
NO_MESSAGES, TIMED_OUT, END_OF_BATCH = "404", "408", "204"
_GOOD_ENDS = frozenset({NO_MESSAGES, TIMED_OUT, END_OF_BATCH})


@dataclass(frozen=True, slots=True)
class Answer:
    """The messages that came; `refusal` is the server's reason for none, empty in good order."""

    messages: tuple[Msg, ...]
    refusal: str = ""


async def ask(
    server: Server,
    subject: str,
    request: Mapping[str, object],
    *,
    limit: int,
    seconds: float,
    may_be_mute: bool = False,
) -> Answer:
    """Ask, and collect up to `limit` messages until the server says that it was all.

    Raises TransientError when after so many seconds neither a message nor an end has come, unless a
    server that is alive `may_be_mute`. When cancelled, what comes nevertheless is handed back.
    """
    return await _Batch(server, limit, may_be_mute=may_be_mute).ask(subject, orjson.dumps(request), seconds)


class _Batch:
    """One request and what comes for it, in an inbox of its own.

    Closing the inbox cancels the request on the server, so that no message is ever sent, and its
    lease begun, with nobody to take it.
    """

    def __init__(self, server: Server, limit: int, *, may_be_mute: bool) -> None:
        self._server = server
        self._limit = limit
        self._may_be_mute = may_be_mute
        self._messages: list[Msg] = []
        self._end: str | None = None
        self._reason = ""
        self._changed = asyncio.Event()

    async def ask(self, subject: str, request: bytes, seconds: float) -> Answer:
        """Send the request, collect what comes, close the inbox."""
        client = await self._server.client()
        with translated(f"request to {subject}"), self._server.told_of_loss(client, self._lost):
            inbox = client.new_inbox()
            subscription = await client.subscribe(inbox, cb=self._arrived)
            try:
                await client.publish(subject, request, reply=inbox)
                await self._until_complete(seconds)
            except asyncio.CancelledError:
                self._server.spawn(self._abandon(subscription))
                raise
            await self._close(subscription)
        return self._answer(subject)

    async def _until_complete(self, seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        with suppress(TimeoutError):
            while not self._complete:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
                self._changed.clear()
                if self._messages:
                    deadline = asyncio.get_running_loop().time() + QUIET_SECONDS

    @property
    def _complete(self) -> bool:
        return self._end is not None or len(self._messages) >= self._limit

    async def _arrived(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is None or message.data or message.reply:
            self._messages.append(message)
        else:
            self._end = status
            self._reason = (message.headers or {}).get("Description", status)
        self._changed.set()

    def _lost(self) -> None:
        self._end, self._reason = "", "the connection broke"
        self._changed.set()

    async def _close(self, subscription: Subscription) -> None:
        """Stop the server; where it may still have been sending, take what it sent."""
        if self._complete:
            with suppress(NatsError):
                await subscription.unsubscribe()
            return
        # Never cancelled: a PONG that nobody waits for any more ends the library's reading of the socket.
        draining = self._server.spawn(self._drain(subscription))
        await asyncio.wait({draining}, timeout=CLOSE_SECONDS)

    async def _drain(self, subscription: Subscription) -> None:
        with suppress(NatsError, OSError):
            await subscription.drain()  # type: ignore[no-untyped-call]  # the library left it out
            if self._may_be_mute and self._end is None:
                self._end = NO_MESSAGES

    async def _abandon(self, subscription: Subscription) -> None:
        """Hand back what came for a caller that is gone; where that fails, its leases run out."""
        await self._close(subscription)
        back = [self._server.request(each.reply, NAK) for each in self._messages if each.reply]
        await asyncio.gather(*back, return_exceptions=True)

    def _answer(self, subject: str) -> Answer:
        if self._messages:
            return Answer(tuple(self._messages))
        if not self._end:
            raise TransientError(f"request to {subject}: {self._reason or 'no answer of the queue server'}")
        return Answer((), "" if self._end in _GOOD_ENDS else self._reason)

"""A queue of messages in memory, as SQS is: what it gave is hidden for a while, and given again after it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

from headrace.events.messages import AT_ONCE, Left, Message, attributes_of, wait_seconds
from headrace.model.errors import RejectedError

QUEUE = "https://sqs.example/1/events"
BODY_CHARACTERS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: the message, and why."""

    body: str
    reason: str
    message_id: str


class MemoryMessages:
    """See the port MessageQueue. A poll that finds nothing returns at once."""

    def __init__(self, *, now: Callable[[], float], visibility_seconds: float = 60.0) -> None:
        self._now = now
        self._visibility_seconds = visibility_seconds
        self._numbers = count(1)
        self._held: dict[str, tuple[Message, float]] = {}  # by id, with the moment from which it is visible
        self.dead: list[Letter] = []

    def send(self, body: str) -> None:
        message = Message(f"m{next(self._numbers)}", "", body, receives=0, sent=self._now())
        self._held[message.id] = (message, self._now())

    @property
    def waiting(self) -> int:
        """Messages that are neither deleted nor buried, hidden ones too."""
        return len(self._held)

    async def check(self) -> None:
        """See the port."""

    async def receive(self) -> Sequence[Message]:
        """See the port."""
        await asyncio.sleep(0)  # as a request would, so that pollers can't starve all else
        visible = [message for message, since in self._held.values() if since <= self._now()][:AT_ONCE]
        given = [
            replace(each, receipt=f"r{next(self._numbers)}", receives=each.receives + 1) for each in visible
        ]
        for each in given:
            self._held[each.id] = (each, self._now() + self._visibility_seconds)
        return given

    async def delete(self, messages: Sequence[Message]) -> Sequence[Left]:
        """See the port."""
        left = [Left(each, "its receipt is void", is_final=True) for each in messages if not self._has(each)]
        for each in messages:
            if self._has(each):
                del self._held[each.id]
        return left

    async def defer(self, messages: Sequence[Message]) -> None:
        """See the port."""
        for each in messages:
            if self._has(each):
                self._held[each.id] = (each, self._now() + wait_seconds(each))

    async def bury(self, message: Message, reason: str) -> None:
        """See the port."""
        if len(message.body) > BODY_CHARACTERS - 1000:
            raise RejectedError("it is too large")
        told = attributes_of(message, reason, queue=QUEUE)
        self.dead.append(Letter(message.body, told["HeadraceReason"], message.id))

    def _has(self, message: Message) -> bool:
        held = self._held.get(message.id)
        return held is not None and held[0].receipt == message.receipt

"""A queue whose messages carry notifications: the port, and what is decided about a message. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Protocol

AT_ONCE = 10  # messages that one request receives, deletes or defers; SQS allows no more
MOST_WAIT_SECONDS = 300  # by then the listing has found the file anyway
MOST_REST_SECONDS = 30
REASON_CHARACTERS = 1000
# All that a message of SQS may hold:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it was received. Its receipt is void once the message is received again."""

    id: str
    receipt: str
    body: str
    receives: int  # how often it was received, this time included
    sent: float  # seconds since the epoch


class Verdict(Enum):
    """What a message has come to."""

    DONE = auto()  # the queue holds all its tasks, but for those held back, which the listing brings
    BURIED = auto()  # it can never be a task: the dead-letter queue has it
    AWAY = auto()  # a server is away: it has to come again
    FAILED = auto()  # a person must mend something first: it has to come again

    @property
    def is_final(self) -> bool:
        """Whether the message may be deleted."""
        return self in (Verdict.DONE, Verdict.BURIED)


@dataclass(frozen=True, slots=True)
class Left:
    """A message that was to be deleted and is still there. `is_final`: repeating does not help."""

    message: Message
    reason: str
    is_final: bool


class MessageQueue(Protocol):
    """A queue that hides what it gave, and gives it again unless it is deleted in time.

    Every call raises TransientError, NotFoundError for a queue that is not there, and ConfigurationError for
    an access that a person must mend.
    """

    async def check(self) -> None:
        """Return when the queue and its dead-letter queue are there."""
        ...

    async def receive(self) -> Sequence[Message]:
        """At most AT_ONCE messages; none when a poll passed without one."""
        ...

    async def delete(self, messages: Sequence[Message]) -> Sequence[Left]:
        """Delete at most AT_ONCE messages; returns those that are still there."""
        ...

    async def defer(self, messages: Sequence[Message]) -> None:
        """Have at most AT_ONCE messages come again after `wait_seconds`; some may come at another time."""
        ...

    async def bury(self, message: Message, reason: str) -> None:
        """Send a message to the dead-letter queue with `attributes_of` it.

        Raises RejectedError when that can't take it.
        """
        ...


def wait_seconds(message: Message) -> int:
    """After how many seconds a message that could not be taken comes again: 2, 4, 8, and so on."""
    doublings = min(message.receives, MOST_WAIT_SECONDS.bit_length())
    return min(MOST_WAIT_SECONDS, 1 << doublings)


def rest_seconds(bad_turns: int) -> int:
    """How long to leave the queue alone after so many polls in a row that took nothing: 1, 2, 4, ….

    A server was away then. Each message that is received for nothing comes nearer to the limit of a redrive
    policy.
    """
    return min(MOST_REST_SECONDS, 1 << min(bad_turns - 1, MOST_REST_SECONDS.bit_length()))


def attributes_of(message: Message, reason: str, *, queue: str) -> Mapping[str, str]:
    """What a dead letter tells of itself; `queue` is the URL that it came from."""
    return {
        "HeadraceReason": _FORBIDDEN.sub("\ufffd", reason)[:REASON_CHARACTERS] or "unknown",
        "HeadraceQueue": queue,
        "HeadraceMessageId": message.id,
        "HeadraceReceives": str(message.receives),
        "HeadraceSent": datetime.fromtimestamp(message.sent, UTC).isoformat(timespec="milliseconds"),
    }

"""Looking into a function's stream without taking anything out of it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.msg import Msg
from nats.js.api import ConsumerInfo

from headrace.model.errors import NotFoundError, TransientError
from headrace.model.task import Task
from headrace.model.troubles import Trouble
from headrace.queue.jetstream_batch import ask
from headrace.queue.jetstream_layout import (
    CONSUMER,
    STREAMS,
    RubbishError,
    read_task,
    stream_name,
    subject,
)
from headrace.queue.jetstream_server import ANSWER_SECONDS, Server, translated

PAGE = 256  # messages a request
NOT_FOUND = "404"

# Headers of messages that are read directly: https://docs.nats.io/nats-concepts/jetstream/headers
SUBJECT, SEQUENCE, AFTER_IT = "Nats-Subject", "Nats-Sequence", "Nats-Num-Pending"


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of a stream; `after` is the number of newer ones, where the server was asked for it."""

    subject: str
    sequence: int
    body: bytes
    after: int = 0


def _stored(message: Msg) -> Stored:
    headers = message.headers or {}
    return Stored(
        headers[SUBJECT], int(headers[SEQUENCE]), message.data or b"", int(headers.get(AFTER_IT, "0"))
    )


async def consumer_info(server: Server, function: str) -> ConsumerInfo:
    """The state of a function's leases. Raises NotFoundError when the function has no stream."""
    jetstream = await server.jetstream()
    with translated(f"function {function} has no stream on the queue server"):
        info: ConsumerInfo = await jetstream.consumer_info(stream_name(function), CONSUMER)
    return info


async def silence(server: Server, function: str, doing: str) -> TransientError:
    """Why nothing on the server answers for a function. Raises NotFoundError when it has no stream."""
    await consumer_info(server, function)
    return TransientError(f"{doing} of {function}: JetStream is not ready")


async def last(server: Server, function: str, task_id: str) -> Stored | None:
    """The message of a task. Raises NotFoundError when the function has no stream."""
    wanted = subject(function, task_id)
    answer = await server.request(_direct(function), orjson.dumps({"last_by_subj": wanted}))
    if answer is None:
        raise await silence(server, function, "look-up")
    if (answer.headers or {}).get("Status") == NOT_FOUND:
        return None
    found = _stored(answer)
    return found if found.subject == wanted else None  # an id from a person may be a wildcard


async def page_from(server: Server, function: str, sequence: int, limit: int) -> Sequence[Stored]:
    """Up to `limit` messages, oldest first, from a sequence number on."""
    answer = await ask(
        server,
        _direct(function),
        {"seq": sequence, "batch": limit, "next_by_subj": subject(function, "*")},
        limit=limit,
        seconds=ANSWER_SECONDS,
    )
    if answer.refusal:
        raise await silence(server, function, "reading")
    return [_stored(message) for message in answer.messages]


async def older_than(server: Server, function: str, sequence: int) -> int:
    """How many messages came before this one; exact while the stream does not change between two requests."""
    first, itself = await asyncio.gather(
        page_from(server, function, 1, 1), page_from(server, function, sequence, 1)
    )
    return max(0, first[0].after - itself[0].after) if first and itself else 0


async def oldest(server: Server, function: str, limit: int) -> Sequence[Task]:
    """The oldest tasks of a stream. Raises NotFoundError when the function has no stream."""
    found: list[Task] = []
    sequence = 1
    while len(found) < limit:
        wanted = min(PAGE, limit - len(found))
        page = await page_from(server, function, sequence, wanted)
        for message in page:
            with suppress(RubbishError):  # reported when it is pulled
                found.append(read_task(function, message.subject, message.body))
        if len(page) < wanted:
            break
        sequence = page[-1].sequence + 1
    return found


async def ids(server: Server, function: str) -> frozenset[str]:
    """Every task id of a stream; of one moment up to the 100,000 that the server lists at a time."""
    found: set[str] = set()
    prefix = len(subject(function, ""))
    while True:
        page = await _subjects(server, function, after=len(found))
        listed = page["state"].get("subjects") or {}
        found.update(name[prefix:] for name in listed)
        if not listed or len(found) >= page.get("total", 0):
            return frozenset(found)


async def total(server: Server) -> int:
    """How many messages all streams of tasks of the account hold; a page of streams is of one moment."""
    found = looked_at = 0
    while True:
        page = await server.api("STREAM.LIST", {"offset": looked_at})
        listed = page.get("streams") or []
        own = [each["state"] for each in listed if each["config"]["name"].startswith(STREAMS)]
        found += sum(int(each["messages"]) for each in own)
        looked_at += len(listed)
        if not listed or looked_at >= page["total"]:
            return found


async def _subjects(server: Server, function: str, *, after: int) -> dict[str, Any]:
    """A page of a stream's subjects."""
    try:
        return await server.api(
            f"STREAM.INFO.{stream_name(function)}",
            {"subjects_filter": subject(function, "*"), "offset": after},
        )
    except NotFoundError as error:
        raise NotFoundError(f"function {function}: {error}", trouble=Trouble.STREAM_MISSING) from error


def _direct(function: str) -> str:
    return f"$JS.API.DIRECT.GET.{stream_name(function)}"

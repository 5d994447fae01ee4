"""What every queue of messages does: the same tests on SQS, as the emulator has it, and in memory."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from headrace.events.messages import AT_ONCE, Left, Message, MessageQueue, wait_seconds
from headrace.events.sqs import SqsQueue
from tests.fixtures.aws import Aws
from tests.unit.memory_messages import QUEUE, Letter, MemoryMessages

PLENTY = 30.0  # seconds that a message may take to come
BODY = '{"key": "Zürich/日本 🚀 + 100%25"}\t\n'


@dataclass
class Bench:
    """A queue, its dead letters, and the clock that it runs on."""

    queue: MessageQueue
    url: str
    send: Callable[[str], None]
    dead: Callable[[], Sequence[tuple[str, str]]]  # bodies and reasons
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]

    async def receive(self, count: int = 1) -> list[Message]:
        """So many messages, however many polls they take."""
        found: list[Message] = []
        deadline = self.now() + PLENTY
        while len(found) < count:
            assert self.now() < deadline, f"only {len(found)} came"
            found += await self.queue.receive()
            await self.sleep(0.05)
        return found


def _in_memory() -> Bench:
    moment = [1000.0]
    messages = MemoryMessages(now=lambda: moment[0])

    async def sleep(seconds: float) -> None:
        moment[0] += seconds
        await asyncio.sleep(0)

    def dead() -> Sequence[tuple[str, str]]:
        letters: list[Letter] = messages.dead
        return [(each.body, each.reason) for each in letters]

    return Bench(messages, QUEUE, messages.send, dead, lambda: moment[0], sleep)


def _on_sqs(aws: Aws) -> Bench:
    settings = aws.sqs(f"contract-{secrets.token_hex(4)}", poll_seconds=1, receivers=2)
    client = aws.client("sqs")

    def send(body: str) -> None:
        client.send_message(QueueUrl=settings.queue_url, MessageBody=body)

    def dead() -> Sequence[tuple[str, str]]:
        url = settings.dead_letter_url
        answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        letters = answer.get("Messages", ())
        for each in letters:
            told = {name: value["StringValue"] for name, value in each["MessageAttributes"].items()}
            assert told["HeadraceQueue"] == settings.queue_url
            assert set(told) == {f"Headrace{n}" for n in ("Reason", "Queue", "MessageId", "Receives", "Sent")}
        return [
            (each["Body"], each["MessageAttributes"]["HeadraceReason"]["StringValue"]) for each in letters
        ]

    return Bench(SqsQueue(settings), settings.queue_url, send, dead, time.time, asyncio.sleep)


@pytest.fixture(params=["memory", "sqs"])
async def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    if request.param == "memory":
        yield _in_memory()
        return
    aws: Aws = request.getfixturevalue("aws")
    for name, value in aws.keys.items():
        monkeypatch.setenv(name, value)
    found = _on_sqs(aws)
    yield found
    assert isinstance(found.queue, SqsQueue)
    await found.queue.close()


async def test_a_queue_that_is_there_is_found(bench: Bench) -> None:
    await bench.queue.check()


async def test_what_is_sent_is_received_as_it_was(bench: Bench) -> None:
    before = bench.now()
    bench.send(BODY)
    (message,) = await bench.receive()
    assert (message.body, message.receives) == (BODY, 1)
    assert before - 5 <= message.sent <= bench.now() + 5


async def test_one_request_brings_no_more_than_can_be_deleted_by_one(bench: Bench) -> None:
    for number in range(AT_ONCE + 3):
        bench.send(str(number))
    assert 0 < len(await bench.queue.receive()) <= AT_ONCE


async def test_what_is_held_is_hidden_from_others(bench: Bench) -> None:
    bench.send("held")
    await bench.receive()
    assert list(await bench.queue.receive()) == []


async def test_what_is_deleted_never_comes_again(bench: Bench) -> None:
    for number in range(3):
        bench.send(str(number))
    messages = await bench.receive(3)
    assert list(await bench.queue.delete(messages)) == []
    assert list(await bench.queue.receive()) == []


async def test_what_is_deferred_comes_again_after_its_wait_and_its_first_receipt_is_void(
    bench: Bench,
) -> None:
    bench.send("again")
    (first,) = await bench.receive()
    deferred = bench.now()
    await bench.queue.defer([first])
    (second,) = await bench.receive()
    assert bench.now() - deferred > wait_seconds(first) - 1
    assert (second.id, second.body, second.receives) == (first.id, "again", 2)
    (left,) = await bench.queue.delete([first, second])
    assert left == Left(first, left.reason, is_final=True)
    assert left.reason


async def test_a_message_that_is_buried_is_among_the_dead_letters_and_still_here(bench: Bench) -> None:
    bench.send("poison")
    (message,) = await bench.receive()
    await bench.queue.bury(message, "because of 'é'\x00")
    assert list(bench.dead()) == [("poison", "because of 'é'\ufffd")]
    assert list(await bench.queue.delete([message])) == []

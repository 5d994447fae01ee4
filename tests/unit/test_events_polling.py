"""What becomes of each message of a poll, and when the next poll begins."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from headrace.events.messages import Left, Message
from headrace.events.polling import DELETE_PAUSE_SECONDS, DELETE_TRIES, Polling
from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError, TransientError
from headrace.model.settings import SqsSettings
from tests.unit.intake_bench import NOW, Bench, Watched
from tests.unit.memory_messages import QUEUE, Letter, MemoryMessages
from tests.unit.notifications import saved
from tests.unit.test_receiver import failing

SETTINGS = SqsSettings(queue_url=QUEUE, dead_letter_url=f"{QUEUE}-dead", region="eu-central-1", receivers=2)
AWAY = TransientError("it is away")


def event(key: str, bucket: str = "uploads") -> str:
    """As EventBridge tells of an object."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return json.dumps({"detail-type": "Object Created", "source": "aws.s3", "detail": detail})


class Faulty(MemoryMessages):
    """Calls of these names raise, as often as said, before they do what they should."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.faults: dict[str, list[HeadraceError]] = {}
        self.tries: list[str] = []

    def _try(self, call: str) -> None:
        self.tries.append(call)
        if self.faults.get(call):
            raise self.faults[call].pop(0)

    async def check(self) -> None:
        self._try("check")

    async def receive(self) -> Sequence[Message]:
        self._try("receive")
        return await super().receive()

    async def delete(self, messages: Sequence[Message]) -> Sequence[Left]:
        self._try("delete")
        return await super().delete(messages)

    async def bury(self, message: Message, reason: str) -> None:
        self._try("bury")
        await super().bury(message, reason)

    async def defer(self, messages: Sequence[Message]) -> None:
        self._try("defer")
        await super().defer(messages)


class Scene:
    """A poll of messages in memory, before a store and a queue in memory; sleeps take no time."""

    def __init__(self, bench: Bench, *, settings: SqsSettings = SETTINGS, **adapters: Any) -> None:
        self.bench = bench
        self.slept: list[float] = []
        self.messages = Faulty(now=bench.now, visibility_seconds=settings.visibility_seconds)
        self.polling = Polling(self.messages, bench.intake(**adapters), settings, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def put(self, *keys: str) -> None:
        """Objects, and the messages that tell of them."""
        for key in keys:
            await self.bench.put(key)
            self.messages.send(event(key))


async def scene(**options: Any) -> Scene:
    return Scene(await Bench().open(), **options)


# What becomes of a message


async def test_a_message_is_deleted_when_its_task_is_stored() -> None:
    found = await scene()
    await found.put("a b+c%20.dcm")
    assert await found.polling.turn()
    assert await found.bench.queued() == {"a b+c%20.dcm"}
    assert (found.messages.waiting, found.messages.dead) == (0, [])


async def test_ten_messages_are_taken_by_one_turn_and_the_rest_by_the_next() -> None:
    found = await scene()
    await found.put(*(f"{number}.dcm" for number in range(13)))
    await found.polling.turn()
    assert (len(await found.bench.queued()), found.messages.waiting) == (10, 3)
    await found.polling.turn()
    assert (len(await found.bench.queued()), found.messages.waiting) == (13, 0)


async def test_a_message_that_comes_twice_makes_no_second_task() -> None:
    found = await scene()
    await found.put("a.dcm")
    found.messages.send(event("a.dcm"))
    await found.polling.turn()
    found.messages.send(event("a.dcm"))
    await found.polling.turn()
    assert len(await found.bench.queue.tasks("echo", 10)) == 1
    assert found.messages.waiting == 0


async def test_s3s_own_notifications_may_come_without_eventbridge() -> None:
    found = await scene()
    for key in ("echo/a.dcm", "echo/b.dcm"):
        await found.bench.put(key)
    found.messages.send(saved("s3/aws_several").decode())
    await found.polling.turn()
    assert await found.bench.queued() == {"echo/a.dcm", "echo/b.dcm"}
    assert found.messages.waiting == 0


@pytest.mark.parametrize("name", ["s3/aws_test_event", "eventbridge/deleted", "eventbridge/tags_added"])
async def test_a_message_that_starts_nothing_is_deleted(name: str) -> None:
    found = await scene()
    found.messages.send(saved(name).decode())
    await found.polling.turn()
    assert (found.messages.waiting, found.messages.dead) == (0, [])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("hello", "the body is no JSON"),
        ('{"hello": 1}', "this JSON object is no notification"),
        (saved("documented/aws/sns_subscription").decode(), "this is an envelope of SNS"),
        (saved("eventbridge/cloudtrail").decode(), "detail-type is 'AWS API Call via CloudTrail'"),
        (event(""), r"detail.object.key is missing"),
    ],
)
async def test_a_message_that_can_never_be_a_task_is_buried_with_the_reason(body: str, reason: str) -> None:
    found = await scene()
    found.messages.send(body)
    assert await found.polling.turn()
    (letter,) = found.messages.dead
    assert letter == Letter(body, letter.reason, "m1")
    assert letter.reason.startswith(reason)
    assert found.messages.waiting == 0


async def test_a_bad_message_spoils_no_other_of_its_batch() -> None:
    found = await scene()
    await found.put("a.dcm")
    found.messages.send("poison")
    await found.put("b.dcm")
    await found.polling.turn()
    assert await found.bench.queued() == {"a.dcm", "b.dcm"}
    assert [letter.body for letter in found.messages.dead] == ["poison"]
    assert found.messages.waiting == 0


@pytest.mark.parametrize("adapter", ["storage", "queue"])
async def test_while_a_server_is_away_the_message_stays_and_comes_again_later_each_time(adapter: str) -> None:
    bench = await Bench().open()
    away = failing(AWAY)(getattr(bench, adapter))
    found = Scene(bench, **{adapter: away})
    await found.put("a.dcm")
    await found.polling.turn()
    assert found.messages.waiting == 1
    seen = []
    for _ in range(400):
        bench.time += 1
        before = found.messages.tries.count("defer")
        await found.polling.turn()
        seen += [bench.time] * (found.messages.tries.count("defer") - before)
    assert [moment - NOW for moment in seen] == [2, 6, 14, 30, 62, 126, 254]
    assert found.messages.dead == []


async def test_one_message_that_meets_a_server_away_is_deferred_alone_and_the_poll_goes_on() -> None:
    class Troubled(Watched):
        async def before(self, *call: Any) -> None:
            if call[0] == "put" and call[1].key.startswith("away"):
                raise AWAY

    bench = await Bench().open()
    found = Scene(bench, queue=Troubled(bench.queue))
    await found.put("away-1.dcm", "a.dcm", "away-2.dcm")
    assert await found.polling.turn()
    assert (await bench.queued(), found.messages.waiting) == ({"a.dcm"}, 2)
    assert found.messages.tries.count("defer") == 1
    bench.time += 2
    assert not await found.polling.turn(), "of these none was taken"
    bench.time += 4
    found.messages.send("poison")
    assert not await found.polling.turn(), "that one needs no server to be refused"
    assert found.messages.waiting == 2


async def test_what_only_a_person_can_mend_beside_a_server_that_is_away_is_no_message_taken() -> None:
    class Troubled(Watched):
        async def before(self, *call: Any) -> None:
            if call[0] == "head":
                raise AWAY if call[2] == "away.dcm" else ConfigurationError("access denied")

    bench = await Bench().open()
    found = Scene(bench, storage=Troubled(bench.storage))
    await found.put("away.dcm", "denied.dcm")
    assert not await found.polling.turn()


async def test_a_message_whose_work_outlasts_half_its_hiding_is_given_up_and_comes_again() -> None:
    class Hanging(Watched):
        async def before(self, *call: Any) -> None:
            await asyncio.Event().wait()

    bench = await Bench().open()
    settings = SETTINGS.model_copy(update={"visibility_seconds": 0.02})  # so that nobody waits for it
    found = Scene(bench, settings=settings, storage=Hanging(bench.storage))
    await found.put("a.dcm")
    assert not await found.polling.turn()
    assert found.messages.waiting == 1


@pytest.mark.parametrize(
    "fault", [ConfigurationError("access denied to uploads"), RuntimeError("unexpected")]
)
async def test_what_a_person_must_mend_is_kept_and_told_and_holds_up_nothing_else(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    class Denied(Watched):
        async def before(self, *call: Any) -> None:
            if call[:2] == ("head", "uploads") and call[2] == "denied.dcm":
                raise fault

    bench = await Bench().open()
    found = Scene(bench, storage=Denied(bench.storage))
    await found.put("denied.dcm", "a.dcm")
    assert await found.polling.turn()
    assert await bench.queued() == {"a.dcm"}
    assert (found.messages.waiting, found.messages.dead) == (1, [])
    assert "events.failed" in {getattr(record, "action", "") for record in caplog.records}


@pytest.mark.parametrize("fault", [AWAY, NotFoundError("no such queue")])
async def test_a_message_is_not_deleted_before_the_dead_letter_queue_has_it(fault: HeadraceError) -> None:
    found = await scene()
    found.messages.faults["bury"] = [fault]
    found.messages.send("poison")
    await found.polling.turn()
    assert (found.messages.waiting, found.messages.dead) == (1, [])
    found.bench.time += 2
    await found.polling.turn()
    assert (found.messages.waiting, len(found.messages.dead)) == (0, 1)


async def test_a_message_too_large_for_the_dead_letter_queue_stays_for_the_redrive_policy() -> None:
    found = await scene()
    found.messages.send("x" * 1024 * 1024)
    await found.polling.turn()
    assert (found.messages.waiting, found.messages.dead) == (1, [])


# Deleting


async def test_a_delete_that_fails_is_tried_again() -> None:
    found = await scene()
    found.messages.faults["delete"] = [AWAY] * (DELETE_TRIES - 1)
    await found.put("a.dcm")
    await found.polling.turn()
    assert found.messages.waiting == 0
    assert found.slept == [DELETE_PAUSE_SECONDS] * (DELETE_TRIES - 1)


async def test_a_message_that_cannot_be_deleted_comes_again_and_does_no_harm() -> None:
    found = await scene()
    found.messages.faults["delete"] = [AWAY] * DELETE_TRIES
    await found.put("a.dcm")
    await found.polling.turn()
    assert found.messages.waiting == 1
    found.bench.time += SETTINGS.visibility_seconds
    await found.polling.turn()
    assert found.messages.waiting == 0
    assert len(await found.bench.queue.tasks("echo", 10)) == 1


async def test_a_right_to_delete_that_is_missing_is_a_fault_that_slows_the_polls_down() -> None:
    found = await scene()
    found.messages.faults["delete"] = [ConfigurationError("access denied")]
    await found.put("a.dcm")
    assert not await found.polling.turn()
    assert (found.polling.fault, found.messages.tries.count("delete")) == ("access denied", 1)


async def test_only_those_that_were_not_deleted_are_tried_again() -> None:
    class Partial(Faulty):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.asked: list[list[str]] = []

        async def delete(self, messages: Sequence[Message]) -> Sequence[Left]:
            self.asked.append([each.id for each in messages])
            if len(self.asked) > 1:
                return await super().delete(messages)
            await super().delete(messages[:1])
            kept, void = messages[1], messages[2]
            return [Left(kept, "InternalError", is_final=False), Left(void, "ReceiptHandleIsInvalid", True)]

    bench = await Bench().open()
    found = Scene(bench)
    found.messages = Partial(now=bench.now)
    found.polling = Polling(found.messages, bench.intake(), SETTINGS, sleep=found.sleep)
    await found.put("a.dcm", "b.dcm", "c.dcm")
    await found.polling.turn()
    assert found.messages.asked == [["m1", "m2", "m3"], ["m2"]]


async def test_no_request_is_made_for_nothing() -> None:
    found = await scene()
    await found.polling.turn()
    assert found.messages.tries == ["check", "receive"]


# The queue itself


async def test_until_both_queues_have_answered_the_fault_says_so() -> None:
    found = await scene()
    assert QUEUE in found.polling.fault
    found.messages.faults["check"] = [NotFoundError(f"{QUEUE}-dead is not there")]
    assert not await found.polling.turn()
    assert found.polling.fault == f"{QUEUE}-dead is not there"
    assert await found.polling.turn()
    assert found.polling.fault == ""


@pytest.mark.parametrize("fault", [AWAY, ConfigurationError("access denied")])
async def test_a_queue_that_cannot_be_read_is_a_fault_until_it_answers_again(
    fault: HeadraceError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = await scene()
    await found.polling.turn()
    found.messages.faults["receive"] = [fault]
    await found.polling.turn()
    assert found.polling.fault == str(fault)
    found.messages.faults["check"] = [fault, fault]
    await found.polling.turn()
    await found.polling.turn()
    await found.polling.turn()
    assert found.polling.fault == ""
    actions = [getattr(record, "action", "") for record in caplog.records]
    assert actions == ["events.sqs_reached", "events.sqs_away", "events.sqs_reached"], "each once"


async def test_each_poll_rests_longer_while_it_goes_badly_and_not_when_it_goes_well() -> None:
    bench = await Bench().open()
    found = Scene(bench, settings=SETTINGS.model_copy(update={"receivers": 1}))
    found.messages.faults["check"] = [AWAY] * 3
    await found.put("a.dcm")
    found.polling.start()
    while found.messages.waiting:
        await asyncio.sleep(0)
    await found.polling.stop()
    assert found.slept == [1, 2, 4]


# Its life


async def test_several_polls_at_once_take_each_message_once() -> None:
    found = await scene()
    keys = {f"{number}.dcm" for number in range(95)}
    await found.put(*keys)
    found.polling.start()
    while found.messages.waiting:
        await asyncio.sleep(0)
    await found.polling.stop()
    assert await found.bench.queued() == keys
    assert found.messages.tries.count("defer") == 0


async def test_a_stop_takes_what_the_poll_under_way_brings() -> None:
    class Slow(MemoryMessages):
        gate = asyncio.Event()

        async def receive(self) -> Sequence[Message]:
            await self.gate.wait()
            return await super().receive()

    bench = await Bench().open()
    messages = Slow(now=bench.now)
    messages.gate = asyncio.Event()
    polling = Polling(messages, bench.intake(), SETTINGS)
    polling.start()
    await asyncio.sleep(0)
    stopping = asyncio.create_task(polling.stop())
    await asyncio.sleep(0)
    await bench.put("late.dcm")
    messages.send(event("late.dcm"))
    messages.gate.set()
    await stopping
    assert await bench.queued() == {"late.dcm"}
    assert messages.waiting == 0


async def test_a_stop_ends_a_rest_at_once() -> None:
    found = await scene()
    resting = asyncio.Event()

    async def for_ever(seconds: float) -> None:
        resting.set()
        await asyncio.Event().wait()

    polling = Polling(found.messages, found.bench.intake(), SETTINGS, sleep=for_ever)
    found.messages.faults["check"] = [AWAY] * 2
    polling.start()
    await resting.wait()
    await polling.stop()
    assert found.messages.tries == ["check"] * 2


async def test_a_poll_outlives_any_fault(caplog: pytest.LogCaptureFixture) -> None:
    found = await scene()
    found.messages.faults["receive"] = [RuntimeError("unexpected")] * 2  # type: ignore[list-item]
    await found.put("a.dcm")
    found.polling.start()
    while found.messages.waiting:
        await asyncio.sleep(0)
    await found.polling.stop()
    assert caplog.text.count("unexpected") >= 2

"""Server-sent events: what a reader gets, from where it goes on, and what a slow one costs."""

import asyncio
import gc
import json
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from headrace.status.edition import Edition
from headrace.status.streaming import Seats, Stream
from tests.unit.status_bench import Bench

CALM = 0.01


@dataclass
class Event:
    """One as it arrived."""

    kind: str
    mark: str
    data: dict[str, Any]


@dataclass
class Reader:
    """The other end of a stream. While `takes` is clear it takes nothing."""

    events: list[Event] = field(default_factory=list)
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    bytes: int = 0
    closed: bool = False
    takes: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.takes.set()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        await self.takes.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.bytes += len(message["body"])
        self.closed = not message["more_body"]
        for block in message["body"].decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines())
            if "event" in lines:
                self.events.append(Event(lines["event"], lines["id"], json.loads(lines["data"])))

    @property
    def document(self) -> dict[str, Any]:
        """What a page has, that takes each event over what it had."""
        found: dict[str, Any] = {}
        for event in self.events:
            found |= event.data
        return found


def _stream(bench: Bench, **more: Any) -> Stream:
    defaults: dict[str, Any] = {"with_names": True, "beat_seconds": 60.0}
    headers = {"Content-Type": "text/event-stream"}
    return Stream(bench.newsroom, more.pop("seats", Seats()), headers, **{**defaults, **more})


async def _until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def _reading(bench: Bench, reader: Reader, **more: Any) -> asyncio.Task[None]:
    return asyncio.create_task(_stream(bench, **more)({}, reader.receive, reader.send))


async def test_the_first_event_is_the_document_and_the_next_are_what_changed():
    bench, reader = Bench(), Reader()
    await bench.world.open()
    await bench.look()
    task = await _reading(bench, reader)
    await _until(lambda: len(reader.events) == 1)
    await bench.world.upload("echo/1.dcm")
    whole = await bench.look()
    await _until(lambda: len(reader.events) == 2)
    reader.left.set()
    await task
    assert [each.kind for each in reader.events] == ["document", "change"]
    assert reader.events[1].data["totals"]["waiting"] == 1
    assert "gpus" not in reader.events[1].data
    assert reader.document == whole
    assert (reader.status, reader.headers["content-type"]) == (200, "text/event-stream")


async def test_who_connects_anew_gets_what_changed_since():
    bench, first, second = Bench(), Reader(), Reader()
    await bench.world.open()
    await bench.look()
    task = await _reading(bench, first)
    await _until(lambda: first.events)
    first.left.set()
    await task
    await bench.world.upload("echo/1.dcm")
    await bench.look()
    await bench.world.upload("echo/2.dcm")
    whole = await bench.look()
    task = await _reading(bench, second, mark=first.events[-1].mark)
    await _until(lambda: second.events)
    second.left.set()
    await task
    assert [each.kind for each in second.events] == ["change"]
    assert first.document | second.document == whole


@pytest.mark.parametrize("mark", ["other-1", "first-99", "nonsense", "first-x"])
async def test_who_comes_from_another_process_gets_the_document(mark):
    bench, reader = Bench(), Reader()
    whole = await bench.look()
    task = await _reading(bench, reader, mark=mark)
    await _until(lambda: reader.events)
    reader.left.set()
    await task
    assert [(each.kind, each.data) for each in reader.events] == [("document", whole)]


async def test_who_has_the_newest_is_told_so_at_once():
    bench, reader = Bench(), Reader()
    await bench.look()
    task = await _reading(bench, reader, mark="first-1")
    await _until(lambda: reader.events)
    reader.left.set()
    await task
    assert set(reader.events[0].data) == {"version", "instance", "sequence", "at"}


async def test_an_edition_in_which_nothing_is_new_is_no_event():
    bench, reader = Bench(), Reader()
    await bench.look()
    task = await _reading(bench, reader)
    await _until(lambda: reader.events)
    for _ in range(5):
        bench.newsroom.bring_out()
        await asyncio.sleep(0)
    await bench.look()
    await _until(lambda: len(reader.events) == 2)
    reader.left.set()
    await task
    assert [each.kind for each in reader.events] == ["document", "change"]


async def test_silence_is_broken_by_beats():
    bench, reader = Bench(), Reader()
    await bench.look()
    task = await _reading(bench, reader, beat_seconds=CALM)
    await _until(lambda: len(reader.events) >= 3)
    reader.left.set()
    await task
    assert [each.kind for each in reader.events[:3]] == ["document", "beat", "beat"]
    assert reader.events[1].mark == reader.events[0].mark


async def test_a_slow_reader_gets_fewer_messages_and_nothing_is_kept_for_it():
    """A thousand editions pass while it stands still: they are gone, and it gets the newest, once."""
    bench, reader = Bench(), Reader()
    await bench.world.open()
    await bench.look()
    task = await _reading(bench, reader)
    await _until(lambda: reader.events)
    reader.takes.clear()
    passed: weakref.WeakSet[Edition] = weakref.WeakSet()
    for _ in range(1000):
        bench.world.time += 1.0
        bench.newsroom.bring_out()
        edition = bench.newsroom.edition(with_names=True)
        assert edition is not None
        passed.add(edition)
        await asyncio.sleep(0)
    del edition
    gc.collect()
    kept = len(passed)
    await bench.world.upload("echo/1.dcm")
    whole = await bench.look()
    reader.takes.set()
    await _until(lambda: reader.document == whole)
    reader.left.set()
    await task
    assert kept <= 2, "the newest, and the one that is being sent"
    assert len(reader.events) <= 4


async def test_a_reader_that_takes_nothing_is_left():
    bench, reader, seats = Bench(), Reader(), Seats()
    await bench.look()
    reader.takes.clear()
    task = await _reading(bench, reader, seats=seats, stall_seconds=CALM)
    await _until(lambda: seats.taken == 1)
    await task
    assert seats.taken == 0
    assert reader.events == []


async def test_a_stream_ends_by_itself_when_the_service_does():
    bench, reader = Bench(), Reader()
    await bench.look()
    ending: list[bool] = []
    task = await _reading(bench, reader, ending=lambda: bool(ending))
    await _until(lambda: reader.events)
    ending.append(True)
    await bench.look()
    await task
    assert reader.closed


async def test_beyond_the_room_for_readers_the_next_is_told_to_come_later():
    bench = Bench()
    await bench.look()
    bench.desk.seats.most = 0
    async with bench.client() as client:
        found = await client.get("/events")
    assert (found.status_code, found.headers["retry-after"]) == (503, "2")


async def test_head_of_the_events_does_not_stream():
    bench = Bench()
    await bench.look()
    async with bench.client() as client:
        found = await client.head("/events")
    assert (found.status_code, found.headers["content-type"]) == (200, "text/event-stream")

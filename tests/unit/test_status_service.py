"""The history over a restart, sources that come and go, and that viewers cost nothing."""

import asyncio

import pytest

from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.keys import status_history_key
from headrace.model.node import NodeState
from headrace.status.history import History
from headrace.status.service import Newsroom
from headrace.status.sources import Answer, Asked, Terms
from tests.fixtures.world import NOW, PLATFORM
from tests.unit.status_bench import Bench, node, node_pool, plan, pool_story, story


def _with_nodes(bench: Bench) -> None:
    bench.plan = plan(story(), node("gpu-0", NodeState.IDLE), pool_story("gpu", {NodeState.IDLE: 1}))
    bench.pools = {"gpu": node_pool("gpu", price=3600.0)}


async def test_what_was_reckoned_outlives_the_process():
    bench = Bench()
    await bench.world.open()
    _with_nodes(bench)
    await bench.newsroom.recall()
    for _ in range(3):
        await bench.look(10.0)
    await bench.newsroom.keep()
    second = bench.begun_anew()
    assert await second.recall()
    bench.newsroom = second
    document = await bench.look(500.0)
    assert document["cost"]["since"] == round(NOW + 10)
    assert (document["cost"]["observedSeconds"], document["cost"]["cost"]) == (20.0, 20.0)
    assert document["course"]["times"] == [NOW + 10, NOW + 520]


async def test_the_first_time_there_is_nothing_to_recall_and_it_is_kept():
    bench = Bench()
    await bench.world.open()
    assert await bench.newsroom.recall()
    await bench.look()
    await bench.newsroom.keep()
    assert History.of_kept(await bench.storage.read(PLATFORM, status_history_key())) is not None


async def test_while_the_store_has_not_answered_nothing_takes_the_place_of_what_was(monkeypatch):
    bench = Bench()
    await bench.world.open()
    await bench.storage.put(PLATFORM, status_history_key(), b"what was")

    async def away(*_):
        raise TransientError("the store is away")

    monkeypatch.setattr(bench.storage, "read", away)
    assert not await bench.newsroom.recall()
    await bench.look()
    await bench.newsroom.keep()
    monkeypatch.undo()
    assert await bench.storage.read(PLATFORM, status_history_key()) == b"what was"


async def test_a_history_that_is_none_is_begun_anew(caplog):
    bench = Bench()
    await bench.world.open()
    await bench.storage.put(PLATFORM, status_history_key(), b"nothing")
    assert await bench.newsroom.recall()
    assert "history begins anew" in caplog.text
    await bench.look()
    await bench.newsroom.keep()
    assert History.of_kept(await bench.storage.read(PLATFORM, status_history_key())) is not None


async def test_a_store_that_takes_nothing_is_no_reason_to_stop(monkeypatch, caplog):
    bench = Bench()
    await bench.newsroom.recall()
    await bench.look()

    async def away(*_):
        raise TransientError("the store is away")

    monkeypatch.setattr(bench.storage, "put", away)
    await bench.newsroom.keep()
    assert "history is not kept: the store is away" in caplog.text


async def test_a_hundred_viewers_cost_one_look():
    bench = Bench()
    looks = 0
    read = bench.gathering._backlogs._read

    async def counted():
        nonlocal looks
        looks += 1
        return await read()

    bench.gathering._backlogs._read = counted
    await bench.look()
    async with bench.client() as client:
        for _ in range(100):
            assert (await client.get("/status.json")).status_code == 200
    assert looks == 1


async def test_it_looks_brings_out_and_stops():
    bench = Bench()
    await bench.world.open()
    newsroom: Newsroom = bench.newsroom
    async with newsroom.going_on():
        async with asyncio.timeout(10):
            while bench.gathering.unready or newsroom.edition(with_names=True) is None:
                await asyncio.sleep(0)
        newsroom.bring_out()
    assert bench.document()["functions"]["total"] == 1
    assert not [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]


TERMS = Terms("queue", ("functions.waiting",), 1.0, 0.01, 15.0)


class Source:
    """A source whose answers a test says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.gives: Answer[int] | Exception | None = Answer(1)
        self.asked = Asked(TERMS, self.read, lambda: self.now)

    async def read(self) -> Answer[int]:
        if self.gives is None:
            await asyncio.Event().wait()
        if isinstance(self.gives, Exception):
            raise self.gives
        assert self.gives is not None
        return self.gives

    async def look(self, gives: Answer[int] | Exception | None, now: float) -> tuple:
        self.gives, self.now = gives, now
        await self.asked.look()
        state = self.asked.state
        return self.asked.value, state.at, state.error, state.error_since, self.asked.is_fresh


async def test_a_source_keeps_its_answer_and_tells_since_when_it_is_away():
    source = Source()
    assert await source.look(Answer(1), 100.0) == (1, 100, None, None, True)
    assert await source.look(TransientError("away"), 110.0) == (1, 100, "away", 110, True)
    assert await source.look(ConfigurationError("refused"), 120.0) == (1, 100, "refused", 110, False)
    assert await source.look(Answer(2), 130.0) == (2, 130, None, None, True)


async def test_a_source_that_has_never_answered_has_no_time():
    assert await Source().look(TransientError("away"), 110.0) == (None, None, "away", 110, False)


async def test_an_answer_with_a_remark_is_new_and_the_remark_is_told():
    found = await Source().look(Answer(3, "one of two tenants is not heard"), 110.0)
    assert found == (3, 110, "one of two tenants is not heard", 110, True)


async def test_an_answer_of_an_earlier_time_is_as_old_as_that():
    assert await Source().look(Answer(3, at=50.0), 110.0) == (3, 50, None, None, False)


async def test_a_source_that_does_not_answer_is_given_up_for_now():
    assert await Source().look(None, 110.0) == (None, None, "no answer within 0.01 s", 110, False)


async def test_a_defect_of_one_source_is_logged_and_told(caplog):
    found = await Source().look(ValueError("a defect"), 110.0)
    assert found[2] == "an unexpected fault; the log of this service has it"
    assert "a defect" in caplog.text


@pytest.mark.parametrize("hurries", [True, False])
async def test_a_source_is_asked_again_at_once_when_a_person_has_changed_something(hurries):
    source, asked = Source(), 0
    patient = Terms("queue", (), 3600.0, 1.0, 15.0)

    async def read() -> Answer[int]:
        nonlocal asked
        asked += 1
        return Answer(asked)

    found = Asked(patient, read, lambda: source.now)
    task = asyncio.create_task(found.run())
    for _ in range(10):
        await asyncio.sleep(0)
    if hurries:
        found.hurry()
    for _ in range(10):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert asked == (2 if hurries else 1)

"""The controller as a whole: who leads, servers that are away, two at once, the counting of files."""

import asyncio

import pytest

from headrace.controller.census import AGAIN_SECONDS, BETWEEN_SECONDS, Census, Counts
from headrace.controller.functions import PATIENCE
from headrace.controller.service import SILENT_SECONDS, Service
from headrace.kube.kinds import BUCKETS, CONFIG_MAPS, FUNCTIONS
from headrace.model.errors import TransientError
from headrace.model.keys import record_key
from headrace.storage.memory import MemoryStorage
from tests.fixtures.clock import VirtualClock
from tests.unit.controller_bench import PLATFORM_BUCKET, SPACE, Bench, a_function, a_task, running


class AwayStorage(MemoryStorage):
    """A store that can be away."""

    away = False

    async def has_bucket(self, bucket: str) -> bool:
        if self.away:
            raise TransientError("the store does not answer; try again later")
        return await super().has_bucket(bucket)


async def test_who_does_not_lead_changes_nothing():
    async with running() as bench:
        bench.leads = False
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(5)
        assert await bench.status() == {}
        assert (await bench.kube.list(CONFIG_MAPS)).items == []
        assert bench.service.unready() == ""  # a standby is ready to take over


async def test_who_begins_to_lead_finds_all_there_is_to_do():
    async with running() as bench:
        bench.leads = False
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(5)
        bench.leads = True
        await bench.settle(5)
        assert (await bench.ready())[0] == "True"


async def test_who_leads_no_more_stops_in_the_middle_of_a_turn():
    async with running() as bench:
        real = bench.queue.ensure

        async def lose(*arguments, **options):
            await real(*arguments, **options)
            bench.leads = False

        bench.queue.ensure = lose
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(5)
        assert (await bench.kube.list(CONFIG_MAPS)).items == []


async def test_two_controllers_at_once_do_no_harm():
    async with running() as bench:
        other = bench.controller()
        async with other.seen:
            await bench.kube.create(FUNCTIONS, a_function(onDelete="purge"))
            await bench.settle(5, other)
            assert (await bench.ready())[0] == "True"
            assert len((await bench.kube.list(CONFIG_MAPS)).items) == 1
            await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
            await bench.settle(10, other)
            assert await bench.get(FUNCTIONS, "echo") is None


async def test_a_store_that_is_away_is_told_after_a_while_and_mended_by_itself():
    async with running() as bench:
        bench.storage = AwayStorage(now=bench.clock.now)
        bench.storage.away = True
        bench.service = bench.controller()
        async with bench.service.seen:
            await bench.kube.create(FUNCTIONS, a_function())
            await bench.settle(PATIENCE * 4)
            ready, reason, message = await bench.ready()
            assert (ready, reason) == ("False", "BucketsNotReady")
            assert "the store does not answer" in message
            bench.storage.away = False
            await bench.settle(15)
            assert (await bench.ready())[0] == "True"


async def test_a_queue_that_is_away_leaves_digest_and_figures_as_they_were():
    async with running() as bench:
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(5)
        await bench.queue.put(a_task(1))
        await bench.settle(10)
        before = await bench.status()

        async def away(function):
            raise TransientError("the queue does not answer")

        bench.queue.backlog = away
        await bench.settle(10)
        status = await bench.status()
        assert (await bench.ready())[:2] == ("False", "Unreachable")
        assert (status["digest"], status["waiting"]) == (before["digest"], before["waiting"])
        assert status["digest"]


async def test_an_api_server_that_is_away_is_outlived():
    async with running() as bench:
        bench.kube.unreachable = True
        bench.kube.cut()
        await bench.settle(5)
        bench.kube.unreachable = False
        await bench.kube.create(FUNCTIONS, a_function())
        async with asyncio.timeout(20):
            while await bench.get(BUCKETS, "reports") is None:
                await asyncio.sleep(0.05)  # the mirrors wait by the real clock
                await bench.settle(1)


async def test_a_defect_ends_no_turn_but_its_own(caplog):
    async with running() as bench:
        real = bench.queue.backlog

        async def broken(function):
            if function == "bad":
                raise KeyError(function)
            return await real(function)

        bench.queue.backlog = broken
        await bench.kube.create(FUNCTIONS, a_function("bad"))
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(5)
        assert (await bench.ready())[0] == "True"
        assert "controller.defect" in {getattr(each, "action", "") for each in caplog.records}


def test_it_is_ready_once_it_sees_the_cluster():
    service = Bench().service
    assert "have not come" in service.unready()


async def test_it_is_not_ready_while_the_cluster_is_away_for_long(monkeypatch):
    async with running() as bench:
        assert bench.service.unready() == ""
        monkeypatch.setattr(
            type(bench.service.seen), "silent_seconds", property(lambda seen: SILENT_SECONDS + 1)
        )
        assert "out of reach for 61 s" in bench.service.unready()


async def test_it_runs_by_itself_until_it_is_cancelled():
    bench = Bench()
    service: Service = bench.service
    task = asyncio.create_task(service.run())
    await bench.kube.create(FUNCTIONS, a_function())
    async with asyncio.timeout(20):
        while not (await bench.status()).get("digest"):
            await asyncio.sleep(0.02)
            bench.clock.advance(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Counting


async def test_a_function_is_counted_again_only_when_something_happened_in_it():
    clock = VirtualClock()
    storage = MemoryStorage(now=clock.now)
    await storage.ensure_bucket("records")
    census = Census(storage, "records", clock.now)
    assert (await census.turn(["a"]))[0] == "a"
    await storage.put("records", record_key("a", "1"), b"{}")
    clock.advance(2 * BETWEEN_SECONDS)
    assert (await census.turn(["a"]))[0] is None
    census.stir("a")
    assert (await census.turn(["a"]))[0] == "a"
    assert census.counts("a") == Counts(done=1)
    await storage.put("records", record_key("a", "2"), b"{}")
    clock.advance(AGAIN_SECONDS)
    assert (await census.turn(["a"]))[0] == "a"  # seldom, but it is


async def test_counting_takes_a_tenth_of_the_time_at_most():
    clock = VirtualClock()

    class Slow(MemoryStorage):
        async def list(self, bucket, prefix=""):
            clock.advance(10.0)
            async for info in super().list(bucket, prefix):
                yield info

    census = Census(Slow(now=clock.now), "records", clock.now)
    began = clock.now()
    _, rest = await census.turn(["a"])
    took = clock.now() - began
    assert rest >= 9 * took


async def test_functions_are_counted_in_turn():
    clock = VirtualClock()
    storage = MemoryStorage(now=clock.now)
    await storage.ensure_bucket("records")
    census = Census(storage, "records", clock.now)
    names, counted = ["a", "b", "c"], []
    for _ in range(3):
        counted.append((await census.turn(names))[0])
        clock.advance(1)
    assert sorted(counted) == names


async def test_the_leader_makes_the_platforms_bucket_before_its_object_comes():
    async with running() as bench:
        bench.leads = False
        assert await bench.service.lay_ground() is False
        bench.leads = True
        assert await bench.service.lay_ground() is True
        assert await bench.storage.create(PLATFORM_BUCKET, "key", b"") is True


async def test_a_store_that_is_away_is_asked_again_for_the_platforms_bucket():
    async with running() as bench:

        async def away(bucket):
            raise TransientError("the store does not answer; try again later")

        bench.storage.ensure_bucket = away
        assert await bench.service.lay_ground() is False

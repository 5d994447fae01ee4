"""What queue and records are asked: how often, in what part of the time, and when one of several is away."""

from collections import Counter

import pytest

from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.observation import Standing
from headrace.model.record import Ending
from headrace.operations.replay import replay
from headrace.queue.port import Backlog
from headrace.status.asking import AGAIN_SECONDS, TURN_SECONDS, Counting, read_backlogs, read_heard
from headrace.status.installed import seen
from headrace.status.sight import FunctionSeen
from tests.fixtures.world import NOW, Tapped, World, installed
from tests.unit.api_bench import settings_of

EMPTY = Backlog(0, 0, None, 0, paused=False)


def _seen(world: World) -> tuple[FunctionSeen, ...]:
    return tuple(seen(each.function, each.digest, settings_of()) for each in world.functions)


class Bench:
    """Two functions, and what is asked of the store."""

    def __init__(self) -> None:
        self.world = World(installed("echo"), installed("view"))
        self.lists: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self.slow = 0.0  # seconds that a listing takes
        storage = Tapped(self.world.storage, self._tap)
        self.backlogs: dict[str, Backlog | None] = {"echo": EMPTY, "view": EMPTY}
        self.counting = Counting(
            self.world.through(storage=storage).records,
            lambda: _seen(self.world),
            lambda: self.backlogs,
            self.world.now,
        )

    def _tap(self, call: str) -> None:
        if call == "list":
            self.lists["list"] += 1
            self.world.time += self.slow
        if call == "read":
            self.reads["read"] += 1

    async def count(self, seconds: float = 1.0):
        self.world.time += seconds
        before = self.lists["list"]
        found = (await self.counting.read()).value
        return found, self.lists["list"] - before


async def test_where_nothing_happens_nothing_is_listed_and_the_count_holds():
    bench = Bench()
    await bench.world.open()
    first, listed = await bench.count()
    second, listed_again = await bench.count()
    assert (listed > 0, listed_again) == (True, 0)
    assert second.functions["echo"].at == first.functions["echo"].at + 1.0
    _, listed_later = await bench.count(AGAIN_SECONDS)
    assert listed_later == listed


async def test_a_function_with_files_is_counted_until_once_after_they_are_gone():
    bench = Bench()
    await bench.world.open()
    _, both = await bench.count()
    bench.backlogs["echo"] = Backlog(3, 1, NOW, 0, paused=False)
    assert (await bench.count())[1] == both // 2
    bench.backlogs["echo"] = EMPTY
    assert (await bench.count())[1] == both // 2, "the last of them may have ended since"
    assert (await bench.count())[1] == 0


async def test_counting_takes_a_tenth_of_the_time_at_most():
    bench = Bench()
    await bench.world.open()
    bench.backlogs["echo"] = Backlog(3, 1, NOW, 0, paused=False)
    await bench.count()
    bench.slow = 1.0
    begun = bench.world.time + 1.0
    await bench.count()
    spent = bench.world.time - begun
    assert spent > 0
    assert (await bench.count(8.9 * spent))[1] == 0
    assert (await bench.count(0.2 * spent))[1] > 0


async def test_a_function_that_takes_long_to_count_does_not_hold_up_what_is_known_of_others():
    bench = Bench()
    await bench.world.open()
    bench.slow = TURN_SECONDS
    first, _ = await bench.count()
    assert set(first.functions) == {"echo"}
    second, _ = await bench.count(1000.0)
    assert set(second.functions) == {"echo", "view"}


async def test_the_newest_failures_are_read_once_and_gone_once_they_are_replayed():
    bench = Bench()
    await bench.world.open()
    for number in range(3):
        bench.world.time += 1
        await bench.world.fail(await bench.world.upload(f"echo/{number}.dcm"), log="secret")
    found, _ = await bench.count()
    assert [each.task.key for each in found.failed] == ["echo/2.dcm", "echo/1.dcm", "echo/0.dcm"]
    assert {each.log for each in found.failed} == {""}
    assert found.functions["echo"].endings[Ending.FAILED] == 3
    reads = bench.reads["read"]
    bench.backlogs["echo"] = Backlog(1, 0, NOW, 0, paused=False)
    await bench.count()
    assert bench.reads["read"] == reads
    await replay(bench.world.stack, "echo", ids={found.failed[0].task.id})
    again, _ = await bench.count()
    assert [each.task.key for each in again.failed] == ["echo/1.dcm", "echo/0.dcm"]


async def test_a_function_that_is_gone_is_counted_no_more():
    bench = Bench()
    await bench.world.open()
    await bench.count()
    bench.world.functions = bench.world.functions[:1]
    found, _ = await bench.count()
    assert set(found.functions) == {"echo"}


async def test_without_the_platform_s_bucket_nothing_has_ended():
    found, _ = await Bench().count()
    assert dict(found.functions["echo"].endings) == {}


def _queue(world: World, fault_of) -> Tapped:
    class Queue:
        async def backlog(self, name):
            if fault := fault_of(name):
                raise fault
            return await world.queue.backlog(name)

    return Queue()


async def test_a_tenant_whose_account_is_refused_leaves_the_others():
    world = await World(installed("echo"), installed("view")).open()
    refused = ConfigurationError("the account of lab is refused")
    found = await read_backlogs(
        _queue(world, lambda name: refused if name == "view" else None), lambda: _seen(world)
    )
    assert (set(found.value), found.remark) == ({"echo"}, "view: the account of lab is refused")


async def test_where_none_answers_the_fault_is_the_queue_s():
    world = await World(installed("echo"), installed("view")).open()
    with pytest.raises(TransientError, match="away"):
        await read_backlogs(_queue(world, lambda _: TransientError("away")), lambda: _seen(world))


async def test_a_function_without_a_stream_has_none_and_an_unsound_one_is_not_asked():
    world = World(installed("echo"))
    known = (*_seen(world), FunctionSeen("view", "", None, fault="unsound"))
    assert (await read_backlogs(world.queue, lambda: known)).value == {"echo": None}


async def test_workers_are_where_it_is_known_and_else_where_all_are():
    world = await World(installed("echo")).open()
    await world.queue.standings()
    for name in ("echo-0", "echo-1"):
        await world.queue.tell(Standing(function="echo", worker=name, held=1, since=NOW))
    found = (await read_heard(world.queue, lambda: {"echo-1": "gpu-1", "": "local"})).value
    assert found.nodes == {"echo-0": "local", "echo-1": "gpu-1"}
    assert (await read_heard(world.queue, dict)).value.nodes == {}

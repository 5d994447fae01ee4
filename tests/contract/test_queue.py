"""What every queue does: the same tests on each adapter, JetStream with a real server."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from headrace.model.errors import NotFoundError
from headrace.model.observation import Finished, Standing
from headrace.model.settings import QueueSettings
from headrace.model.task import Task, task_id
from headrace.model.tenancy import tenant_of
from headrace.queue.accounts import AccountQueue, queue_of
from headrace.queue.jetstream import JetStreamQueue
from headrace.queue.memory import MemoryQueue
from headrace.queue.port import Backlog, Lease, Queue
from tests.fixtures.clock import VirtualClock
from tests.fixtures.nats import LAB, OTHER

LEASE = 1.5  # seconds; real ones with the real server
PLENTY = 20.0  # seconds that a pull may wait for what must come


@dataclass
class Bench:
    """A queue with one stream, and the clock that its leases run on."""

    queue: Queue
    function: str
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]

    def task(self, name: str, *, size: int = 10, received: float = 1000.0, run: int = 0) -> Task:
        return Task(
            id=task_id(self.function, "uploads", name, "etag", run=run),
            function=self.function,
            bucket="uploads",
            key=name,
            etag="etag",
            size=size,
            run=run,
            received=received,
        )

    async def put(self, *names: str) -> list[Task]:
        tasks = [self.task(name) for name in names]
        for task in tasks:
            assert await self.queue.put(task)
        return tasks

    async def pull(self, limit: int = 8, wait: float = 0.0) -> Sequence[Lease]:
        return await self.queue.pull(self.function, limit, wait_seconds=wait)

    def finished(self, files: int) -> Finished:
        return Finished(function=self.function, worker="w1", files=files, bytes=0, seconds=0.5)

    async def heard(self) -> list[Finished]:
        """What was told of this function: other tests may tell on the same server."""
        return [told for told in await self.queue.told() if told.function == self.function]

    async def pull_one(self) -> Lease:
        (lease,) = await self.pull(1, PLENTY)
        return lease

    async def backlog(self) -> Backlog:
        return await self.queue.backlog(self.function)

    async def set_lease(self, seconds: float, max_leased: int = 100) -> None:
        await self.queue.ensure(self.function, lease_seconds=seconds, max_leased=max_leased)


@pytest.fixture(params=["memory", "jetstream", "memory accounts", "jetstream accounts"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    function, clock = f"f{uuid.uuid4().hex[:12]}", VirtualClock()
    match request.param:
        case "memory":
            made = Bench(MemoryQueue(clock.now, clock.sleep), function, clock.now, clock.sleep)
        case "memory accounts":
            function = f"{LAB}.{function}"
            queue = AccountQueue({each: MemoryQueue(clock.now, clock.sleep) for each in ("", LAB, "other")})
            made = Bench(queue, function, clock.now, clock.sleep)
        case "jetstream":
            server = request.getfixturevalue("nats_server")
            made = Bench(JetStreamQueue.of(server.settings), function, time.time, asyncio.sleep)
        case _:
            function = f"{LAB}.{function}"
            accounts = request.getfixturevalue("nats_accounts")
            made = Bench(queue_of(accounts), function, time.time, asyncio.sleep)
    await made.set_lease(60.0)
    yield made
    await made.queue.drop(function)
    await made.queue.close()


def names(tasks: Sequence[Task] | Sequence[Lease]) -> list[str]:
    return [(each if isinstance(each, Task) else each.task).key for each in tasks]


# Over functions


async def test_all_tasks_of_a_tenant_are_counted_whatever_functions_they_are_of(bench: Bench) -> None:
    tenant, other = tenant_of(bench.function), f"{bench.function}x"
    before = await bench.queue.total(tenant)
    await bench.queue.ensure(other, lease_seconds=60.0, max_leased=100)
    await bench.put("a", "b")
    await bench.queue.put(bench.task("c").model_copy(update={"function": other}))
    await bench.pull_one()
    assert await bench.queue.total(tenant) == before + 3
    await bench.queue.drop(other)
    assert await bench.queue.total(tenant) == before + 2


async def test_another_tenants_tasks_are_not_counted(nats_accounts: QueueSettings) -> None:
    queue, task = (
        queue_of(nats_accounts),
        Bench(MemoryQueue(float), "counted", float, asyncio.sleep).task("a"),
    )
    await queue.ensure(f"{LAB}.counted", lease_seconds=60.0, max_leased=1)
    before = await queue.total(OTHER), await queue.total("")
    await queue.put(task.model_copy(update={"function": f"{LAB}.counted"}))
    assert (await queue.total(OTHER), await queue.total("")) == before
    assert await queue.total("nobody") == 0, "it has no account"
    await queue.drop(f"{LAB}.counted")
    await queue.close()


# One task at most once


async def test_a_task_is_refused_while_it_waits(bench: Bench) -> None:
    (task,) = await bench.put("a")
    assert await bench.queue.put(task) is False
    assert (await bench.backlog()).tasks == 1


async def test_a_task_is_refused_while_it_is_leased(bench: Bench) -> None:
    (task,) = await bench.put("a")
    await bench.pull_one()
    assert await bench.queue.put(task) is False


async def test_a_task_is_refused_while_its_retry_is_delayed(bench: Bench) -> None:
    (task,) = await bench.put("a")
    await (await bench.pull_one()).retry(60.0)
    assert await bench.queue.put(task) is False


async def test_a_task_is_accepted_again_after_done(bench: Bench) -> None:
    (task,) = await bench.put("a")
    await (await bench.pull_one()).done()
    assert await bench.queue.put(task) is True
    assert (await bench.pull_one()).deliveries == 1, "a new life counts anew"


async def test_another_run_of_a_file_is_another_task(bench: Bench) -> None:
    await bench.put("a")
    assert await bench.queue.put(bench.task("a", run=1)) is True


async def test_of_many_puts_of_one_task_at_once_one_is_accepted(bench: Bench) -> None:
    accepted = await asyncio.gather(*(bench.queue.put(bench.task("a")) for _ in range(50)))
    assert sorted(accepted) == [False] * 49 + [True]


# Pull


async def test_a_lease_gives_back_the_whole_task(bench: Bench) -> None:
    task = Task(
        id=task_id(bench.function, "b", "ключ \n\U0001f600", "v"),
        function=bench.function,
        bucket="b",
        key="ключ \n\U0001f600",
        version="v",
        etag="e",
        size=2**40,
        run=3,
        received=1234.5678,
    )
    await bench.queue.put(task)
    assert (await bench.pull_one()).task == task


async def test_tasks_come_in_the_order_of_their_puts(bench: Bench) -> None:
    await bench.put("c", "a", "b")
    assert names(await bench.pull(2)) == ["c", "a"]
    assert names(await bench.pull(2)) == ["b"]


async def test_a_pull_returns_what_is_there_without_waiting_for_its_limit(bench: Bench) -> None:
    await bench.put("a", "b")
    before = bench.now()
    assert names(await bench.pull(64, PLENTY)) == ["a", "b"]
    assert bench.now() - before < PLENTY / 2


async def test_a_waiting_pull_gets_the_next_task_that_is_put(bench: Bench) -> None:
    pull = asyncio.create_task(bench.pull(8, PLENTY))
    await bench.sleep(0.1)
    await bench.put("a")
    assert names(await pull) == ["a"]


async def test_a_pull_of_an_empty_queue_ends_empty_after_its_wait(bench: Bench) -> None:
    before = bench.now()
    assert list(await bench.pull(8, 0.2)) == []
    assert bench.now() - before >= 0.19


async def test_a_leased_task_is_handed_to_nobody_else(bench: Bench) -> None:
    await bench.put("a")
    await bench.pull_one()
    assert list(await bench.pull()) == []


async def test_two_pulls_at_once_share_the_tasks(bench: Bench) -> None:
    await bench.put(*map(str, range(20)))
    pulls = await asyncio.gather(*(bench.pull(5, PLENTY) for _ in range(4)))
    assert sorted(name for leases in pulls for name in names(leases)) == sorted(map(str, range(20)))


async def test_no_more_than_max_leased_are_out_at_once(bench: Bench) -> None:
    await bench.set_lease(60.0, max_leased=3)
    await bench.put(*"abcde")
    first = await bench.pull(8, PLENTY)
    assert names(first) == ["a", "b", "c"]
    assert list(await bench.pull(8)) == []
    await first[1].done()
    assert names(await bench.pull(8, PLENTY)) == ["d"]


async def test_a_cancelled_pull_keeps_no_task(bench: Bench) -> None:
    pulls = [asyncio.create_task(bench.pull(8, PLENTY)) for _ in range(5)]
    await bench.sleep(0.05)
    for pull in pulls:
        pull.cancel()
    await bench.put("a", "b")
    await asyncio.gather(*pulls, return_exceptions=True)
    seen: set[str] = set()
    while len(seen) < 2:  # two pulls where one was handed back; far sooner than the lease's 60 s
        leases = await bench.pull(8, PLENTY)
        assert leases
        seen.update(names(leases))


# Leases


async def test_a_task_comes_again_when_its_lease_ran_out(bench: Bench) -> None:
    await bench.set_lease(LEASE)
    await bench.put("a")
    assert (await bench.pull_one()).deliveries == 1
    again = await bench.pull_one()
    assert (again.task.key, again.deliveries) == ("a", 2)


async def test_an_extended_lease_does_not_run_out(bench: Bench) -> None:
    await bench.set_lease(LEASE)
    await bench.put("a")
    lease = await bench.pull_one()

    async def keep() -> None:
        while True:
            await bench.sleep(LEASE / 10)
            await lease.extend()

    keeping = asyncio.create_task(keep())
    assert list(await bench.pull(1, 2.5 * LEASE)) == []
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert (await bench.pull_one()).deliveries == 2, "it runs out once nobody extends it"


async def test_a_task_handed_back_comes_again_at_once(bench: Bench) -> None:
    await bench.put("a")
    await (await bench.pull_one()).retry()
    assert (await bench.pull_one()).deliveries == 2


async def test_a_task_handed_back_with_a_delay_comes_no_sooner(bench: Bench) -> None:
    await bench.put("a")
    lease = await bench.pull_one()
    handed_back = bench.now()
    await lease.retry(0.5)
    assert list(await bench.pull()) == []
    assert (await bench.pull_one()).deliveries == 2
    assert bench.now() - handed_back >= 0.49


async def test_a_task_handed_back_goes_before_new_ones(bench: Bench) -> None:
    await bench.put("a", "b")
    await (await bench.pull_one()).retry()
    assert names(await bench.pull(8)) == ["a", "b"]


async def test_a_task_handed_back_comes_although_max_leased_are_out(bench: Bench) -> None:
    await bench.set_lease(60.0, max_leased=1)
    await bench.put("a", "b")
    await (await bench.pull_one()).retry()
    assert names(await bench.pull(8, PLENTY)) == ["a"]


async def test_done_twice_is_quiet(bench: Bench) -> None:
    await bench.put("a")
    lease = await bench.pull_one()
    await lease.done()
    await lease.done()
    assert (await bench.backlog()).tasks == 0


async def test_done_of_a_lost_lease_takes_the_task_out_for_its_new_holder_too(bench: Bench) -> None:
    await bench.set_lease(LEASE)
    await bench.put("a")
    lost = await bench.pull_one()
    held = await bench.pull_one()
    await lost.done()
    assert (await bench.backlog()).tasks == 0
    await held.extend()
    await held.retry()
    await held.done()
    assert list(await bench.pull(1, 0.2)) == []


async def test_done_after_the_lease_ran_out_is_done(bench: Bench) -> None:
    await bench.set_lease(LEASE)
    await bench.put("a")
    lost = await bench.pull_one()
    await bench.sleep(1.5 * LEASE)
    await lost.done()
    assert list(await bench.pull(1, 0.2)) == []
    assert await bench.queue.ids(bench.function) == frozenset()


async def test_done_of_an_old_life_leaves_the_new_one(bench: Bench) -> None:
    (task,) = await bench.put("a")
    old = await bench.pull_one()
    await old.done()
    await bench.queue.put(task)
    held = await bench.pull_one()
    for late in (old.extend, old.retry, old.done):
        await late()
    assert (await bench.backlog()).tasks == 1
    assert list(await bench.pull()) == [], "it is still leased"
    await held.done()
    assert (await bench.backlog()).tasks == 0


async def test_extend_and_retry_of_a_task_that_is_gone_are_quiet(bench: Bench) -> None:
    await bench.put("a")
    lease = await bench.pull_one()
    await lease.done()
    await lease.extend()
    await lease.retry(0.1)
    assert list(await bench.pull(1, 0.3)) == []


async def test_an_extension_that_comes_too_late_changes_nothing(bench: Bench) -> None:
    await bench.set_lease(LEASE)
    await bench.put("a")
    lost = await bench.pull_one()
    await bench.sleep(1.5 * LEASE)
    await lost.extend()
    assert [lease.deliveries for lease in await bench.pull()] == [2]


async def test_retry_of_a_lost_lease_hands_the_task_to_a_third(bench: Bench) -> None:
    await bench.set_lease(LEASE)
    await bench.put("a")
    lost = await bench.pull_one()
    await bench.pull_one()
    await bench.set_lease(60.0)
    await lost.retry()
    assert (await bench.pull_one()).deliveries == 3


async def test_a_changed_lease_and_bound_are_taken_over(bench: Bench) -> None:
    await bench.set_lease(60.0, max_leased=1)
    await bench.put("a", "b", "c")
    first = await bench.pull(8)
    assert names(first) == ["a"]
    await bench.set_lease(LEASE, max_leased=2)
    await first[0].done()
    assert names(await bench.pull(8, PLENTY)) == ["b", "c"]
    again = [await bench.pull_one(), await bench.pull_one()]
    assert [lease.deliveries for lease in again] == [2, 2], "the lease is the new, short one"


# Pause


async def test_a_paused_function_hands_out_nothing_until_it_is_resumed(bench: Bench) -> None:
    await bench.put("a")
    await bench.queue.pause(bench.function)
    assert list(await bench.pull(1, 0.1)) == []
    assert (await bench.backlog()).paused is True
    await bench.queue.resume(bench.function)
    assert names([await bench.pull_one()]) == ["a"]
    assert (await bench.backlog()).paused is False


async def test_resuming_wakes_a_waiting_pull(bench: Bench) -> None:
    await bench.put("a")
    await bench.queue.pause(bench.function)
    pull = asyncio.create_task(bench.pull(1, PLENTY))
    await bench.sleep(0.1)
    await bench.queue.resume(bench.function)
    assert names(await pull) == ["a"]


async def test_a_paused_function_takes_tasks_and_lets_leased_ones_end(bench: Bench) -> None:
    await bench.put("a")
    lease = await bench.pull_one()
    await bench.queue.pause(bench.function)
    await bench.put("b")
    await lease.extend()
    await lease.done()
    assert names(await bench.queue.tasks(bench.function, 8)) == ["b"]


async def test_ensure_leaves_a_paused_function_paused(bench: Bench) -> None:
    await bench.queue.pause(bench.function)
    await bench.set_lease(30.0, max_leased=7)
    assert (await bench.backlog()).paused is True


# Looking in


async def test_the_backlog_of_an_empty_queue(bench: Bench) -> None:
    assert await bench.backlog() == Backlog(
        tasks=0, leased=0, oldest_received=None, bytes_estimate=0, paused=False
    )


async def test_the_backlog_counts_waiting_and_leased(bench: Bench) -> None:
    for number, name in enumerate("abc"):
        await bench.queue.put(bench.task(name, size=100, received=1000.0 + number))
    await bench.pull_one()
    backlog = await bench.backlog()
    assert backlog == Backlog(tasks=3, leased=1, oldest_received=1000.0, bytes_estimate=300, paused=False)
    assert backlog.waiting == 2


async def test_a_task_whose_lease_ran_out_counts_as_leased_until_it_is_handed_out_again(bench: Bench) -> None:
    await bench.set_lease(LEASE)
    await bench.put("a")
    await bench.pull_one()
    await bench.sleep(1.5 * LEASE)
    assert (await bench.backlog()).leased == 1


async def test_ids_are_those_waiting_and_leased(bench: Bench) -> None:
    tasks = await bench.put("a", "b", "c")
    await (await bench.pull_one()).done()
    await bench.pull_one()
    assert await bench.queue.ids(bench.function) == {tasks[1].id, tasks[2].id}


async def test_find_gives_the_task_and_how_many_are_older(bench: Bench) -> None:
    tasks = await bench.put("a", "b", "c", "d", "e")
    await bench.queue.remove(bench.function, tasks[1].id)
    (first,) = await bench.pull(1)
    assert await bench.queue.find(bench.function, tasks[0].id) == (tasks[0], 0)
    assert await bench.queue.find(bench.function, tasks[3].id) == (tasks[3], 2), "a leased one counts"
    await first.done()
    assert await bench.queue.find(bench.function, tasks[4].id) == (tasks[4], 2)


@pytest.mark.parametrize("unknown", ["0" * 32, "*", ">", "a.b", "not an id"])
async def test_what_is_not_there_is_not_found_and_not_removed(bench: Bench, unknown: str) -> None:
    await bench.put("a")
    assert await bench.queue.find(bench.function, unknown) is None
    assert await bench.queue.remove(bench.function, unknown) is False
    assert (await bench.backlog()).tasks == 1


async def test_tasks_are_the_oldest_and_stay(bench: Bench) -> None:
    await bench.put("a", "b", "c")
    await bench.pull_one()
    assert names(await bench.queue.tasks(bench.function, 2)) == ["a", "b"]
    assert names(await bench.queue.tasks(bench.function, 100)) == ["a", "b", "c"]
    assert names(await bench.pull(8)) == ["b", "c"]


async def test_tasks_of_an_empty_queue_are_none(bench: Bench) -> None:
    assert list(await bench.queue.tasks(bench.function, 5)) == []


async def test_more_tasks_than_a_page_are_all_listed_in_order(bench: Bench) -> None:
    wanted = [str(number) for number in range(600)]
    for start in range(0, 600, 100):
        await asyncio.gather(*(bench.queue.put(bench.task(name)) for name in wanted[start : start + 100]))
    listed = await bench.queue.tasks(bench.function, 1000)
    assert sorted(names(listed)) == sorted(wanted)
    assert names(await bench.queue.tasks(bench.function, 500)) == names(listed)[:500]
    assert len(await bench.queue.ids(bench.function)) == 600


# Remove, drop


async def test_a_removed_task_is_not_handed_out_and_may_be_put_again(bench: Bench) -> None:
    tasks = await bench.put("a", "b")
    assert await bench.queue.remove(bench.function, tasks[0].id) is True
    assert await bench.queue.remove(bench.function, tasks[0].id) is False
    assert names(await bench.pull(8)) == ["b"]
    assert await bench.queue.put(tasks[0]) is True


async def test_a_task_removed_while_leased_does_not_come_again(bench: Bench) -> None:
    await bench.set_lease(LEASE)
    (task,) = await bench.put("a")
    lease = await bench.pull_one()
    assert await bench.queue.remove(bench.function, task.id) is True
    assert (await bench.backlog()).leased == 0
    assert list(await bench.pull(1, 1.5 * LEASE)) == []
    await lease.extend()
    await lease.retry()
    await lease.done()


async def test_removed_leased_tasks_do_not_use_up_the_bound(bench: Bench) -> None:
    await bench.set_lease(60.0, max_leased=1)
    (task,) = await bench.put("a")
    await bench.pull_one()
    await bench.queue.remove(bench.function, task.id)
    await bench.put("b")
    assert names([await bench.pull_one()]) == ["b"]


async def test_a_function_without_a_stream_is_named_in_the_error(bench: Bench) -> None:
    task = bench.task("a")
    await bench.queue.drop(bench.function)
    calls: list[Awaitable[object]] = [
        bench.queue.put(task),
        bench.pull(1, 0.2),
        bench.backlog(),
        bench.queue.ids(bench.function),
        bench.queue.find(bench.function, task.id),
        bench.queue.tasks(bench.function, 1),
        bench.queue.remove(bench.function, task.id),
        bench.queue.pause(bench.function),
        bench.queue.resume(bench.function),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match=bench.function):
            await call


async def test_drop_is_quiet_when_there_is_no_stream_and_ends_leases_quietly(bench: Bench) -> None:
    await bench.put("a")
    lease = await bench.pull_one()
    await bench.queue.drop(bench.function)
    await bench.queue.drop(bench.function)
    await lease.extend()
    await lease.retry()
    await lease.done()


async def test_dropping_a_stream_ends_a_waiting_pull(bench: Bench) -> None:
    pull = asyncio.create_task(bench.pull(1, PLENTY))
    await bench.sleep(0.1)
    await bench.queue.drop(bench.function)
    with pytest.raises(NotFoundError, match=bench.function):
        await pull


async def test_a_dropped_stream_comes_back_empty(bench: Bench) -> None:
    (task,) = await bench.put("a")
    await bench.queue.drop(bench.function)
    await bench.set_lease(60.0)
    assert await bench.queue.ids(bench.function) == frozenset()
    assert await bench.queue.put(task) is True


# What workers tell


async def test_what_is_told_is_heard_once_whole_and_in_its_order(bench: Bench) -> None:
    first = bench.finished(1).model_copy(update={"bytes": 2**40, "load_seconds": 3.25})
    assert await bench.heard() == [], "the first call begins to listen"
    told = [first, *(bench.finished(number) for number in range(2, 30))]
    for finished in told:
        await bench.queue.tell(finished)
    heard: list[Finished] = []
    async with asyncio.timeout(PLENTY):
        while len(heard) < len(told):
            heard += await bench.heard()
            await asyncio.sleep(0.01)
    assert heard == told
    assert await bench.heard() == []


async def test_what_is_told_before_anybody_listens_is_lost(bench: Bench) -> None:
    await bench.queue.tell(bench.finished(1))
    assert await bench.heard() == []
    await bench.queue.tell(bench.finished(2))
    async with asyncio.timeout(PLENTY):
        while not (heard := await bench.heard()):
            await asyncio.sleep(0.01)
    assert heard == [bench.finished(2)]


async def test_a_batch_of_a_function_without_a_stream_is_told_and_heard(bench: Bench) -> None:
    await bench.heard()
    await bench.queue.drop(bench.function)
    await bench.queue.tell(bench.finished(1))
    async with asyncio.timeout(PLENTY):
        while not (heard := await bench.heard()):
            await asyncio.sleep(0.01)
    assert heard == [bench.finished(1)]


async def standings_of(bench: Bench, wanted: dict[str, Standing]) -> None:
    """Other tests may tell on the same server: only this function's workers count."""
    found: dict[str, Standing] = {}
    async with asyncio.timeout(PLENTY):
        while found != wanted:
            heard = await bench.queue.standings()
            found = {name: each for name, each in heard.items() if each.function == bench.function}
            await asyncio.sleep(0.01)


async def test_how_workers_stand_is_heard_by_worker_and_the_newest_word_stays(bench: Bench) -> None:
    first = Standing(function=bench.function, worker=f"{bench.function}-0", held=0, since=1000.0)
    later = first.model_copy(update={"held": 3, "since": 1001.5})
    other = first.model_copy(update={"worker": f"{bench.function}-1", "held": 1})
    await bench.queue.tell(first)
    heard = await bench.queue.standings()  # begins to listen: what was told before is lost
    assert not bench.queue.unheard
    assert not any(each.function == bench.function for each in heard.values())
    for standing in (first, other, later):
        await bench.queue.tell(standing)
    for _ in range(2):
        await standings_of(bench, {later.worker: later, other.worker: other})


async def test_a_standing_is_no_finished_batch_and_the_other_way_round(bench: Bench) -> None:
    standing = Standing(function=bench.function, worker=f"{bench.function}-0", held=1, since=1000.0)
    await asyncio.gather(bench.queue.told(), bench.queue.standings())
    await bench.queue.tell(standing)
    await bench.queue.tell(bench.finished(1))
    await standings_of(bench, {standing.worker: standing})
    async with asyncio.timeout(PLENTY):
        while not (heard := await bench.heard()):
            await asyncio.sleep(0.01)
    assert heard == [bench.finished(1)]


async def test_telling_waits_for_nothing(bench: Bench) -> None:
    """Driven by hand: a coroutine that had to wait would give something to wait for instead of its end."""
    standing = Standing(function=bench.function, worker="w1", held=1, since=1000.0)
    for number in range(1, 1000):
        for told in (bench.finished(number), standing):
            with pytest.raises(StopIteration):
                bench.queue.tell(told).send(None)

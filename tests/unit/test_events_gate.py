"""A tenant's files at the door: no more wait than its quota says, and none is lost for that."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace.catalog.folder import Installed
from headrace.events.deposit import Deposit
from headrace.events.gate import FRESH_SECONDS, Gate
from headrace.events.intake import Intake
from headrace.events.listing import Found, Listing
from headrace.events.objects import ObjectSource
from headrace.events.routing import task_of
from headrace.events.service import AGAIN_SECONDS, YOUNG_SECONDS, Service
from headrace.events.telling import tell
from headrace.kube.kinds import FUNCTIONS
from headrace.kube.memory import MemoryKube
from headrace.kube.mirrors import mirror_of
from headrace.model.errors import TransientError
from headrace.model.event import Delivery, FileEvent
from headrace.model.function import Function
from headrace.model.keys import function_key, record_key
from headrace.model.settings import KubernetesSettings, SqsSettings
from headrace.model.task import Task
from headrace.model.tenant import Quota, Tenant
from headrace.operations.explain import explain
from headrace.operations.stack import Stack
from headrace.queue.memory import MemoryQueue
from headrace.storage.memory import MemoryStorage
from headrace.storage.port import ObjectInfo
from tests.unit.intake_bench import PLATFORM, Bench, function
from tests.unit.memory_messages import QUEUE, MemoryMessages
from tests.unit.test_events_polling import Scene as Polls
from tests.unit.test_events_polling import event
from tests.unit.test_receiver import failing

LAB = Tenant(name="lab", buckets={"uploads": "lab-uploads"}, quota=Quota(files_waiting=3))
PLACE = KubernetesSettings(namespace="functions", platform_namespace="headrace", tenants=(LAB,))


class Door(Bench):
    """Functions of a tenant with a bound, beside one of the stack's own."""

    def __init__(self, place: KubernetesSettings = PLACE) -> None:
        own = function("echo")
        super().__init__(own, own.owned_by("lab"), function("blur").owned_by("lab"), kubernetes=place)
        self.gate = Gate(self.queue, place, self.now)
        self.deposit = Deposit(self.queue, self.settings.queue, self.gate)

    def intake(self, *, storage: Any = None, queue: Any = None) -> Intake:
        return Intake(
            storage or self.storage,
            Deposit(queue, self.settings.queue, self.gate) if queue else self.deposit,
            functions=lambda: self.functions,
            settings=self.settings,
            clock=self.now,
        )

    async def take(self, *keys: str, bucket: str = "lab-uploads") -> Any:
        for key in keys:
            await self.put(key, bucket=bucket)
        return await self.intake().take(Delivery(created=tuple(FileEvent(bucket, key) for key in keys)))

    async def work(self) -> None:
        """Work all that waits of the tenant, and record it."""
        for name in ("lab.echo", "lab.blur"):
            for lease in await self.queue.pull(name, 99, wait_seconds=0):
                await self.storage.create(PLATFORM, record_key(name, lease.task.id), b"{}")
                await lease.done()

    def lists(self) -> Listing:
        return Listing(self.storage, self.queue, self.deposit, settings=self.settings, clock=self.now)

    async def finish(self, name: str, number: int = 1) -> None:
        for lease in await self.queue.pull(name, number, wait_seconds=0):
            await lease.done()

    async def waiting(self) -> int:
        return sum([(await self.queue.backlog(each)).tasks for each in ("lab.echo", "lab.blur")])


async def door(place: KubernetesSettings = PLACE) -> Door:
    made = Door(place)
    await made.open("lab-uploads")
    return made


async def test_files_of_one_tenants_bucket_start_its_functions_alone() -> None:
    made = await door()
    report = await made.take("a")
    assert {each.function for each in report.stored} == {"lab.echo", "lab.blur"}
    assert {each.function for each in (await made.take("a", bucket="uploads")).stored} == {"echo"}


async def test_no_more_wait_than_the_quota_says_over_all_functions_of_the_tenant() -> None:
    made = await door()
    first, second = await made.take("a"), await made.take("b")
    assert (len(first.stored), len(second.stored), len(second.held)) == (2, 1, 1)
    assert "tenant lab: found 2 files waiting and 2 arriving, allowed 3" in second.held[0].reason
    assert await made.waiting() == 3
    assert len((await made.take("a", "b", "c", "d", bucket="uploads")).stored) == 4, (
        "nobody else is held back"
    )


async def test_a_place_that_comes_free_is_given_at_once() -> None:
    made = await door()
    await made.take("a")
    await made.finish("lab.echo")
    report = await made.take("b")
    assert (len(report.stored), report.held) == (2, ())


async def test_what_another_receiver_let_in_counts_once_a_count_is_no_longer_fresh() -> None:
    four = LAB.model_copy(update={"quota": Quota(files_waiting=4)})
    made = await door(PLACE.model_copy(update={"tenants": (four,)}))
    await made.take("a")
    info = await made.put("c", bucket="lab-uploads")
    for name in ("lab.echo", "lab.blur"):
        await made.queue.put(task_of(name, info, received=made.time))
    made.time += FRESH_SECONDS + 0.1
    assert len((await made.take("b")).held) == 2


async def test_files_of_a_function_that_is_no_more_or_refused_count_for_as_long_as_they_wait() -> None:
    made = await door()
    await made.take("a", "b")
    anew = function("echo-anew").owned_by("lab")
    made.functions = (function("echo"), anew)  # as after deletions with onDelete: keep
    await made.queue.ensure(anew.name, lease_seconds=30.0, max_leased=10)
    made.time += FRESH_SECONDS + 0.1
    assert [each.task.function for each in (await made.take("c")).held] == ["lab.echo-anew"]
    await made.queue.drop("lab.echo")
    assert len((await made.take("c")).stored) == 1
    assert "held back" not in str((await explained(made, "c"))["lab.echo-anew"])


async def test_explain_counts_files_of_functions_that_are_no_more() -> None:
    made = await door()
    await made.take("a", "b")
    anew = function("echo-anew").owned_by("lab")
    made.functions = (anew,)
    await made.queue.ensure(anew.name, lease_seconds=30.0, max_leased=10)
    await made.take("c")
    assert "found 3 files waiting and 1 arriving" in str((await explained(made, "c"))["lab.echo-anew"])


@pytest.mark.parametrize("fault", [TransientError("away"), asyncio.CancelledError()])
async def test_after_a_put_that_failed_half_way_it_is_counted_anew(fault: BaseException) -> None:
    made = await door()

    async def half(tasks: Sequence[Task]) -> None:
        await made.queue.put(tasks[0])
        raise fault

    info = await made.put("a", bucket="lab-uploads")
    for name in ("lab.echo", "lab.blur"):
        with pytest.raises(type(fault)):
            await made.gate.pass_on([task_of(name, info, received=made.time)], half)
    assert len((await made.take("b")).held) == 1
    assert await made.waiting() == 3


async def test_an_account_that_does_not_answer_makes_no_tenants_held_files_forgotten() -> None:
    full, away = {"a": 1, "b": 1, "c": 1}, set[str]()

    class Away(MemoryQueue):
        async def total(self, tenant: str) -> int:
            if tenant in away:
                raise TransientError("away")
            return full[tenant]

    async def put(tasks: Sequence[Task]) -> None:
        raise NotImplementedError

    tenants = tuple(Tenant(name=name, quota=Quota(files_waiting=1)) for name in ("a", "b", "c"))
    made = await door()
    gate = Gate(Away(made.now), PLACE.model_copy(update={"tenants": tenants}), made.now)
    info = await made.put("x", bucket="lab-uploads")
    tasks = [task_of(f"{each}.echo", info, received=made.time) for each in full]
    assert len(await gate.pass_on(tasks, put)) == 3
    full.update(dict.fromkeys(full, 0))
    away.add("b")
    assert await gate.returning() == {"a.echo", "c.echo"}
    away.clear()
    assert await gate.returning() == {"b.echo"}
    assert await gate.returning() == frozenset()


async def test_two_deliveries_at_once_do_not_both_take_the_last_place() -> None:
    made = await door()
    for key in ("a", "b", "c", "d"):
        await made.put(key, bucket="lab-uploads")
    reports = await asyncio.gather(*(made.take(key) for key in ("a", "b", "c", "d")))
    assert sum(len(each.stored) for each in reports) == 3
    assert sum(len(each.held) for each in reports) == 5
    assert await made.waiting() == 3


async def test_what_was_held_back_comes_by_the_listing_once_there_is_room() -> None:
    made = await door()
    await made.take("a", "b")
    listed = made.listed()
    held = await made.lists().run(listed)
    assert (held.put, await made.waiting()) == (0, 3)
    while await made.waiting():
        await made.finish("lab.echo", 9)
        await made.finish("lab.blur", 9)
    for each in listed[1:]:  # as if none had a record: all four are found, three of them let in
        made.time += 2 * FRESH_SECONDS
        await made.lists().run([each])
    assert await made.waiting() == 3


async def test_the_listing_looks_no_further_in_an_input_once_a_file_of_it_is_held_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = await door()
    counts = Counted(made.now)
    await counts.ensure("lab.echo", lease_seconds=30.0, max_leased=10)
    made.queue = counts
    made.gate = Gate(counts, PLACE, made.now)
    made.deposit = Deposit(counts, made.settings.queue, made.gate)
    for number in range(1000):
        await made.put(f"{number:04}", bucket="lab-uploads")
    (echo,) = [each for each in made.listed() if each.function.name == "lab.echo"]
    with caplog.at_level(logging.INFO):
        found = await made.lists().run([echo])
    assert (found.put, found.compared, counts.counts) == (3, 128, 2)
    assert "125 files are held back until their tenant has room, and those after them not" in caplog.text


class Counted(MemoryQueue):
    """How often it was counted."""

    counts = 0

    async def total(self, tenant: str) -> int:
        self.counts += 1
        return await super().total(tenant)


async def test_other_inputs_and_functions_are_looked_through_though_one_is_held_back() -> None:
    made = await door()
    two = function("two", {"bucket": "uploads"}, {"bucket": "uploads", "prefix": "b"}).owned_by("lab")
    made.functions = (two, function("echo"))
    await made.queue.ensure("lab.two", lease_seconds=30.0, max_leased=10)
    for key in ("a1", "a2", "a3", "a4", "b1"):
        await made.put(key, bucket="lab-uploads")
    await made.put("own")
    found = await made.lists().run(made.listed())
    assert (found.put, found.compared) == (4, 7)


async def test_only_functions_whose_files_were_held_are_looked_through_again_and_only_with_room() -> None:
    made = await door()
    assert await made.gate.returning() == frozenset()
    await made.take("a", "b")
    assert await made.gate.returning() == frozenset(), "there is no room"
    await made.finish("lab.echo")
    assert await made.gate.returning() == {"lab.blur"}
    assert await made.gate.returning() == frozenset(), "who looks again tells what is still held"


async def test_the_service_lists_again_what_was_held_long_before_its_usual_listing() -> None:
    made = await door()
    service = Service(made.settings, _Source(made.functions), made.storage, made.queue, clock=made.now)
    await service.start()
    await service._roster.refresh()
    made.time += 3600.0
    for key in ("a", "b", "c", "d"):
        await made.put(key, bucket="lab-uploads")
    await service._list()
    assert await made.waiting() == 3
    await made.finish("lab.echo", 9)
    await made.finish("lab.blur", 9)
    await service._list_young()
    assert await made.waiting() == 3


async def standby(made: Door, messages: MemoryMessages) -> Service:
    """A receiver that polls, beside the one that lists."""
    sqs = SqsSettings(queue_url=QUEUE, dead_letter_url=f"{QUEUE}-dead", region="eu-central-1")
    service = Service(
        made.settings.model_copy(update={"sqs": sqs}), _Source(made.functions), made.storage, made.queue,
        clock=made.now, leading=lambda: False, messages=messages,
    )  # fmt: skip
    await service.start()
    made.time += YOUNG_SECONDS
    return service


async def arrive(made: Door, messages: MemoryMessages, *keys: str) -> None:
    for key in keys:
        await made.put(key, bucket="lab-uploads")
        messages.send(event(key, "lab-uploads"))


async def test_a_receiver_that_does_not_lead_looks_again_itself_for_what_it_held_back() -> None:
    made, messages = await door(), MemoryMessages(now=float)
    service = await standby(made, messages)
    assert service._polling is not None
    await arrive(made, messages, "a", "b")
    await service._polling.turn()
    assert (messages.waiting, await made.waiting()) == (0, 3)
    assert await service._list_young() == AGAIN_SECONDS
    assert await made.waiting() == 3, "there is no room"
    await made.work()
    await service._list_young()
    assert await made.waiting() == 1, "the one that was held back"
    await made.work()
    await service._list_young()
    assert await made.waiting() == 0
    assert len([each async for each in made.storage.list(PLATFORM, "records/")]) == 4


async def test_what_was_held_back_is_looked_for_until_the_store_answers() -> None:
    class Away(MemoryStorage):
        is_away = False

        async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
            if self.is_away:
                raise TransientError("away")
            async for each in super().list(bucket, prefix):
                yield each

    made, messages = Door(), MemoryMessages(now=float)
    made.storage = Away(now=made.now)
    await made.open("lab-uploads")
    service = await standby(made, messages)
    assert service._polling is not None
    await arrive(made, messages, "a", "b")
    await service._polling.turn()
    await made.work()
    made.storage.is_away = True
    await service._list_young()
    made.storage.is_away = False
    await service._list_young()
    assert await made.waiting() == 1


async def test_a_message_whose_files_are_held_back_is_deleted_and_one_that_was_not_stored_is_not() -> None:
    made = await door()
    polls = Polls(made, queue=failing(TransientError("away"))(made.queue))
    await arrive(made, polls.messages, "a")
    assert not await polls.polling.turn()
    assert (polls.messages.waiting, await made.waiting()) == (1, 0)
    polls = Polls(made)
    await arrive(made, polls.messages, "a", "b", "c")
    assert await polls.polling.turn()
    assert (polls.messages.waiting, polls.messages.dead, await made.waiting()) == (0, [], 3)
    await made.work()
    assert (await made.lists().run(made.listed()[1:])).put == 3


async def test_held_files_are_told_in_the_log_and_in_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    made = await door()
    with caplog.at_level(logging.INFO):
        tell(await made.take("a", "b"))
        await made.lists().run(made.listed())
    actions = [getattr(each, "action", "") for each in caplog.records]
    assert actions.count("events.task_held") == 1
    assert "events.files_held" in actions, "one line for all that a listing finds"
    assert "allowed 3 (quota.filesWaiting)" in caplog.text


async def test_without_a_bound_nothing_is_counted() -> None:
    free = LAB.model_copy(update={"quota": Quota()})
    made = await door(PLACE.model_copy(update={"tenants": (free,)}))
    assert len((await made.take(*"abcdef")).stored) == 12
    assert await made.lists().run(made.listed()) == Found(compared=12, put=0)


class _Source:
    def __init__(self, functions: tuple[Function, ...]) -> None:
        self._functions = functions

    async def functions(self) -> tuple[Function, ...]:
        return self._functions

    async def changed(self, seconds: float) -> None:
        raise NotImplementedError


async def test_a_function_that_its_tenant_may_not_have_gets_no_more_files(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kube = MemoryKube(namespaces=("functions", "lab", "headrace"))
    spec = {"image": "i", "run": {"handler": "a:B"}, "input": [{"bucket": "uploads"}]}
    head = {"apiVersion": "headrace.dev/v1alpha1", "kind": "Function"}
    manifest = {**head, "metadata": {"name": "echo", "namespace": "lab"}, "spec": spec}
    await kube.create(FUNCTIONS, manifest)
    async with mirror_of(kube, FUNCTIONS, PLACE.namespaces) as view:
        assert await view.sync(5.0)
        source = ObjectSource(view, PLACE)
        assert [each.name for each in await source.functions()] == ["lab.echo"]
        before = view.revision
        await kube.patch(FUNCTIONS, "echo", {"spec": {"output": [{"bucket": "salaries"}]}}, namespace="lab")
        assert await view.changed(5.0, since=before)
        assert await source.functions() == ()
    assert "lab.echo gets no files: tenant lab: bucket: found salaries, allowed uploads" in caplog.text


# What people are told


async def explained(made: Door, key: str) -> dict[str, str | None]:
    functions = tuple(Installed(each, Path(), "d") for each in made.functions)
    stack = Stack(made.storage, made.queue, functions, PLATFORM, {}, made.settings.kubernetes)
    for each in made.functions:
        await made.storage.create(PLATFORM, function_key(each.name), b'{"firstSeen": 0}')
    story = await explain(stack, "lab-uploads", key, now=made.time, listing_seconds=300.0)
    return {each.function: each.why for each in story.tasks}


async def test_explain_tells_that_a_file_is_held_back_and_by_which_bound() -> None:
    made = await door()
    await made.take("a", "b")
    why = await explained(made, "b")
    assert why["lab.echo"] is None, "it is queued"
    assert str(why["lab.blur"]).startswith(
        "it is held back, and the listing brings it once there is room: tenant lab"
    )
    assert "found 3 files waiting and 1 arriving, allowed 3 (quota.filesWaiting)" in str(why["lab.blur"])
    await made.finish("lab.echo")
    assert "held back" not in str((await explained(made, "b"))["lab.blur"])


async def test_explain_tells_that_a_function_must_not_be_worked() -> None:
    made = await door()
    bad = function("bad", output=({"bucket": "salaries"},)).owned_by("lab")
    made.functions = (*made.functions, bad)
    await made.queue.ensure(bad.name, lease_seconds=30, max_leased=1)
    await made.put("x", bucket="lab-uploads")
    told = (await explained(made, "x"))["lab.bad"]
    assert told == (
        "the function must not be worked: tenant lab: bucket: found salaries, allowed uploads; name one of "
        "these, or have the tenant's buckets extended"
    )

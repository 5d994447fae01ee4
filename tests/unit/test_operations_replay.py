"""Replay loses nothing, wherever it is cut short, and leaves what trying again can't help."""

import pytest

from headrace.model.errors import NotFoundError, RejectedError, TransientError
from headrace.model.keys import failure_key, history_key, record_key, replay_key
from headrace.model.record import Ending, FailureRecord, Record
from headrace.operations.change import Action, Changes, Item
from headrace.operations.replay import replay
from tests.fixtures.world import NOW, PLATFORM, Tapped, World


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.PURGED])
async def test_a_failure_moves_to_the_history_and_its_task_to_the_queue(ending: Ending) -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")
    record = await world.fail(task, ending)
    changes = await replay(world.stack, "echo")
    assert changes == Changes(
        Action.REPLAY, "echo", False, changed=(Item.of(task, f"{ending}: exit code 3"),)
    )
    assert await world.queue.tasks("echo", 10) == [task]
    history = history_key("echo", task.id, f"{NOW:017.6f}")
    assert await world.platform() == {history: record.to_json()}


async def test_a_file_that_changed_or_went_is_left_with_the_reason() -> None:
    world = await World().open()
    changed, gone = await world.upload("echo/changed.dcm"), await world.upload("echo/gone.dcm")
    await world.fail(changed, Ending.SUPERSEDED)
    await world.fail(gone, Ending.GONE)
    before = await world.platform()
    changes = await replay(world.stack, "echo")
    assert changes.changed == ()
    assert {(item.task_id, item.reason.partition(":")[0]) for item in changes.left} == {
        (changed.id, "superseded"),
        (gone.id, "gone"),
    }
    assert await world.platform() == before


async def test_a_dry_run_shows_the_same_plan_and_changes_nothing() -> None:
    world = await World().open()
    for number, ending in enumerate(Ending):
        await world.fail(await world.upload(f"echo/{number}.dcm"), ending)
    done = await world.finish(await world.upload("echo/done.dcm"))
    await world.storage.put(PLATFORM, failure_key("echo", done.task.id), b"{}")
    before = await world.platform()
    planned = await replay(world.stack, "echo", dry_run=True)
    assert (await world.platform(), await world.queue.tasks("echo", 10)) == (before, [])
    changes = await replay(world.stack, "echo")
    assert (planned.dry_run, planned.changed, planned.left) == (True, changes.changed, changes.left)


async def test_only_the_tasks_named_are_replayed() -> None:
    world = await World().open()
    one, other = await world.upload("echo/1.dcm"), await world.upload("echo/2.dcm")
    await world.fail(one)
    await world.fail(other)
    changes = await replay(world.stack, "echo", ids=[other.id])
    assert [item.task_id for item in changes.changed] == [other.id]
    assert await world.queue.ids("echo") == {other.id}


async def test_naming_a_task_that_has_not_failed_is_refused_before_anything_changes() -> None:
    world = await World().open()
    failed, done = await world.upload("echo/1.dcm"), await world.upload("echo/2.dcm")
    await world.fail(failed)
    await world.finish(done)
    before = await world.platform()
    with pytest.raises(NotFoundError, match=done.id):
        await replay(world.stack, "echo", ids=[failed.id, done.id])
    assert await world.platform() == before


async def test_a_task_that_its_worker_has_not_acknowledged_yet_is_left() -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")
    await world.fail(task)
    await world.queue.put(task)  # as if the acknowledgement were still on its way
    before = await world.platform()
    changes = await replay(world.stack, "echo")
    assert (changes.changed, [item.task_id for item in changes.left]) == ((), [task.id])
    assert await world.platform() == before


async def test_the_index_of_a_task_that_is_done_is_removed() -> None:
    world = await World().open()
    record = await world.finish(await world.upload("echo/a.dcm"))
    before = await world.platform()
    await world.storage.put(PLATFORM, failure_key("echo", record.task.id), b"{}")
    assert (await replay(world.stack, "echo")).changed == ()
    assert await world.platform() == before


@pytest.mark.parametrize("function", ["unknown", "echo"])
async def test_a_function_that_is_unknown_or_has_no_stream_changes_nothing(function: str) -> None:
    world = await World().open()
    await world.fail(await world.upload("echo/a.dcm"))
    await world.queue.drop("echo")
    before = await world.platform()
    with pytest.raises(NotFoundError):
        await replay(world.stack, function)
    assert await world.platform() == before


CHANGING = {"put", "delete", "create", "copy"}
CALLS = 6  # of a replay of one failure that change something; a test below holds it to that


class Crash:
    """Ends the operation at its n-th changing call, before or after it is made."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, name: str) -> None:
        if name in CHANGING:
            self.left -= 1
            if self.left < 0:
                raise TransientError("the connection broke")


async def cut_short(world: World, calls: int) -> None:
    crash = Crash(calls)
    stack = world.through(storage=Tapped(world.storage, crash), queue=Tapped(world.queue, crash))
    with pytest.raises(TransientError):
        await replay(stack, "echo")


async def test_a_replay_makes_as_many_changing_calls_as_are_cut_short_below() -> None:
    world, crash = await World().open(), Crash(CALLS)
    await world.fail(await world.upload("echo/a.dcm"))
    stack = world.through(storage=Tapped(world.storage, crash), queue=Tapped(world.queue, crash))
    await replay(stack, "echo")
    assert crash.left == 0


@pytest.mark.parametrize("calls", range(CALLS))
async def test_a_replay_that_was_cut_short_is_finished_by_the_next_one(calls: int) -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")
    await world.fail(task)
    await cut_short(world, calls)
    await replay(world.stack, "echo")
    assert await world.queue.tasks("echo", 10) == [task]
    assert [key.partition("/")[0] for key in await world.platform()] == ["history"]


@pytest.mark.parametrize("calls", range(CALLS))
async def test_whatever_a_worker_does_between_two_replays_counts(calls: int) -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")
    await world.fail(task)
    await cut_short(world, calls)
    worked = await world.queue.ids("echo") == {task.id}
    if worked:
        await world.finish(task)
    await replay(world.stack, "echo")
    record = await world.stack.records.find("echo", task.id)
    assert isinstance(record, Record) == worked
    assert await world.queue.ids("echo") == (frozenset() if worked else {task.id})
    assert replay_key("echo", task.id) not in await world.platform()


async def test_a_task_that_fails_again_after_a_cut_short_replay_is_replayed_again() -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")
    await world.fail(task)
    await cut_short(world, CALLS - 1)
    world.time += 5
    again = await world.fail(task, reason="exit code 9")
    assert isinstance(await world.stack.records.find("echo", task.id), FailureRecord)
    changes = await replay(world.stack, "echo")
    assert [item.reason for item in changes.changed] == ["failed: exit code 9"]
    assert await world.stack.records.last_failure("echo", task.id) == again
    assert await world.queue.ids("echo") == {task.id}


async def test_a_record_that_names_another_functions_task_is_not_acted_upon() -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm", notify=False)
    record = await world.fail(task, Ending.FAILED)
    other = record.model_copy(update={"task": task.model_copy(update={"function": "other.echo"})})
    await world.storage.put(PLATFORM, record_key("echo", task.id), other.to_json())
    before = await world.platform()
    with pytest.raises(RejectedError, match=f"it is of task {task.id} of other.echo"):
        await replay(world.stack, "echo")
    assert await world.platform() == before

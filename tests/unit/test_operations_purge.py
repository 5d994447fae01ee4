"""Purge empties a queue and forgets nothing; pause and resume survive being repeated."""

import pytest

from headrace.model.errors import NotFoundError, TransientError
from headrace.model.record import Ending, FailureRecord
from headrace.operations.change import Action, Changes, Item
from headrace.operations.purge import Pausing, pause, purge, resume
from headrace.operations.replay import replay
from tests.fixtures.world import NOW, Tapped, World

REASON = "taken out of the queue by `headrace purge`"


async def test_every_queued_task_ends_as_purged_and_a_replay_brings_it_back() -> None:
    world = await World().open()
    tasks = [await world.upload(f"echo/{number}.dcm") for number in range(3)]
    await world.queue.pull("echo", 1, wait_seconds=0)
    await world.queue.pause("echo")
    changes = await purge(world.stack, "echo", now=NOW + 9)
    assert changes == Changes(
        Action.PURGE, "echo", False, changed=tuple(Item.of(task, REASON) for task in tasks)
    )
    assert await world.queue.ids("echo") == frozenset()
    assert await world.stack.records.find("echo", tasks[1].id) == FailureRecord(
        state=Ending.PURGED,
        task=tasks[1],
        reason=REASON,
        attempts=0,
        function_digest="digest",
        worker="purge",
        ended=NOW + 9,
    )
    await replay(world.stack, "echo")
    assert await world.queue.ids("echo") == {task.id for task in tasks}


async def test_attempts_that_failed_before_are_told_in_the_record() -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")
    await world.fail(task)
    note = await world.stack.records.note("echo", task.id)
    await replay(world.stack, "echo")
    await world.ledger.remember(task, note)
    await purge(world.stack, "echo", now=NOW)
    record = await world.stack.records.find("echo", task.id)
    assert isinstance(record, FailureRecord)
    assert record.attempts == 2


@pytest.mark.parametrize("end", [World.finish, World.fail])
async def test_a_task_that_has_just_ended_is_left_to_its_worker(end) -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")
    record = await end(world, task)
    await world.queue.put(task)  # as if the acknowledgement were still on its way
    changes = await purge(world.stack, "echo", now=NOW)
    assert (changes.changed, [item.task_id for item in changes.left]) == ((), [task.id])
    assert await world.queue.ids("echo") == {task.id}
    assert await world.stack.records.find("echo", task.id) == record


async def test_a_worker_that_finishes_a_purged_task_does_not_win() -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")
    await purge(world.stack, "echo", now=NOW)
    await world.finish(task)
    assert isinstance(await world.stack.records.find("echo", task.id), FailureRecord)
    assert [info async for info in world.storage.list("results")] == []


async def test_a_dry_run_shows_the_same_plan_and_changes_nothing() -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")
    planned = await purge(world.stack, "echo", now=NOW, dry_run=True)
    assert (await world.platform(), await world.queue.ids("echo")) == ({}, {task.id})
    changes = await purge(world.stack, "echo", now=NOW)
    assert (planned.dry_run, planned.changed) == (True, changes.changed)


@pytest.mark.parametrize("broken", ["put", "create", "remove"])
async def test_a_purge_that_was_cut_short_is_finished_by_the_next_one(broken: str) -> None:
    world = await World().open()
    task = await world.upload("echo/a.dcm")

    def crash(name: str) -> None:
        if name == broken:
            raise TransientError("the connection broke")

    stack = world.through(storage=Tapped(world.storage, crash), queue=Tapped(world.queue, crash))
    with pytest.raises(TransientError):
        await purge(stack, "echo", now=NOW)
    assert await world.queue.ids("echo") == {task.id}
    changes = await purge(world.stack, "echo", now=NOW)
    assert [item.task_id for item in changes.changed] == [task.id]
    assert await world.queue.ids("echo") == frozenset()


async def test_purging_an_empty_queue_does_nothing() -> None:
    world = await World().open()
    assert await purge(world.stack, "echo", now=NOW) == Changes(Action.PURGE, "echo", False)


async def test_pause_and_resume_tell_what_was_and_what_is() -> None:
    world = await World().open()
    await world.upload("echo/a.dcm")
    assert await pause(world.stack, "echo", dry_run=True) == Pausing("echo", True, False, True, 1)
    assert not (await world.queue.backlog("echo")).paused
    assert await pause(world.stack, "echo") == Pausing("echo", False, False, True, 1)
    assert await pause(world.stack, "echo") == Pausing("echo", False, True, True, 1)
    assert (await world.queue.backlog("echo")).paused
    assert await resume(world.stack, "echo") == Pausing("echo", False, True, False, 1)
    assert not (await world.queue.backlog("echo")).paused


@pytest.mark.parametrize("operation", [pause, resume])
async def test_an_unknown_function_is_refused_with_those_there_are(operation) -> None:
    world = await World().open()
    with pytest.raises(NotFoundError, match="'ehco' is not installed; installed: echo"):
        await operation(world.stack, "ehco")

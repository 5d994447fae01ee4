"""Explain tells what became of a file, or the closest reason why nothing did."""

import pytest

from headrace.model.function import Input
from headrace.model.keys import function_key, ignored_key
from headrace.model.record import Ending
from headrace.model.restoration import IgnoredTasks
from headrace.model.task import task_id
from headrace.operations.explain import Story, explain
from headrace.operations.purge import pause
from headrace.operations.reasons import RESTORED_AS_OLD, Miss, closest_miss
from headrace.operations.replay import replay
from headrace.operations.rerun import rerun
from headrace.operations.task_story import OutputStory, Published, Stage, TaskStory, look
from tests.fixtures.world import NOW, PLATFORM, World, installed

KEY = "echo/a.dcm"


async def story_of(world: World, key: str = KEY, *, bucket: str = "uploads", thorough: bool = False) -> Story:
    return await explain(world.stack, bucket, key, now=world.time, listing_seconds=300.0, thorough=thorough)


async def test_a_waiting_file_is_behind_the_older_ones() -> None:
    world = await World().open()
    for number in range(3):
        await world.upload(f"echo/{number}.dcm")
    task = await world.upload(KEY)
    await pause(world.stack, "echo")
    world.time += 5
    story = await story_of(world)
    assert story.found == await world.storage.head("uploads", KEY)
    assert story.tasks == (TaskStory("echo", task.id, 0, Stage.QUEUED, received=NOW, ahead=3, paused=True),)


async def test_a_file_that_is_tried_again_tells_why_it_failed_so_far() -> None:
    world = await World().open()
    task = await world.upload(KEY)
    await world.fail(task)
    note = await world.stack.records.note("echo", task.id)
    await replay(world.stack, "echo")
    await world.ledger.remember(task, note)
    (found,) = (await story_of(world)).tasks
    assert (found.stage, found.failures) == (Stage.QUEUED, ("exit code 1", "exit code 2"))


async def test_a_done_file_tells_its_record_and_that_its_outputs_are_published() -> None:
    world = await World().open()
    record = await world.finish(await world.upload(KEY))
    assert (await story_of(world)).tasks == (
        TaskStory(
            "echo",
            record.task.id,
            0,
            Stage.DONE,
            received=NOW,
            outputs=(OutputStory(record.outputs[0], Published.PUBLISHED),),
            record=record,
        ),
    )


@pytest.mark.parametrize("published", [Published.MISSING, Published.REPLACED])
async def test_an_output_that_was_deleted_or_overwritten_is_told(published: Published) -> None:
    world = await World().open()
    record = await world.finish(await world.upload(KEY))
    output = record.outputs[0]
    if published is Published.MISSING:
        await world.storage.delete(output.bucket, [output.key])
    else:
        await world.storage.put(output.bucket, output.key, b"by hand")
    assert (await story_of(world)).tasks[0].outputs == (OutputStory(output, published),)


@pytest.mark.parametrize("ending", Ending)
async def test_a_file_that_ended_without_a_result_tells_why(ending: Ending) -> None:
    world = await World().open()
    record = await world.fail(await world.upload(KEY), ending, log="Traceback …")
    (found,) = (await story_of(world)).tasks
    assert (found.stage, found.record) == (Stage(ending), record)


async def test_a_failure_of_a_file_that_is_deleted_since_is_still_told() -> None:
    world = await World().open()
    record = await world.fail(await world.upload(KEY), Ending.GONE)
    await world.storage.delete("uploads", [KEY])
    story = await story_of(world)
    assert story.found is None
    assert story.why == "there is no object with this key: it was never put, or it was deleted"
    assert [task.record for task in story.tasks] == [record]


async def test_every_run_of_a_file_is_told_in_order() -> None:
    world = await World().open()
    await world.finish(await world.upload(KEY))
    await rerun(world.stack, "echo", now=NOW)
    story = await story_of(world)
    assert [(task.run, task.stage) for task in story.tasks] == [(0, Stage.DONE), (1, Stage.QUEUED)]


async def test_earlier_versions_are_told_only_to_who_asks_thoroughly() -> None:
    world = await World().open()
    old = await world.finish(await world.upload(KEY, content=b"old"))
    new = await world.upload(KEY, content=b"new")
    assert [task.task_id for task in (await story_of(world)).tasks] == [new.id]
    thorough = await story_of(world, thorough=True)
    assert [task.task_id for task in thorough.tasks] == [new.id, old.task.id]


NEVER_SEEN = "the receiver has not seen this function yet: is `headrace up` running?"
OLDER = "it is 90 s older than the function, whose input says `existing: ignore`; `headrace rerun` works it"
LOST = "its notification is under way or was lost, 7 s after the put; the listing, at least every 300 s, "
LOST += "finds it"


@pytest.mark.parametrize("existing", ["ignore", "process"])
async def test_a_restored_file_that_was_too_old_tells_so(existing: str) -> None:
    world = await World(installed("echo", {"bucket": "uploads", "existing": existing})).open()
    task = await world.upload(KEY, notify=False)
    ignored = IgnoredTasks(until=NOW, tasks=(task.id,))
    await world.storage.put(PLATFORM, ignored_key("echo", "backup-0"), ignored.to_json())
    why = (await story_of(world)).tasks[0].why
    assert (why == RESTORED_AS_OLD) is (existing == "ignore"), why


@pytest.mark.parametrize(
    ("existing", "age", "seen", "why"),
    [
        ("ignore", 0, True, LOST),
        ("ignore", 90, True, OLDER),
        ("ignore", 90, False, NEVER_SEEN),
        ("process", 90, True, LOST.replace("7 s", "97 s")),
    ],
)
async def test_a_file_that_nobody_works_tells_why(existing: str, age: float, seen: bool, why: str) -> None:
    function = installed("echo", {"bucket": "uploads", "existing": existing})
    world = await World(function).open()
    world.time = NOW - age
    task = await world.upload(KEY, notify=False)
    if not seen:
        await world.storage.delete(PLATFORM, [function_key("echo")])
    world.time = NOW + 7
    assert (await story_of(world)).tasks == (TaskStory("echo", task.id, 0, Stage.ABSENT, why=why),)


@pytest.mark.parametrize(
    ("bucket", "key", "reason"),
    [
        (PLATFORM, "records/echo/x.json", "it lies in the platform's own bucket"),
        ("uploads", "echo/folder.dcm/", "a key that ends with / is a folder marker"),
        ("uploads", "echo/missing.dcm", "there is no object with this key"),
    ],
)
async def test_what_never_starts_a_function_says_so(bucket: str, key: str, reason: str) -> None:
    world = await World().open()
    if key != "echo/missing.dcm":
        await world.storage.put(bucket, key, b"x")
    story = await story_of(world, key, bucket=bucket)
    assert (story.tasks, (story.why or "").startswith(reason)) == ((), True)


async def test_functions_that_do_not_take_a_file_tell_what_does_not_fit() -> None:
    world = await World(installed("echo"), installed("other")).open()
    await world.upload("echo/a.txt", notify=False)
    assert (await story_of(world, "echo/a.txt")).misses == (
        Miss("echo", "the key does not end with '.dcm'"),
        Miss("other", "the key does not begin with 'other/'; the key does not end with '.dcm'"),
    )


INPUT = Input(bucket="uploads", prefix="echo/", suffix=(".dcm", ".avi"))
OTHER = Input(bucket="uploads", prefix="x/")


@pytest.mark.parametrize(
    ("sources", "miss"),
    [
        ([], "it has no input"),
        ([("uploads", INPUT)], "the key does not end with '.dcm' or '.avi'"),
        (
            [("others", INPUT)],
            "it reads the bucket 'others', not 'uploads'; the key does not end with '.dcm' or '.avi'",
        ),
        (
            [("others", INPUT), ("uploads", Input(bucket="uploads", prefix="x/"))],
            "the key does not begin with 'x/'",
        ),
    ],
)
def test_of_several_inputs_the_closest_is_told(sources: list[tuple[str, Input]], miss: str) -> None:
    assert closest_miss(sources, "uploads", "echo/a.txt") == miss


async def test_a_task_is_settled_once_its_outputs_are_published() -> None:
    world = await World().open()
    task = await world.upload(KEY)
    seen = [(await look(world.stack, "echo", task.id)).settled]
    record = await world.finish(task)
    await world.storage.delete("results", [record.outputs[0].key])
    seen.append((await look(world.stack, "echo", task.id)).settled)
    await world.ledger.publisher.ensure(record)
    seen.append((await look(world.stack, "echo", task.id)).settled)
    assert seen == [False, False, True]


async def test_a_task_that_nobody_knows_is_absent() -> None:
    world = await World().open()
    unknown = task_id("echo", "uploads", KEY, "etag")
    assert await look(world.stack, "echo", unknown) == TaskStory("echo", unknown, 0, Stage.ABSENT)

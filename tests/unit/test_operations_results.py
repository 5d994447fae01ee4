"""Results list what records name; logs print what the last attempt printed."""

import pytest

from headrace.model.errors import NotFoundError, RejectedError
from headrace.model.keys import log_key, record_key
from headrace.operations.logs import Log, logs
from headrace.operations.replay import replay
from headrace.operations.rerun import rerun
from headrace.operations.results import Result, ended, results_of
from headrace.operations.task_story import Stage
from tests.fixtures.world import NOW, PLATFORM, World, installed

KEY = "echo/a.dcm"


async def listed(world: World, **options: int) -> list[Result]:
    records = [each async for each in ended(world.stack, "echo", **options)]
    return [each for record in records for each in results_of(record)]


async def test_results_are_those_of_done_files_oldest_first() -> None:
    world = await World().open()
    records = []
    for number in (3, 1, 2):
        records.append(await world.finish(await world.upload(f"echo/{number}.dcm")))
        world.time += 10
    await world.fail(await world.upload("echo/bad.dcm"))
    found = await listed(world)
    assert [each.key for each in found] == ["echo/3.dcm", "echo/1.dcm", "echo/2.dcm"]
    assert found[0] == Result(
        function="echo",
        task_id=records[0].task.id,
        run=0,
        bucket="uploads",
        key="echo/3.dcm",
        committed=NOW + 6,
        seconds=3.0,
        output=records[0].outputs[0],
    )
    assert await listed(world, newest=2) == found[2:]  # the newest two: a done one and the failed one
    assert await listed(world, newest=99) == found


async def test_a_record_that_is_none_is_named() -> None:
    world = await World().open()
    await world.storage.put(PLATFORM, record_key("echo", "0" * 32), b'{"state": "finished"}')
    with pytest.raises(RejectedError, match=r"records/echo/0000.*restore or delete it"):
        await listed(world)


@pytest.mark.parametrize("by", ["task", "key"])
async def test_a_short_log_comes_from_the_record(by: str) -> None:
    world = await World().open()
    record = await world.finish(await world.upload(KEY), log="view: A4C\n")
    reference = record.task.id if by == "task" else KEY
    assert await logs(world.stack, "echo", reference) == Log(
        "echo", record.task.id, "uploads", KEY, Stage.DONE, "view: A4C\n"
    )


async def test_a_long_log_comes_whole_from_its_own_object() -> None:
    world = await World().open()
    record = await world.finish(await world.upload(KEY), log="end\n")
    await world.storage.put(PLATFORM, log_key("echo", record.task.id, record.attempt), b"begin\nend\n")
    assert (await logs(world.stack, "echo", KEY)).text == "begin\nend\n"


@pytest.mark.parametrize(
    ("last_log", "text"),
    [("end\n", "begin\nend\n"), ("another end\n", "another end\n"), ("", "")],
)
async def test_the_long_log_of_an_earlier_attempt_is_not_taken_for_the_last_ones(
    last_log: str, text: str
) -> None:
    world = await World().open()
    task = await world.upload(KEY)
    await world.storage.put(PLATFORM, log_key("echo", task.id, "attempt1"), b"begin\nend\n")
    await world.fail(task, log=last_log)
    assert (await logs(world.stack, "echo", KEY)).text == text


async def test_of_several_runs_the_last_that_ended_is_printed() -> None:
    world = await World().open()
    await world.finish(await world.upload(KEY), log="first\n")
    await rerun(world.stack, "echo", now=NOW)
    assert (await logs(world.stack, "echo", KEY)).text == "first\n"
    (task,) = await world.queue.tasks("echo", 1)
    await world.finish(task, log="second\n")
    assert (await logs(world.stack, "echo", KEY)).text == "second\n"


async def test_a_key_is_looked_for_in_the_functions_buckets_or_in_the_one_named() -> None:
    world = await World(installed("echo", {"bucket": "results"}, {"bucket": "uploads"})).open()
    await world.finish(await world.upload(KEY), log="x\n")
    assert (await logs(world.stack, "echo", KEY)).text == "x\n"
    assert (await logs(world.stack, "echo", KEY, bucket="uploads")).text == "x\n"
    with pytest.raises(NotFoundError):
        await logs(world.stack, "echo", KEY, bucket="results")


async def test_a_file_that_has_not_ended_tells_how_it_stands() -> None:
    world = await World().open()
    task = await world.upload(KEY)
    with pytest.raises(NotFoundError, match=r"has not ended yet$"):
        await logs(world.stack, "echo", KEY)
    await world.fail(task)
    note = await world.stack.records.note("echo", task.id)
    await replay(world.stack, "echo")
    await world.ledger.remember(task, note)
    with pytest.raises(NotFoundError, match=r"failed attempts so far: exit code 1; exit code 2$"):
        await logs(world.stack, "echo", task.id)


async def test_a_file_that_is_not_there_has_no_log() -> None:
    world = await World().open()
    with pytest.raises(NotFoundError, match=r"no log of 'echo/no.dcm'"):
        await logs(world.stack, "echo", "echo/no.dcm")

"""Status counts each file once, by what the queue holds and how the records say it ended."""

from headrace.model.keys import failure_key, replay_key
from headrace.model.record import Ending
from headrace.operations.replay import replay
from headrace.operations.status import FunctionStatus, Status, Tally, status
from tests.fixtures.world import NOW, PLATFORM, Tapped, World, installed

IDLE = {
    "waiting": 0,
    "running": 0,
    "done": 0,
    "failed": 0,
    "superseded": 0,
    "gone": 0,
    "purged": 0,
    "oldest_wait_seconds": None,
    "bytes_estimate": 0,
    "paused": False,
    "queued": True,
    "workers": None,
}


def expected(function: str = "echo", **figures: object) -> FunctionStatus:
    return FunctionStatus(function=function, **(IDLE | figures))  # type: ignore[arg-type]


async def test_every_file_is_counted_by_where_it_is() -> None:
    world = await World(installed("echo"), installed("other")).open()
    for number in range(3):
        await world.finish(await world.upload(f"echo/done{number}.dcm"))
    for number, ending in enumerate((Ending.FAILED, Ending.FAILED, *Ending)):
        await world.fail(await world.upload(f"echo/bad{number}.dcm"), ending)
    for number in range(5):
        await world.upload(f"echo/{number}.dcm")
    await world.queue.pull("echo", 2, wait_seconds=0)
    world.time += 7
    assert await status(world.stack, now=world.time) == Status(
        NOW + 7,
        (
            expected(
                waiting=3, running=2, done=3, failed=3, superseded=1, gone=1, purged=1,
                oldest_wait_seconds=7.0, bytes_estimate=20,
            ),
            expected("other"),
        ),
    )  # fmt: skip


async def test_an_index_beside_the_record_of_a_done_task_does_not_count_as_a_failure() -> None:
    world = await World().open()
    record = await world.finish(await world.upload("echo/a.dcm"))
    await world.storage.put(PLATFORM, failure_key("echo", record.task.id), b'{"state": "failed"}')
    found = await status(world.stack, now=NOW)
    assert found.functions == (expected(done=1),)


async def test_an_index_without_a_record_counts_as_nothing() -> None:
    world = await World().open()
    await world.storage.put(PLATFORM, failure_key("echo", "0" * 32), b'{"state": "failed"}')
    assert (await status(world.stack, now=NOW)).functions == (expected(),)


async def test_a_failure_whose_replay_was_cut_short_still_counts_as_one() -> None:
    world = await World().open()
    record = await world.fail(await world.upload("echo/a.dcm"))
    await world.storage.put(PLATFORM, replay_key("echo", record.task.id), b"{}")
    await world.storage.delete(PLATFORM, [failure_key("echo", record.task.id)])
    assert (await status(world.stack, now=NOW)).functions == (expected(failed=1),)


async def test_a_function_without_a_stream_is_shown_as_such() -> None:
    world = await World().open()
    await world.queue.drop("echo")
    assert (await status(world.stack, now=NOW)).functions == (expected(queued=False),)


async def test_a_paused_function_is_shown_as_such() -> None:
    world = await World().open()
    await world.queue.pause("echo")
    assert (await status(world.stack, now=NOW)).functions == (expected(paused=True),)


async def test_workers_are_none_where_nobody_knows_and_zero_where_none_runs() -> None:
    world = await World(installed("echo"), installed("other")).open()
    found = await status(world.stack, now=NOW, workers={"echo": 2})
    assert found.functions == (expected(workers=2), expected("other", workers=0))


async def test_a_tally_reads_each_failure_once_and_sees_when_one_is_replaced() -> None:
    world, tally, read = await World().open(), Tally(), []
    stack = world.through(storage=Tapped(world.storage, read.append))
    task = await world.upload("echo/a.dcm")
    await world.fail(task)
    for _ in range(3):
        assert (await status(stack, now=NOW, tally=tally)).functions == (expected(failed=1),)
    assert read.count("read") == 1
    await replay(stack, "echo")
    world.time += 1
    await world.fail(task, Ending.GONE)
    assert (await status(stack, now=NOW, tally=tally)).functions == (expected(gone=1),)


async def test_a_tally_tells_which_files_failed_and_when() -> None:
    world, tally = await World().open(), Tally()
    failed, gone = await world.upload("echo/a.dcm"), await world.upload("echo/b.dcm")
    world.time += 5
    await world.fail(failed)
    await world.fail(gone, Ending.GONE)
    await status(world.stack, now=NOW, tally=tally)
    assert tally.failed("echo") == {failed.id: NOW + 5}
    assert tally.failed("other") == {}
    await replay(world.stack, "echo")
    await status(world.stack, now=NOW, tally=tally)
    assert tally.failed("echo") == {}

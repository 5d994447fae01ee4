"""Rerun queues what is there anew, under a run number that no other rerun has."""

import pytest

from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.keys import run_key
from headrace.model.task import task_id
from headrace.operations.change import Item
from headrace.operations.rerun import rerun
from tests.fixtures.world import NOW, PLATFORM, World, installed


async def queued_keys(world: World, function: str = "echo") -> list[str]:
    return sorted(task.key for task in await world.queue.tasks(function, 100))


async def test_done_failed_and_never_started_files_are_queued_as_tasks_of_a_new_run() -> None:
    world = await World().open()
    done = await world.upload("echo/done.dcm")
    await world.finish(done)
    await world.fail(await world.upload("echo/failed.dcm"))
    await world.upload("echo/old.dcm", notify=False)
    world.time += 60
    changes = await rerun(world.stack, "echo", now=world.time)
    (task,) = (t for t in await world.queue.tasks("echo", 10) if t.key == done.key)
    again = task_id("echo", "uploads", done.key, done.identity, run=1)
    assert task == done.model_copy(update={"id": again, "run": 1, "received": NOW + 60})
    assert changes.run == 1
    assert changes.changed[0] == Item(again, "uploads", "echo/done.dcm", "queued as run 1")
    assert await queued_keys(world) == ["echo/done.dcm", "echo/failed.dcm", "echo/old.dcm"]


async def test_each_rerun_has_a_number_of_its_own() -> None:
    world = await World().open()
    await world.upload("echo/a.dcm", notify=False)
    assert [(await rerun(world.stack, "echo", now=NOW)).run for _ in range(3)] == [1, 2, 3]
    assert {task.run for task in await world.queue.tasks("echo", 10)} == {1, 2, 3}


async def test_a_rerun_at_the_same_time_as_others_takes_the_next_free_number() -> None:
    world = await World().open()
    await world.upload("echo/a.dcm", notify=False)
    stack = world.stack

    class Blind:
        """Does not see the counters that other reruns have just made."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.storage, name)

        async def list(self, bucket: str, prefix: str = ""):
            if bucket != PLATFORM:
                async for info in world.storage.list(bucket, prefix):
                    yield info

    for _ in range(2):
        await rerun(stack, "echo", now=NOW)
    assert (await rerun(world.through(storage=Blind()), "echo", now=NOW)).run == 3


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        ("", ["echo/2025/a.dcm", "echo/2026/b.dcm", "echo/2026/c.dcm"]),
        ("echo/2026/", ["echo/2026/b.dcm", "echo/2026/c.dcm"]),
        ("ec", ["echo/2025/a.dcm", "echo/2026/b.dcm", "echo/2026/c.dcm"]),
        ("other/", []),
    ],
)
async def test_a_prefix_narrows_the_files_down(prefix: str, keys: list[str]) -> None:
    world = await World().open()
    files = (
        "echo/2025/a.dcm",
        "echo/2026/b.dcm",
        "echo/2026/c.dcm",
        "echo/x.txt",
        "echo/2026.dcm/",
        "other/d.dcm",
    )
    for key in files:
        await world.upload(key, notify=False)
    await rerun(world.stack, "echo", prefix=prefix, now=NOW)
    assert await queued_keys(world) == keys


async def test_a_folder_marker_is_no_file() -> None:
    world = await World(installed("echo", {"bucket": "uploads"})).open()
    await world.upload("echo/", notify=False)
    assert (await rerun(world.stack, "echo", now=NOW)).changed == ()


async def test_a_file_that_two_inputs_take_is_queued_once() -> None:
    both = installed("echo", {"bucket": "uploads"}, {"bucket": "uploads", "prefix": "echo/"})
    world = await World(both).open()
    await world.upload("echo/a.dcm", notify=False)
    assert len((await rerun(world.stack, "echo", now=NOW)).changed) == 1


async def test_a_dry_run_shows_the_same_plan_and_changes_nothing() -> None:
    world = await World().open()
    await world.upload("echo/a.dcm", notify=False)
    planned = await rerun(world.stack, "echo", now=NOW, dry_run=True)
    assert (await world.platform(), await queued_keys(world)) == ({}, [])
    changes = await rerun(world.stack, "echo", now=NOW)
    assert (planned.dry_run, planned.changed, planned.run) == (True, changes.changed, changes.run)
    assert list(await world.platform()) == [run_key("echo", 1)]


async def test_no_number_is_taken_where_there_is_no_file() -> None:
    world = await World().open()
    assert (await rerun(world.stack, "echo", now=NOW)).changed == ()
    assert await world.platform() == {}


async def test_a_function_without_a_stream_is_refused_before_a_number_is_taken() -> None:
    world = await World().open()
    await world.upload("echo/a.dcm", notify=False)
    await world.queue.drop("echo")
    with pytest.raises(NotFoundError):
        await rerun(world.stack, "echo", now=NOW)
    assert await world.platform() == {}


async def test_a_function_on_the_platforms_own_bucket_is_refused() -> None:
    world = await World(installed("echo", {"bucket": PLATFORM})).open()
    with pytest.raises(ConfigurationError, match=PLATFORM):
        await rerun(world.stack, "echo", now=NOW)

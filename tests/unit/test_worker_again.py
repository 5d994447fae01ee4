"""The same bytes put again make the same task, whatever had become of it."""

import pytest

from headrace.model.errors import NotFoundError
from headrace.model.keys import failure_key
from headrace.model.record import Ending, Record
from headrace.worker.sweep import sweep
from headrace.worker.worker import Worker
from tests.unit.test_worker_flow import KEY, PLATFORM, Bench, writes


@pytest.mark.parametrize(
    ("meanwhile", "state"), [(None, Ending.GONE), (b"other", Ending.SUPERSEDED)], ids=["gone", "superseded"]
)
async def test_a_file_that_is_back_as_it_was_is_worked(tmp_path, meanwhile, state):
    bench = Bench(tmp_path, writes(b"result"))
    task = await bench.prepare(b"clip")
    if meanwhile is None:
        await bench.storage.delete("uploads", [KEY])
    else:
        await bench.storage.put("uploads", KEY, meanwhile)
    await bench.until_idle()
    assert (await bench.ending(task)).state == state

    assert await bench.upload(b"clip") == task
    bench.worker = Worker(bench.parts, prefetch_seconds=2.0, grace_seconds=1.0)
    await bench.until_idle()
    assert isinstance(await bench.ending(task), Record)
    assert await bench.storage.read("results", "r/a.json") == b"result"
    with pytest.raises(NotFoundError):
        await bench.storage.head(PLATFORM, failure_key("echo", task.id))


async def test_a_file_that_changed_back_after_its_staging_was_swept_is_worked_anew(tmp_path):
    bench = Bench(tmp_path, lambda held: writes(held.file.read_bytes())(held))
    first = await bench.prepare(b"A")
    await bench.until_idle()
    await bench.upload(b"B")
    bench.worker = Worker(bench.parts, prefetch_seconds=2.0, grace_seconds=1.0)
    await bench.until_idle()
    assert await sweep(bench.storage, PLATFORM, "echo", now=bench.time + 3600) == 2

    assert await bench.upload(b"A") == first
    bench.worker = Worker(bench.parts, prefetch_seconds=2.0, grace_seconds=1.0)
    await bench.until_idle()
    assert await bench.storage.read("results", "r/a.json") == b"A"
    assert isinstance(await bench.ending(first), Record)
    assert bench.ran == ["attempt1", "attempt2", "attempt3"]

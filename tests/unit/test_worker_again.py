"""The same bytes put again make the same task, whatever had become of it."""

import pytest

from headrace.model.errors import NotFoundError
from headrace.model.keys import failure_key, record_key
from headrace.model.record import Ending, FailureRecord, Record
from headrace.worker.attempt import Outcome
from headrace.worker.held import Held
from headrace.worker.sweep import sweep
from headrace.worker.worker import Worker
from tests.unit.test_worker_flow import KEY, PLATFORM, Bench, fails, writes


async def worked(bench: Bench) -> None:
    """Let another worker work what waits."""
    bench.worker = Worker(bench.parts, prefetch_seconds=2.0, grace_seconds=1.0)
    await bench.until_idle()


def copies(held: Held) -> Outcome:
    return writes(held.file.read_bytes())(held)


@pytest.mark.parametrize("prompt", [False, True], ids=["late", "prompt"])
@pytest.mark.parametrize("outcome", [Record, FailureRecord], ids=["works", "fails"])
@pytest.mark.parametrize(
    ("meanwhile", "state"), [(None, Ending.GONE), (b"other", Ending.SUPERSEDED)], ids=["gone", "superseded"]
)
async def test_a_file_that_is_back_as_it_was_is_worked(tmp_path, meanwhile, state, outcome, prompt):
    bench = Bench(tmp_path, writes(b"result") if outcome is Record else fails)
    task = await bench.prepare(b"clip")
    if meanwhile is None:
        await bench.storage.delete("uploads", [KEY])
    else:
        await bench.storage.put("uploads", KEY, meanwhile)
    await bench.until_idle()
    assert (await bench.ending(task)).state == state

    assert (await bench.upload(b"clip", prompt=prompt)).id == task.id
    await worked(bench)
    ending = await bench.ending(task)
    assert isinstance(ending, outcome)
    index = bench.storage.head(PLATFORM, failure_key("echo", task.id))
    if isinstance(ending, FailureRecord):
        assert ending.state is Ending.FAILED
        await index
        return
    assert await bench.storage.read("results", "r/a.json") == b"result"
    with pytest.raises(NotFoundError):
        await index


@pytest.mark.parametrize("prompt", [False, True], ids=["late", "prompt"])
async def test_a_file_that_changed_back_after_its_staging_was_swept_is_worked_anew(tmp_path, prompt):
    bench = Bench(tmp_path, copies)
    first = await bench.prepare(b"A")
    await bench.until_idle()
    await bench.upload(b"B")
    await worked(bench)
    assert await sweep(bench.storage, PLATFORM, "echo", now=bench.time + 3600) == 2

    assert (await bench.upload(b"A", prompt=prompt)).id == first.id
    await worked(bench)
    assert await bench.storage.read("results", "r/a.json") == b"A"
    assert isinstance(await bench.ending(first), Record)
    assert bench.ran == ["attempt1", "attempt2", "attempt3"]


@pytest.mark.parametrize(("prompt", "starts"), [(False, 1), (True, 2)], ids=["late", "prompt"])
async def test_a_notification_that_came_twice_leaves_the_first_result(tmp_path, prompt, starts):
    bench = Bench(tmp_path, lambda held: writes(held.attempt.encode())(held))
    await bench.prepare()
    await bench.until_idle()
    task = await bench.upload(b"clip", prompt=prompt)
    await worked(bench)
    ending = await bench.ending(task)
    assert isinstance(ending, Record)
    assert ending.attempt == "attempt1"
    assert await bench.storage.read("results", "r/a.json") == b"attempt1"
    assert len(bench.ran) == starts


async def test_a_prompt_first_delivery_asks_for_no_record(tmp_path):
    bench = Bench(tmp_path, writes())
    read = bench.storage.read
    asked = []

    async def asking(bucket: str, key: str) -> bytes:
        asked.append(key)
        return await read(bucket, key)

    bench.storage.read = asking
    await bench.prepare()
    task = await bench.upload(b"another", prompt=True)
    await bench.until_idle()
    assert record_key("echo", task.id) not in asked

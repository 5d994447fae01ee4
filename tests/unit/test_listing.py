"""The listing finds what no notification told of, and never counts as safe what is not."""

from typing import Any

import pytest

from headrace.events.listing import MOST_INDEX_BYTES, Found
from headrace.events.routing import task_of
from headrace.model.errors import TransientError
from headrace.model.event import Delivery, FileEvent
from headrace.model.keys import failure_key, ignored_key, record_key
from headrace.model.restoration import IgnoredTasks
from tests.unit.intake_bench import NOW, PLATFORM, Bench, Watched, function, id_of

PROCESS = {"bucket": "uploads", "existing": "process"}


async def test_a_file_that_nobody_told_of_is_put() -> None:
    bench = await Bench().open()
    info = await bench.put("a.dcm")
    assert await bench.listing().run(bench.listed()) == Found(compared=1, put=1)
    assert await bench.queue.tasks("echo", 10) == [task_of("echo", info, received=NOW)]


async def test_its_task_is_the_same_that_a_notification_makes() -> None:
    bench = await Bench().open()
    await bench.put("a.dcm")
    await bench.listing().run(bench.listed())
    report = await bench.intake().take(Delivery(created=(FileEvent("uploads", "a.dcm"),)))
    assert len(report.queued) == 1


async def test_what_waits_or_is_leased_or_has_a_record_is_left_alone() -> None:
    bench = await Bench().open()
    for key in ("waiting", "leased", "done"):
        info = await bench.put(key)
        if key == "done":
            await bench.storage.create(PLATFORM, record_key("echo", id_of(info)), b"{}")
        else:
            await bench.queue.put(task_of("echo", info, received=NOW))
    await bench.queue.pull("echo", 1, wait_seconds=0)
    assert await bench.listing().run(bench.listed()) == Found(compared=3, put=0)
    assert await bench.queued() == {"waiting", "leased"}


async def test_a_changed_file_is_another_task_than_the_recorded_one() -> None:
    bench = await Bench().open()
    info = await bench.put("a.dcm", b"old")
    await bench.storage.create(PLATFORM, record_key("echo", id_of(info)), b"{}")
    await bench.put("a.dcm", b"new")
    assert (await bench.listing().run(bench.listed())).put == 1


@pytest.mark.parametrize(("state", "put"), [("gone", 1), ("superseded", 1), ("failed", 0), ("purged", 0)])
async def test_a_file_that_is_back_is_lost_and_one_that_failed_is_not(state: str, put: int) -> None:
    bench = await Bench().open()
    info = await bench.put("a.dcm")
    await bench.storage.create(PLATFORM, record_key("echo", id_of(info)), b"{}")
    index = f'{{"state": "{state}"}}'.encode()
    await bench.storage.put(PLATFORM, failure_key("echo", id_of(info)), index)
    assert (await bench.listing().run(bench.listed())).put == put


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"\xff{", b"{}", b"[]", b"7", b'{"state": ["gone"]}', b'{"state": "gone"' + b" " * 2000 + b"}"],
)
async def test_what_is_no_index_of_a_failure_gives_nothing_back_and_holds_up_nobody(rubbish: bytes) -> None:
    bench = await Bench(function("echo", PROCESS), function("other", PROCESS)).open()
    info = await bench.put("a.dcm")
    await bench.storage.create(PLATFORM, record_key("echo", id_of(info)), b"{}")
    await bench.storage.put(PLATFORM, failure_key("echo", id_of(info)), rubbish)
    assert await bench.listing().run(bench.listed()) == Found(compared=2, put=1)
    assert (await bench.queued("echo"), await bench.queued("other")) == (set(), {"a.dcm"})


async def test_an_index_that_is_far_too_large_is_not_read() -> None:
    class Unread(Watched):
        async def read(self, bucket: str, key: str) -> bytes:
            raise NotImplementedError

    bench = await Bench().open()
    info = await bench.put("a.dcm")
    await bench.storage.create(PLATFORM, record_key("echo", id_of(info)), b"{}")
    await bench.storage.put(PLATFORM, failure_key("echo", id_of(info)), b" " * (MOST_INDEX_BYTES + 1))
    found = await bench.listing(storage=Unread(bench.storage)).run(bench.listed())
    assert found == Found(compared=1, put=0)


async def test_a_function_that_fails_in_an_unforeseen_way_is_told_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Watched):
        async def before(self, *call: Any) -> None:
            if call[:2] == ("list", "broken") or call[2:] == ("records/second/",):
                raise RuntimeError("unexpected")

    first, second = function("first", {"bucket": "broken"}, PROCESS), function("second", PROCESS)
    bench = await Bench(first, second, function("third", PROCESS)).open("broken")
    await bench.put("a.dcm")
    found = await bench.listing(storage=Broken(bench.storage)).run(bench.listed())
    faults = ("first: broken: unexpected", "second: records and queue: unexpected")
    assert found == Found(2, 2, faults, is_worth_repeating=False)
    assert caplog.text.count("RuntimeError('unexpected')") == 2


async def test_a_note_of_restored_files_that_is_rubbish_is_told_and_the_others_go_on() -> None:
    bench = await Bench(function("echo", PROCESS), function("other", PROCESS)).open()
    await bench.put("a.dcm")
    await bench.storage.put(PLATFORM, ignored_key("echo", "backup-0"), b"rubbish")
    found = await bench.listing().run(bench.listed())
    assert (found.compared, found.put, len(found.faults)) == (1, 1, 1)
    assert await bench.queued("other") == {"a.dcm"}


async def test_another_functions_record_says_nothing() -> None:
    bench = await Bench().open()
    info = await bench.put("a.dcm")
    await bench.storage.create(PLATFORM, record_key("echo-two", id_of(info)), b"{}")
    assert (await bench.listing().run(bench.listed())).put == 1


@pytest.mark.parametrize(
    ("existing", "modified", "first_seen", "put"),
    [
        ("ignore", 999.0, 1000.0, 0),
        ("ignore", 1000.0, 1000.0, 1),
        ("ignore", 1000.0, 1000.9, 1),  # a store tells whole seconds: this may be the newer one
        ("ignore", 1001.0, 1000.9, 1),
        ("process", 1.0, 1000.0, 1),
    ],
)
async def test_files_older_than_the_function_are_left_alone_where_it_says_so(
    existing: str, modified: float, first_seen: float, put: int
) -> None:
    bench = await Bench(function("echo", {"bucket": "uploads", "existing": existing})).open()
    bench.time = modified
    await bench.put("a.dcm")
    assert (await bench.listing().run(bench.listed(first_seen))).put == put


@pytest.mark.parametrize(("modified", "put"), [(NOW - 1, 0), (NOW, 0), (NOW + 1, 1)])
async def test_a_file_that_was_old_before_a_restore_is_left_alone_until_it_is_put_anew(modified, put) -> None:
    bench = await Bench().open()
    bench.time = modified
    info = await bench.put("a.dcm")
    ignored = IgnoredTasks(until=NOW, tasks=(id_of(info),))
    await bench.storage.put(PLATFORM, ignored_key("echo", "backup-0"), ignored.to_json())
    listing = bench.listing()
    assert (await listing.run(bench.listed())).put == put
    await bench.storage.delete(PLATFORM, [ignored_key("echo", "backup-0")])
    assert (await listing.run(bench.listed())).put == 1 - put, "what it read is not remembered for ever"


async def test_an_input_that_takes_old_files_takes_those_of_a_restore_too() -> None:
    bench = await Bench(function("echo", {"bucket": "uploads", "existing": "process"})).open()
    ignored = IgnoredTasks(until=NOW, tasks=(id_of(await bench.put("a.dcm")),))
    await bench.storage.put(PLATFORM, ignored_key("echo", "backup-0"), ignored.to_json())
    assert (await bench.listing().run(bench.listed())).put == 1


async def test_only_what_an_input_takes_is_compared() -> None:
    bench = await Bench(
        function("echo", {"bucket": "uploads", "prefix": "in/", "suffix": [".dcm", "/"]})
    ).open()
    for key in ("in/a.dcm", "in/a.txt", "in/folder/", "out/a.dcm", "a.dcm"):
        await bench.put(key)
    assert await bench.listing().run(bench.listed()) == Found(compared=1, put=1)
    assert await bench.queued() == {"in/a.dcm"}


async def test_inputs_that_overlap_put_a_file_once() -> None:
    bench = await Bench(function("echo", PROCESS, PROCESS)).open()
    await bench.put("a.dcm")
    assert await bench.listing().run(bench.listed()) == Found(compared=2, put=1)


async def test_the_platforms_own_bucket_is_skipped() -> None:
    bench = await Bench(function("echo", {"bucket": PLATFORM})).open()
    await bench.put("a.dcm", bucket=PLATFORM)
    assert await bench.listing().run(bench.listed()) == Found()


async def test_logical_names_of_buckets_are_resolved() -> None:
    bench = await Bench(buckets={"uploads": "acme-uploads"}).open("acme-uploads")
    await bench.put("a.dcm", bucket="acme-uploads")
    assert (await bench.listing().run(bench.listed())).put == 1


async def test_many_lost_files_are_all_put() -> None:
    bench = await Bench().open()
    keys = {f"{number:04}" for number in range(300)}
    for key in keys:
        await bench.put(key)
    assert await bench.listing().run(bench.listed()) == Found(compared=300, put=300)
    assert await bench.queued() == keys


async def test_a_bucket_that_fails_is_named_and_the_others_go_on() -> None:
    bench = await Bench(function("echo", {"bucket": "missing"}, PROCESS), function("other", PROCESS)).open()
    await bench.put("a.dcm")
    found = await bench.listing().run(bench.listed())
    assert (found.compared, found.put, found.is_worth_repeating) == (2, 2, False)
    assert len(found.faults) == 1
    assert found.faults[0].startswith("echo: missing: ")


async def test_records_that_cannot_be_read_put_nothing_of_that_function() -> None:
    class Away(Watched):
        async def before(self, *call: Any) -> None:
            if call[:2] == ("list", PLATFORM) and call[2] == "records/echo/":
                raise TransientError("away")

    bench = await Bench(function("echo", PROCESS), function("other", PROCESS)).open()
    await bench.put("a.dcm")
    found = await bench.listing(storage=Away(bench.storage)).run(bench.listed())
    assert found == Found(1, 1, ("echo: records and queue: away",), is_worth_repeating=True)
    assert await bench.queued("echo") == set()


async def test_a_task_that_ends_between_the_reads_is_not_put_again() -> None:
    bench = await Bench().open()
    info = await bench.put("a.dcm")
    task = task_of("echo", info, received=NOW)
    await bench.queue.put(task)
    calls: list[tuple[Any, ...]] = []

    class Ending(Watched):
        async def before(self, *call: Any) -> None:
            self.calls.append(call)
            if len(self.calls) == 2:  # one of queue and records is read, the other is not
                await bench.storage.create(PLATFORM, record_key("echo", task.id), b"{}")
                await bench.queue.remove("echo", task.id)

    listing = bench.listing(storage=Ending(bench.storage, calls), queue=Ending(bench.queue, calls))
    assert await listing.run(bench.listed()) == Found(compared=1, put=0)
    assert [call[0] for call in calls] == ["ids", "list", "list", "list", "list"]

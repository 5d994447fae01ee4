"""From a delivery to tasks in the queue: who takes a file, by which identity, and what is left aside."""

from typing import Any

import pytest

from headrace.events.intake import Report
from headrace.events.routing import takers
from headrace.model.errors import RejectedError, TransientError
from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.model.marks import restored
from headrace.model.task import Task
from headrace.notification import read_delivery
from tests.unit.intake_bench import NOW, PLATFORM, Bench, Watched, function, id_of
from tests.unit.notifications import saved

A = FileEvent("uploads", "a.dcm")


def ignored(reason: str, event: FileEvent = A) -> Report:
    return Report(ignored=(IgnoredEvent("created", event.bucket, event.key, reason),))


async def test_a_file_becomes_a_task_with_the_identity_that_the_store_answers() -> None:
    bench = await Bench().open()
    info = await bench.put("a.dcm")
    lying = FileEvent("uploads", "a.dcm", version="v9", etag="other", size=99)
    report = await bench.intake().take(Delivery(created=(lying,)))
    task = Task(
        id=id_of(info), function="echo", bucket="uploads", key="a.dcm", etag=info.etag, size=5, received=NOW
    )
    assert report == Report(stored=(task,))
    assert await bench.queue.tasks("echo", 10) == [task]


async def test_where_the_bucket_keeps_versions_the_version_is_the_identity() -> None:
    bench = await Bench().open()
    bench.storage.keep_versions("uploads")
    info = await bench.put("a.dcm")
    (task,) = (await bench.intake().take(Delivery(created=(A,)))).stored
    assert info.version is not None
    assert (task.version, task.id) == (info.version, id_of(info))


async def test_the_same_file_again_is_refused_while_its_task_is_in_the_queue() -> None:
    bench = await Bench().open()
    await bench.put("a.dcm")
    first = await bench.intake().take(Delivery(created=(A,)))
    again = await bench.intake().take(Delivery(created=(A, A)))
    assert again == Report(queued=first.stored)


async def test_every_function_that_takes_a_file_gets_a_task_after_one_look_at_it() -> None:
    bench = await Bench(
        function("one"),
        function("two", {"bucket": "uploads", "prefix": "a"}, {"bucket": "uploads", "suffix": [".dcm"]}),
        function("three", {"bucket": "uploads", "prefix": "b"}),
        function("four", {"bucket": "other"}),
    ).open()
    await bench.put("a.dcm")
    storage = Watched(bench.storage)
    report = await bench.intake(storage=storage).take(Delivery(created=(A,)))
    assert [task.function for task in report.stored] == ["one", "two"]
    assert storage.calls == [("head", "uploads", "a.dcm")]


async def test_a_function_names_a_bucket_by_its_logical_name_and_the_task_by_the_real_one() -> None:
    bench = await Bench(buckets={"uploads": "acme-uploads"}).open("acme-uploads")
    await bench.put("a.dcm", bucket="acme-uploads")
    await bench.put("a.dcm")
    real = FileEvent("acme-uploads", "a.dcm")
    report = await bench.intake().take(Delivery(created=(A, real)))
    assert [task.bucket for task in report.stored] == ["acme-uploads"]
    assert report.ignored == ignored("no function takes it").ignored


# The renames that were saved lead from echo/meta.bin and moved/meta2.bin into the folder moved/.
@pytest.mark.parametrize(
    ("prefix", "stored"), [("moved/", {"moved/meta2.bin", "moved/meta3.bin"}), ("echo/", set())]
)
async def test_a_rename_is_judged_by_where_the_object_is_now(prefix: str, stored: set[str]) -> None:
    bench = await Bench(function("echo", {"bucket": "uploads", "prefix": prefix})).open()
    for key in ("echo/meta.bin", "moved/meta2.bin", "moved/meta3.bin"):
        await bench.put(key)
    for name in ("rename", "rename_in_folder"):
        await bench.intake().take(read_delivery(saved(f"seaweedfs/{name}")))
    assert await bench.queued() == stored


async def test_a_folder_as_a_prefix_takes_no_folder_beside_it() -> None:
    bench = await Bench(function("echo", {"bucket": "uploads", "prefix": "echo/"})).open()
    keys = ("echo/a.dcm", "echo-old/a.dcm", "echo2/a.dcm", "echo.dcm", "echo")
    for key in keys:
        await bench.put(key)
    await bench.intake().take(Delivery(created=tuple(FileEvent("uploads", key) for key in keys)))
    assert await bench.queued() == {"echo/a.dcm"}


async def test_a_suspended_functions_files_wait_in_the_queue() -> None:
    bench = await Bench(function("echo", suspend=True)).open()
    await bench.put("a.dcm")
    await bench.intake().take(Delivery(created=(A,)))
    assert await bench.queued() == {"a.dcm"}


async def test_functions_may_come_while_the_receiver_runs() -> None:
    bench = await Bench(function("echo", {"bucket": "other"})).open()
    intake = bench.intake()
    await bench.put("a.dcm")
    assert (await intake.take(Delivery(created=(A,)))) == ignored("no function takes it")
    bench.functions = (function("echo"),)
    assert len((await intake.take(Delivery(created=(A,)))).stored) == 1


async def test_a_file_that_no_function_takes_is_not_looked_at() -> None:
    bench = await Bench(function("echo", {"bucket": "other"})).open()
    storage = Watched(bench.storage)
    await bench.intake(storage=storage).take(Delivery(created=(A,)))
    assert storage.calls == []


async def test_a_file_that_is_gone_is_ignored() -> None:
    bench = await Bench().open()
    assert await bench.intake().take(Delivery(created=(A,))) == ignored("it is gone by now")


async def test_a_file_that_a_restore_put_is_ignored_and_its_copy_at_another_key_is_not() -> None:
    bench = await Bench().open()
    mark = restored("uploads", "a.dcm", "5f")
    await bench.storage.put("uploads", "a.dcm", b"hello", metadata=mark)
    await bench.storage.copy(("uploads", "a.dcm"), ("uploads", "b.dcm"))
    report = await bench.intake().take(Delivery(created=(A, FileEvent("uploads", "b.dcm"))))
    assert [task.key for task in report.stored] == ["b.dcm"]
    assert [each.key for each in report.ignored] == ["a.dcm"]
    await bench.put("a.dcm")
    assert [task.key for task in (await bench.intake().take(Delivery(created=(A,)))).stored] == ["a.dcm"]


async def test_a_file_that_the_store_refuses_to_describe_is_ignored_with_the_reason() -> None:
    class Refusing(Watched):
        async def before(self, *call: Any) -> None:
            raise RejectedError("the store refuses this")

    bench = await Bench().open()
    report = await bench.intake(storage=Refusing(bench.storage)).take(Delivery(created=(A,)))
    assert report == ignored("the store refuses this")


async def test_the_platforms_own_bucket_starts_nothing_even_if_a_function_names_it() -> None:
    bench = await Bench(function("echo", {"bucket": PLATFORM})).open()
    await bench.put("a.dcm", bucket=PLATFORM)
    event = FileEvent(PLATFORM, "a.dcm")
    assert await bench.intake().take(Delivery(created=(event,))) == ignored(
        "the platform's own bucket", event
    )


async def test_what_the_dialect_ignored_stays_in_the_report() -> None:
    aside = IgnoredEvent("delete", "uploads", "b.dcm", "it was deleted")
    assert await Bench().intake().take(Delivery(ignored=(aside,))) == Report(ignored=(aside,))


HELLO = "5d41402abc4b2a76b9719d911017c592"


@pytest.mark.parametrize(
    ("there", "etag", "size", "taken"),
    [
        ({"a b": b"hello"}, HELLO, 5, "a b"),
        ({"a+b": b"hello"}, HELLO, 5, "a+b"),
        ({"a b": b"hello", "a+b": b"other"}, HELLO, 5, "a b"),
        ({"a b": b"other", "a+b": b"hello"}, HELLO, 5, "a+b"),
        ({"a b": b"longer", "a+b": b"hello"}, None, 5, "a+b"),
        ({"a b": b"hello", "a+b": b"hello"}, HELLO, 5, "a b"),
        ({"a b": b"other", "a+b": b"third"}, HELLO, 5, "a b"),
    ],
)
async def test_an_unknown_senders_file_is_the_one_whose_size_and_etag_match(
    there: dict[str, bytes], etag: str | None, size: int, taken: str
) -> None:
    bench = await Bench().open()
    for key, body in there.items():
        await bench.put(key, body)
    event = FileEvent("uploads", "a b", etag=etag, size=size, raw_key="a+b")
    report = await bench.intake().take(Delivery(created=(event,)))
    assert [task.key for task in report.stored] == [taken]


async def test_an_unknown_senders_file_goes_only_to_functions_that_take_its_real_key() -> None:
    bench = await Bench(
        function("plus", {"bucket": "uploads", "prefix": "a+"}),
        function("blank", {"bucket": "uploads", "prefix": "a "}),
    ).open()
    await bench.put("a+b")
    event = FileEvent("uploads", "a b", raw_key="a+b")
    report = await bench.intake().take(Delivery(created=(event,)))
    assert [task.function for task in report.stored] == ["plus"]


async def test_a_stream_that_the_queue_has_lost_is_made_anew() -> None:
    bench = await Bench().open()
    await bench.put("a.dcm")
    await bench.queue.drop("echo")
    await bench.intake().take(Delivery(created=(A,)))
    assert await bench.queued() == {"a.dcm"}


@pytest.mark.parametrize("away", ["head", "put"])
async def test_when_a_server_is_away_the_delivery_fails_and_can_be_repeated(away: str) -> None:
    class Away(Watched):
        async def before(self, *call: Any) -> None:
            if call[0] == away:
                raise TransientError("away")

    bench = await Bench().open()
    await bench.put("a.dcm")
    with pytest.raises(TransientError):
        await bench.intake(storage=Away(bench.storage), queue=Away(bench.queue)).take(Delivery(created=(A,)))
    assert len((await bench.intake().take(Delivery(created=(A,)))).stored) == 1


def test_a_folder_marker_starts_no_function() -> None:
    assert takers([function("echo")], "uploads", "folder/", real_bucket=str) == ()

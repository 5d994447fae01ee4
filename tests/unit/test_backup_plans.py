"""The decisions of backup and restore, as tables: order, what is left to do, what is called otherwise."""

from dataclasses import replace

import pytest

from headrace.backup import areas, documents
from headrace.backup.entry import Entry
from headrace.backup.ignoring import Ignoring
from headrace.backup.manifest import BucketState, Manifest
from headrace.backup.naming import Naming
from headrace.backup.ordering import Order, Pass, ranks
from headrace.backup.pending import pending, unpublished
from headrace.backup.translating import Identities, document_of, rekeyed
from headrace.model import keys
from headrace.model.keys import MARK, mark_of, record_key
from headrace.model.marks import INPUT, RUN, restored, restored_content
from headrace.model.record import Ending, FailureRecord, Output, Record, Times
from headrace.model.task import Task, task_id
from headrace.storage.port import ObjectInfo
from tests.unit.intake_bench import function

TIMES = Times(received=1, pulled=1, staged=1, started=1, finished=1, committed=1)


def task(key: str = "a", *, etag: str = "e1", version: str | None = None, run: int = 0) -> Task:
    identifier = task_id("echo", "uploads", key, version or etag, run=run)
    return Task(
        id=identifier, function="echo", bucket="uploads", key=key, etag=etag, version=version, size=1,
        run=run, received=1.0,
    )  # fmt: skip


def done(of: Task, *, attempt: str = "x", key: str = "r/a") -> Record:
    staging = f"staging/echo/{of.id}-{attempt}-a"
    output = Output(name="a", bucket="results", key=key, staging_key=staging, etag="o", size=1)
    return Record(
        task=of, attempt=attempt, attempt_number=1, outputs=(output,), function_digest="d", worker="w",
        times=TIMES,
    )  # fmt: skip


def failed(of: Task, state: Ending = Ending.FAILED) -> FailureRecord:
    return FailureRecord(
        state=state, task=of, reason="r", attempts=1, function_digest="d", worker="w", ended=1.0
    )


def entry(bucket="uploads", key="a", *, etag="e1", modified=1.0, **fields) -> Entry:
    return Entry(bucket, key, etag, 1, modified, "sha", **fields)


def result(of: Record) -> Entry:
    """The record's output, as its worker publishes it."""
    marks = {MARK: mark_of(of.task.id, of.attempt), INPUT: of.task.identity, RUN: str(of.task.run)}
    return entry("results", of.outputs[0].key, metadata=marks)


def objects(*entries: Entry) -> dict:
    return {each.place: each for each in entries}


# Order


def test_a_function_ranks_above_those_that_its_results_start():
    functions = [
        function("a", {"bucket": "uploads"}, output=({"bucket": "middle", "prefix": "x/"},)),
        function("b", {"bucket": "middle", "prefix": "x/"}, output=({"bucket": "results"},)),
        function("c", {"bucket": "middle", "prefix": "y/"}),
    ]
    assert ranks(functions) == {"a": 2, "b": 1, "c": 1}


def test_a_ring_that_no_stack_takes_is_ranked_nevertheless():
    ring = [
        function("a", {"bucket": "one"}, output=({"bucket": "two"},)),
        function("b", {"bucket": "two"}, output=({"bucket": "one"},)),
    ]
    assert set(ranks(ring)) == {"a", "b"}


BACK = ({"bucket": "results"}, {"bucket": "uploads", "prefix": "b/"})
CHAIN = [
    function("a", {"bucket": "uploads", "prefix": "a/"}, output=({"bucket": "middle"},)),
    function("b", {"bucket": "middle", "suffix": [".x"]}, output=BACK),
]


def test_results_are_copied_before_what_they_are_made_of():
    order = Order(CHAIN, ["uploads", "middle", "results", "other"], real=str)
    assert [(each.bucket, each.rank) for each in order.passes] == [
        ("middle", 0), ("other", 0), ("results", 0), ("uploads", 0), ("middle", 1), ("uploads", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("bucket", "key", "rank"),
    [
        ("uploads", "a/1", 2),
        ("uploads", "b/1", 0),
        ("uploads", "1.x", 0),
        ("middle", "a/1", 0),
        ("middle", "1.x", 1),
        ("results", "1.x", 0),
        ("other", "1.x", 0),
    ],
)
def test_an_object_is_copied_in_one_pass(bucket, key, rank):
    order = Order(CHAIN, ["uploads", "middle", "results", "other"], real=str)
    passes = [each for each in order.passes if each.bucket == bucket and order.belongs(key, each)]
    assert [each.rank for each in passes] == [rank]


@pytest.mark.parametrize(("bucket", "rank"), [("uploads", 0), ("lab-uploads", 1)])
def test_a_bucket_that_is_only_read_has_one_pass_for_all_in_it(bucket, rank):
    order = Order([function("a", {"bucket": "uploads", "prefix": "a/"})], [bucket], real="lab-{}".format)
    assert order.passes == (Pass(bucket, rank, is_rest=True),)
    assert [order.belongs(key, order.passes[0]) for key in ("a/1", "z")] == [True, True]


def test_every_area_of_the_platform_bucket_is_copied_or_left_out_for_a_reason():
    constants = {name: value for name, value in vars(keys).items() if name.isupper() and name != "MARK"}
    named = {value for value in constants.values() if isinstance(value, str)}
    assert {*areas.READ, *areas.LEFT_OUT} == named
    assert not {*areas.READ} & {*areas.LEFT_OUT}


def test_every_area_that_is_copied_comes_back_in_one_way():
    ways = (*documents.VERBATIM, *documents.WITH_TASKS, *documents.BY_TASK, *documents.MADE_ANEW)
    assert sorted(ways) == sorted(areas.READ)


@pytest.mark.parametrize(
    ("earlier", "later", "reason"),
    [
        (keys.RECORDS, keys.HISTORY, "a replay writes the history, then takes the record away"),
        (keys.RECORDS, keys.LOGS, "a worker stores the log, then the record that points to it"),
        (keys.HISTORY, keys.LOGS, "an ending that was taken back points to its log, too"),
        (keys.RECORDS, keys.RUNS, "a rerun takes its number before any task of it can have a record"),
        (keys.HISTORY, keys.RUNS, "and before such a record can be taken back"),
    ],
)
def test_what_is_read_of_the_areas_follows_from_how_tasks_move(earlier, later, reason):
    assert areas.READ.index(earlier) < areas.READ.index(later), reason


# What is left to do

A, B = task("a"), task("b")


@pytest.mark.parametrize(
    ("queued", "moved", "endings", "there", "left"),
    [
        ([A, B], [], {}, [], [A, B]),
        ([B, A], [], {}, [], [B, A]),
        ([A], [B], {}, [], [A, B]),
        ([A], [A], {}, [], [A]),
        ([A], [], {A.id: None}, [], []),
        ([A], [], {A.id: failed(A)}, [], []),
        ([A], [], {A.id: failed(A, Ending.PURGED)}, [], []),
        ([A], [], {A.id: failed(A, Ending.GONE)}, [], [A]),
        ([A], [], {A.id: failed(A, Ending.SUPERSEDED)}, [], [A]),
        ([A], [], {A.id: done(A)}, [entry(), result(done(A))], []),
        ([A], [], {A.id: done(A)}, [entry(), result(done(A, attempt="other"))], [A]),
        ([A], [], {A.id: done(A)}, [entry()], [A]),
    ],
)
def test_what_waits_is_what_a_worker_would_have_something_to_do_for(queued, moved, endings, there, left):
    assert list(pending(queued, moved, endings, objects(*there))) == left


OTHER = result(done(task("a", etag="e2"), attempt="newer"))
LATER = result(done(task("a", run=2), attempt="rerun"))


@pytest.mark.parametrize(
    ("there", "lacks"),
    [
        ([entry(), result(done(A))], False),
        ([entry()], True),
        ([], True),
        ([entry(), OTHER], True),
        ([entry(etag="e2"), OTHER], False),
        ([OTHER], False),
        ([entry(), LATER], False),
    ],
    ids=["own", "none", "no input either", "of another", "overwritten", "deleted", "of a rerun"],
)
def test_a_result_is_missing_where_a_worker_would_copy_it(there, lacks):
    assert bool(unpublished(done(A), objects(*there))) is lacks


# What is called otherwise


def info(etag="e1", version=None, *, key="a", size=1) -> ObjectInfo:
    return ObjectInfo("uploads", key, etag, size, 2.0, version)


@pytest.mark.parametrize(
    ("was", "now", "asked", "called"),
    [
        (entry(), info(), A, A),
        (entry(), info("e9"), A, task("a", etag="e9")),
        (entry(version="v1"), info("e1", "v9"), task("a", version="v1"), task("a", version="v9")),
        (entry(version="v1"), info("e1"), task("a", version="v1"), A),
        (entry(), info("e1", "v9"), A, task("a", version="v9")),
        (entry(), info("e9"), task("a", run=3), task("a", etag="e9", run=3)),
        (entry(etag="e2"), info("e9"), A, A),
        (entry(), info("e9", size=2), A, A),
    ],
    ids=["same", "parts", "versions", "no versions", "now versions", "rerun", "older file", "another"],
)
def test_a_task_is_called_as_the_store_calls_its_file(was, now, asked, called):
    identities = Identities.of([was], {("uploads", "a"): now}, real=str)
    assert identities.task(asked) == called
    assert identities.task(called) == called or identities.task(asked) is asked


def test_where_a_bucket_is_called_otherwise_records_and_tasks_are_too():
    identities = Identities.of([], {}, real="new-{}".format)
    moved = identities.task(A)
    assert moved == A.model_copy(
        update={"bucket": "new-uploads", "id": task_id("echo", "new-uploads", "a", "e1")}
    )
    record = identities.record(done(A))
    assert (record.task, [output.bucket for output in record.outputs]) == (moved, ["new-results"])
    assert identities.record(failed(A)).task == moved


@pytest.mark.parametrize(("ending", "is_failure"), [(done(A), False), (failed(A), True)])
def test_a_record_that_nothing_changes_stays_byte_for_byte(ending, is_failure):
    identities = Identities(real=str)
    body = b" " + ending.to_json()  # as another version may have written it
    document = document_of(record_key("echo", A.id), body, identities)
    assert (document.key, document.content, document.ids) == (record_key("echo", A.id), body, (A.id, A.id))
    assert document.failure == (ending if is_failure else None)


def test_a_record_of_a_file_that_is_called_otherwise_moves_and_says_so():
    identities = Identities.of([entry()], {("uploads", "a"): info("e9")}, real=str)
    now = task("a", etag="e9")
    document = document_of(record_key("echo", A.id), done(A).to_json(), identities)
    assert (document.key, document.ids) == (record_key("echo", now.id), (A.id, now.id))
    assert document.content == done(A).model_copy(update={"task": now}).to_json()


def test_what_is_no_record_is_kept_as_it_is():
    document = document_of("records/echo/5f.json", b"damaged", Identities(real=str))
    assert (document.content, document.ids, document.failure) == (b"damaged", None, None)


@pytest.mark.parametrize(
    ("key", "moved"),
    [
        ("records/echo/1f.json", "records/echo/2f.json"),
        ("notes/echo/1f.json", "notes/echo/2f.json"),
        ("logs/echo/1f/attempt.log", "logs/echo/2f/attempt.log"),
        ("history/echo/1f/0001.5.json", "history/echo/2f/0001.5.json"),
        ("records/1f/3f.json", "records/1f/3f.json"),
    ],
)
def test_what_is_kept_of_a_task_is_kept_under_its_present_id(key, moved):
    assert rekeyed(key, {"1f": "2f"}) == moved


def test_a_bucket_keeps_its_logical_name():
    nothing = BucketState(name="p", objects=0, size=0, made=False, parts=())
    manifest = Manifest(
        version="1", began=1, ended=1, buckets={"uploads": "lab-uploads"}, functions=(), objects=(),
        queues=(), platform=nothing, data=(),
    )  # fmt: skip
    naming = Naming(manifest, now={"uploads": "new-uploads", "results": "new-results"}.get)
    assert (naming.real("lab-uploads"), naming.real("results")) == ("new-uploads", "new-results")
    assert (naming.former("uploads"), naming.former("results")) == ("lab-uploads", "results")


# What stays older than its function


def ignored(*entries, existing="ignore", before=None, real=str, now=None) -> list[str]:
    source = {"bucket": "uploads", "suffix": [".x"], "existing": existing}
    identities = Identities.of(entries, now or {}, real=real)
    return list(Ignoring(function("echo", source), 100.5, before or {}, str).tasks(entries, identities))


def old(key: str = "a.x", **fields) -> Entry:
    return replace(entry(key=key, modified=99.0), **fields)


def id_of(key: str = "a.x", *, bucket: str = "uploads", identity: str = "e1") -> str:
    return task_id("echo", bucket, key, identity)


@pytest.mark.parametrize(
    ("entries", "named", "ids"),
    [
        ([old()], {}, [id_of()]),
        ([old(modified=100.0)], {}, []),
        ([old(modified=101.0)], {}, []),
        ([old()], {"existing": "process"}, []),
        ([old("a.y"), old("f.x/")], {}, []),
        ([old(bucket="results")], {}, []),
        ([old()], {"real": "new-{}".format}, [id_of(bucket="new-uploads")]),
        ([old()], {"now": {("uploads", "a.x"): info("e9", key="a.x")}}, [id_of(identity="e9")]),
        ([old(modified=150.0)], {"before": {id_of(): 150.0}}, [id_of()]),
        ([old(modified=151.0)], {"before": {id_of(): 150.0}}, []),
    ],
    ids=["older", "equal", "newer", "all", "not taken", "elsewhere", "renamed", "parts", "restored", "put"],
)  # fmt: skip
def test_a_file_that_was_older_than_its_function_stays_so(entries, named, ids):
    assert ignored(*entries, **named) == ids


# The mark of what a restore put


def test_a_restored_object_is_known_at_its_place_only():
    mark = restored("uploads", "a", "5f")
    assert restored_content(mark, "uploads", "a") == "5f"
    assert restored_content(mark, "uploads", "b") is None
    assert restored_content({}, "uploads", "a") is None
    assert restored_content({"headrace-restored": "nonsense"}, "uploads", "a") is None

"""The figures of a run: what was lost or doubled, and how long each step took."""

import pytest

from headrace.local.audit import Upload, audit
from headrace.local.measures import Sharing, Spread, Timeline, sharing, spread, spreads, timeline, value_at
from headrace.model.record import Ending, FailureRecord, Record, Times
from headrace.model.task import Task


def task(key: str, task_id: str | None = None, function: str = "echo") -> Task:
    return Task(
        id=task_id or f"id-{key}", function=function, bucket="uploads", key=key, etag="e", size=1,
        received=100.0,
    )  # fmt: skip


def record(key: str, *, at: float = 100.0, worker: str = "w1", load: float | None = 2.0, number: int = 1,
           task_id: str | None = None) -> Record:  # fmt: skip
    times = Times(
        received=at, pulled=at + 1, staged=at + 2, started=at + 3, finished=at + 5, committed=at + 6
    )
    return Record(
        task=task(key, task_id), attempt=f"a-{key}", attempt_number=number, outputs=(), function_digest="d",
        worker=worker, times=times, load_seconds=load,
    )  # fmt: skip


def failure(key: str, attempts: int = 3) -> FailureRecord:
    return FailureRecord(
        state=Ending.FAILED, task=task(key), reason="bad", attempts=attempts, function_digest="d", worker="w",
        ended=9.0,
    )  # fmt: skip


def upload(key: str) -> Upload:
    return Upload("echo", "uploads", key, 100.0)


def test_as_many_records_as_uploads_is_a_good_run() -> None:
    found = audit([upload("a"), upload("b")], [record("a"), record("b")], [])
    assert found.good
    assert (found.files, found.records, found.extra_starts) == (2, 2, 0)


def test_an_upload_without_a_record_is_lost() -> None:
    found = audit([upload("a"), upload("b")], [record("a")], [])
    assert found.lost == (upload("b"),)
    assert not found.good


def test_an_upload_with_two_records_is_twice() -> None:
    found = audit([upload("a")], [record("a", task_id="1"), record("a", task_id="2")], [])
    assert found.twice == (upload("a"),)
    assert not found.good


def test_a_failure_record_is_an_ending_but_no_good_one() -> None:
    found = audit([upload("a")], [], [failure("a")])
    assert (found.lost, len(found.failures), found.good) == ((), 1, False)


def test_a_record_of_an_unknown_file_does_not_make_up_for_a_lost_one() -> None:
    found = audit([upload("a")], [record("b")], [])
    assert (found.lost, found.strangers, found.good) == ((upload("a"),), (task("b"),), False)


def test_an_unpublished_result_is_no_good_run() -> None:
    assert not audit([upload("a")], [record("a")], [], unpublished=("results/a",)).good


def test_handler_starts_beyond_one_are_counted_and_allowed() -> None:
    found = audit([upload("a"), upload("b")], [record("a", number=3), record("b")], [])
    assert (found.extra_starts, found.good) == (2, True)
    assert audit([upload("a")], [], [failure("a", attempts=3)]).extra_starts == 2


def test_the_spread_of_a_hundred_measurements() -> None:
    assert spread("n", "m", (i / 100 for i in range(101))) == Spread("n", "m", 101, 0.5, 0.95, 1.0)


@pytest.mark.parametrize(("values", "expected"), [([], None), ([2.0], Spread("n", "m", 1, 2.0, 2.0, 2.0))])
def test_the_spread_of_none_and_of_one(values: list[float], expected: Spread | None) -> None:
    assert spread("n", "m", values) == expected


def test_the_table_counts_a_model_once_and_a_batch_once() -> None:
    records = [record("a"), record("b"), record("c", at=200.0), record("d", worker="w2", load=4.0)]
    script = record("e", load=0.01, worker="w3")
    found = spreads([*records, script], records, uploaded={"id-a": 99.0, "id-c": 201.0}, inference=[0.25])
    rows = {row.name: row for row in found}
    assert (rows["Model load"].count, rows["Model load"].most) == (2, 4.0)
    assert (rows["Handler call"].count, rows["Handler call"].median) == (3, 2.0)
    assert (rows["Upload to start"].count, rows["Upload to start"].most) == (2, 4.0)
    assert (rows["Inference"].count, rows["Commit"].median) == (1, 1.0)


def test_files_after_the_first_share_a_model() -> None:
    records = [record("a"), record("b"), record("c", worker="w2", load=4.0), record("d", load=None)]
    found = sharing(records)
    assert found == Sharing(files=3, models=2, load_seconds=6.0)
    assert found.shared == 1


def test_a_file_waits_from_its_notification_to_its_start() -> None:
    found = timeline([record("a"), record("b", at=101.0)], ((0.5, 1),), start=100.0)
    assert found == Timeline(
        waiting=((0.0, 1), (1.0, 2), (3.0, 1), (4.0, 0)),
        workers=((0.5, 1),),
        finished=((6.0, 1), (7.0, 2)),
        seconds=7.0,
    )


def test_a_step_function_holds_its_value_until_the_next_step() -> None:
    steps = ((1.0, 5), (2.0, 7))
    assert [value_at(steps, t) for t in (0.5, 1.0, 1.9, 2.0, 9.0)] == [0, 5, 5, 7, 7]

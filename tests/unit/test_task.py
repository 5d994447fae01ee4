"""A task's id: stable for ever, and different wherever anything differs."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.model.task import TASK_ID_LENGTH, Task, task_id

# Ids are in the records of every installation: a change here makes every old file new again.
GOLDEN = [
    (
        ("echo", "uploads", "echo/a.dcm", "9e107d9d372bb6826bd81d3542a419d6", 0),
        "d9cd0babb9354216c142b359d414865a",
    ),
    (
        ("echo", "uploads", "echo/a.dcm", "9e107d9d372bb6826bd81d3542a419d6", 1),
        "198f65833e3933ae627175212c87fc6e",
    ),
    (("f", "bucket", "é/\n\u0000/../x", "v:1", 0), "e361be83136f98bcd8891d11f7e55cc2"),
    (("f", "bucket", "\udcff", "", 0), "c817a2a7487575b370dbe3b0c028a1d4"),
]

tricky = st.text(st.sampled_from("a/:0123456789\0\n|,é") | st.characters(), max_size=12)
tuples = st.tuples(tricky, tricky, tricky, tricky, st.integers(0, 120))


def identified(fields) -> str:
    *names, run = fields
    return task_id(*names, run=run)


@pytest.mark.parametrize(("fields", "expected"), GOLDEN)
def test_an_id_never_changes(fields, expected):
    assert identified(fields) == expected


@given(tuples, tuples)
@example(("a", "b", "", "", 0), ("ab", "", "", "", 0))
@example(("a", "1:b", "", "", 0), ("a1:", "b", "", "", 0))
@example(("", "", "", "1", 0), ("", "", "", "", 10))
@example(("", "", "x", "", 0), ("", "", "", "x", 0))
def test_different_files_have_different_ids_and_equal_ones_the_same(one, other):
    assert (identified(one) == identified(other)) is (one == other)


@given(tricky, tricky, st.integers(0, len("anything")))
def test_no_shift_of_a_boundary_between_fields_keeps_the_id(first, second, at):
    joined = first + second
    cut = min(at, len(joined))
    same = (joined[:cut], joined[cut:]) == (first, second)
    assert (task_id("f", joined[:cut], joined[cut:], "e") == task_id("f", first, second, "e")) is same


@given(tuples)
def test_an_id_is_a_fixed_number_of_hexadecimal_digits(fields):
    found = identified(fields)
    assert len(found) == TASK_ID_LENGTH
    assert set(found) <= set("0123456789abcdef")


@given(key=st.text(st.characters(exclude_categories=["Cs"]), max_size=50), size=st.integers(0, 5 * 2**40))
def test_a_task_survives_the_wire(key, size):
    task = Task(id="0" * 32, function="f", bucket="b", key=key, etag="e", size=size, received=1.5)
    assert Task.from_json(task.to_json()) == task


@pytest.mark.parametrize(("version", "identity"), [("v1", "v1"), (None, "etag"), ("", "etag")])
def test_the_version_is_the_identity_where_there_is_one(version, identity):
    task = Task(id="0", function="f", bucket="b", key="k", version=version, etag="etag", size=0, received=0.0)
    assert task.identity == identity

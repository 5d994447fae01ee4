"""The command line's pure parts: addresses, names, figures for people, rates."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.output import counted, document, duration, shown, shown_lines, size
from headrace.cli.target import Location, Upload, parse_location, uploads_for, uploads_to
from headrace.model.errors import ConfigurationError, RejectedError
from headrace.model.record import AttemptNote
from headrace.operations.change import Action, Changes, Item
from headrace.operations.fetch import inside
from headrace.operations.rates import Rates
from tests.fixtures.world import World, installed


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (123_456, "123 kB"),
     (999_499, "999 kB"), (999_500, "1.0 MB"), (2 * 1024**3, "2.1 GB"), (5 * 10**15, "5000 TB")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0, "0.00 s"), (0.994, "0.99 s"), (0.999, "1.0 s"), (9.94, "9.9 s"), (9.96, "10 s"),
     (119.4, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h")],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 files"), (1, "1 file"), (1234, "1,234 files")])
def test_counts(count: int, text: str) -> None:
    assert counted(count, "file") == text


@given(st.text(st.characters()))
def test_nothing_that_moves_a_cursor_is_shown(text: str) -> None:
    assert shown(text).isprintable()
    assert all(c.isprintable() or c in "\n\t" for c in shown_lines(text))


@given(st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" ")))
def test_printable_text_is_shown_as_it_is(text: str) -> None:
    assert shown(text) == text


def test_a_document_has_camel_case_names_and_persisted_values_as_they_are_persisted() -> None:
    changes = Changes(Action.PURGE, "echo", True, changed=(Item("id", "b", "k", "r"),))
    assert document({"changes": changes, "note": AttemptNote(failures=("x",))}) == {
        "changes": {
            "action": "purge",
            "function": "echo",
            "dryRun": True,
            "changed": [{"taskId": "id", "bucket": "b", "key": "k", "reason": "r"}],
            "left": [],
            "run": None,
        },
        "note": {"failures": ["x"], "started": 0, "ended": 0, "lostGpus": 0},
    }


BUCKETS = st.text(st.characters(codec="ascii", categories=("Ll", "Nd")), min_size=1)


@given(BUCKETS, st.text())
def test_an_address_is_read_back_whatever_the_key(bucket: str, key: str) -> None:
    assert parse_location(f"s3://{bucket}/{key}") == Location(bucket, key)


@pytest.mark.parametrize("text", ["", "uploads", "/uploads", "s3:/uploads/x", "s3://", "s3:///x", "S3://b/x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="allowed s3://BUCKET/KEY"):
        parse_location(text)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("a.dcm", "b.dcm", "folder/c.dcm", "folder/deep/d.dcm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("names", "key", "uploaded"),
    [
        (["a.dcm"], "echo/x.dcm", {"a.dcm": "echo/x.dcm"}),
        (["a.dcm"], "echo/", {"a.dcm": "echo/a.dcm"}),
        (["a.dcm"], "", {"a.dcm": "a.dcm"}),
        (["a.dcm", "b.dcm"], "echo", {"a.dcm": "echo/a.dcm", "b.dcm": "echo/b.dcm"}),
        (["folder"], "e", {"folder/c.dcm": "e/c.dcm", "folder/deep/d.dcm": "e/deep/d.dcm"}),
        (["b.dcm", "folder/deep"], "e/", {"b.dcm": "e/b.dcm", "folder/deep/d.dcm": "e/d.dcm"}),
    ],
)
def test_where_files_are_put(files: Path, names: list[str], key: str, uploaded: dict[str, str]) -> None:
    found = uploads_to([files / name for name in names], Location("uploads", key))
    assert found == tuple(Upload(files / name, "uploads", key) for name, key in uploaded.items())


def test_a_functions_files_go_to_the_first_input_that_takes_them(files: Path) -> None:
    inputs = (
        {"bucket": "uploads", "prefix": "avi/", "suffix": [".avi"]},
        {"bucket": "others", "prefix": "d-"},
    )
    stack = World(installed("echo", *inputs)).stack
    assert uploads_for([files / "a.dcm"], stack, "echo", folder="run-1/") == (
        Upload(files / "a.dcm", "others", "d-run-1/a.dcm"),
    )


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a\0b"])
def test_an_output_never_leaves_its_folder(name: str) -> None:
    with pytest.raises(RejectedError):
        inside(name)


def test_an_output_keeps_its_name_and_folders() -> None:
    assert inside("deep/..json") == PurePosixPath("deep/..json")


@pytest.mark.parametrize(
    ("looks", "rate"),
    [
        ([], 0.0),
        ([(0.0, 5)], 0.0),
        ([(0.0, 5), (2.0, 9)], 2.0),
        ([(0.0, 5), (0.0, 9)], 0.0),
        ([(0.0, 9), (2.0, 5)], 0.0),
        ([(0.0, 0), (1.0, 100), (11.0, 100), (12.0, 100)], 0.0),
        ([(0.0, 0), (60.0, 30)], 0.5),
    ],
)
def test_files_a_second_over_the_last_ten_seconds(looks: list[tuple[float, int]], rate: float) -> None:
    rates = Rates()
    for at, done in looks:
        rates = rates.after(at, {"echo": done})
    assert rates.of("echo") == rate
    assert rates.of("a function that has just come") == 0.0

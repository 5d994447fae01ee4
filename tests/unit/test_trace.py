"""Traces as CSV: what is read and written, and how faults are told."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import ConfigurationError
from headrace.scaler.simulation.trace import Arrival, Trace, read_trace, write_trace

HEADER = "time_seconds,function,bytes,service_seconds"

arrivals = st.builds(
    Arrival,
    time=st.floats(min_value=0, allow_nan=False, allow_infinity=False),
    function=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
    size_bytes=st.integers(min_value=0),
    service_seconds=st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False),
)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "trace.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def refusal(path: Path) -> list[str]:
    """The lines of the refusal, without the file's folder."""
    with pytest.raises(ConfigurationError) as caught:
        read_trace(path)
    return str(caught.value).replace(f"{path.parent}/", "").split("\n")


@given(st.lists(arrivals, max_size=20))
def test_what_is_written_is_read_back_without_loss(files: list[Arrival]) -> None:
    trace = Trace.of(files)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.csv")
        write_trace(path, trace)
        assert read_trace(path) == trace


def test_rows_are_put_in_order_of_time_and_equal_times_stay_in_order(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, "5,b,1,2", "0.5,a,0,1e1", "5,a,3,4.25")
    assert read_trace(path) == Trace(
        (Arrival(0.5, "a", 0, 10.0), Arrival(5.0, "b", 1, 2.0), Arrival(5.0, "a", 3, 4.25))
    )


def test_a_trace_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="at 1 s after one at 2 s"):
        Trace((Arrival(2, "a", 0, 1), Arrival(1, "a", 0, 1)))


def test_a_mark_of_byte_order_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(f"\ufeff{HEADER}\r\n1,a,2,3\r\n".encode())
    assert read_trace(path) == Trace((Arrival(1, "a", 2, 3),))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("-1,a,0,1", "(time_seconds): found '-1', allowed a number of seconds, 0 or more"),
        ("nan,a,0,1", "(time_seconds): found 'nan', allowed a number of seconds, 0 or more"),
        ("inf,a,0,1", "(time_seconds): found 'inf', allowed a number of seconds, 0 or more"),
        ("1e999,a,0,1", "(time_seconds): found '1e999', allowed a number of seconds, 0 or more"),
        ("1_0,a,0,1", "(time_seconds): found '1_0', allowed a number of seconds, 0 or more"),
        ("1,,0,1", "(function): found '', allowed a function's name"),
        ("1,a,-1,1", "(bytes): found '-1', allowed a whole number, 0 or more"),
        ("1,a,1.5,1", "(bytes): found '1.5', allowed a whole number, 0 or more"),
        ("1,a,,1", "(bytes): found '', allowed a whole number, 0 or more"),
        ("1,a,0,0", "(service_seconds): found '0', allowed a number of seconds above 0"),
        ("1,a,0,-2", "(service_seconds): found '-2', allowed a number of seconds above 0"),
        ("1,a,0,nan", "(service_seconds): found 'nan', allowed a number of seconds above 0"),
        ("1,a,0", f"(row): found 3 columns, allowed 4: {HEADER}"),
        ("1,a,0,1,", f"(row): found 5 columns, allowed 4: {HEADER}"),
        ("", f"(row): found 0 columns, allowed 4: {HEADER}"),
    ],
)
def test_a_fault_is_told_with_line_column_finding_and_what_is_allowed(
    tmp_path: Path, row: str, told: str
) -> None:
    assert refusal(written(tmp_path, HEADER, "0,a,0,1", row, "2,a,0,1")) == [f"trace.csv:3 {told}"]


def test_all_faults_of_a_row_are_told(tmp_path: Path) -> None:
    told = refusal(written(tmp_path, HEADER, "x,,y,z"))
    assert [line.split(":")[1] for line in told] == [
        "2 (time_seconds)",
        "2 (function)",
        "2 (bytes)",
        "2 (service_seconds)",
    ]


def test_twenty_faults_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    told = refusal(written(tmp_path, HEADER, *["-1,a,0,1"] * 23))
    assert [told[0][:12], told[19][:12], told[20]] == [
        "trace.csv:2 ",
        "trace.csv:21",
        "trace.csv: and 3 faults more",
    ]
    assert len(told) == 21


@pytest.mark.parametrize("first", ["", "time,function,bytes,service_seconds", "0,a,0,1", f"{HEADER},more"])
def test_another_header_is_refused(tmp_path: Path, first: str) -> None:
    (told,) = refusal(written(tmp_path, first, "0,a,0,1"))
    assert told == f"trace.csv:1 (header): found '{first}', allowed {HEADER}; make this the first line"


def test_an_empty_file_lacks_its_header(tmp_path: Path) -> None:
    assert refusal(written(tmp_path))[0].startswith("trace.csv:1 (header): found ''")


def test_a_file_with_a_header_alone_is_an_empty_trace(tmp_path: Path) -> None:
    assert read_trace(written(tmp_path, HEADER)) == Trace(())


def test_what_is_no_csv_is_refused_with_its_line(tmp_path: Path) -> None:
    (told,) = refusal(written(tmp_path, HEADER, '0,"a"b,0,1'))
    assert told.startswith("trace.csv:2: found ',' expected after '\"', allowed CSV in UTF-8")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(b"\xff\xfe\x00")
    assert "allowed CSV in UTF-8" in refusal(path)[0]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.csv") == [
        "none.csv: can't be read: No such file or directory; give a trace as CSV"
    ]

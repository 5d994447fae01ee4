"""Whatever the key, the staged file stays in the task's folder."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.model.function import Destination, Input
from headrace.worker.names import NAME_BYTES, final_key, folder_below, staged_name

keys = st.text(st.characters(), min_size=1, max_size=400) | st.lists(
    st.sampled_from(["..", ".", "/", "\\", "\n", "\0", "a", "ü", "\u202e", "\ud800", " ", "x" * 300, ".dcm"]),
    min_size=1,
).map("".join)


@given(keys)
@example("../../etc/passwd")
@example("/etc/passwd")
@example("a/..")
@example("a\n/b\r\n")
def test_a_staged_name_is_one_harmless_segment(key):
    name = staged_name(key)
    assert name not in {"", ".", ".."}
    assert "/" not in name
    assert name.isprintable() or not any(ord(c) < 32 or ord(c) == 127 for c in name)
    assert len(name.encode()) <= NAME_BYTES
    assert Path("/task/input", name).resolve() == Path("/task/input") / name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("echo/a.dcm", "a.dcm"),
        ("échographie/größe.dcm", "größe.dcm"),
        ("a/b/", "b"),
        ("..", "input"),
        ("a/..", "input"),
        ("///", "input"),
        ("a\nb.dcm", "a_b.dcm"),
        ("a\\..\\b.dcm", "a_.._b.dcm"),
        ("x" * 300 + ".dcm", "x" * 251 + ".dcm"),
        ("é" * 200 + ".dcm", "é" * 125 + ".dcm"),
    ],
)
def test_a_staged_name_keeps_what_it_can(key, name):
    assert staged_name(key) == name


@pytest.mark.parametrize(
    ("prefix", "key", "folder"),
    [
        ("", "a.dcm", ""),
        ("", "x/a.dcm", "x/"),
        ("echo/", "echo/a.dcm", ""),
        ("echo/", "echo/x/y/a.dcm", "x/y/"),
        ("echo/pat", "echo/patient/a.dcm", "patient/"),
        ("ec", "echo", ""),
    ],
)
def test_results_keep_the_folders_below_the_inputs_prefix(prefix, key, folder):
    assert folder_below(prefix, key) == folder


def test_equally_named_files_of_different_folders_have_different_results():
    source, destination = (
        Input(bucket="uploads", prefix="echo/"),
        Destination(bucket="results", prefix="out/"),
    )
    found = [final_key(destination, source, key, "a.json") for key in ("echo/x/a.dcm", "echo/y/a.dcm")]
    assert found == ["out/x/a.json", "out/y/a.json"]

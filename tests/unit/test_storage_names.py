"""Which keys the fast road takes: exactly those that obstore sends as they are."""

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from headrace.storage.names import nameable

PARTS = [
    "",
    ".",
    "..",
    "...",
    "a",
    " ",
    "/",
    "//",
    "%2F",
    "%",
    "\\",
    "\n",
    "\x00",
    "\x1f",
    "\x7f",
    "\x80",
    "é",
    "~",
]


def _sent_as_it_is(key: str) -> bool:
    store = MemoryStore()
    try:
        obstore.put(store, key, b"", use_multipart=False)
    except (ValueError, UnicodeEncodeError):
        return False
    return [entry["path"] for page in obstore.list(store) for entry in page] == [key]


@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=5), max_size=6).map("".join))
def test_a_key_is_nameable_exactly_when_obstore_keeps_it(key: str):
    assert nameable(key) == _sent_as_it_is(key)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a/b c+%2F.dcm", True),
        ("...", True),
        (".hidden/..x", True),
        ("é😀", True),
        ("", False),
        ("/a", False),
        ("a/", False),
        ("a//b", False),
        ("../a", False),
        ("a/./b", False),
        ("a/..", False),
        ("a\nb", False),
        ("a\x7f", False),
        ("\ud800", False),
    ],
)
def test_segments_that_a_path_would_fold_and_control_characters_are_not_nameable(key: str, expected: bool):
    assert nameable(key) is expected

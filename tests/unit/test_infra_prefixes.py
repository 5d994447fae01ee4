"""The prefixes tell of every bucket but one."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from infra.prefixes import everything_but

BUCKET = st.from_regex(re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"), fullmatch=True)


def told(own: str, path: str) -> bool:
    return path.startswith(everything_but(own))


@given(BUCKET, BUCKET)
@example("headrace", "headrac")
@example("headrace", "headrace2")
@example("headrace", "headrace-")
@example("headrace", "uploads")
@example("headrace.a", "headrace")
def test_objects_of_any_other_bucket_are_told_of(own, other):
    assume(own != other)
    assert told(own, f"/buckets/{other}/key")


@given(BUCKET, st.text(max_size=20))
def test_nothing_of_the_bucket_itself_is_told_of(own, key):
    assert not told(own, f"/buckets/{own}/{key}")
    assert not told(own, f"/buckets/{own}")


@pytest.mark.parametrize("path", ["/etc/iam/x", "/topics/x", "/buckets/.system/x"])
def test_what_is_no_bucket_is_not_told_of(path):
    assert not told("headrace", path)


def test_no_prefix_contains_another_and_none_is_there_twice():
    found = everything_but("headrace")
    assert len(set(found)) == len(found)
    assert not any(a != b and b.startswith(a) for a in found for b in found)

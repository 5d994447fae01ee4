"""When a remote GPU pays: the model's sums, and that its limits are where the two ways take the same."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.placement.cost import (
    Link,
    Overhead,
    Work,
    greatest_round_trip,
    least_bandwidth,
    predicted_seconds,
)

ECHO = Work(calls=8, bytes_out=2_000_000, bytes_in=1000, compute_seconds=0.1)
OVERHEAD = Overhead(call_seconds=0.001, byte_seconds=1e-9)


@pytest.mark.parametrize(
    ("work", "link", "overhead", "seconds"),
    [
        (Work(0, 0, 0, 0.0), Link(1.0, 1.0), OVERHEAD, 0.0),
        (Work(0, 0, 0, 2.5), Link(1.0, 1.0), OVERHEAD, 2.5),
        (Work(3, 0, 0, 0.0), Link(0.5, 1.0), Overhead(), 1.5),
        (Work(0, 100, 50, 0.0), Link(0.5, 100.0), Overhead(), 1.5),
        (Work(2, 0, 0, 0.0, streamed_calls=3), Link(0.5, 1.0), OVERHEAD, 1.005),
        (Work(0, 10**9, 10**9, 0.0), Link(0.0, math.inf), OVERHEAD, 2.0),
        (ECHO, Link(0.02, 1_000_500), OVERHEAD, 0.1 + 8 * 0.021 + 2.0 + 2_001_000e-9),
    ],
)
def test_calls_pay_the_way_bytes_the_bandwidth_and_computing_itself(work, link, overhead, seconds):
    assert predicted_seconds(work, link, overhead) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("work", "bytes_per_second", "otherwise", "expected"),
    [
        (ECHO, 1_000_500, 3.0, (3.0 - 2.1) / 8),
        (ECHO, 1_000_500, 2.1, 0.0),
        (ECHO, 1_000_500, 2.0, None),
        (Work(0, 100, 0, 0.0), 100.0, 1.0, math.inf),
        (Work(0, 100, 0, 0.0), 100.0, 0.5, None),
    ],
)
def test_the_greatest_round_trip_is_what_time_is_left_over_the_calls(
    work, bytes_per_second, otherwise, expected
):
    found = greatest_round_trip(work, bytes_per_second, otherwise_seconds=otherwise)
    assert found == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("work", "round_trip", "otherwise", "expected"),
    [
        (ECHO, 0.05, 2.5, 2_001_000 / 2.0),
        (ECHO, 0.05, 0.5, None),
        (ECHO, 1.0, 2.5, None),
        (Work(8, 0, 0, 0.1), 0.05, 0.6, 0.0),
        (Work(8, 0, 0, 0.1), 0.05, 0.4, None),
    ],
)
def test_the_least_bandwidth_moves_the_bytes_in_what_time_is_left(work, round_trip, otherwise, expected):
    found = least_bandwidth(work, round_trip, otherwise_seconds=otherwise)
    assert found == (expected if expected is None else pytest.approx(expected))


WORKS = st.builds(
    Work, st.integers(1, 1000), st.integers(1, 10**9), st.integers(0, 10**9), st.floats(0, 100),
    st.integers(0, 1000),
)  # fmt: skip
OVERHEADS = st.builds(Overhead, st.floats(0, 0.01), st.floats(0, 1e-7))
SECONDS = st.floats(0.001, 1000)


@given(WORKS, OVERHEADS, st.floats(1e3, 1e11), SECONDS)
def test_at_the_greatest_round_trip_both_take_the_same(work, overhead, rate, otherwise):
    limit = greatest_round_trip(work, rate, otherwise_seconds=otherwise, overhead=overhead)
    if limit is None:
        assert predicted_seconds(work, Link(0.0, rate), overhead) > otherwise
    else:
        assert predicted_seconds(work, Link(limit, rate), overhead) == pytest.approx(otherwise)


@given(WORKS, OVERHEADS, st.floats(0, 1), SECONDS)
def test_at_the_least_bandwidth_both_take_the_same(work, overhead, round_trip, otherwise):
    limit = least_bandwidth(work, round_trip, otherwise_seconds=otherwise, overhead=overhead)
    if limit is None:
        assert predicted_seconds(work, Link(round_trip, 1e300), overhead) >= otherwise
    else:
        assert predicted_seconds(work, Link(round_trip, limit), overhead) == pytest.approx(otherwise)


@given(WORKS, OVERHEADS, st.floats(0, 1), st.floats(0, 1), st.floats(1e3, 1e9), st.floats(1, 100))
def test_a_longer_or_thinner_link_never_takes_less(work, overhead, near, more, rate, times):
    base = predicted_seconds(work, Link(near, rate), overhead)
    assert predicted_seconds(work, Link(near + more, rate), overhead) >= base
    assert predicted_seconds(work, Link(near, rate / times), overhead) >= base


@pytest.mark.parametrize(("round_trip", "rate"), [(-0.1, 1.0), (0.0, 0.0), (math.nan, 1.0), (0.0, math.nan)])
def test_a_link_that_can_not_be_is_refused(round_trip, rate):
    with pytest.raises(ValueError, match="link: found a round trip of"):
        Link(round_trip, rate)


def test_work_below_nothing_is_refused():
    with pytest.raises(ValueError, match="work: found"):
        Work(1, -1, 0, 0.0)

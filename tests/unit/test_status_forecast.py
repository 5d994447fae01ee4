"""When the last file will have ended: what is reckoned from what, and how sure it is said to be."""

import pytest

from headrace.operations.rates import Rates
from headrace.status.document import Forecast, Sureness
from headrace.status.forecast import Outlook, Pace, forecast, pace_of, together, untold

NOW = 1000.0
STEADY = Pace(rate=2.0, ended=100, spread=0.1)


@pytest.mark.parametrize(
    ("outlook", "at", "earliest", "latest", "sureness"),
    [
        # 90 + 10 files at 2 a second: 50 s; 10 % spread: 50 / 1.1, 50 / 0.9
        (Outlook(90, 10, STEADY), 1050, 1045, 1056, Sureness.HIGH),
        (Outlook(90, 10, Pace(2.0, 19, 0.1)), 1050, 1045, 1056, Sureness.MEDIUM),  # too few were seen
        (Outlook(90, 10, Pace(2.0, 100, 0.5)), 1050, 1033, 1100, Sureness.MEDIUM),  # the rate changes
        (Outlook(90, 10, Pace(2.0, 4, 1.0)), 1050, 1028, 1250, Sureness.MEDIUM),  # spread is bounded by 0.8
        (Outlook(8000, 0, STEADY), 5000, 4636, 5444, Sureness.MEDIUM),  # beyond an hour nothing is sure
        # none has ended: 10 files of 3 s by 2 workers are 15 s; half and twice of it
        (
            Outlook(10, 0, Pace(), workers=2, has_worker=True, file_seconds=3.0),
            1015,
            1008,
            1030,
            Sureness.LOW,
        ),
        # and 5 s for the first worker's start
        (
            Outlook(10, 0, None, workers=2, file_seconds=3.0, start_seconds=5.0),
            1020,
            1010,
            1040,
            Sureness.LOW,
        ),
        # a single file takes its time, however many workers there are
        (Outlook(1, 0, None, workers=9, has_worker=True, file_seconds=3.0), 1003, 1002, 1006, Sureness.LOW),
    ],
)
def test_what_is_left_by_the_rate_or_by_what_a_file_takes(outlook, at, earliest, latest, sureness):
    found = forecast(outlook, NOW)
    assert (found.at, found.earliest, found.latest, found.sureness) == (at, earliest, latest, sureness)


@pytest.mark.parametrize(
    ("outlook", "why"),
    [
        (Outlook(0, 0, STEADY), "nothing is left to do"),
        (Outlook(None, None, STEADY), "the queue has not told how many files are left"),
        (Outlook(5, 0, STEADY, paused=True), "it is paused: its files wait until somebody resumes it"),
        (Outlook(5, 0, STEADY, trouble="spec.image is missing"), "spec.image is missing"),
        (Outlook(5, 0, None), "no file has ended lately, and no worker is there or on its way"),
        (
            Outlook(5, 0, Pace(), file_seconds=2.0),
            "no file has ended lately, and no worker is there or on its way",
        ),
    ],
)
def test_what_can_t_be_told_is_told_with_the_reason(outlook, why):
    assert forecast(outlook, NOW) == untold(why)


def _rates(*looks: tuple[float, int]) -> Rates:
    rates = Rates(window_seconds=60.0)
    for at, done in looks:
        rates = rates.after(at, {"echo": done})
    return rates


@pytest.mark.parametrize(
    ("looks", "pace"),
    [
        ([], None),
        ([(0.0, 5)], None),
        ([(0.0, 5), (0.0, 9)], None),
        ([(0.0, 5), (10.0, 5)], Pace(0.0, 0, 1.0)),
        ([(0.0, 0), (30.0, 50), (60.0, 100)], Pace(100 / 60, 100, 0.1)),  # steady: 1 / sqrt(100) is left
        ([(0.0, 0), (30.0, 25), (60.0, 100)], Pace(100 / 60, 100, 0.5)),  # 25 then 75: |75 - 25| / 100
        ([(0.0, 9), (10.0, 4)], Pace(0.0, 0, 1.0)),  # a replay takes back
    ],
)
def test_the_pace_is_that_of_the_window_with_its_drift(looks, pace):
    found = pace_of(_rates(*looks), "echo")
    if pace is None or found is None:
        assert found is pace
        return
    assert (found.rate, found.ended, found.spread) == pytest.approx((pace.rate, pace.ended, pace.spread))


def test_a_function_that_was_not_counted_has_no_pace():
    assert pace_of(_rates((0.0, 1), (1.0, 2)), "other") is None


def _told(at: int, sureness: Sureness) -> Forecast:
    return Forecast(at=at, earliest=at - 1, latest=at + 1, sureness=sureness, text=f"by {at}")


def test_of_several_functions_the_last_counts_and_the_least_sure():
    found = together([_told(10, Sureness.LOW), _told(20, Sureness.HIGH)], left=3)
    assert found == Forecast(at=20, earliest=19, latest=21, sureness=Sureness.LOW, text="by 20")


def test_of_several_functions_one_that_can_t_be_told_makes_all_untold():
    found = together([_told(10, Sureness.HIGH), untold("it is paused")], left=3)
    assert (found.at, found.text) == (None, "it can't be told of 1 of 2 functions: it is paused")


@pytest.mark.parametrize(
    ("left", "why"), [(None, "the queue has not told how many files are left"), (0, "nothing is left to do")]
)
def test_without_files_or_without_the_queue_nothing_is_foretold(left, why):
    assert together([], left=left) == untold(why)

"""How many more workers keep the promise: hand cases, and what must hold of any."""

from math import ceil, floor, inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.scaler.deciding import need as arithmetic
from headrace.scaler.deciding.need import Job, Jobs


def need(jobs: tuple[Job, ...], slots: tuple[float, ...], ready: float) -> float:
    return arithmetic.need(Jobs.of(jobs), np.array(slots), ready)


BURST = (Job(450.0, 200, 12_000.0, 60.0),)


@pytest.mark.parametrize(
    ("jobs", "slots", "ready", "workers"),
    [
        ((), (), 150.0, 0),
        ((Job(450.0, 1, 60.0, 60.0),), (), 150.0, 1),  # a lone file needs one, however little work it is
        ((Job(450.0, 1, 60.0, 60.0),), (400.0,), 150.0, 0),  # a slot that is free in time is enough
        ((Job(450.0, 1, 60.0, 60.0),), (451.0,), 150.0, 1),  # one that is free too late is not
        ((Job(450.0, 1, 60.0, 60.0),), (), 451.0, inf),  # nor is a worker that comes too late
        (BURST, (), 150.0, 34),  # six files start on each within 300 s: 0, 60, .. 300
        (BURST, (), 160.0, 40),  # one period later only five do
        (BURST, (150.0,) * 33, 150.0, 1),
        (BURST, (150.0,) * 34, 150.0, 0),
        (BURST, (150.0,) * 34, inf, 0),
        (BURST, (150.0,) * 33, inf, inf),
        ((Job(300.0, 10, 10.0, 1.0), Job(450.0, 200, 12_000.0, 60.0)), (), 150.0, 35),
        ((Job(300.0, 50, 50.0, 1.0), Job(450.0, 1, 400.0, 400.0)), (), 150.0, 1),
    ],
)
def test_need(jobs: tuple[Job, ...], slots: tuple[float, ...], ready: float, workers: float) -> None:
    assert need(jobs, slots, ready) == workers


def started_in_time(jobs: tuple[Job, ...], free: list[float]) -> bool:
    """List scheduling in the order of deadlines, file by file: whether each starts by its own."""
    for job in jobs:
        for _ in range(job.files):
            earliest = min(range(len(free)), key=free.__getitem__)
            if free[earliest] > job.deadline + 1e-3:
                return False
            free[earliest] += job.seconds / job.files
    return True


equal_files = st.builds(
    lambda deadline, files, seconds: Job(deadline, files, files * seconds, seconds),
    st.floats(200.0, 900.0),
    st.integers(1, 12),
    st.sampled_from([1.0, 7.5, 60.0, 200.0, 700.0]),
)
job_lists = st.lists(equal_files, min_size=1, max_size=6).map(
    lambda jobs: tuple(sorted(jobs, key=lambda job: job.deadline))
)
slot_lists = st.lists(st.floats(0.0, 900.0), max_size=6).map(lambda times: tuple(sorted(times)))


@given(job_lists, slot_lists, st.floats(0.0, 199.0))
def test_with_the_workers_that_are_needed_every_file_starts_in_time(
    jobs: tuple[Job, ...], slots: tuple[float, ...], ready: float
) -> None:
    workers = int(need(jobs, slots, ready))
    assert started_in_time(jobs, [*slots, *[ready] * workers])


@given(job_lists, slot_lists, st.floats(0.0, 199.0), st.floats(0.0, 60.0))
def test_more_slots_never_raise_the_need_and_later_workers_never_lower_it(
    jobs: tuple[Job, ...], slots: tuple[float, ...], ready: float, later: float
) -> None:
    assert need(jobs, tuple(sorted((*slots, 0.0))), ready) <= need(jobs, slots, ready)
    assert need(jobs, slots, ready) <= need(jobs, slots, ready + later)


@given(st.integers(1, 400), st.sampled_from([2.0, 60.0, 350.0]), st.integers(60, 900))
def test_a_burst_on_its_own_needs_what_can_be_counted_by_hand(files: int, seconds: float, wait: int) -> None:
    burst = (Job(150.0 + wait, files, files * seconds, seconds),)
    each = floor(wait / seconds) + 1
    assert need(burst, (), 150.0) <= ceil(files / each)


@given(job_lists, slot_lists)
def test_the_fewest_slots_are_enough_and_one_fewer_is_not(
    jobs: tuple[Job, ...], slots: tuple[float, ...]
) -> None:
    number = arithmetic.fewest(Jobs.of(jobs), np.array(slots))
    if number < len(slots):
        assert need(jobs, slots[:number], inf) == 0
    if number:
        assert need(jobs, slots[: number - 1], inf) > 0


def test_what_is_too_late_is_postponed_and_stays_in_order() -> None:
    jobs = Jobs.of([Job(100.0, 1, 1.0, 1.0), Job(200.0, 2, 2.0, 1.0), Job(400.0, 3, 3.0, 1.0)])
    later = jobs.postponed(before=200.0, until=300.0)
    assert later.deadlines.tolist() == [200.0, 300.0, 400.0]
    assert later.files.tolist() == [2, 1, 3]

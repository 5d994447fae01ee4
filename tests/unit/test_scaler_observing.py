"""What the queue and the workers show becomes a function's part of the snapshot."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.local.machine import this_machine
from headrace.model.function import Function
from headrace.model.observation import Standing
from headrace.model.resources import CPU, ResourceList
from headrace.placement.ways import NEEDS_NONE
from headrace.queue.port import Backlog
from headrace.scaler.learning import ArrivalHistory
from headrace.scaler.memory import FunctionMemory
from headrace.scaler.observing import Course, Sight, followed, waiting_files, worker_views
from headrace.scaler.ports import Present
from headrace.scaler.snapshot import Files, Running, WorkerView

NOW = 1000.0
REQUEST = ResourceList.of({CPU: 1100})


def backlog(tasks: int, leased: int = 0, *, oldest: float = 900.0, size: int = 0) -> Backlog:
    return Backlog(tasks, leased, oldest if tasks else None, tasks * size, paused=False)


# Arrivals


@pytest.mark.parametrize(
    ("looks", "arrived"),
    [
        ([(5, 0)], [5]),
        ([(5, 0), (8, 0)], [5, 3]),
        ([(5, 0), (0, 0)], [5, 0]),  # purged: nobody told
        ([(5, 5), (0, 0)], [5, 0]),  # told first, gone a moment later
        ([(5, 0), (0, 5), (0, 0)], [5, 0, 0]),  # told and gone in the same moment
        ([(5, 5), (3, 0)], [5, 3]),  # three came while five went
        ([(5, 0), (3, 5), (3, 0)], [5, 0, 3]),  # the same, seen a look later
        ([(9, 0), (0, 0), (4, 0)], [9, 0, 4]),  # a purge hides nothing that comes after it
    ],
)
def test_files_are_counted_once_whether_they_are_told_of_before_they_leave_or_not(
    looks: list[tuple[int, int]], arrived: list[int]
) -> None:
    course, found = Course(0), []
    for tasks, told in looks:
        found.append(course.arrived(tasks))
        course = course.next(backlog(tasks), told, NOW)
    assert found == arrived


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30))
def test_with_all_told_as_it_leaves_as_many_files_come_as_come(moves: list[tuple[int, int]]) -> None:
    tasks = came = counted = 0
    course = Course(0)
    for coming, leaving in [*moves, (0, 0), (0, 0)]:
        going = min(leaving, tasks)
        tasks, came = tasks + coming - going, came + coming
        counted += course.arrived(tasks)
        course = course.next(backlog(tasks), going, NOW)
    assert counted == came


def test_at_the_first_look_what_waits_is_new_unless_it_was_known_before_a_restart() -> None:
    waiting = backlog(3, oldest=900.0, size=10)
    assert followed(None, ArrivalHistory(), waiting, now=NOW).groups == (Files(900.0, 3, 30),)
    known = ArrivalHistory().arrived(900.0, 3, 30)
    assert followed(None, known, waiting, now=NOW) == known
    assert followed(None, ArrivalHistory().arrived(800.0, 1, 0), waiting, now=NOW).last == 900.0
    assert followed(None, ArrivalHistory(), backlog(0), now=NOW) == ArrivalHistory()


# Waiting files


@pytest.mark.parametrize(
    ("seen", "busy", "groups", "expected"),
    [
        (backlog(0), 0, (), ()),
        (backlog(3, size=10), 0, (), (Files(900.0, 3, 30),)),
        (backlog(3, 2), 1, (), (Files(900.0, 1),)),
        (backlog(3, 3), 1, (), ()),
        (backlog(3, 3), 0, (), (Files(900.0, 1),)),
        (
            backlog(9, 2),
            1,
            (Files(950.0, 4), Files(960.0, 1)),
            (Files(900.0, 2), Files(950.0, 4), Files(960.0, 1)),
        ),
        (backlog(9, 7), 1, (Files(950.0, 4), Files(960.0, 1)), (Files(950.0, 1), Files(960.0, 1))),
        (backlog(9, 2), 1, (Files(850.0, 9),), (Files(900.0, 7),)),  # a group that began before the oldest
    ],
)
def test_files_that_nobody_holds_are_the_newest_and_with_nobody_busy_one_in_hand_waits_too(
    seen: Backlog, busy: int, groups: tuple[Files, ...], expected: tuple[Files, ...]
) -> None:
    assert waiting_files(seen, busy, groups) == expected


@given(
    st.integers(0, 50),
    st.integers(0, 60),
    st.lists(st.tuples(st.floats(800.0, 1000.0), st.integers(1, 9)), max_size=8),
)
def test_groups_hold_every_waiting_file_oldest_first(
    tasks: int, leased: int, pairs: list[tuple[float, int]]
) -> None:
    groups = [Files(moment, count) for moment, count in sorted(pairs)]
    seen = backlog(tasks, leased)
    found = waiting_files(seen, 1, groups)
    assert sum(files.count for files in found) == seen.waiting
    assert [files.arrived for files in found] == sorted(files.arrived for files in found)
    assert all(files.arrived >= 900.0 for files in found)


# Workers


PRESENT = [Present("w0", "a", "local", 100.0), Present("w1", "a", "local", 990.0)]


@pytest.mark.parametrize(
    ("course", "seen", "expected"),
    [
        (Course(9, working_since=950.0), backlog(9, 1), [(950.0, True), (1000.0, False)]),
        (Course(9, working_since=950.0), backlog(9, 5), [(950.0, True), (990.0, True)]),
        (Course(0, empty_since=950.0), backlog(0), [(950.0, False), (990.0, False)]),
        (Course(1), backlog(1), [(1000.0, False), (1000.0, False)]),
    ],
)
def test_as_many_workers_have_files_as_are_leased_and_nobody_idles_before_the_queue_is_empty(
    course: Course, seen: Backlog, expected: list[tuple[float, bool]]
) -> None:
    assert worker_views(PRESENT, seen, course, NOW) == [
        WorkerView(worker.name, "a", "local", since, busy)
        for worker, (since, busy) in zip(PRESENT, expected, strict=True)
    ]


def test_since_when_a_function_works_or_is_empty_is_kept_until_that_ends() -> None:
    course = Course(0).next(backlog(2, 1), 0, 10.0).next(backlog(2, 2), 0, 20.0)
    assert (course.working_since, course.empty_since) == (10.0, None)
    course = course.next(backlog(0), 2, 30.0).next(backlog(0), 0, 40.0)
    assert (course.working_since, course.empty_since) == (None, 30.0)


# The whole


def a_function(**spec: object) -> Function:
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "a", "namespace": "lab"},
        "spec": {"run": {"script": "run.sh"}, "input": [{"bucket": "uploads"}], "priority": 3, **spec},
    }
    return Function.from_json(json.dumps(document))


def test_a_function_is_seen_with_what_its_file_says_and_what_was_learned() -> None:
    arrivals = ArrivalHistory().arrived(700.0, 1, 0).arrived(950.0, 4, 40)
    memory = FunctionMemory(arrivals=arrivals)
    seen = backlog(5, 2, size=10)
    workers = worker_views(PRESENT[:1], seen, Course(5, working_since=980.0), NOW)
    sight = Sight(
        a_function(),
        replace(memory),
        seen,
        workers,
        takes=True,
        gpu=NEEDS_NONE,
        request=REQUEST,
        leaving_seconds=600.0,
    )
    view = sight.view((this_machine(1),), boot_seconds=0.0, now=NOW)
    assert (view.pools, view.tenant, view.priority, view.paused) == (("local",), "lab", 3, False)
    assert view.waiting == (Files(950.0, 3, 30),)
    assert view.running == (Running(980.0, "local", 10),)
    assert view.recent == (Files(950.0, 4, 40),)
    assert (view.silences, view.last_arrival) == ((250.0,), 950.0)
    assert sight.forgetting(0.0, NOW).arrivals.groups == view.recent


@pytest.mark.parametrize(("held", "waiting"), [(0, (Files(900.0, 1),)), (1, ())])
def test_a_worker_that_has_not_told_yet_what_it_took_is_not_idle_with_nothing_to_do(
    held: int, waiting: tuple[Files, ...]
) -> None:
    """Else its room would be given away, its files handed back, and so on for ever."""
    told = Standing(function="a", worker="w0", held=held, since=995.0)
    seen = backlog(2, 2)
    views = worker_views([replace(PRESENT[0], standing=told)], seen, Course(2), NOW)
    sight = Sight(a_function(), FunctionMemory(), seen, views, True, NEEDS_NONE, REQUEST, 600.0)
    assert sight.view((), boot_seconds=0.0, now=NOW).waiting == waiting


@pytest.mark.parametrize(
    ("spec", "takes", "seen", "paused"),
    [
        ({}, True, backlog(1), False),
        ({"suspend": True}, True, backlog(1), True),
        ({}, False, backlog(1), True),
        ({}, True, replace(backlog(1), paused=True), True),
    ],
)
def test_a_function_is_paused_by_a_person_its_file_or_who_can_not_run_it(
    spec: dict[str, object], takes: bool, seen: Backlog, paused: bool
) -> None:
    sight = Sight(a_function(**spec), FunctionMemory(), seen, [], takes, NEEDS_NONE, REQUEST, 600.0)
    assert sight.view((), boot_seconds=0.0, now=NOW).paused is paused

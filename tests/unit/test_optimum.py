"""The optimum: cases solvable by hand, and small ones against every schedule there is."""

import math
from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headrace.scaler.simulation.generators import WORKLOADS
from headrace.scaler.simulation.optimum.cost import DueFile, Optimum, Proof, total
from headrace.scaler.simulation.optimum.fluid import fluid_optimum
from headrace.scaler.simulation.optimum.whole import (
    FEW_FILES,
    Terms,
    consecutive_seconds,
    few_files_seconds,
    two_bursts_seconds,
    whole_optimum,
)

WAIT, BOOT = 300, 150
NEARLY = 1e-5  # the solver's precision, as a share


def whole(arrivals: Sequence[float], service: float, *, wait: float = WAIT, boot: float = BOOT) -> Optimum:
    return whole_optimum(arrivals, service_seconds=service, max_wait_seconds=wait, boot_seconds=boot)


def due(arrivals: Sequence[float], service: float, *, within: float = WAIT + BOOT) -> list[DueFile]:
    return [DueFile(each, each + within, service) for each in arrivals]


def fluid(files: list[DueFile], *, boot: float = BOOT, workers: int = 1, slot: float = 30) -> float:
    found = fluid_optimum(files, boot_seconds=boot, workers_per_node=workers, slot_seconds=slot)
    return found.node_seconds


@cache
def cheapest(arrivals: tuple[int, ...], terms: Terms) -> float:
    """By trying every way to share files out to nodes and every whole second at which a node may begin."""
    if not arrivals:
        return 0.0
    return min(
        (
            one_node(tuple(chosen), terms) + cheapest(tuple(left), terms)
            for chosen, left in with_first(arrivals)
        ),
        default=math.inf,
    )


def with_first(arrivals: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """The first file and any others; and those left."""
    for mask in range(1 << (len(arrivals) - 1)):
        rest = list(enumerate(arrivals[1:]))
        yield (
            [arrivals[0], *(each for bit, each in rest if mask >> bit & 1)],
            [each for bit, each in rest if not mask >> bit & 1],
        )


@cache
def one_node(arrivals: tuple[int, ...], terms: Terms) -> float:
    """One node that serves these in order, from the best second on; infinite where it can't in time."""
    costs = [math.inf]
    for begin in range(arrivals[0], arrivals[0] + int(terms.start_within_seconds) + 1):
        free = float(begin)
        starts = []
        for arrived in arrivals:
            starts.append(max(free, arrived))
            free = starts[-1] + terms.service_seconds
        if all(
            start <= each + terms.start_within_seconds for start, each in zip(starts, arrivals, strict=True)
        ):
            costs.append(terms.boot_seconds + free - begin)
    return min(costs)


small_terms = st.builds(
    Terms,
    service_seconds=st.integers(1, 6),
    start_within_seconds=st.integers(0, 12),
    boot_seconds=st.integers(0, 8),
)
small_arrivals = st.lists(st.integers(0, 30), min_size=1, max_size=6).map(lambda each: tuple(sorted(each)))


@pytest.mark.parametrize(
    ("arrivals", "service", "seconds"),
    [
        pytest.param([], 60, 0, id="nothing"),
        pytest.param([7.5], 60, BOOT + 60, id="one file"),
        pytest.param([0] * 8, 60, 8 * 60 + BOOT, id="as many as one node can start in time"),
        pytest.param([0] * 9, 60, 9 * 60 + 2 * BOOT, id="one more"),
        pytest.param([0] * 200, 60, 200 * 60 + 25 * BOOT, id="a burst"),
        pytest.param([0] * 2000, 2, 2000 * 2 + 9 * BOOT, id="a burst of short files"),
        pytest.param([0] * 16, 30, 16 * 30 + BOOT, id="the last starts at its deadline"),
        pytest.param(range(0, 3600, 60), 60, BOOT + 3600, id="one node busy for an hour"),
        pytest.param([0, 100], 60, BOOT + 120, id="100 s apart share a boot"),
        pytest.param([0, 1000], 60, 2 * (BOOT + 60), id="1000 s apart do not"),
        pytest.param([0, 650], 60, BOOT + 120 + 140, id="idle for less than a boot"),
        pytest.param([0, 670], 60, 2 * (BOOT + 60), id="idle for more than a boot"),
        pytest.param([0] * 4 + [100] * 4 + [200] * 2, 60, 10 * 60 + BOOT, id="three bursts on one node"),
    ],
)
def test_whole_nodes_solve_what_a_hand_can_solve(
    arrivals: Sequence[float], service: float, seconds: float
) -> None:
    found = whole(arrivals, service)
    assert found == Optimum(pytest.approx(seconds), pytest.approx(seconds))
    assert found.proof is Proof.EXACT


@pytest.mark.parametrize(
    ("files", "service", "wait", "floors"),
    [
        (200, 60, 60, (1.00, 1.39, 3.24)),
        (200, 60, 300, (1.00, 1.086, 1.64)),
        (200, 60, 900, (1.00, 1.011, 1.18)),
        (2000, 2, 60, (1.12, 2.01, 5.24)),
        (2000, 2, 300, (1.01, 1.140, 1.77)),
        (2000, 2, 900, (1.00, 1.033, 1.21)),
    ],
)
def test_a_burst_foreseen_saves_what_the_reference_says(
    files: int, service: float, wait: float, floors: tuple[float, ...]
) -> None:
    for boot, floor in zip((30, 150, 600), floors, strict=True):
        unforeseen = files * service + boot * math.ceil(files / (wait // service + 1))
        ratio = unforeseen / whole([0] * files, service, wait=wait, boot=boot).node_seconds
        assert ratio == pytest.approx(floor, abs=0.0006 if boot == 150 and wait > 60 else 0.006)


@pytest.mark.parametrize(("name", "service", "floor"), [("bursts-60", 60, 1.086), ("bursts-2", 2, 1.140)])
def test_days_of_bursts_are_solved_exactly(name: str, service: float, floor: float) -> None:
    for seed in range(20):
        arrivals = [file.time for file in WORKLOADS[name](seed).arrivals]
        unforeseen = len(arrivals) * service + 8 * BOOT * math.ceil(len(arrivals) / 8 / (WAIT // service + 1))
        found = whole(arrivals, service)
        assert found.proof is Proof.EXACT
        assert round(unforeseen / found.node_seconds, 3) >= floor, "bursts that share nodes cost less"


def test_a_trickle_of_whole_nodes_costs_about_twice_its_fluid_bound() -> None:
    arrivals = [file.time for file in WORKLOADS["trickle"](0).arrivals]
    found = whole(arrivals, 30)
    assert found.proof is Proof.EXACT
    assert 2.0 < found.node_seconds / fluid(due(arrivals, 30)) < 2.4


@given(small_arrivals, small_terms)
def test_whole_nodes_of_few_files_cost_what_the_best_of_all_schedules_does(
    arrivals: tuple[int, ...], terms: Terms
) -> None:
    wait = terms.start_within_seconds - terms.boot_seconds
    found = whole(arrivals, terms.service_seconds, wait=wait, boot=terms.boot_seconds)
    best = pytest.approx(cheapest(arrivals, terms))
    assert found == Optimum(best, best)
    assert found.proof is Proof.EXACT


@given(st.tuples(st.integers(1, 4), st.integers(1, 4)), st.integers(0, 25), small_terms)
def test_two_bursts_are_solved_exactly_at_any_gap(files: tuple[int, int], gap: int, terms: Terms) -> None:
    assume(gap <= terms.longest_silence_seconds)
    arrivals = (0,) * files[0] + (gap,) * files[1]
    assert two_bursts_seconds(files, terms, gap_seconds=gap) == pytest.approx(cheapest(arrivals, terms))


@given(small_arrivals, small_terms)
def test_consecutive_files_a_node_are_a_schedule_that_exists(arrivals: tuple[int, ...], terms: Terms) -> None:
    assert consecutive_seconds(arrivals, terms) >= cheapest(arrivals, terms) - NEARLY


@given(small_arrivals, small_terms, st.sampled_from([0.7, 1, 2, 3]))
def test_the_fluid_bound_is_never_above_whole_nodes(
    arrivals: tuple[int, ...], terms: Terms, slot: float
) -> None:
    files = due(arrivals, terms.service_seconds, within=terms.start_within_seconds)
    bound = fluid(files, boot=terms.boot_seconds, slot=slot)
    assert bound <= cheapest(arrivals, terms) * (1 + NEARLY)


@given(small_arrivals, small_terms)
def test_few_files_are_solved_exactly(arrivals: tuple[int, ...], terms: Terms) -> None:
    assert few_files_seconds(arrivals, terms) == pytest.approx(cheapest(arrivals, terms))


@pytest.mark.parametrize(
    ("arrivals", "terms", "seconds"),
    [
        pytest.param((0, 3), Terms(2, 3, 1), 5, id="one node serves both, HiGHS said 6"),
        pytest.param((0, 4), Terms(2, 3, 2), 6, id="one node serves both, HiGHS said 8"),
        pytest.param((0, 90, 270, 270, 300, 360), Terms(30, 450, 150), 330, id="one boot, HiGHS said 570"),
        pytest.param((0, 1, 2), Terms(4, 2, 1), 14, id="first and third on one node, 15 if consecutive"),
    ],
)
def test_few_files_cost_no_more_than_a_schedule_that_exists(
    arrivals: tuple[int, ...], terms: Terms, seconds: float
) -> None:
    """The integer programmes that stood here before were solved wrongly by HiGHS 1.15.1."""
    assert few_files_seconds(arrivals, terms) == pytest.approx(seconds)


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 30), min_size=FEW_FILES + 1, max_size=FEW_FILES + 1).map(sorted),
    small_terms,
)
def test_the_optimum_of_more_files_is_bounded_from_both_sides(arrivals: list[int], terms: Terms) -> None:
    best = few_files_seconds(arrivals, terms)
    wait = terms.start_within_seconds - terms.boot_seconds
    found = whole(arrivals, terms.service_seconds, wait=wait, boot=terms.boot_seconds)
    assert found.feasible_seconds is not None
    assert found.node_seconds <= best * (1 + NEARLY)
    assert found.feasible_seconds >= best * (1 - NEARLY)
    if found.proof is Proof.EXACT:
        assert found.node_seconds == pytest.approx(best)


def greedy_seconds(files: list[DueFile], *, boot: float, workers: int) -> float:
    """The cost of a simple schedule: a node more, booted on arrival, wherever no worker is free in time."""
    nodes: list[tuple[float, list[float]]] = []
    for file in files:
        _, free = min(nodes, key=lambda node: min(node[1]), default=(0.0, [math.inf]))
        if min(free) > file.start_by:
            free = [file.arrived + boot] * workers
            nodes.append((file.arrived, free))
        worker = free.index(min(free))
        free[worker] = max(free[worker], file.arrived) + file.service_seconds
    return sum(max(free) - ordered for ordered, free in nodes)


@given(
    st.lists(st.tuples(st.floats(0, 5000), st.floats(0.1, 300)), min_size=1, max_size=30),
    st.floats(0, 600),
    st.floats(0, 300),
    st.integers(1, 5),
    st.sampled_from([10, 30, 70]),
)
def test_the_fluid_bound_is_never_above_a_simple_schedule(
    files: list[tuple[float, float]], wait: float, boot: float, workers: int, slot: float
) -> None:
    order = [DueFile(arrived, arrived + wait + boot, service) for arrived, service in sorted(files)]
    cost = greedy_seconds(order, boot=boot, workers=workers)
    assert fluid(order, boot=boot, workers=workers, slot=slot) <= cost * (1 + NEARLY)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_fluid_bound_of_steady_work_is_near_its_whole_cost(workers: int) -> None:
    """An hour of one busy worker: a fluid saves a part of its boot, of its work nothing."""
    bound = fluid(due(range(0, 3600, 10), 10), workers=workers)
    assert 3600 / workers < bound < (3600 + BOOT) / workers


def test_a_boot_makes_the_fluid_bound_dearer() -> None:
    files = due([0] * 200, 60)
    free, booted = (fluid(due([0] * 200, 60), boot=boot) for boot in (0, BOOT))
    assert free == pytest.approx(200 * 60)
    assert 200 * 60 + 20 * BOOT < booted < 200 * 60 + 25 * BOOT
    assert fluid([]) == 0
    assert fluid(files, workers=4) == pytest.approx(booted / 4)


def test_the_fluid_bound_does_not_depend_on_when_the_clock_began() -> None:
    files = [file.time for file in WORKLOADS["flash"](0).arrivals]
    epoch = due([each + 2e9 for each in files], 20)
    assert fluid(epoch) == pytest.approx(fluid(due(files, 20)), rel=NEARLY)


def test_the_fluid_bound_stands_where_sums_of_many_files_differ_by_rounding() -> None:
    arrivals = [file.time for file in WORKLOADS["bursts-2"](0).arrivals]
    odd = [1 / (3 + index % 97) for index in range(len(arrivals))]
    files = [DueFile(each, each + 1e-3, service) for each, service in zip(arrivals, odd, strict=True)]
    assert fluid(files, boot=0) == pytest.approx(sum(odd), rel=NEARLY)


def test_parts_add_up_and_one_that_is_no_schedule_makes_the_whole_a_bound() -> None:
    assert total([Optimum(1, 1), Optimum(2, 2.5)]) == Optimum(3, 3.5)
    assert total([Optimum(1, 1), Optimum(2)]) == Optimum(3, None)
    assert total([]).proof is Proof.EXACT


def test_the_solver_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """A document that a command prints as JSON must stay one; HiGHS 1.16.0 announces itself."""
    fluid(due([0], 60))
    assert capfd.readouterr() == ("", "")

"""The made workloads: the same from the same seed, and what their docstrings say of them."""

import math
from collections import Counter
from collections.abc import Callable

import pytest

from headrace.scaler.simulation.generators import DAY_SECONDS, WORKLOADS
from headrace.scaler.simulation.trace import Arrival, Trace

SEEDS = range(5)


def busy_workers(files: list[Arrival], seconds: float = DAY_SECONDS) -> float:
    return sum(file.service_seconds for file in files) / seconds


def between(trace: Trace, start: float, end: float) -> list[Arrival]:
    return [file for file in trace.arrivals if start <= file.time < end]


def expected(mean: float) -> object:
    """A Poisson count: five deviations wide, and seeds are fixed."""
    return pytest.approx(mean, abs=5 * math.sqrt(mean))


@pytest.mark.parametrize("make", WORKLOADS.values(), ids=WORKLOADS)
def test_a_seed_gives_the_same_trace_and_another_seed_another(make: Callable[[int], Trace]) -> None:
    assert make(1) == make(1)
    assert make(1) != make(2)


@pytest.mark.parametrize("make", WORKLOADS.values(), ids=WORKLOADS)
def test_a_trace_lies_within_a_day(make: Callable[[int], Trace]) -> None:
    times = [file.time for seed in SEEDS for file in make(seed).arrivals]
    assert 0 <= min(times) < max(times) < DAY_SECONDS


@pytest.mark.parametrize(("name", "files", "seconds"), [("bursts-60", 200, 60), ("bursts-2", 2000, 2)])
def test_bursts_are_eight_instants_a_day_with_all_their_files(name: str, files: int, seconds: float) -> None:
    trace = WORKLOADS[name](3)
    assert sorted(Counter(file.time for file in trace.arrivals).values()) == [files] * 8
    assert {file.service_seconds for file in trace.arrivals} == {seconds}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_trickle_has_a_file_every_240_s_on_average(seed: int) -> None:
    assert len(WORKLOADS["trickle"](seed).arrivals) == expected(DAY_SECONDS / 240)


@pytest.mark.parametrize("seed", SEEDS)
def test_day_and_night_keep_twelve_nodes_busy_on_average(seed: int) -> None:
    assert busy_workers(list(WORKLOADS["diurnal"](seed).arrivals)) == pytest.approx(12, rel=0.05)


@pytest.mark.parametrize(("hour", "share"), [(0, 0.11), (5.5, 1.0), (11.5, 1.9), (17.5, 1.0)])
def test_the_rate_of_an_hour_swings_from_a_tenth_at_midnight_to_nearly_double_at_noon(
    hour: float, share: float
) -> None:
    traces = [WORKLOADS["diurnal"](seed) for seed in SEEDS]
    files = sum(len(between(trace, hour * 3600, (hour + 1) * 3600)) for trace in traces)
    assert files / len(traces) == pytest.approx(12 / 60 * share * 3600, rel=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crowd_comes_at_once_and_falls_to_a_third_in_its_decay(seed: int) -> None:
    trace = WORKLOADS["flash"](seed)
    minutes = Counter(int(file.time // 60) for file in trace.arrivals)
    start = next(minute for minute in range(360) if minutes[minute] + minutes[minute + 1] > 120) * 60
    assert 6 * 900 <= start + 60 <= 18 * 900 + 60, "it comes in the middle half of six hours"
    before, after = between(trace, 0, start - 60), between(trace, start + 60, start + 960)
    assert len(before) == expected(0.02 * (start - 60))
    assert len(after) == pytest.approx(1.98 * 900 * (1 - 1 / math.e) + 18, rel=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mixture_has_five_functions_that_keep_as_many_workers_busy(seed: int) -> None:
    kinds: dict[str, list[Arrival]] = {}
    for file in WORKLOADS["mix"](seed).arrivals:
        kinds.setdefault(file.function, []).append(file)
    assert sorted(files[0].service_seconds for files in kinds.values()) == [10, 20, 40, 80, 120]
    for files in kinds.values():
        assert busy_workers(files) == pytest.approx(1.6, rel=0.15)
        assert len({file.service_seconds for file in files}) == 1

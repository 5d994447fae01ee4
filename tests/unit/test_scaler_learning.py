"""What is learned from finished files, boots and arrivals."""

import random

import pytest

from headrace.scaler.learning import ArrivalHistory, BootHistory, ServiceHistory
from headrace.scaler.snapshot import BootEstimate, Files, ServiceEstimate

PRIOR = ServiceEstimate(start_seconds=5.0, file_seconds=30.0)


def observed(history: ServiceHistory, *files: tuple[int, float]) -> ServiceHistory:
    for size, seconds in files:
        history = history.observed(1, size, seconds)
    return history


def test_before_the_first_file_the_prior_holds() -> None:
    assert ServiceHistory(PRIOR).estimate == PRIOR


def test_the_prior_weighs_as_much_as_three_files() -> None:
    assert observed(ServiceHistory(PRIOR), *[(0, 60.0)] * 3).estimate.file_seconds == pytest.approx(
        45.0, rel=0.01
    )


@pytest.mark.parametrize("seconds", [15.0, 30.0, 60.0, 300.0])
def test_what_files_take_is_found_whatever_was_believed(seconds: float) -> None:
    found = observed(ServiceHistory(PRIOR), *[(0, seconds)] * 100).estimate
    assert found.seconds(1, 0) == pytest.approx(seconds, rel=0.1)


def test_a_batch_tells_as_much_as_its_files() -> None:
    history = ServiceHistory(PRIOR)
    for _ in range(30):
        history = history.observed(8, 0, 8 * 45.0)
    assert history.estimate.file_seconds == pytest.approx(45.0, rel=0.02)


def test_the_dependence_on_size_is_found_in_spite_of_outliers() -> None:
    rng = random.Random(1)
    files = [(size := rng.randrange(10**6, 10**8), 10.0 + size * 1e-6) for _ in range(200)]
    wild = [
        (size, seconds * 50 if index % 10 == 0 else seconds) for index, (size, seconds) in enumerate(files)
    ]
    found = observed(ServiceHistory(PRIOR), *wild).estimate
    assert found.seconds_per_byte == pytest.approx(1e-6, rel=0.5)
    assert found.seconds(1, 5 * 10**7) == pytest.approx(60.0, rel=0.5)


def test_a_change_is_followed() -> None:
    history = observed(ServiceHistory(PRIOR), *[(0, 10.0)] * 500)
    assert observed(history, *[(0, 40.0)] * 1000).estimate.file_seconds == pytest.approx(40.0, rel=0.05)


def test_a_start_is_the_median_of_those_seen() -> None:
    history = ServiceHistory(PRIOR)
    for seconds in (2.0, 3.0, 60.0):
        history = history.started(seconds)
    assert history.estimate.start_seconds == 3.0


def test_nothing_is_learned_from_no_files() -> None:
    assert ServiceHistory(PRIOR).observed(0, 0, 10.0) == ServiceHistory(PRIOR)


@pytest.mark.parametrize(
    ("boots", "estimate"),
    [
        ([], BootEstimate(150.0, 150.0)),
        ([100.0], BootEstimate(100.0, 100.0)),
        ([100.0, 110.0, 120.0, 130.0, 140.0, 150.0, 160.0, 170.0, 180.0, 900.0], BootEstimate(145.0, 900.0)),
        ([900.0] * 16 + [100.0] * 16, BootEstimate(100.0, 100.0)),  # the last sixteen
        ([None, *[100.0] * 9], BootEstimate(100.0, 100.0, failing=True)),  # one of the last ten
        ([None, *[100.0] * 10], BootEstimate(100.0, 100.0)),
        ([None, None, *[100.0] * 48], BootEstimate(100.0, 100.0, failing=True)),  # two of fifty
        ([None, None, *[100.0] * 49], BootEstimate(100.0, 100.0)),
    ],
)
def test_boots(boots: list[float | None], estimate: BootEstimate) -> None:
    history = BootHistory(150.0)
    for seconds in boots:
        history = history.failed() if seconds is None else history.booted(seconds)
    assert history.estimate == estimate


def test_arrivals_are_grouped_and_silences_kept() -> None:
    history = ArrivalHistory()
    for time in (100.0, 102.0, 104.9, 105.0, 130.0, 135.0):
        history = history.arrived(time, 2, 10)
    assert history.groups == (
        Files(100.0, 6, 30),
        Files(105.0, 2, 10),
        Files(130.0, 2, 10),
        Files(135.0, 2, 10),
    )
    assert history.silences == (25.0,)
    assert history.last == 135.0
    assert history.recent(105.0) == history.groups[1:]
    assert history.forgetting(130.0).groups == history.groups[2:]


def test_only_the_last_silences_count() -> None:
    history = ArrivalHistory()
    for number in range(60):
        history = history.arrived(number * 20.0, 1, 0)
    assert history.silences == (20.0,) * 32

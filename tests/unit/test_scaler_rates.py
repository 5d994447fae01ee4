"""Whether a node is worth keeping, and whether company is expected."""

from math import inf

import pytest

from headrace.scaler.deciding.rates import Load, chance_of_company, keeps, silence_of


@pytest.mark.parametrize(
    ("work_in_boot", "work_in_both", "files", "nodes_on", "kept"),
    [
        (0.0, 0.0, 0, 1, False),  # nothing came: it goes at once, without an idle timer
        (12_000.0, 12_000.0, 200, 34, False),  # a burst that is over: the 34th node is not needed for 26
        (12_000.0, 12_000.0, 200, 26, True),
        (0.0, 12_000.0, 200, 1, False),  # nothing came in the last boot: a burst that is over is no rate
        (150.0, 450.0, 15, 1, True),  # one node busy all the time
        (150.0, 450.0, 15, 2, False),  # a second one never
        (30.0, 60.0, 2, 1, False),  # a file every 225 s: idling through a cycle costs more than a boot
        (120.0, 360.0, 6, 1, True),  # busy four fifths: the fifth costs less
    ],
)
def test_keeps(work_in_boot: float, work_in_both: float, files: int, nodes_on: int, kept: bool) -> None:
    load = Load(300.0, 150.0, work_in_boot, work_in_both, files)
    assert keeps(load, nodes_on) is kept


def test_a_node_that_boots_in_no_time_is_never_kept() -> None:
    assert keeps(Load(300.0, 0.0, 1000.0, 1000.0, 100), 1) is False


@pytest.mark.parametrize(
    ("silent", "left", "chance"),
    [
        (0.0, 100.0, 0.25),
        (0.0, 400.0, 1.0),
        (150.0, 100.0, 1 / 3),  # of those longer than the present silence only
        (500.0, 100.0, 0.0),  # it has never been silent for so long
    ],
)
def test_chance_of_company(silent: float, left: float, chance: float) -> None:
    assert chance_of_company((100.0, 200.0, 300.0, 400.0), silent=silent, left=left) == pytest.approx(chance)


def test_without_a_past_no_company_is_expected() -> None:
    assert silence_of(None, 10.0) == inf
    assert silence_of(4.0, 10.0) == 6.0
    assert chance_of_company((), silent=0.0, left=300.0) == 0.0
    assert chance_of_company((100.0,), silent=inf, left=300.0) == 0.0

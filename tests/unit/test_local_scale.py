"""The decision how many workers each function gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.local.scale import TURN_SECONDS, Demand, Reason, Wanted, wanted_workers


def demand(function: str = "a", **changes: object) -> Demand:
    fields: dict[str, object] = {
        "function": function, "waiting": 0, "leased": 0, "workers": 0, "min_workers": 0,
        "max_workers": 50, "idle_seconds": 60.0, "idle_since": 0.0,
    }  # fmt: skip
    fields.update(changes)
    if fields["waiting"] or fields["leased"]:
        fields["idle_since"] = None
    return Demand(**fields)  # type: ignore[arg-type]  # a table's rows name only what they change


ONE_FUNCTION = [
    ("no files, no workers", {}, 0, Reason.NO_FILES),
    ("one file, one worker", {"waiting": 1}, 1, Reason.FILES_WAIT),
    ("many files, every core", {"waiting": 100}, 4, Reason.NO_CORE_LEFT),
    ("a starting worker counts for its first file", {"waiting": 1, "workers": 1}, 1, Reason.FILES_WAIT),
    ("a busy worker does not", {"waiting": 1, "leased": 8, "workers": 1}, 2, Reason.FILES_WAIT),
    ("files in one worker's hands need no second", {"leased": 8, "workers": 1}, 1, Reason.FILES_WAIT),
    ("a delayed retry needs a worker", {"leased": 1}, 1, Reason.FILES_WAIT),
    ("maxWorkers holds", {"waiting": 9, "max_workers": 2}, 2, Reason.MOST_ALLOWED),
    ("minWorkers are kept without files", {"min_workers": 2}, 2, Reason.KEPT_WARM),
    ("paused: none", {"waiting": 9, "workers": 2, "min_workers": 1, "paused": True}, 0, Reason.PAUSED),
    ("idle, but not for long", {"workers": 3, "idle_since": 50.0}, 3, Reason.KEPT_WARM),
    ("idle for long", {"workers": 3, "idle_since": 40.0}, 0, Reason.NO_FILES),
    ("idle, with a minimum", {"workers": 3, "idle_since": 1.0, "min_workers": 1}, 1, Reason.KEPT_WARM),
    ("surplus workers stay while there is work", {"workers": 3, "leased": 1}, 3, Reason.FILES_WAIT),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "workers", "reason"), [row[1:] for row in ONE_FUNCTION],
                         ids=[row[0] for row in ONE_FUNCTION])  # fmt: skip
def test_one_function_on_four_cores(changes: dict[str, object], workers: int, reason: Reason) -> None:
    assert wanted_workers((demand(**changes),), cores=4, now=100.0) == (Wanted("a", workers, reason),)


SEVERAL = [
    ("each waiting function gets a core", 2, [demand("a", waiting=99), demand("b", waiting=1)], [1, 1]),
    ("what one does not need the other gets", 4, [demand("a", waiting=99), demand("b", waiting=1)], [3, 1]),
    ("warm workers give way to waiting files", 2,
     [demand("a", workers=2, idle_since=99.0), demand("b", waiting=9)], [0, 2]),
    ("one warm worker stays where a core is left", 2,
     [demand("a", workers=2, idle_since=99.0), demand("b", waiting=1)], [1, 1]),
    ("the odd core stays with who has it", 3,
     [demand("a", waiting=9, workers=1, leased=1), demand("b", waiting=9, workers=2, leased=2)], [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("cores", "demands", "workers"), [row[1:] for row in SEVERAL],
                         ids=[row[0] for row in SEVERAL])  # fmt: skip
def test_cores_are_shared_fairly(cores: int, demands: list[Demand], workers: list[int]) -> None:
    assert [w.workers for w in wanted_workers(demands, cores=cores, now=100.0)] == workers


def test_where_cores_are_too_few_every_function_gets_its_turn() -> None:
    demands = [demand(name, waiting=9) for name in "abc"]
    turns = [
        {w.function for w in wanted_workers(demands, cores=1, now=turn * TURN_SECONDS) if w.workers}
        for turn in range(3)
    ]
    assert sorted(turns, key=sorted) == [{"a"}, {"b"}, {"c"}]


def test_a_function_without_its_turn_is_told_why() -> None:
    wanted = wanted_workers([demand("a", waiting=1), demand("b", waiting=1)], cores=1, now=0.0)
    assert {w.reason for w in wanted if not w.workers} == {Reason.NO_CORE_LEFT}


@st.composite
def any_demands(draw: st.DrawFn) -> list[Demand]:
    small = st.integers(0, 9)
    return [
        Demand(
            function=name, waiting=draw(small), leased=draw(small), workers=draw(small),
            min_workers=(least := draw(small)), max_workers=least + 1 + draw(small),
            idle_seconds=60.0, idle_since=draw(st.none() | st.floats(0, 100)), paused=draw(st.booleans()),
        )
        for name in draw(st.lists(st.sampled_from("abcdef"), unique=True))
    ]  # fmt: skip


@given(any_demands(), st.integers(1, 16), st.floats(0, 1e6))
def test_never_more_workers_than_cores_or_allowed_and_no_waiting_function_starves_beside_a_rich_one(
    demands: list[Demand], cores: int, now: float
) -> None:
    wanted = wanted_workers(demands, cores=cores, now=now)
    assert [w.function for w in wanted] == [d.function for d in demands]
    assert sum(w.workers for w in wanted) <= cores
    for demand_, want in zip(demands, wanted, strict=True):
        assert 0 <= want.workers <= (0 if demand_.paused else demand_.max_workers)
        if want.workers < demand_.needed:
            assert max(w.workers for w in wanted) <= want.workers + 1
            assert sum(w.workers for w in wanted) == cores

"""A node's states, one after another, bounded, with pauses between two files left out."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.node import NodeState
from headrace.status.runs import FORGET_SECONDS, MOST_KEPT, Run, all_followed, compact, followed
from tests.unit.status_bench import node

OFF, BOOTING, IDLE, BUSY = NodeState.OFF, NodeState.BOOTING, NodeState.IDLE, NodeState.BUSY
INDEX = {state: number for number, state in enumerate(NodeState)}


def _followed(*looks: tuple[NodeState, float]) -> tuple[Run, ...]:
    runs: tuple[Run, ...] = ()
    for state, since in looks:
        runs = followed(runs, state, since)
    return runs


@pytest.mark.parametrize(
    ("looks", "runs"),
    [
        ([(OFF, 0.0)], [(OFF, 0.0)]),
        ([(OFF, 0.0), (OFF, 0.0)], [(OFF, 0.0)]),
        ([(OFF, 0.0), (BOOTING, 10.0), (IDLE, 70.0)], [(OFF, 0.0), (BOOTING, 10.0), (IDLE, 70.0)]),
        # idle for 4 s between two files is no pause; for 5 s it is
        ([(BUSY, 0.0), (IDLE, 10.0), (BUSY, 14.0)], [(BUSY, 0.0)]),
        ([(BUSY, 0.0), (IDLE, 10.0), (BUSY, 15.0)], [(BUSY, 0.0), (IDLE, 10.0), (BUSY, 15.0)]),
        # a file of a second is work nevertheless
        ([(IDLE, 0.0), (BUSY, 10.0), (IDLE, 11.0)], [(IDLE, 0.0), (BUSY, 10.0), (IDLE, 11.0)]),
        # a state is never told to have begun before the one before it
        ([(IDLE, 50.0), (BUSY, 40.0)], [(IDLE, 50.0), (BUSY, 50.0)]),
    ],
)
def test_states_follow_one_another(looks, runs):
    assert _followed(*looks) == tuple(Run(state, start) for state, start in runs)


def test_compact_runs_are_those_before_the_present_one():
    runs = _followed((OFF, 0.0), (BOOTING, 10.0), (IDLE, 70.4))
    assert compact(runs, INDEX, 6) == (INDEX[OFF], 10, INDEX[BOOTING], 60)
    assert compact(runs, INDEX, 1) == (INDEX[BOOTING], 60)
    assert compact((), INDEX, 6) == ()


def test_a_node_that_is_gone_is_off_and_forgotten_in_the_end():
    known = all_followed({}, [node("a", IDLE, since=5.0)], 10.0)
    gone = all_followed(known, [], 20.0)
    assert gone["a"] == (Run(IDLE, 5.0), Run(OFF, 20.0))
    assert all_followed(gone, [], 20.0 + FORGET_SECONDS - 1) == gone
    assert all_followed(gone, [], 20.0 + FORGET_SECONDS) == {}


@given(st.lists(st.tuples(st.sampled_from(list(NodeState)), st.floats(0.0, 1e6)), min_size=1, max_size=120))
def test_runs_are_bounded_in_order_and_never_alike_one_after_another(looks):
    runs = _followed(*looks)
    assert 1 <= len(runs) <= MOST_KEPT
    assert runs[-1].state is looks[-1][0]
    for before, after in pairwise(runs):
        assert before.start <= after.start
        assert before.state is not after.state

"""A node's states: every pair of them, written out once more by what may happen to a node."""

import itertools

import pytest

from headrace.model.node import NEXT, IllegalStepError, NodeState, step

OFF, BOOTING, IDLE, BUSY = NodeState.OFF, NodeState.BOOTING, NodeState.IDLE, NodeState.BUSY
DRAINING, STOPPING, FAILED = NodeState.DRAINING, NodeState.STOPPING, NodeState.FAILED
UNKNOWN = NodeState.UNKNOWN

ALLOWED = {
    *{(OFF, BOOTING), (OFF, IDLE)},  # ordered; switched on by somebody else
    *{(BOOTING, IDLE), (BOOTING, OFF), (BOOTING, FAILED)},
    *{(IDLE, BUSY), (BUSY, IDLE)},
    *{(IDLE, DRAINING), (BUSY, DRAINING), (DRAINING, IDLE), (DRAINING, BUSY)},
    *{(IDLE, STOPPING), (DRAINING, STOPPING), (FAILED, STOPPING)},  # never one that works
    *{(STOPPING, OFF), (STOPPING, IDLE), (STOPPING, FAILED)},
    *{(IDLE, OFF), (BUSY, OFF), (DRAINING, OFF)},  # power cuts
    *{(IDLE, FAILED), (BUSY, FAILED), (DRAINING, FAILED)},
    *{(FAILED, OFF), (FAILED, IDLE)},
    *{(state, UNKNOWN) for state in NodeState},
    *{(UNKNOWN, state) for state in NodeState},
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(NodeState, NodeState)))
def test_a_node_goes_where_the_table_says_and_nowhere_else(before, after):
    if (before, after) in ALLOWED or before is after:
        assert step("n1", before, after) is after
    else:
        with pytest.raises(IllegalStepError, match=f"node n1: found {before} to {after}, allowed "):
            step("n1", before, after)


def test_every_state_can_be_left_and_reached():
    assert set(NEXT) == set(NodeState)
    assert set().union(*NEXT.values()) == set(NodeState)
    assert all(NEXT.values())


def test_a_refusal_names_what_is_allowed_in_order():
    with pytest.raises(IllegalStepError, match=r"allowed failed, idle, off, unknown$"):
        step("n1", STOPPING, BUSY)

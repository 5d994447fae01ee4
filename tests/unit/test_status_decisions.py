"""What the scaler decided anew, from two of its explanations."""

import pytest

from headrace.model.node import NodeState
from headrace.scaler.explaining import Shortfall
from headrace.scaler.plan import Reason, ReasonCode
from headrace.status.decisions import decided
from headrace.status.document import MOST_WORDS, About
from tests.unit.status_bench import IDLE, NOW, WAITS, node, plan, story

LIMIT = Reason(ReasonCode.LIMIT, "maxNodes is reached")


def _steps(before, after):
    found = decided(plan(*before), plan(*after, at=NOW + 1))
    return [(each.about, each.name, each.before, each.after, each.count, each.why.code) for each in found]


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        ([story(wanted=2)], [story(wanted=2)], []),
        ([story(wanted=2)], [story(wanted=5)], [(About.WORKERS, "echo", "2", "5", 1, "files-wait")]),
        ([], [story(wanted=1)], [(About.WORKERS, "echo", "0", "1", 1, "files-wait")]),
        ([], [story()], []),
        ([story(wanted=3)], [], [(About.WORKERS, "echo", "3", "0", 1, "gone")]),
        ([story(workers=1)], [story(workers=4)], []),  # workers that come are no decision
        (
            [story()],
            [story(unmet=[Shortfall(LIMIT, 4), Shortfall(LIMIT, 5)])],
            [(About.FILES, "echo", "0", "9", 1, "limit")],
        ),
        ([story(unmet=[Shortfall(LIMIT, 4)])], [story(unmet=[Shortfall(LIMIT, 3)])], []),
        ([story(unmet=[Shortfall(LIMIT, 4)])], [story()], [(About.FILES, "echo", "4", "0", 1, "limit")]),
        (
            [node("a", NodeState.OFF), node("b", NodeState.OFF)],
            [node("a", NodeState.BOOTING), node("b", NodeState.BOOTING)],
            [(About.NODES, "gpu", "off", "booting", 2, "files-wait")],
        ),
        (  # for other reasons, in other pools: told apart
            [node("a", NodeState.IDLE), node("b", NodeState.IDLE, pool="cpu")],
            [node("a", NodeState.STOPPING, reason=IDLE), node("b", NodeState.STOPPING, pool="cpu")],
            [
                (About.NODES, "gpu", "idle", "stopping", 1, "nothing-waits"),
                (About.NODES, "cpu", "idle", "stopping", 1, "files-wait"),
            ],
        ),
        ([node("a", NodeState.IDLE)], [node("a", NodeState.BUSY)], []),  # a file came: nobody decided that
        ([node("a", NodeState.BUSY)], [node("a", NodeState.FAILED)],
         [(About.NODES, "gpu", "busy", "failed", 1, "files-wait")]),
        ([], [node("a", NodeState.BOOTING)], [(About.NODES, "gpu", "off", "booting", 1, "files-wait")]),
        ([], [node("a", NodeState.OFF)], []),
        ([node("a", NodeState.IDLE)], [], [(About.NODES, "gpu", "idle", "off", 1, "gone")]),
        ([node("a", NodeState.OFF)], [], []),
        (
            [node("a", NodeState.IDLE)],
            [node("a", NodeState.IDLE, enabled=False)],
            [(About.NODES, "gpu", "enabled", "disabled", 1, "files-wait")],
        ),
    ],
)  # fmt: skip
def test_what_is_other_is_told_once(before, after, steps):
    assert _steps(before, after) == steps


def test_the_same_explanation_again_tells_nothing():
    assert decided(plan(story(wanted=1)), plan(story(wanted=2))) == ()


def test_of_many_nodes_three_are_named_and_all_are_counted():
    names = [f"n{number}" for number in range(9)]
    (found,) = decided(
        plan(*(node(name, NodeState.OFF) for name in names)),
        plan(*(node(name, NodeState.BOOTING) for name in names), at=NOW + 1),
    )
    assert (found.count, found.nodes) == (9, ("n0", "n1", "n2"))


def test_a_long_reason_is_cut():
    long = Reason(ReasonCode.PROMISE, "x" * 1000)
    (found,) = decided(plan(story(reason=WAITS)), plan(story(wanted=1, reason=long), at=NOW + 1))
    assert len(found.why.text) == MOST_WORDS

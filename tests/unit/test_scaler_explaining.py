"""A decision told: why so many workers and nodes, what is on its way, what can't be met."""

from dataclasses import replace

import pytest

from headrace.model.amounts import amount_text
from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.decide import decide
from headrace.scaler.explaining import (
    Explanation,
    FunctionStory,
    NodeStory,
    PoolStory,
    Shortfall,
    explanation,
    misfit,
)
from headrace.scaler.plan import Plan, Reason, ReasonCode, StartNode, StopNode, Unmet, Workers
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import (
    BootEstimate,
    Files,
    FunctionView,
    NodeView,
    PoolView,
    Running,
    ServiceEstimate,
    Snapshot,
    WorkerView,
)

NOW = 1000.0
ONE = ResourceList.of({"cpu": 1000, "memory": 2**30})
POOL = PoolView("local", ResourceList.of({"cpu": 2000, "memory": 2**32}), BootEstimate(60.0, 90.0))
WAITS, STARTS, IDLE = (Reason(ReasonCode.FILES_WAIT, text) for text in ("they wait", "they start", "idle"))


def node(name: str, state: NodeState, **more: object) -> NodeView:
    return replace(NodeView(name, "local", state, 900.0, ordered=950.0), **more)


ECHO = FunctionView(
    "echo", ONE, ("local",), waiting=(Files(990.0, 2), Files(995.0, 3)), running=(Running(980.0, "n0"),)
)
SNAPSHOT = Snapshot(
    (ECHO,),
    (POOL,),
    (node("n0", NodeState.BUSY), node("n1", NodeState.BOOTING), node("n2", NodeState.IDLE)),
    (WorkerView("w0", "echo", "n0", 980.0, busy=True), WorkerView("w1", "echo", "n0", 980.0, busy=False)),
)
PLAN = Plan(
    start=(StartNode("n3", "local", STARTS),),
    stop=(StopNode("n2", "local", IDLE),),
    workers=(Workers("echo", {"n0": 2}, WAITS),),
    unmet=(Unmet("echo", 5, STARTS, until=1050.0),),
)


def test_the_whole_plan_is_told() -> None:
    assert explanation(SNAPSHOT, PLAN, NOW) == Explanation(
        at=NOW,
        functions=(
            FunctionStory(
                "echo", WAITS, waiting=5, working=1, workers=2, wanted={"n0": 2}, request=dict(ONE),
                service=ServiceEstimate(), oldest=990.0, unmet=(Shortfall(STARTS, 5, 1050.0),),
            ),
        ),
        nodes=(
            NodeStory("n0", "local", NodeState.BUSY, 900.0,
                      Reason(ReasonCode.FILES_WAIT, "1 of its workers have files"), workers={"echo": 2}),
            NodeStory("n1", "local", NodeState.BOOTING, 900.0,
                      Reason(ReasonCode.FILES_WAIT, "ordered before, and on its way"), workers={},
                      expected=1040.0),
            NodeStory("n2", "local", NodeState.IDLE, 900.0, IDLE, workers={}),
            NodeStory("n3", "local", NodeState.OFF, NOW, STARTS, expected=1090.0),
        ),
        pools=(
            PoolStory("local", dict(POOL.capacity),
                      {NodeState.BUSY: 1, NodeState.BOOTING: 1, NodeState.IDLE: 1}, 0, 100, POOL.boot),
        ),
    )  # fmt: skip


def test_a_node_that_can_not_be_started_says_why() -> None:
    off = node("n0", NodeState.OFF, hindrance="AWS has no more")
    (story,) = explanation(replace(SNAPSHOT, functions=(), nodes=(off,), workers=()), Plan(), NOW).nodes
    assert story.reason == Reason(ReasonCode.NO_CAPACITY, "AWS has no more")


def test_of_a_pool_that_nobody_makes_nodes_for_no_node_is_promised() -> None:
    pool = replace(POOL, min_nodes=1, max_nodes=1, fixed=True, by_hand="label n0")
    snapshot = replace(SNAPSHOT, pools=(pool,), nodes=(), workers=(), functions=(replace(ECHO, running=()),))
    told = explanation(snapshot, decide(snapshot, ScalerSettings(), NOW), NOW)
    assert told.nodes == ()
    assert told.pools[0].left_out == "no node bears its label, and nobody makes one; label one: label n0"
    gone = replace(snapshot, nodes=(node("n0", NodeState.OFF),))
    told = explanation(gone, decide(gone, ScalerSettings(), NOW), NOW)
    assert [(each.expected, each.reason) for each in told.nodes] == [
        (None, Reason(ReasonCode.NO_CAPACITY, "it is gone, or lacks the pool's label: label n0"))
    ]
    there = replace(snapshot, nodes=(node("n0", NodeState.IDLE),))
    assert explanation(there, decide(there, ScalerSettings(), NOW), NOW).pools[0].left_out == ""


def test_it_is_read_as_it_was_written() -> None:
    told = explanation(SNAPSHOT, PLAN, NOW)
    assert Explanation.from_json(told.to_json()) == told


@pytest.mark.parametrize(
    ("name", "functions", "nodes", "pools"),
    [("echo", ["echo"], [], ["local"]), ("n1", [], ["n1"], ["local"])],
)
def test_about_one_name_only_that_is_told(
    name: str, functions: list[str], nodes: list[str], pools: list[str]
) -> None:
    told = explanation(SNAPSHOT, PLAN, NOW).about(name)
    assert told is not None
    assert [[each.name for each in part] for part in (told.functions, told.nodes, told.pools)] == [
        functions, nodes, pools,
    ]  # fmt: skip


def test_about_an_unknown_name_nothing_is_told() -> None:
    assert explanation(SNAPSHOT, PLAN, NOW).about("nobody") is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, None),
        (
            {"request": ResourceList.of({"cpu": 2500})},
            "a worker fits no node: pool local: cpu 2500m wanted, 2 there",
        ),
        (
            {"request": ResourceList.of({"cpu": 1000, "nvidia.com/gpu": 1})},
            "a worker fits no node: pool local: nvidia.com/gpu 1 wanted, 0 there",
        ),
        ({"pools": ()}, "no pool suits its nodeSelector and tolerations"),
        ({"pools": (), "paused": True}, None),
    ],
)  # fmt: skip
def test_what_fits_no_pool_tells_what_is_lacking(changes: dict, text: str | None) -> None:
    found = misfit(replace(ECHO, **changes), (POOL,))
    assert (found and (found.code, found.text)) == (text and (ReasonCode.NO_POOL_FITS, text))
    snapshot = replace(SNAPSHOT, functions=(replace(ECHO, **changes),))
    told = explanation(snapshot, decide(snapshot, ScalerSettings(), NOW), NOW)
    assert (told.functions[0].reason.code is ReasonCode.NO_POOL_FITS) is (text is not None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"enabled": False}, ReasonCode.DISABLED),
        ({"state": NodeState.FAILED, "failures": 2}, ReasonCode.RECOVERY),
        ({"state": NodeState.OFF}, ReasonCode.NOTHING_WAITS),
    ],
)
def test_a_node_of_which_nothing_is_ordered_tells_why(changes: dict, code: ReasonCode) -> None:
    snapshot = Snapshot((), (POOL,), (replace(node("n0", NodeState.IDLE), **changes),))
    assert explanation(snapshot, Plan(), NOW).nodes[0].reason.code is code


@pytest.mark.parametrize(
    ("name", "amount", "text"),
    [
        ("cpu", 2000, "2"), ("cpu", 1500, "1500m"), ("memory", 2**30, "1Gi"), ("memory", 3 * 2**29, "1.5Gi"),
        ("memory", 1000, "1000"), ("memory", 0, "0"), ("ephemeral-storage", 2**60, "1Ei"),
        ("nvidia.com/gpu", 4096, "4096"),
    ],
)  # fmt: skip
def test_amounts_are_told_as_one_writes_them(name: str, amount: int, text: str) -> None:
    assert amount_text(name, amount) == text

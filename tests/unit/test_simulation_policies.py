"""The policies to compare with: each keeps the rules that its docstring names."""

import pytest

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.plan import ReasonCode
from headrace.scaler.simulation.engine import simulate
from headrace.scaler.simulation.policies import POLICIES
from headrace.scaler.simulation.policies.clues import Clues
from headrace.scaler.simulation.policies.cluster_autoscaler import ClusterAutoscaler
from headrace.scaler.simulation.policies.karpenter_like import KarpenterLike
from headrace.scaler.simulation.policies.keda_scaledjob import KedaScaledJob
from headrace.scaler.simulation.policies.static import Static
from headrace.scaler.simulation.setting import Setting, SimFunction, SimPool
from headrace.scaler.simulation.trace import Arrival, Trace
from headrace.scaler.snapshot import BootEstimate, Files, FunctionView, NodeView, PoolView, Running, Snapshot

GPU = ResourceList.of({"nvidia.com/gpu": 1})
BOOT = BootEstimate(150.0, 150.0)


def function(name="f", *waiting, request=GPU, pools=("p",), running=0, last=None, **fields) -> FunctionView:
    """`waiting` has (arrived, count)."""
    return FunctionView(
        name,
        request,
        pools,
        waiting=tuple(Files(arrived, count) for arrived, count in waiting),
        running=tuple(Running(0.0, "p-0") for _ in range(running)),
        last_arrival=last if last is not None else max((a for a, _ in waiting), default=None),
        **{"max_workers": 1000, **fields},
    )


def pool(name="p", gpus=1, **fields) -> PoolView:
    return PoolView(name, ResourceList.of({"nvidia.com/gpu": gpus}), BOOT, **{"max_nodes": 300, **fields})


def node(name, state=NodeState.IDLE, since=0.0) -> NodeView:
    return NodeView(name, name[0], state, since)


def snapshot(*functions, pools=None, nodes=()) -> Snapshot:
    return Snapshot(functions=functions, pools=pools or (pool(),), nodes=nodes)


def started(policy, seen, now) -> list[str]:
    return [start.node for start in policy.decide(seen, now).start]


def stopped(policy, seen, now) -> list[str]:
    return [stop.node for stop in policy.decide(seen, now).stop]


# When pods count


@pytest.mark.parametrize(
    ("policy", "arrived", "before", "at"),
    [
        (Clues, 3.0, 62.9, 63.0),
        (ClusterAutoscaler, 3.0, 9.9, 10.0),
        (ClusterAutoscaler, 20.0, 19.9, 20.0),
        (KedaScaledJob, 31.0, 59.9, 60.0),
        (KarpenterLike, 3.0, 3.9, 4.0),
    ],
)
def test_a_policy_orders_a_node_for_a_pod_at_its_own_time(policy, arrived, before, at):
    seen = snapshot(function("f", (arrived, 1)))
    deciding = policy()
    assert started(deciding, seen, before) == []
    assert started(deciding, seen, at) == ["p-0"]


def test_karpenters_batch_is_open_for_ten_seconds_at_most_while_pods_keep_coming():
    deciding = KarpenterLike()
    orders = {
        now: started(deciding, snapshot(function("f", (0.0, now + 1), last=now)), now) for now in range(12)
    }
    assert {now: len(nodes) for now, nodes in orders.items() if nodes} == {10: 11}


def test_karpenters_next_batch_is_another_one():
    deciding = KarpenterLike()
    assert started(deciding, snapshot(function("f", (0.0, 1))), 1.0) == ["p-0"]
    coming = (node("p-0", NodeState.BOOTING),)
    assert started(deciding, snapshot(function("f", (0.0, 2), last=30.0), nodes=coming), 30.0) == []
    assert started(deciding, snapshot(function("f", (0.0, 2), last=30.0), nodes=coming), 31.0) == ["p-1"]


def test_keda_makes_at_most_a_hundred_jobs_a_function_those_in_work_counted():
    seen = snapshot(function("f", (0.0, 200), running=30))
    assert len(started(KedaScaledJob(), seen, 30.0)) == 70


# How many nodes, and which


@pytest.mark.parametrize("policy", [Clues, ClusterAutoscaler, KarpenterLike, KedaScaledJob])
@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (snapshot(function("f", (0.0, 3))), ["p-0", "p-1", "p-2"]),
        (snapshot(function("f", (0.0, 3), max_workers=2)), ["p-0", "p-1"]),
        (snapshot(function("f", (0.0, 3), running=2, max_workers=2)), []),
        (snapshot(function("f", (0.0, 3), paused=True)), []),
        (snapshot(function("f", (0.0, 3)), pools=(pool(max_nodes=2),)), ["p-0", "p-1"]),
        (snapshot(function("f", (0.0, 3)), nodes=(node("p-0", NodeState.BOOTING),)), ["p-1", "p-2"]),
        (snapshot(function("f", (0.0, 3)), nodes=(node("p-0", NodeState.BUSY),)), ["p-1", "p-2", "p-3"]),
        (snapshot(function("f", (0.0, 5)), pools=(pool(gpus=4),)), ["p-0", "p-1"]),
        (snapshot(function("f", (0.0, 1), pools=("q",)), pools=(pool(), pool("q"))), ["q-0"]),
        (snapshot(function("f", (0.0, 1), pools=("q",))), []),
        (snapshot(function("f", (0.0, 1), request=ResourceList.of({"memory": 1}))), []),
        (
            snapshot(
                function("f", (0.0, 2), pools=("p", "q")),
                pools=(pool(price_per_hour=2.0), pool("q", max_nodes=1)),
            ),
            ["q-0", "p-0"],
        ),
        (
            snapshot(  # the other way round it would take three nodes
                function("small", (0.0, 2)),
                function("large", (0.0, 2), request=ResourceList.of({"nvidia.com/gpu": 3})),
                pools=(pool(gpus=4),),
            ),
            ["p-0", "p-1"],
        ),
    ],
    ids=[
        "a pod a file",
        "max workers",
        "max workers, those in work counted",
        "paused",
        "max nodes",
        "a node on its way counts",
        "a busy node does not count",
        "four a node",
        "only its pools",
        "no pool of its own",
        "no pool fits",
        "the cheapest first, then the next",
        "large pods are packed first, small ones beside them",
    ],
)
def test_nodes_are_ordered_for_pods_that_fit_nowhere_else(policy, seen, expected):
    plan = policy().decide(seen, 1000.0)
    assert [start.node for start in plan.start] == expected
    assert {start.reason.code for start in plan.start} <= {ReasonCode.POLICY}


# When nodes go


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [(Clues, 1800.0), (ClusterAutoscaler, 600.0), (KedaScaledJob, 600.0), (KarpenterLike, 30.0)],
)
def test_a_node_goes_when_it_has_been_idle_for_long_enough(policy, seconds):
    idle, busy = node("p-0", since=100.0), node("p-1", NodeState.BUSY, since=100.0)
    seen = snapshot(function(), nodes=(idle, busy, node("p-2", NodeState.BOOTING), node("p-3", since=200.0)))
    assert stopped(policy(), seen, 100.0 + seconds - 0.1) == []
    assert stopped(policy(), seen, 100.0 + seconds) == ["p-0"]


def test_the_cluster_autoscaler_stops_nothing_for_ten_minutes_after_it_added_a_node():
    deciding = ClusterAutoscaler()
    assert started(deciding, snapshot(function("f", (0.0, 1))), 1000.0) == ["p-0"]
    seen = snapshot(function(), nodes=(node("p-9", since=0.0),))
    assert stopped(deciding, seen, 1599.9) == []
    assert stopped(deciding, seen, 1600.0) == ["p-9"]


def test_min_nodes_stay():
    seen = snapshot(function(), pools=(pool(min_nodes=1),), nodes=(node("p-0"), node("p-1")))
    assert stopped(Clues(), seen, 5000.0) == ["p-0"]


@pytest.mark.parametrize(
    ("nodes", "most", "expected"),
    [(None, 3, ["p-1", "p-2"]), (2, 3, ["p-1"]), (9, 3, ["p-1", "p-2"]), (1, 3, [])],
)
def test_a_static_cluster_has_its_size_and_keeps_it(nodes, most, expected):
    seen = snapshot(function(), pools=(pool(max_nodes=most),), nodes=(node("p-0"),))
    assert started(Static(nodes=nodes), seen, 9999.0) == expected
    assert stopped(Static(nodes=nodes), seen, 9999.0) == []


# On a trace


def test_the_names_are_those_that_users_give():
    peers = ["clues", "cluster-autoscaler", "karpenter-like", "keda-scaledjob", "static"]
    assert list(POLICIES) == ["headrace", *peers]


@pytest.mark.parametrize(
    ("name", "ratio", "wait"),
    [
        ("clues", (60 + 150 + 1800) / 78.75, 60 + 150),
        ("cluster-autoscaler", (150 + 60 + 600) / 78.75, 150),
        ("karpenter-like", (150 + 60 + 30) / 78.75, 150),
        ("keda-scaledjob", (150 + 2 * 60 + 600) / 78.75 / 2, 150 + 30),  # a hundred jobs, two files each
    ],
)
def test_on_bursts_each_policy_costs_what_its_rules_come_to(name, ratio, wait):
    """200 files of 60 s, two bursts: the optimum has 25 nodes, 78.75 node-seconds a file."""
    trace = Trace.of(Arrival(time, "f", 0, 60.0) for time in (0.0, 40_000.0) for _ in range(200))
    functions = (SimFunction("f", GPU, ("p",), max_wait_seconds=300.0, max_workers=1000),)
    outcome = simulate(trace, Setting(functions, (SimPool(pool(), 150.0),)), POLICIES[name]())
    assert outcome.unfinished == 0
    assert outcome.node_hours * 3600 / (400 * 78.75) == pytest.approx(ratio, rel=0.04)
    assert outcome.wait.mean == pytest.approx(wait, abs=11.0)


def test_a_static_cluster_waits_for_nothing_and_is_paid_to_the_end():
    trace = Trace.of(Arrival(time, "f", 0, 60.0) for time in (1000.0, 7140.0))
    functions = (SimFunction("f", GPU, ("p",)),)
    outcome = simulate(trace, Setting(functions, (SimPool(pool(max_nodes=5), 150.0),)), Static())
    assert (outcome.node_hours, outcome.wait.max) == (pytest.approx(10.0), 0.0)

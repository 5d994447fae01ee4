"""What holds for every decision: on any snapshot, and in runs with any faults."""

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList, total
from headrace.placement.ways import NEEDS_NONE
from headrace.scaler.decide import decide
from headrace.scaler.plan import Plan
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.simulation.engine import simulate
from headrace.scaler.simulation.outcome import Outcome
from headrace.scaler.simulation.setting import Setting, SimFunction, SimPool
from headrace.scaler.simulation.trace import Arrival, Trace
from headrace.scaler.snapshot import (
    BootEstimate,
    Files,
    FunctionView,
    NodeView,
    PoolView,
    ServiceEstimate,
    Snapshot,
    TenantView,
)
from tests.unit.scaler_snapshots import NOW, POOLS, functions, meeting, options, snapshots, within_quotas

# On any snapshot


@given(snapshots(), options)
@settings(max_examples=100, deadline=None)
def test_no_plan_goes_above_max_nodes_or_max_booting(snapshot, options):
    plan = decide(snapshot, options, NOW)
    ordered = Counter(start.pool for start in plan.start)
    for pool in snapshot.pools:
        mine = [node for node in snapshot.nodes if node.pool == pool.name]
        booting = sum(1 for node in mine if node.state is NodeState.BOOTING)
        there = sum(1 for node in mine if node.state is not NodeState.OFF)
        assert not ordered[pool.name] or there + ordered[pool.name] <= pool.max_nodes
        assert (
            not (ordered[pool.name] and pool.max_booting) or booting + ordered[pool.name] <= pool.max_booting
        )
    booting = sum(1 for node in snapshot.nodes if node.state is NodeState.BOOTING)
    if plan.start and options.max_booting_nodes:
        assert booting + len(plan.start) <= options.max_booting_nodes


@given(snapshots(), options)
@settings(max_examples=100, deadline=None)
def test_no_plan_gives_more_workers_than_quotas_max_workers_and_nodes_allow(snapshot, options):
    given_out = decide(snapshot, options, NOW).workers
    by_name = {function.name: function for function in snapshot.functions}
    assert [each.function for each in given_out] == list(by_name)
    for each in given_out:
        assert each.count <= by_name[each.function].max_workers
    counts = meeting(snapshot, given_out)
    assert within_quotas(snapshot.functions, snapshot.tenants, snapshot.remote, counts, snapshot.leaving), (
        "idle ones too"
    )
    capacity = {pool.name: pool.capacity for pool in snapshot.pools}
    for node in snapshot.nodes:
        requests = [
            by_name[each.function].request for each in given_out for _ in range(each.on.get(node.name, 0))
        ]
        assert total(requests).fits(capacity[node.pool])


@given(st.lists(functions("f"), min_size=1, max_size=3), st.booleans())
@settings(max_examples=100, deadline=None)
def test_nodes_are_ordered_for_no_more_workers_than_a_quota_allows(found, failing):
    """Where boots fail each class may have one node more, for the one that may fail."""
    few = TenantView("lab", bounds=(("slot", 3),))
    alike = tuple(
        replace(
            each,
            name=f"f{number}",
            tenant="lab",
            pools=("p",),
            request=ResourceList.of({"slot": 1}),
            gpu=NEEDS_NONE,
        )
        for number, each in enumerate(found)
    )
    one = PoolView(
        "p", ResourceList.of({"slot": 1}), BootEstimate(150.0, 150.0, failing=failing), max_nodes=50
    )
    plan = decide(Snapshot(alike, (one,), tenants=(few,)), ScalerSettings(), NOW)
    priorities = {each.priority for each in alike}
    assert len(plan.start) <= 3 + (len(priorities) if failing else 0)


@given(snapshots(), options)
@settings(max_examples=100, deadline=None)
def test_only_nodes_without_a_file_are_stopped_and_only_such_as_are_off_are_started(snapshot, options):
    plan = decide(snapshot, options, NOW)
    states = {node.name: node.state for node in snapshot.nodes}
    working = {file.node for function in snapshot.functions for file in function.running}
    stopped = [stop.node for stop in plan.stop]
    started = [start.node for start in plan.start]
    assert not working & set(stopped)
    assert {states[name] for name in stopped} <= {NodeState.IDLE, NodeState.DRAINING}
    assert {states.get(name, NodeState.OFF) for name in started} <= {NodeState.OFF}
    assert len({*started, *stopped}) == len(started) + len(stopped)
    disabled = {node.name for node in snapshot.nodes if not node.enabled}
    assert not disabled & {*started, *stopped}


@given(snapshots(), options)
@settings(max_examples=100, deadline=None)
def test_min_nodes_are_never_stopped(snapshot, options):
    plan = decide(snapshot, options, NOW)
    for pool in snapshot.pools:
        on = {NodeState.IDLE, NodeState.BUSY, NodeState.BOOTING}
        there = sum(1 for node in snapshot.nodes if node.pool == pool.name and node.state in on)
        stopped = [stop for stop in plan.stop if stop.pool == pool.name]
        idle = {node.name for node in snapshot.nodes if node.state is NodeState.IDLE}
        gone = sum(1 for stop in stopped if stop.node in idle)
        assert not gone or there - gone >= pool.min_nodes


@given(snapshots(), options)
@settings(max_examples=100, deadline=None)
def test_two_leaders_that_see_the_same_plan_the_same_and_start_nothing_twice(snapshot, options):
    """Orders name nodes: what the second leader orders is what the first has ordered."""
    first, second = decide(snapshot, options, NOW), decide(snapshot, options, NOW)
    assert first == second
    names = [start.node for start in first.start]
    assert len(set(names)) == len(names)


@given(snapshots())
@settings(max_examples=100, deadline=None)
def test_what_was_ordered_is_not_ordered_again(snapshot):
    """A leader that comes when the orders are known orders no further node for the same files.

    Spares are left out: one that takes files before what was ordered for them is there is replaced. For files
    that the first left without a node, as GPUs were held for others, the second may have one.
    """
    slow = tuple(replace(each, spare_nodes=0, boot=at_least(each.boot, 30.0)) for each in snapshot.pools)
    before = replace(snapshot, pools=slow)
    first = decide(before, ScalerSettings(), NOW)
    ordered = {start.node: start.pool for start in first.start}
    others = tuple(node for node in before.nodes if node.name not in ordered)
    booting = tuple(
        NodeView(name, pool, NodeState.BOOTING, NOW, ordered=NOW) for name, pool in ordered.items()
    )
    second = decide(replace(before, nodes=(*others, *booting)), ScalerSettings(), NOW)
    without = {each.function for each in first.unmet}
    theirs = {pool for each in snapshot.functions if each.name in without for pool in each.pools}
    assert [start.node for start in second.start if start.pool not in theirs] == []


@pytest.mark.parametrize(("slots", "boot"), [(1, 150.0), (2, 30.0)])
def test_a_class_that_has_a_choice_leaves_a_node_on_its_way_to_the_one_that_has_none(slots, boot):
    """It was ordered for: what may go anywhere has its own, of the cheaper pool, though it be late."""
    two = ResourceList.of({"slot": 2})
    dear = PoolView("p", two, BootEstimate(30.0, 30.0), price_per_hour=0.5, max_nodes=2)
    cheap = PoolView("q", two, BootEstimate(boot, boot), price_per_hour=0.1, max_nodes=1)
    waiting = (Files(NOW, 1),)
    anywhere = FunctionView(
        "a",
        ResourceList.of({"slot": slots}),
        ("p", "q"),
        waiting=waiting,
        recent=waiting,
        max_wait_seconds=0.0,
        max_workers=1,
    )
    there = replace(anywhere, name="b", pools=("p",), request=ResourceList.of({"slot": 1}))
    coming = tuple(NodeView(f"{pool}-0", pool, NodeState.BOOTING, NOW, ordered=NOW) for pool in ("p", "q"))
    plan = decide(Snapshot((anywhere, there), (dear, cheap), coming), ScalerSettings(), NOW)
    assert plan.start == ()


def test_a_node_more_for_a_boot_that_may_fail_takes_no_worker_of_the_quota():
    """Two workers are allowed, and each function has one file: the other pool's node is ordered, too."""
    one = ResourceList.of({"slot": 1})
    failing = PoolView("p", one, BootEstimate(150.0, 150.0, failing=True), max_nodes=1)
    other = PoolView("q", one, BootEstimate(150.0, 150.0), max_nodes=1)
    waiting = (Files(NOW, 1),)
    first = FunctionView(
        "a", one, ("p",), waiting=waiting, recent=waiting, max_wait_seconds=0.0, tenant="lab"
    )
    functions = (first, replace(first, name="b", pools=("q",)))
    two = TenantView("lab", bounds=(("slot", 2),))
    plan = decide(Snapshot(functions, (failing, other), tenants=(two,)), ScalerSettings(), NOW)
    assert sorted(start.node for start in plan.start) == ["p-0", "q-0"]
    assert plan.unmet == ()


def at_least(boot: BootEstimate, seconds: float) -> BootEstimate:
    return replace(
        boot,
        usual_seconds=max(seconds, boot.usual_seconds),
        safe_seconds=max(seconds, boot.safe_seconds),
    )


def test_a_node_without_a_boot_is_not_held_back_since_the_rest_would_need_a_slow_one():
    """Three files, one node on its way: the other fast one comes at once, with or without the slow one."""
    one = ResourceList.of({"slot": 1})
    fast = PoolView("p", one, BootEstimate(0.0, 0.0), max_nodes=2)
    slow = PoolView("q", one, BootEstimate(30.0, 30.0), max_nodes=1)
    waiting = (Files(NOW, 3),)
    function = FunctionView(
        "f",
        one,
        ("p", "q"),
        waiting=waiting,
        recent=waiting,
        service=ServiceEstimate(0.0, 2.0),
        max_wait_seconds=0.0,
    )
    coming = NodeView("p-0", "p", NodeState.BOOTING, NOW, ordered=NOW)
    plan = decide(Snapshot((function,), (fast, slow), (coming,)), ScalerSettings(), NOW)
    assert "p-1" in [start.node for start in plan.start]


# In runs


@dataclass
class Watched:
    """The real decision, each of whose plans is judged when it is made."""

    options: ScalerSettings = field(default_factory=ScalerSettings)
    ordered: list[float] = field(default_factory=list)

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        plan = decide(snapshot, self.options, now)
        working = {file.node for function in snapshot.functions for file in function.running}
        assert not working & {stop.node for stop in plan.stop}
        for pool in snapshot.pools:
            there = sum(1 for n in snapshot.nodes if n.pool == pool.name and n.state is not NodeState.OFF)
            booting = sum(1 for n in snapshot.nodes if n.pool == pool.name and n.state is NodeState.BOOTING)
            starts = sum(1 for start in plan.start if start.pool == pool.name)
            assert there + starts <= pool.max_nodes
            assert not pool.max_booting or booting + starts <= pool.max_booting
        self.ordered += [now] * len(plan.start)
        return plan


def slots(number: int) -> ResourceList:
    return ResourceList.of({"slot": number})


@st.composite
def runs(draw):
    """A trace of a few hundred seconds to an hour, and a setting with any faults that leave a way through."""
    boot = float(draw(st.sampled_from([0, 30, 150])))
    sim_pools = tuple(
        SimPool(
            PoolView(
                name,
                slots(draw(st.integers(2, 4))),
                BootEstimate(boot, boot),
                price_per_hour=draw(st.sampled_from([0.3, 1.0])),
                min_nodes=draw(st.integers(0, 1)),
                max_nodes=draw(st.integers(1, 4)),
                spare_nodes=draw(st.integers(0, 1)),
                max_booting=draw(st.integers(0, 2)),
            ),
            boot * draw(st.sampled_from([1.0, 1.5])),
            boot_cv=draw(st.sampled_from([0.0, 0.3])),
            failure_share=draw(st.sampled_from([0.0, 0.1, 0.4])),
            device_delay_seconds=draw(st.sampled_from([0.0, 300.0])),
            deaths_per_hour=draw(st.sampled_from([0.0, 2.0])),
            stop_seconds=draw(st.sampled_from([0.0, 20.0])),
        )
        for name in POOLS[: draw(st.integers(1, 2))]
    )
    names = tuple(pool.name for pool in sim_pools)
    sim_functions = tuple(
        SimFunction(
            name,
            slots(draw(st.integers(1, 2))),
            names,
            max_wait_seconds=float(draw(st.sampled_from([0, 60, 300]))),
            max_workers=draw(st.integers(1, 10)),
            priority=draw(st.integers(0, 1)),
            start_seconds=draw(st.sampled_from([0.0, 10.0])),
            believed_factor=draw(st.sampled_from([0.5, 1.0, 2.0])),
        )
        for name in "ab"
    )
    arrivals = draw(
        st.lists(
            st.tuples(st.integers(0, 1500), st.sampled_from("ab"), st.integers(1, 200)),
            min_size=1,
            max_size=30,
        )
    )
    trace = Trace.of(Arrival(float(time), name, 1, float(seconds)) for time, name, seconds in arrivals)
    return trace, Setting(sim_functions, sim_pools, seed=draw(st.integers(0, 1000)))


@given(runs(), options)
@settings(max_examples=25, deadline=None)
def test_every_file_is_worked_in_the_end_within_all_limits_under_any_faults(run, options):
    """An illegal step of a node would raise IllegalStepError."""
    trace, setting = run
    outcome = simulate(trace, setting, Watched(options))
    assert outcome.unfinished == 0


@given(runs())
@settings(max_examples=10, deadline=None)
def test_the_same_run_has_the_same_outcome(run):
    trace, setting = run
    assert simulate(trace, setting, Watched()) == simulate(trace, setting, Watched())


def constant(*, gap_seconds: float, service_seconds: float, hours: float) -> Trace:
    number = int(hours * 3600 / gap_seconds)
    return Trace.of(Arrival(n * gap_seconds, "f", 1, service_seconds) for n in range(number))


def run_constant(watched: Watched, trace: Trace, *, workers_per_node: int, wait: float) -> Outcome:
    pool = SimPool(PoolView("p", slots(workers_per_node), BootEstimate(150.0, 150.0), max_nodes=50), 150.0)
    functions = (SimFunction("f", slots(1), ("p",), max_wait_seconds=wait, max_workers=200),)
    return simulate(trace, Setting(functions, (pool,)), watched)


@pytest.mark.parametrize("wait", [60.0, 300.0])
@pytest.mark.parametrize(("busy_workers", "workers_per_node"), [(0.95, 1), (2.5, 1), (3.6, 4), (7.3, 4)])
def test_constant_load_brings_at_most_two_boots_an_hour_after_a_warm_up(busy_workers, workers_per_node, wait):
    trace = constant(gap_seconds=30.0 / busy_workers, service_seconds=30.0, hours=3)
    watched = Watched()
    outcome = run_constant(watched, trace, workers_per_node=workers_per_node, wait=wait)
    by_hour = Counter(int(time // 3600) for time in watched.ordered if 3600 <= time < 3 * 3600)
    assert max(by_hour.values(), default=0) <= 2, dict(by_hour)
    assert (outcome.late, outcome.unfinished) == (0, 0)


@pytest.mark.parametrize("wait", [60.0, 300.0])
@pytest.mark.parametrize("gap_seconds", [30.0, 120.0, 400.0])
def test_thin_constant_load_boots_at_most_once_in_the_time_that_its_files_may_wait(gap_seconds, wait):
    """Less than keeps a node: files are gathered, for the longest wait and a boot, and worked in one go."""
    watched = Watched()
    run_constant(
        watched,
        constant(gap_seconds=gap_seconds, service_seconds=20.0, hours=3),
        workers_per_node=4,
        wait=wait,
    )
    apart = [after - before for before, after in pairwise(watched.ordered)]
    assert min(apart) >= wait

"""The simulation's engine: what its execution model, its bills, its snapshots and its faults come to."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.model.errors import ConfigurationError
from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.plan import Plan, Reason, ReasonCode, StartNode, StopNode
from headrace.scaler.simulation.engine import simulate
from headrace.scaler.simulation.outcome import Moment, Outcome, Waits
from headrace.scaler.simulation.setting import Setting, SimFunction, SimPool
from headrace.scaler.simulation.trace import Arrival, Trace
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

WHY = Reason(ReasonCode.POLICY, "a test")
ONE = ResourceList.of({"slot": 1})
SECOND_BOOT_SUCCEEDS = 3  # a seed: after the first failed
ROUNDS_UP = 52.2  # a time: (52.2 + 150 + 310) - 52.2 is a little more than 460


def function(name: str = "f", request: ResourceList = ONE, **fields) -> SimFunction:
    return SimFunction(name, request, ("p",), **{"max_wait_seconds": 300.0, "max_workers": 1000, **fields})


def pool(slots: int = 1, *, boot: float = 150.0, most: int = 10, price: float = 1.0, **faults) -> SimPool:
    capacity = ResourceList.of({"slot": slots})
    view = PoolView("p", capacity, BootEstimate(boot, boot), price_per_hour=price, max_nodes=most)
    return SimPool(view, boot, **faults)


def files(*times: float, name: str = "f", seconds: float = 60.0) -> list[Arrival]:
    return [Arrival(time, name, 7, seconds) for time in times]


def trace(*arrivals: list[Arrival]) -> Trace:
    return Trace.of([each for some in arrivals for each in some])


def setting(functions=None, nodes=None, **fields) -> Setting:
    return Setting(tuple(functions or [function()]), (nodes or pool(),), **fields)


@dataclass
class Script:
    """Does at the first decision from a time on what is written for it, and notes what it is shown.

    Idle nodes are stopped when nothing waits, unless they are to be kept.
    """

    orders: dict[float, list[str]] = field(default_factory=lambda: {0.0: ["p-0"]})
    keep: bool = False
    seen: list[tuple[float, Snapshot]] = field(default_factory=list)

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        self.seen.append((now, snapshot))
        due = [time for time in self.orders if time <= now]
        names = [name for time in due for name in self.orders.pop(time)]
        waits = any(function.waiting for function in snapshot.functions)
        idle = [node for node in snapshot.nodes if node.state is NodeState.IDLE]
        stops = [] if waits or self.keep else [StopNode(node.name, node.pool, WHY) for node in idle]
        return Plan(start=tuple(StartNode(name, name[0], WHY) for name in names), stop=tuple(stops))

    def at(self, time: float) -> Snapshot:
        return next(snapshot for now, snapshot in self.seen if now == time)


class Restless:
    """Orders a node for each waiting file at each decision, and stops every idle one."""

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        waiting = sum(each.count for function in snapshot.functions for each in function.waiting)
        names = [f"p-{number}" for number in range(waiting)]
        idle = [node.name for node in snapshot.nodes if node.state is NodeState.IDLE and not waiting]
        return Plan(
            start=tuple(StartNode(name, "p", WHY) for name in names),
            stop=tuple(StopNode(name, "p", WHY) for name in idle),
        )


def run(arrivals, script=None, **fields) -> Outcome:
    return simulate(trace(arrivals), setting(**fields), script or Script())


# Bills


def test_one_file_costs_its_boot_and_its_seconds():
    outcome = run(files(0.0))
    assert outcome == Outcome(
        node_hours=210 / 3600,
        busy_hours=60 / 3600,
        cost=210 / 3600,
        wait=Waits(150.0, 150.0, 150.0, 150.0, 150.0),
        late=0,
        boots=1,
        surplus_boots=0,
        failed_boots=0,
        deaths=0,
        unfinished=0,
        timeline=(Moment(0.0, 1, 0, 1, 0), Moment(150.0, 0, 1, 0, 1), Moment(210.0, 0, 0, 0, 0)),
    )


def test_cost_is_the_price_of_node_hours():
    assert run(files(0.0), nodes=pool(price=3.0)).cost == pytest.approx(3.0 * 210 / 3600)


def test_a_node_is_billed_until_it_is_off():
    assert run(files(0.0), nodes=pool(stop_seconds=30.0)).node_hours == pytest.approx(240 / 3600)


def test_a_node_kept_for_good_is_billed_to_the_last_end():
    outcome = run(files(0.0, 400.0), Script(keep=True))
    assert outcome.node_hours == pytest.approx(460 / 3600)
    assert outcome.busy_hours == pytest.approx(120 / 3600)


def test_a_node_without_a_file_is_a_surplus_boot_and_is_billed():
    outcome = run(files(0.0), Script({0.0: ["p-0", "p-1"]}))
    assert (outcome.boots, outcome.surplus_boots) == (2, 1)
    assert outcome.node_hours == pytest.approx((210 + 150) / 3600)


# Execution


@pytest.mark.parametrize(
    ("slots", "starts"),
    [(1, [150.0, 210.0, 270.0]), (2, [150.0, 150.0, 210.0]), (3, [150.0, 150.0, 150.0])],
)
def test_a_node_works_as_many_files_at_a_time_as_fit(slots, starts):
    wait = run(files(0.0, 0.0, 0.0), nodes=pool(slots)).wait
    assert (wait.mean, wait.max) == (pytest.approx(sum(starts) / 3), starts[-1])


def test_the_file_with_the_earliest_start_deadline_goes_first_and_the_oldest_node_takes_it():
    functions = (function("late"), function("soon", max_wait_seconds=100.0))
    script = Script({0.0: ["p-0"], 5.0: ["p-1"]})
    simulate(
        trace(files(0.0, name="late"), files(5.0, name="soon")),
        setting(functions, pool()),
        script,
    )
    late, soon = script.at(160.0).functions
    assert (late.running, soon.running) == ((Running(155.0, "p-1", 7),), (Running(150.0, "p-0", 7),))


def test_only_functions_whose_request_fits_beside_the_busy_workers_start():
    functions = (function("large", ResourceList.of({"slot": 2})), function("small"))
    arrivals = trace(files(0.0, name="small"), files(1.0, name="large"), files(2.0, name="small"))
    script = Script()
    simulate(arrivals, setting(functions, pool(2)), script)
    large, small = script.at(160.0).functions
    assert (len(large.running), len(small.running)) == (0, 2)


def test_a_function_stays_below_its_most_workers():
    wait = run(files(0.0, 0.0), functions=[function(max_workers=1)], nodes=pool(2)).wait
    assert wait.max == 210.0


def test_a_file_that_its_function_held_back_starts_on_another_node_when_it_may():
    wide = replace(function("a", max_workers=1), pools=("p", "q"))
    other = replace(pool(), view=replace(pool().view, name="q"))
    arrivals = trace(files(0.0, 1.0, name="a"), files(160.0, name="b"))
    both = Setting((wide, function("b", max_wait_seconds=1.0)), (pool(), other))
    outcome = simulate(arrivals, both, Script({0.0: ["p-0"], 5.0: ["q-0"]}))
    assert outcome.wait.max == 209.0  # when a's first file ends on p-0, b takes that node


@pytest.mark.parametrize(("names", "waits"), [(("a", "a"), [190.0, 250.0]), (("a", "b"), [190.0, 290.0])])
def test_only_a_cold_worker_takes_its_start(names, waits):
    functions = (function("a", start_seconds=40.0), function("b", start_seconds=40.0))
    arrivals = trace(files(0.0, name=names[0]), files(0.0, name=names[1]))
    wait = simulate(arrivals, setting(functions, pool()), Script()).wait
    assert (wait.p50, wait.max) == tuple(waits)


def test_an_idle_worker_gives_way_to_another_function():
    functions = (function("a"), function("b"))
    arrivals = trace(files(0.0, name="a"), files(300.0, name="b"))
    script = Script(keep=True)
    simulate(arrivals, setting(functions, pool()), script)
    assert script.at(210.0).workers == (WorkerView("p-0/1", "a", "p-0", 150.0, busy=False),)
    assert script.at(300.0).workers == (WorkerView("p-0/2", "b", "p-0", 300.0, busy=True),)


def test_an_idle_worker_gives_way_to_another_one_of_a_function_that_may_have_no_more():
    functions = (function(max_workers=1), function("b", max_wait_seconds=1.0))
    arrivals = trace(files(0.0, name="b"), files(0.0, 300.0))
    script = Script({0.0: ["p-0", "p-1"]}, keep=True)
    simulate(arrivals, setting(functions), script)
    assert script.at(290.0).workers == (
        WorkerView("p-0/1", "b", "p-0", 150.0, busy=False),
        WorkerView("p-1/1", "f", "p-1", 150.0, busy=False),
    )
    assert script.at(300.0).workers == (WorkerView("p-0/2", "f", "p-0", 300.0, busy=True),)


# Orders and stops


def test_an_order_is_ignored_where_the_node_is_on_or_on_its_way_or_the_pool_is_full():
    script = Script({0.0: ["p-0", "p-0", "p-1", "p-2"], 10.0: ["p-0"], 150.0: ["p-1"]}, keep=True)
    outcome = run(files(0.0), script, nodes=pool(most=2))
    assert outcome.boots == 2


def test_a_node_that_works_or_boots_is_not_stopped():
    class Stopper(Script):
        def decide(self, snapshot, now):
            plan = super().decide(snapshot, now)
            return replace(plan, stop=tuple(StopNode(node.name, "p", WHY) for node in snapshot.nodes))

    outcome = run(files(0.0), Stopper())
    assert (outcome.unfinished, outcome.node_hours) == (0, pytest.approx(210 / 3600))


@pytest.mark.parametrize("names", [("g", "p"), ("f", "q")])
def test_a_function_or_a_pool_that_is_not_declared_is_refused_by_name(names):
    class Lost:
        def decide(self, snapshot, now):
            return Plan(start=(StartNode("n", names[1], WHY),))

    with pytest.raises(ConfigurationError, match=r"found [gq], allowed [fp]; declare it"):
        simulate(trace(files(0.0, name=names[0])), setting(), Lost())


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"failure_share": 1.5}, "pool p: failure_share: found 1.5, allowed 0 to 1"),
        ({"failure_share": -0.5}, "pool p: failure_share: found -0.5, allowed 0 to 1"),
        ({"stop_seconds": -1.0}, "pool p: stop_seconds: found -1, allowed 0 or more"),
    ],
)
def test_an_impossible_pool_is_refused(faults, message):
    with pytest.raises(ValueError, match=message):
        pool(**faults)


def test_a_period_that_does_not_pass_is_refused():
    with pytest.raises(ValueError, match="period_seconds: found 0, allowed above 0"):
        setting(period_seconds=0.0)


# When decisions are made


def test_decisions_come_each_period_and_when_things_change_but_not_at_once():
    script = Script({3.0: ["p-0"]})
    run(files(3.0, 4.0, 4.5), script, nodes=pool(2, boot=14.0))
    times = [time for time, _ in script.seen]
    assert times == [0.0, 3.0, 5.5, 10.0, 17.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 77.0, 80.0, *(
        90.0, 100.0, 110.0, 120.0, 130.0, 137.0,
    )]  # fmt: skip


def test_a_quiet_day_costs_no_decision():
    script = Script({0.0: ["p-0"], 80_000.0: ["p-0"]})
    run(files(0.0, 80_000.0), script)
    assert not [time for time, _ in script.seen if 210.0 < time < 80_000.0]


def test_a_run_ends_when_nobody_works_for_as_long_as_its_patience():
    outcome = run(files(0.0), Script({}), patience_seconds=500.0)
    assert (outcome.unfinished, outcome.boots, outcome.wait) == (1, 0, Waits())


@pytest.mark.parametrize(
    "arrivals", [files(0.0, seconds=5000.0), files(0.0, 9000.0)], ids=["a long file", "a long silence"]
)
def test_a_run_does_not_lose_patience_while_there_is_something_to_come(arrivals):
    outcome = run(arrivals, Script({0.0: ["p-0"], 9000.0: ["p-0"]}), patience_seconds=500.0)
    assert outcome.unfinished == 0


def test_a_node_that_nobody_can_use_is_billed_for_as_long_as_files_wait():
    outcome = run(files(0.0), functions=[function(max_workers=0)], patience_seconds=500.0)
    assert (outcome.node_hours, outcome.unfinished) == (pytest.approx(510 / 3600), 1)


def test_a_node_that_is_ordered_for_good_after_the_last_file_is_not_billed():
    outcome = run(files(0.0), Script({0.0: ["p-0"], 200.0: ["p-1"]}, keep=True), nodes=pool(boot=150.0))
    assert outcome.node_hours == pytest.approx((210 + 10) / 3600)
    later = Script({0.0: ["p-0"], 220.0: ["p-1"]}, keep=True)
    assert run(files(0.0), later).node_hours == pytest.approx(210 / 3600)


# Snapshots


def test_a_snapshot_tells_all_that_is_there():
    script = Script({0.0: ["p-0"], 160.0: ["p-1"]})
    run(files(0.0, 1.0, 100.0, 153.0, 158.0), script)
    assert script.at(160.0) == Snapshot(
        functions=(
            FunctionView(
                "f",
                ONE,
                ("p",),
                waiting=(Files(1.0, 1, 7), Files(100.0, 1, 7), Files(153.0, 1, 7), Files(158.0, 1, 7)),
                running=(Running(150.0, "p-0", 7),),
                recent=(Files(0.0, 2, 14), Files(100.0, 1, 7), Files(153.0, 1, 7), Files(158.0, 1, 7)),
                silences=(99.0, 53.0),
                last_arrival=158.0,
                service=ServiceEstimate(file_seconds=60.0),
                max_wait_seconds=300.0,
                max_workers=1000,
            ),
        ),
        pools=(replace(pool().view, boot=BootEstimate(150.0, 150.0)),),
        nodes=(NodeView("p-0", "p", NodeState.BUSY, 150.0, ordered=0.0, joined=True),),
        workers=(WorkerView("p-0/1", "f", "p-0", 150.0, busy=True),),
    )


def test_waiting_files_are_told_in_groups_of_five_seconds():
    script = Script({0.0: []})
    run(files(0.0, 4.0, 5.0, 11.0), script, patience_seconds=20.0)
    assert script.at(20.0).functions[0].waiting == (Files(0.0, 2, 14), Files(5.0, 1, 7), Files(11.0, 1, 7))


def test_arrivals_are_told_for_twice_the_wait_and_the_boot():
    script = Script(keep=True)
    run(files(0.0, 890.0, 1000.0), script)
    recent = {time: snapshot.functions[0].recent for time, snapshot in script.seen}
    assert recent[900.0] == (Files(0.0, 1, 7), Files(890.0, 1, 7))
    assert recent[910.0] == (Files(890.0, 1, 7),)


def test_a_false_belief_is_corrected_by_what_files_take():
    script = Script(keep=True)
    run(files(*range(20)), script, functions=[function(believed_factor=0.5)])
    believed = [snapshot.functions[0].service.file_seconds for _, snapshot in script.seen]
    assert believed[0] == 30.0
    assert believed[-1] > 50.0


# Faults


def test_a_failed_boot_is_billed_until_it_is_seen_at_one_and_a_half_boots():
    script = Script()
    outcome = run(files(0.0), script, nodes=pool(failure_share=1.0), patience_seconds=300.0)
    assert (outcome.boots, outcome.failed_boots, outcome.surplus_boots, outcome.unfinished) == (1, 1, 0, 1)
    assert outcome.node_hours == pytest.approx(225 / 3600)
    assert script.at(225.0).nodes == (NodeView("p-0", "p", NodeState.OFF, 225.0, failures=1),)


def test_a_pool_whose_boots_fail_is_told_so():
    script = Script({0.0: ["p-0"], 230.0: ["p-0"]})
    run(files(0.0), script, nodes=pool(failure_share=1.0), patience_seconds=600.0)
    assert [script.at(time).pools[0].boot.failing for time in (220.0, 230.0)] == [False, True]
    assert script.at(460.0).nodes[0].failures == 2


def test_a_boot_that_succeeds_ends_the_count_of_failures():
    script = Script({0.0: ["p-0"], 230.0: ["p-0"]})
    run(files(0.0), script, nodes=pool(failure_share=0.5), seed=SECOND_BOOT_SUCCEEDS)
    assert [script.at(time).nodes[0].failures for time in (225.0, 230.0, 390.0)] == [1, 1, 0]


def test_a_node_with_a_silent_device_has_joined_and_boots_until_it_speaks():
    script = Script()
    outcome = run(files(0.0), script, nodes=pool(device_delay_seconds=300.0))
    booting = NodeView("p-0", "p", NodeState.BOOTING, 0.0)
    assert [script.at(t).nodes[0] for t in (140.0, 440.0)] == [booting, replace(booting, joined=True)]
    assert (outcome.wait.max, outcome.late) == (450.0, 0)
    assert script.at(460.0).pools[0].boot.usual_seconds == 450.0


def test_files_of_a_node_that_dies_are_worked_again_and_wait_from_their_arrival():
    dying = pool(deaths_per_hour=3600 / 20)
    outcome = run(files(0.0), Restless(), nodes=dying)
    assert (outcome.unfinished, outcome.surplus_boots) == (0, 0)
    assert outcome.deaths == outcome.boots - 1 > 0
    assert outcome.wait.max > 300.0
    assert outcome.busy_hours > 60 / 3600
    assert outcome.timeline[-1] == Moment(outcome.timeline[-1].time, 0, 0, 0, 0)


def test_a_file_that_is_lost_and_not_started_again_has_no_wait():
    outcome = run(files(0.0), nodes=pool(deaths_per_hour=3600 / 20), patience_seconds=200.0)
    assert (outcome.deaths, outcome.unfinished, outcome.wait) == (1, 1, Waits())


def test_a_lost_file_is_told_with_those_that_wait_already():
    script = Script()
    outcome = run(files(1.0, 4.0), script, nodes=pool(deaths_per_hour=3600 / 20), patience_seconds=200.0)
    assert outcome.deaths == 1
    assert script.seen[-1][1].functions[0].waiting == (Files(1.0, 2, 14),)


@pytest.mark.parametrize(
    ("arrived", "waited", "late"),
    [(0.0, 460.0, 0), (0.0, 461.0, 1), (ROUNDS_UP, 460.0, 0)],
    ids=["at the limit", "beyond", "beyond by rounding"],
)
def test_a_file_is_late_when_it_waited_longer_than_promise_boot_and_one_period(arrived, waited, late):
    first = files(arrived, seconds=waited - 150.0)  # holds the only node for so long
    outcome = run([*first, *files(arrived)], Script({arrived: ["p-0"]}))
    assert (outcome.wait.max, outcome.late) == (pytest.approx(waited), late)


def test_boots_spread_around_their_median():
    spread = pool(boot_cv=0.3, most=1000)
    script = Script({0.0: [f"p-{n}" for n in range(400)]}, keep=True)
    run(files(0.0, 1000.0), script, nodes=spread)
    seconds = sorted(node.since for node in script.at(1000.0).nodes if node.state is NodeState.IDLE)
    assert seconds[len(seconds) // 2] == pytest.approx(150.0, rel=0.05)
    assert seconds[int(0.84 * len(seconds))] == pytest.approx(150.0 * 1.34, rel=0.05)  # one sigma above


@given(
    arrivals=st.lists(
        st.tuples(st.integers(0, 2000), st.sampled_from("ab"), st.integers(1, 200)), min_size=1, max_size=40
    ),
    slots=st.integers(2, 4),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_every_file_is_worked_under_any_faults_and_the_same_input_gives_the_same_outcome(
    arrivals, slots, seed
):
    faulty = pool(slots, boot_cv=0.5, failure_share=0.2, deaths_per_hour=3.0, stop_seconds=7.0)
    functions = (
        function("a", ResourceList.of({"slot": 2}), start_seconds=5.0, max_workers=3),
        function("b", max_wait_seconds=30.0),
    )
    given_trace = trace([Arrival(time, name, 1, float(seconds)) for time, name, seconds in arrivals])
    outcome = simulate(given_trace, setting(functions, faulty, seed=seed), Restless())
    assert outcome.unfinished == 0
    work = sum(each.service_seconds for each in given_trace.arrivals)
    assert work / slots / 3600 <= outcome.busy_hours + 1e-9 <= outcome.node_hours + 2e-9
    assert outcome == simulate(given_trace, setting(functions, faulty, seed=seed), Restless())


def test_another_seed_brings_other_faults():
    hours = {
        run(files(*range(50)), Restless(), nodes=pool(boot_cv=0.3), seed=seed).node_hours for seed in (1, 2)
    }
    assert len(hours) == 2


# Outcomes


def test_percentiles_of_waits_are_by_nearest_rank():
    assert Waits.of([float(n) for n in range(200, 0, -1)]) == Waits(100.5, 100.0, 190.0, 198.0, 200.0)


def test_the_document_has_every_figure_and_no_timeline():
    document = run(files(0.0)).document(optimum_node_hours=0.05)
    assert document == {
        "node_hours": 210 / 3600,
        "busy_hours": 60 / 3600,
        "cost": 210 / 3600,
        "wait": {"mean": 150.0, "p50": 150.0, "p95": 150.0, "p99": 150.0, "max": 150.0},
        "late": 0,
        "boots": 1,
        "surplus_boots": 0,
        "failed_boots": 0,
        "deaths": 0,
        "unfinished": 0,
        "tenants": {},
        "optimum_node_hours": 0.05,
    }

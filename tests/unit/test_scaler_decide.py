"""The decision, as a table: a snapshot in, a plan out."""

from dataclasses import replace

import pytest

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.decide import decide
from headrace.scaler.plan import Plan, ReasonCode
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
    TenantView,
)

NOW = 100_000.0
ONE = ResourceList.of({"cpu": 1000})
FOUR = ResourceList.of({"cpu": 4000})
POOL = PoolView("cpu", ONE, BootEstimate(150.0, 150.0), max_nodes=300)
ECHO = FunctionView(
    "echo",
    ONE,
    ("cpu",),
    service=ServiceEstimate(file_seconds=60.0),
    max_wait_seconds=300.0,
    max_workers=1000,
)
SETTINGS = ScalerSettings()


def waiting(files: int, *, age: float = 0.0, function: FunctionView = ECHO) -> FunctionView:
    group = (Files(NOW - age, files),)
    return replace(function, waiting=group, recent=group, last_arrival=NOW - age)


def node(name: str, state: NodeState, *, age: float = 1000.0, pool: str = "cpu") -> NodeView:
    return NodeView(name, pool, state, NOW - age, ordered=NOW - age)


def planned(*functions: FunctionView, nodes: tuple[NodeView, ...] = (), pool: PoolView = POOL) -> Plan:
    return decide(Snapshot(functions, (pool,), nodes), SETTINGS, NOW)


def starts(plan: Plan) -> list[tuple[str, ReasonCode]]:
    return [(start.node, start.reason.code) for start in plan.start]


def stops(plan: Plan) -> list[tuple[str, ReasonCode]]:
    return [(stop.node, stop.reason.code) for stop in plan.stop]


def refused(plan: Plan) -> list[tuple[str, int, ReasonCode]]:
    return [(unmet.function, unmet.files, unmet.reason.code) for unmet in plan.unmet]


def test_where_nothing_waits_nothing_is_ordered() -> None:
    plan = planned(ECHO)
    assert replace(plan, workers=()) == Plan()
    assert [(each.count, each.reason.code) for each in plan.workers] == [(0, ReasonCode.NOTHING_WAITS)]


def test_a_burst_gets_the_fewest_nodes_that_start_all_in_time() -> None:
    plan = planned(waiting(200))
    assert starts(plan) == [(f"cpu-{number}", ReasonCode.PROMISE) for number in range(34)]
    assert plan.start[0].reason.text == "200 files: 34 further nodes start all by 03:54:10 UTC, 33 would not"
    assert refused(plan) == []


def test_what_is_ordered_is_not_ordered_again_however_late_it_is() -> None:
    booting = tuple(node(f"cpu-{n}", NodeState.BOOTING, age=200.0) for n in range(34))
    assert starts(planned(waiting(200, age=200.0), nodes=booting)) == []
    silent = tuple(replace(each, joined=True, ordered=NOW - 400.0) for each in booting)
    assert starts(planned(waiting(200, age=400.0), nodes=silent)) == []


def test_a_lone_file_waits_for_company_and_no_longer_than_it_may() -> None:
    company = replace(ECHO, silences=(100.0,) * 10)
    lone = planned(waiting(1, age=50.0, function=company))
    assert (starts(lone), refused(lone)) == ([], [("echo", 1, ReasonCode.COMPANY)])
    assert lone.unmet[0].until == NOW + 250.0
    assert starts(planned(waiting(1, age=291.0, function=company))) == [("cpu-0", ReasonCode.PROMISE)]


def test_a_lone_file_waits_for_nobody_who_is_not_expected() -> None:
    assert starts(planned(waiting(1))) == [("cpu-0", ReasonCode.PROMISE)]


def test_what_is_late_already_is_ordered_as_soon_as_can_be() -> None:
    plan = planned(waiting(1, age=400.0))
    assert starts(plan) == [("cpu-0", ReasonCode.OVERDUE)]
    assert "can't start in time any more" in plan.start[0].reason.text


def test_a_node_that_is_on_serves_before_one_is_ordered() -> None:
    plan = planned(waiting(6), nodes=(node("cpu-0", NodeState.IDLE),))
    assert (starts(plan), stops(plan)) == ([], [])
    assert plan.kept["cpu-0"].code is ReasonCode.FILES_WAIT


def test_without_a_boot_nothing_is_held_back() -> None:
    pool = replace(POOL, boot=BootEstimate(0.0, 0.0))
    company = replace(ECHO, silences=(100.0,) * 10)
    assert len(planned(waiting(3, function=company), pool=pool).start) == 3


@pytest.mark.parametrize("limit", [{"max_nodes": 5}, {"max_booting": 5}])
def test_a_limit_is_kept_and_told(limit: dict[str, int]) -> None:
    plan = planned(waiting(200), pool=replace(POOL, **limit))
    assert len(plan.start) == 5
    assert refused(plan) == [("echo", 200, ReasonCode.LIMIT)]


def test_max_workers_is_kept_and_told() -> None:
    plan = planned(replace(waiting(200), max_workers=7))
    assert len(plan.start) == 7
    assert refused(plan) == [("echo", 200, ReasonCode.LIMIT)]


def test_a_quota_is_kept_and_told() -> None:
    function = replace(waiting(200), tenant="lab")
    tenants = (TenantView("lab", bounds=(("cpu", 3000),)),)
    plan = decide(Snapshot((function,), (POOL,), tenants=tenants), SETTINGS, NOW)
    assert len(plan.start) == 3
    assert refused(plan) == [("echo", 200, ReasonCode.QUOTA)]


def test_what_fits_nowhere_is_told() -> None:
    large = replace(waiting(2), request=ResourceList.of({"cpu": 1000, "nvidia.com/gpu": 1}))
    plan = planned(large)
    assert (starts(plan), refused(plan)) == ([], [("echo", 2, ReasonCode.NO_POOL_FITS)])


def test_a_paused_function_gets_nothing() -> None:
    assert starts(planned(replace(waiting(200), paused=True))) == []


def test_names_that_are_off_are_taken_first_and_disabled_ones_never() -> None:
    off = (
        node("gpu-a", NodeState.OFF),
        replace(node("gpu-b", NodeState.OFF), enabled=False),
        node("gpu-c", NodeState.OFF),
    )
    plan = planned(waiting(18), nodes=off)
    assert [start.node for start in plan.start] == ["gpu-a", "gpu-c", "cpu-0"]


def test_idle_nodes_go_at_once_when_the_burst_is_over_the_newest_first() -> None:
    nodes = (node("cpu-0", NodeState.IDLE, age=900.0), node("cpu-1", NodeState.IDLE, age=800.0))
    assert stops(planned(ECHO, nodes=nodes)) == [
        ("cpu-1", ReasonCode.NOT_WORTH_KEEPING),
        ("cpu-0", ReasonCode.NOT_WORTH_KEEPING),
    ]


def test_a_node_that_works_is_never_stopped() -> None:
    working = replace(ECHO, running=(Running(NOW - 10.0, "cpu-0"),))
    assert stops(planned(working, nodes=(node("cpu-0", NodeState.BUSY),))) == []


def test_a_node_that_the_load_keeps_busy_stays() -> None:
    often = tuple(Files(NOW - 10.0 * age, 1) for age in range(45, 0, -1))
    busy = replace(ECHO, recent=often, last_arrival=NOW - 10.0)
    plan = planned(busy, nodes=tuple(node(f"cpu-{n}", NodeState.IDLE, age=900.0 - n) for n in range(8)))
    assert [stop.node for stop in plan.stop] == ["cpu-7", "cpu-6"]
    assert {reason.code for reason in plan.kept.values()} == {ReasonCode.WORTH_KEEPING}


@pytest.mark.parametrize(
    ("pool", "settings", "code"),
    [
        (replace(POOL, min_nodes=1), SETTINGS, ReasonCode.MIN_NODES),
        (replace(POOL, spare_nodes=1), SETTINGS, ReasonCode.SPARE),
        (POOL, ScalerSettings(idle_seconds=2000.0), ReasonCode.IDLE),
        (POOL, ScalerSettings(cooldown_seconds=2000.0), ReasonCode.COOLDOWN),
    ],
)
def test_options_of_clues_keep_an_idle_node(
    pool: PoolView, settings: ScalerSettings, code: ReasonCode
) -> None:
    plan = decide(Snapshot((ECHO,), (pool,), (node("cpu-0", NodeState.IDLE),)), settings, NOW)
    assert (stops(plan), plan.kept["cpu-0"].code) == ([], code)


@pytest.mark.parametrize(
    ("pool", "code"),
    [
        (replace(POOL, min_nodes=2), ReasonCode.MIN_NODES),
        (replace(POOL, spare_nodes=2), ReasonCode.SPARE),
    ],
)
def test_what_lacks_of_min_and_spare_nodes_is_ordered(pool: PoolView, code: ReasonCode) -> None:
    assert starts(planned(ECHO, pool=pool)) == [("cpu-0", code), ("cpu-1", code)]


def test_a_drained_node_is_stopped_once_its_last_file_has_ended() -> None:
    draining = (node("cpu-0", NodeState.DRAINING), node("cpu-1", NodeState.DRAINING))
    working = replace(ECHO, running=(Running(NOW - 10.0, "cpu-0"),))
    assert stops(planned(working, nodes=draining)) == [("cpu-1", ReasonCode.DRAINED)]


def test_a_disabled_node_gets_no_work_and_is_left_alone() -> None:
    disabled = (replace(node("cpu-0", NodeState.IDLE), enabled=False),)
    plan = planned(waiting(1), nodes=disabled)
    assert [start.node for start in plan.start] == ["cpu-1"]
    assert (stops(plan), plan.kept["cpu-0"].code) == ([], ReasonCode.DISABLED)


def test_four_workers_share_a_node() -> None:
    assert len(planned(waiting(200), pool=replace(POOL, capacity=FOUR)).start) == 9


def test_classes_share_a_node_and_the_large_one_is_packed_first() -> None:
    pool = replace(POOL, capacity=FOUR)
    small = waiting(1, function=replace(ECHO, name="small"))
    large = waiting(1, function=replace(ECHO, name="large", request=ResourceList.of({"cpu": 3000})))
    assert len(planned(small, large, pool=pool).start) == 1
    larger = replace(large, request=FOUR)
    assert len(planned(small, larger, pool=pool).start) == 2


def test_the_cheaper_pool_is_taken_and_the_dearer_when_it_is_full() -> None:
    spot = replace(POOL, name="spot", price_per_hour=0.3, max_nodes=10)
    both = replace(waiting(200), pools=("cpu", "spot"))
    plan = decide(Snapshot((both,), (POOL, spot)), SETTINGS, NOW)
    assert [start.pool for start in plan.start] == ["spot"] * 10 + ["cpu"] * 24


def test_large_nodes_are_taken_where_they_are_full_and_small_ones_for_the_rest() -> None:
    four = replace(POOL, name="four", capacity=FOUR, price_per_hour=3.0)
    both = replace(waiting(200), pools=("cpu", "four"))
    plan = decide(Snapshot((both,), (POOL, four)), SETTINGS, NOW)
    assert [start.pool for start in plan.start] == ["four"] * 8 + ["cpu"] * 2


def test_the_higher_priority_is_served_first_where_nodes_are_short() -> None:
    urgent = waiting(100, function=replace(ECHO, name="urgent", priority=10))
    plan = planned(waiting(100), urgent, pool=replace(POOL, max_nodes=17))
    assert len(plan.start) == 17
    assert refused(plan) == [("echo", 100, ReasonCode.LIMIT)]


def test_of_hosts_only_those_that_are_listed_and_may_be_used_are_started() -> None:
    off = [node(name, NodeState.OFF) for name in ("gpu1", "gpu2")]
    hosts = (*off, replace(node("gpu9", NodeState.OFF), enabled=False), node("gpu3", NodeState.FAILED))
    plan = decide(Snapshot((waiting(200),), (replace(POOL, named=True),), hosts), SETTINGS, NOW)
    assert [start.node for start in plan.start] == ["gpu1", "gpu2"]
    assert refused(plan) == [("echo", 200, ReasonCode.LIMIT)]


def test_where_a_pool_can_have_no_node_now_another_serves_and_otherwise_the_reason_is_told() -> None:
    none = tuple(replace(node(f"cpu-{n}", NodeState.OFF), hindrance="AWS has no more") for n in range(300))
    pool = replace(POOL, named=True)
    alone = decide(Snapshot((waiting(200),), (pool,), none), SETTINGS, NOW)
    assert (starts(alone), refused(alone)) == ([], [("echo", 200, ReasonCode.NO_CAPACITY)])
    assert alone.unmet[0].reason.text == "pool cpu: AWS has no more"
    dear = replace(POOL, name="dear", price_per_hour=5.0)
    both = replace(waiting(200), pools=("cpu", "dear"))
    plan = decide(Snapshot((both,), (pool, dear), none), SETTINGS, NOW)
    assert ({start.pool for start in plan.start}, refused(plan)) == ({"dear"}, [])
    some = (*none[:-2], node("cpu-298", NodeState.OFF), node("cpu-299", NodeState.OFF))
    plan = decide(Snapshot((waiting(200),), (pool,), some), SETTINGS, NOW)
    assert [start.node for start in plan.start] == ["cpu-298", "cpu-299"]


BY_HAND = replace(
    POOL, min_nodes=1, max_nodes=1, fixed=True, by_hand="kubectl label node NODE headrace.dev/pool=cpu"
)


@pytest.mark.parametrize("boot_seconds", [0.0, 150.0])
@pytest.mark.parametrize("age", [0.0, 1000.0])
@pytest.mark.parametrize(
    "nodes", [(), (node("cpu-0", NodeState.OFF),)], ids=["none", "one that lost its label"]
)
def test_of_a_pool_that_nobody_makes_nodes_for_none_is_ordered_and_what_to_do_is_told(
    boot_seconds: float, age: float, nodes: tuple[NodeView, ...]
) -> None:
    pool = replace(BY_HAND, boot=BootEstimate(boot_seconds, boot_seconds))
    plan = planned(waiting(1, age=age), nodes=nodes, pool=pool)
    assert (starts(plan), refused(plan)) == ([], [("echo", 1, ReasonCode.NO_CAPACITY)])
    assert plan.unmet[0].reason.text == (
        "pool cpu: no node bears its label, and nobody makes one; label one: "
        "kubectl label node NODE headrace.dev/pool=cpu"
    )


def test_where_a_pool_that_nobody_makes_nodes_for_is_full_another_serves_and_otherwise_it_is_told() -> None:
    full = (node("cpu-0", NodeState.BUSY),)
    busy = replace(waiting(200), running=(Running(NOW - 1.0, "cpu-0"),))
    pool = replace(BY_HAND, max_nodes=3)
    alone = planned(busy, nodes=full, pool=pool)
    assert (starts(alone), refused(alone)) == ([], [("echo", 200, ReasonCode.LIMIT)])
    assert alone.unmet[0].reason.text == (
        "pool cpu: its nodes have no room, and nobody makes further ones; label one: "
        "kubectl label node NODE headrace.dev/pool=cpu"
    )
    other = replace(POOL, name="other", price_per_hour=5.0)
    plan = decide(Snapshot((replace(busy, pools=("cpu", "other")),), (pool, other), full), SETTINGS, NOW)
    assert ({start.pool for start in plan.start}, refused(plan)) == ({"other"}, [])


def test_the_same_input_gives_the_same_plan() -> None:
    assert planned(waiting(200)) == planned(waiting(200))


ONES = replace(POOL, name="one", price_per_hour=1.0)
FOURS = replace(POOL, name="four", capacity=FOUR, price_per_hour=3.2)


def steady(nodes: int, *, pools: tuple[str, ...] = ("one", "four")) -> FunctionView:
    """Work that keeps so many workers busy, arriving evenly, each file worked at once."""
    gap = 60.0 / nodes
    recent = tuple(Files(NOW - gap * age, 1) for age in range(int(450 / gap), 0, -1))
    running = tuple(Running(NOW - 10.0, f"one-{number}") for number in range(nodes))
    return replace(ECHO, pools=pools, recent=recent, running=running, last_arrival=NOW - gap)


def consolidated(nodes: int, *, age: float, extra: tuple[NodeView, ...] = ()) -> list[str]:
    busy = tuple(node(f"one-{number}", NodeState.BUSY, age=age, pool="one") for number in range(nodes))
    plan = decide(Snapshot((steady(nodes),), (ONES, FOURS), (*busy, *extra)), SETTINGS, NOW)
    return [start.pool for start in plan.start if start.reason.code is ReasonCode.CONSOLIDATION]


def test_a_cheaper_node_replaces_dear_ones_once_the_load_has_lasted() -> None:
    assert consolidated(6, age=2000.0) == ["four"]
    assert consolidated(6, age=500.0) == []  # 600 s of saving pay the boot
    assert consolidated(3, age=9000.0) == []  # three would not fill it
    booting = (node("four-0", NodeState.BOOTING, age=10.0, pool="four"),)
    assert consolidated(6, age=2000.0, extra=booting) == []  # one at a time


def test_files_go_to_the_cheap_node_so_that_the_dear_ones_run_dry() -> None:
    nodes = (
        node("one-0", NodeState.IDLE, age=900.0, pool="one"),
        node("four-0", NodeState.IDLE, age=100.0, pool="four"),
    )
    both = replace(waiting(3), pools=("one", "four"))
    plan = decide(Snapshot((both,), (ONES, FOURS), nodes), SETTINGS, NOW)
    assert [dict(each.on) for each in plan.workers] == [{"four-0": 3}]


def test_the_slower_boot_is_counted_with_where_the_dear_pool_must_help() -> None:
    """A file that may wait 300 s is ordered as late as its pool's boot allows: 450 s of promise, less 400."""
    spot = replace(POOL, name="spot", price_per_hour=0.3, max_nodes=0)
    slow = replace(POOL, name="slow", boot=BootEstimate(400.0, 400.0))
    company = replace(ECHO, silences=(100.0,) * 10, pools=("spot", "slow"))
    held = decide(Snapshot((waiting(1, age=30.0, function=company),), (spot, slow)), SETTINGS, NOW)
    due = decide(Snapshot((waiting(1, age=45.0, function=company),), (spot, slow)), SETTINGS, NOW)
    assert ([start.pool for start in held.start], [start.pool for start in due.start]) == ([], ["slow"])


def test_the_limit_of_all_pools_holds_where_a_slow_pool_helps_out_one_without_a_boot() -> None:
    quick = replace(POOL, name="quick", boot=BootEstimate(0.0, 0.0), max_nodes=1)
    slow = replace(POOL, name="slow", boot=BootEstimate(30.0, 30.0), max_nodes=1)
    both = replace(waiting(4, age=900.0), pools=("quick", "slow"))
    settings = ScalerSettings(max_booting_nodes=1)
    plan = decide(Snapshot((both,), (quick, slow)), settings, NOW)
    assert [start.pool for start in plan.start] == ["quick"]
    unbound = decide(Snapshot((both,), (quick, slow)), SETTINGS, NOW)
    assert [start.pool for start in unbound.start] == ["quick", "slow"]

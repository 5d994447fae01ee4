"""Tenants in the decision, as tables: shares, quotas of every kind, who makes room, and what is told."""

from dataclasses import replace

import pytest

from headrace.model.function import Access, Isolation
from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.model.tenant import Quota, Tenant
from headrace.placement.packing import RemoteRoom
from headrace.placement.ways import Choice, GpuClaim, Way
from headrace.scaler.decide import decide
from headrace.scaler.deciding.workers import share_out
from headrace.scaler.explaining import TenantStory, explanation
from headrace.scaler.observing import tenant_view
from headrace.scaler.plan import Plan, ReasonCode
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import (
    BootEstimate,
    Files,
    FunctionView,
    Leaving,
    NodeView,
    PoolView,
    Running,
    ServiceEstimate,
    Snapshot,
    TenantView,
    WorkerView,
)
from headrace.scaler.turns import TURN_SECONDS, with_room

NOW = 10_000.0
GIB = 2**30
LAB, WARD = TenantView("lab"), TenantView("ward")


def cpus(number: int, **more: int) -> ResourceList:
    return ResourceList.of({"cpu": 1000 * number, **more})


POOL = PoolView("p", cpus(8), BootEstimate(100.0, 100.0), max_nodes=1)
HERE = NodeView("here", "p", NodeState.BUSY, 0.0)


def function(name: str, tenant: str, files: int = 99, *, age: float = 1.0, **more: object) -> FunctionView:
    waiting = (Files(NOW - age, files),) if files else ()
    return replace(FunctionView(name, cpus(1), ("p",), waiting, tenant=tenant, max_workers=999), **more)


def workers(owner: str, busy: int, idle: int = 0, *, age: float = 60.0) -> tuple[WorkerView, ...]:
    return tuple(
        WorkerView(f"{owner}{number}", owner, "here", NOW - age - number, number < busy)
        for number in range(busy + idle)
    )


def seen(
    *functions: FunctionView,
    there: tuple[WorkerView, ...] = (),
    tenants: tuple[TenantView, ...] = (LAB, WARD),
    **more: object,
) -> Snapshot:
    """One node of eight cores; who is busy has a file in work there."""
    told = tuple(
        replace(
            each,
            running=tuple(Running(w.since, w.node) for w in there if w.busy and w.function == each.name),
        )
        for each in functions
    )
    return replace(Snapshot(told, (POOL,), (HERE,), there, tenants), **more)


def given(snapshot: Snapshot) -> dict[str, tuple[int, ReasonCode]]:
    return {each.function: (each.count, each.reason.code) for each in share_out(snapshot, NOW)}


def counts(snapshot: Snapshot) -> dict[str, int]:
    return {name: count for name, (count, _) in given(snapshot).items()}


# Shares of the nodes that are on


@pytest.mark.parametrize(
    ("tenants", "shares"),
    [
        ((LAB, WARD), {"a": 4, "b": 4}),
        ((replace(LAB, weight=3.0), WARD), {"a": 6, "b": 2}),
        ((replace(LAB, weight=0.5), replace(WARD, weight=1.5)), {"a": 2, "b": 6}),
        ((LAB, replace(WARD, priority=1)), {"a": 0, "b": 8}),
        ((LAB,), {"a": 4, "b": 4}),  # who is not declared has weight 1 as well
    ],
)
def test_two_that_flood_share_by_weight_and_a_higher_priority_comes_first(tenants, shares):
    assert counts(seen(function("a", "lab"), function("b", "ward"), tenants=tenants)) == shares


@pytest.mark.parametrize(
    ("taken", "shares"), [(0, {"a": 4, "b": 4}), (4, {"a": 2, "b": 2}), (9, {"a": 0, "b": 0})]
)
def test_what_others_pods_have_of_a_node_is_nobodys_share(taken, shares):
    snapshot = seen(function("a", "lab"), function("b", "ward"), nodes=(replace(HERE, taken=cpus(taken)),))
    assert counts(snapshot) == shares


def test_a_flood_makes_room_for_another_tenant_where_others_pods_have_the_rest_of_the_node():
    """By the pool's own word there would be room for both, and nothing would ever start."""
    there = workers("a", busy=3)
    snapshot = seen(
        function("a", "lab"), function("b", "ward", 2), there=there, nodes=(replace(HERE, taken=cpus(5)),)
    )
    found = with_room(snapshot, NOW)
    assert sum(not each.busy for each in found.workers) == 1
    assert {each.function: each.count for each in share_out(found, NOW)} == {"a": 2, "b": 1}


def test_functions_of_one_tenant_share_what_it_has():
    several = [function(name, "lab") for name in ("a", "b", "c")]
    found = counts(seen(*several, function("d", "ward")))
    assert (found["d"], found["a"] + found["b"] + found["c"]) == (4, 4)


def test_a_functions_priority_counts_among_its_tenants_functions_only():
    found = counts(seen(function("a", "lab", priority=9), function("b", "lab"), function("c", "ward")))
    assert found == {"a": 4, "b": 0, "c": 4}


def test_who_wants_little_gets_it_and_leaves_the_rest():
    assert counts(seen(function("a", "lab"), function("b", "ward", 1))) == {"a": 7, "b": 1}


def test_the_resource_that_one_has_most_of_is_its_share():
    """Ghodsi et al.: of 8 CPUs and 16 GB, by 1 CPU and 4 GB or 2 CPUs and 1 GB: the shares are equal."""
    pool = replace(POOL, capacity=cpus(8, memory=16 * GIB))
    thick = function("thick", "lab", request=cpus(1, memory=4 * GIB))
    fast = function("fast", "ward", request=cpus(2, memory=GIB))
    assert counts(seen(thick, fast, pools=(pool,))) == {"thick": 3, "fast": 2}


def test_what_workers_have_counts_and_none_with_a_file_is_taken_away():
    there = workers("a", 6)
    assert counts(seen(function("a", "lab"), function("b", "ward"), there=there)) == {"a": 6, "b": 2}


def test_files_in_work_elsewhere_count_too():
    """GPUs of servers are a resource of which one may have most."""
    claim = GpuClaim(1, 8 * GIB, Isolation.NONE)
    way = Way(Access.REMOTE, ("p",), claim=claim, servers=("s",))
    remote = function("a", "lab", gpu=Choice(way, (way,)))
    rooms = (RemoteRoom("s", 0, 32 * GIB, 32 * GIB, 8),)
    alike = seen(remote, function("b", "ward", gpu=Choice(way, (way,))), remote=rooms)
    assert counts(alike) == {"a": 2, "b": 2}
    found = counts(seen(remote, function("b", "ward"), remote=rooms))
    assert found == {"a": 3, "b": 5}, "three quarters of the memory beside five eighths of the cores"


def test_min_workers_are_a_part_of_the_share():
    kept = function("b", "ward", 0, min_workers=1)
    assert counts(seen(function("a", "lab"), kept)) == {"a": 7, "b": 1}
    greedy = function("b", "ward", 0, min_workers=8)
    assert counts(seen(function("a", "lab"), greedy)) == {"a": 4, "b": 4}


def test_within_one_tenant_files_still_come_before_min_workers():
    kept = function("b", "lab", 0, min_workers=1)
    assert counts(seen(function("a", "lab"), kept)) == {"a": 8, "b": 0}


# Quotas


def bounded(**quota: object) -> tuple[TenantView, ...]:
    """As a tenant's document says it."""
    return (tenant_view(Tenant(name="lab", quota=Quota(**quota))), WARD)


SHARED = {
    "mig": Way(Access.MIG, ("p",), "nvidia.com/mig-1g.5gb", 1),
    "mps": Way(Access.MPS, ("p",), "nvidia.com/gpu.shared", 1),
    "timeslice": Way(Access.TIMESLICE, ("p",), "nvidia.com/gpu.shared", 1),
    "remote": Way(Access.REMOTE, ("p",), claim=GpuClaim(1, 8 * GIB, Isolation.NONE), servers=("s",)),
    "whole": Way(Access.REMOTE, ("p",), claim=GpuClaim(1, None, Isolation.NONE), servers=("s",)),
}


def sharing(kind: str) -> Snapshot:
    """A function of lab that comes to GPUs by a way, with room for eight."""
    way = SHARED[kind]
    request = cpus(1).plus(way.request)
    capacity = cpus(8, **{"nvidia.com/mig-1g.5gb": 8, "nvidia.com/gpu.shared": 8})
    rooms = tuple(RemoteRoom("s", number, 16 * GIB, 16 * GIB, 4) for number in range(8))
    pool = replace(POOL, capacity=capacity)
    slow = ServiceEstimate(file_seconds=500.0)
    wish = function("a", "lab", request=request, gpu=Choice(way, (way,)), service=slow)
    return seen(wish, pools=(pool,), remote=rooms)


@pytest.mark.parametrize(
    ("kind", "quota", "most", "told"),
    [
        ("mig", {"workers": 3}, 3, "workers 3 used, 3 allowed"),
        ("mig", {"workers": 0}, 0, "workers 0 used, 0 allowed"),
        ("mig", {"resources": {"cpu": "2500m"}}, 2, "cpu 2 used, 2500m allowed"),
        ("mig", {"resources": {"nvidia.com/mig-1g.5gb": "5"}}, 5, "nvidia.com/mig-1g.5gb 5 used, 5 allowed"),
        ("mig", {"resources": {"nvidia.com/gpu": "0"}}, 8, ""),
        ("mig", {"gpu_shares": {Access.MIG: 4}}, 4, "gpuShares.mig 4 used, 4 allowed"),
        ("mig", {"gpu_shares": {Access.MPS: 4}}, 8, ""),
        ("mps", {"gpu_shares": {Access.MPS: 2, Access.TIMESLICE: 1}}, 2, "gpuShares.mps 2 used, 2 allowed"),
        ("timeslice", {"gpu_shares": {Access.TIMESLICE: 1}}, 1, "gpuShares.timeslice 1 used, 1 allowed"),
        ("remote", {"remote_gpu_sessions": 3}, 3, "remoteGpuSessions 3 used, 3 allowed"),
        ("remote", {"remote_gpu_memory": "20Gi"}, 2, "remoteGpuMemory 16Gi used, 20Gi allowed"),
        ("whole", {"remote_gpu_memory": "40Gi"}, 2, "remoteGpuMemory 32Gi used, 40Gi allowed"),
        (
            "remote", {"workers": 1, "remote_gpu_memory": "8Gi"}, 1,
            "remoteGpuMemory 8Gi used, 8Gi allowed, workers 1 used, 1 allowed",
        ),
    ],
)  # fmt: skip
def test_a_quota_of_any_kind_is_kept_on_nodes_and_in_orders_and_told(kind, quota, most, told):
    words = f"the quota of tenant lab allows no further worker: {told}"
    snapshot = replace(sharing(kind), tenants=bounded(**quota))
    (found,) = share_out(snapshot, NOW)
    assert (found.count, found.reason.text if told else "") == (most, words if told else "")
    small = PoolView("p", snapshot.functions[0].request, BootEstimate(100.0, 100.0), max_nodes=8)
    plan = decide(replace(snapshot, pools=(small,), nodes=()), ScalerSettings(), NOW)
    assert len(plan.start) == most
    refused = [each.reason.text for each in plan.unmet if each.reason.code is ReasonCode.QUOTA]
    assert refused == ([words] if told else [])


def test_all_functions_of_a_tenant_share_its_quota():
    found = given(seen(function("a", "lab"), function("b", "lab"), tenants=bounded(workers=3)))
    assert (found["a"][0] + found["b"][0], found["a"][1]) == (3, ReasonCode.QUOTA)


def test_what_one_function_is_promised_is_no_others():
    pool = replace(POOL, capacity=cpus(1), max_nodes=12)
    slow = ServiceEstimate(file_seconds=500.0)
    both = [function(name, "lab", priority=number, service=slow) for number, name in enumerate("ab")]
    plan = decide(seen(*both, tenants=bounded(workers=3), pools=(pool,), nodes=()), ScalerSettings(), NOW)
    assert len(plan.start) == 3


def test_an_idle_worker_counts_until_it_is_gone_and_makes_room_for_files_that_wait():
    rested = function("a", "lab", 0)
    snapshot = seen(rested, function("b", "lab", 1), there=workers("a", 0, 2), tenants=bounded(workers=2))
    assert given(snapshot) == {"a": (0, ReasonCode.NOTHING_WAITS), "b": (0, ReasonCode.QUOTA)}
    assert counts(replace(snapshot, workers=())) == {"a": 0, "b": 1}


def test_its_own_idle_workers_need_no_further_quota():
    snapshot = seen(function("a", "lab", 2), there=workers("a", 0, 2), tenants=bounded(workers=2))
    assert counts(snapshot) == {"a": 2}


def leaving(number: int, *, tenant: str = "lab", **charge: int) -> tuple[Leaving, ...]:
    """So many that hold this each, besides being workers, whichever function they were begun for."""
    held = ResourceList.of({"workers": 1, **charge})
    return tuple(Leaving(f"gone{each}", tenant, held) for each in range(number))


def test_a_worker_that_leaves_counts_until_it_is_gone_whether_its_function_is_there_or_not():
    snapshot = seen(function("a", "lab"), tenants=bounded(workers=3), leaving=leaving(2))
    assert given(snapshot) == {"a": (1, ReasonCode.QUOTA)}
    for others in (leaving(2, tenant="ward"), leaving(2, tenant="nobody")):
        assert counts(replace(snapshot, leaving=others)) == {"a": 3}


@pytest.mark.parametrize(
    ("kind", "quota", "gone", "most"),
    [
        ("mig", {"resources": {"cpu": "6"}}, leaving(1, cpu=4000), 2),
        ("mig", {"gpu_shares": {Access.MIG: 4}}, leaving(2, **{"gpuShares.mig": 1}), 2),
        ("mig", {"gpu_shares": {Access.MIG: 4}}, leaving(2, **{"gpuShares.mps": 1}), 4),
        ("remote", {"remote_gpu_memory": "40Gi"}, leaving(1, remoteGpuMemory=16 * GIB), 3),
        ("remote", {"remote_gpu_sessions": 4}, leaving(1, remoteGpuSessions=3), 1),
        ("remote", {"remote_gpu_memory": "40Gi", "remote_gpu_sessions": 4}, leaving(3), 4),
    ],
)
def test_one_that_leaves_counts_by_what_it_holds_and_not_as_its_function_is_now(kind, quota, gone, most):
    snapshot = replace(sharing(kind), tenants=bounded(**quota), leaving=gone)
    assert counts(snapshot) == {"a": most}


def test_what_leaves_is_told_as_used():
    snapshot = seen(function("a", "lab"), tenants=bounded(workers=3), leaving=leaving(2))
    (found,) = share_out(snapshot, NOW)
    assert found.reason.text == "the quota of tenant lab allows no further worker: workers 3 used, 3 allowed"
    told = explanation(snapshot, decide(snapshot, ScalerSettings(), NOW), NOW)
    assert told.tenants[0].used == {"workers": 3}


def test_beyond_a_lowered_quota_the_youngest_end_and_finish_their_file():
    snapshot = seen(function("a", "lab"), there=workers("a", 4), tenants=bounded(workers=2))
    freed = with_room(snapshot, NOW)
    assert {each.name for each in freed.workers if not each.busy} == {"a0", "a1"}
    assert counts(freed) == {"a": 2}
    long = replace(snapshot.functions[0], service=ServiceEstimate(file_seconds=99.0), leaving_seconds=60.0)
    kept = with_room(replace(snapshot, functions=(long,)), NOW)
    assert all(each.busy for each in kept.workers), "its file would be cut off"


# Nodes that are ordered


def ordered(snapshot: Snapshot, **more: object) -> Plan:
    return decide(replace(snapshot, **more), ScalerSettings(), NOW)


def test_where_there_are_too_few_nodes_each_is_promised_its_share():
    """Twelve nodes of one core; the flood alone would have all of them."""
    pool = replace(POOL, capacity=cpus(1), max_nodes=12)
    slow = ServiceEstimate(file_seconds=200.0)
    flood = function("flood", "lab", 500, age=200.0, service=slow)
    thin = function("thin", "ward", 2, service=slow)
    alone = ordered(seen(flood), pools=(pool,), nodes=())
    assert len(alone.start) == 12
    both = ordered(seen(flood, thin), pools=(pool,), nodes=())
    assert len(both.start) == 12
    assert [(each.function, each.reason.code) for each in both.unmet] == [("flood", ReasonCode.SHARE)]
    assert both.unmet[0].reason.text == ("tenant lab has its share while others' files wait too: 10 workers")
    undeclared = ordered(seen(flood, thin, tenants=()), pools=(pool,), nodes=())
    assert {each.function for each in undeclared.unmet} == {"flood", "thin"}


def test_two_that_flood_are_promised_nodes_by_weight():
    pool = replace(POOL, capacity=cpus(1), max_nodes=12)
    both = [
        function(name, tenant, 500, service=ServiceEstimate(file_seconds=200.0))
        for name, tenant in (("a", "lab"), ("b", "ward"))
    ]
    plan = ordered(seen(*both, tenants=(LAB, replace(WARD, weight=2.0))), pools=(pool,), nodes=())
    told = {each.function: each.reason.figures["workers"] for each in plan.unmet}
    assert (len(plan.start), told) == (12, {"a": 4, "b": 8})


def test_what_comes_free_first_is_promised_to_who_has_least():
    """All eight cores work the flood's files; one ends in time for the other's: that is enough for it."""
    slow = ServiceEstimate(file_seconds=200.0)
    there = (*workers("flood", 7, age=1.0), WorkerView("flood9", "flood", "here", NOW - 190.0, busy=True))
    snapshot = seen(
        function("flood", "lab", 500, service=slow),
        function("thin", "ward", 1, service=slow, max_wait_seconds=60.0),
        there=there,
    )
    assert [each.function for each in ordered(snapshot).unmet] == ["flood"]
    undeclared = ordered(replace(snapshot, tenants=()))
    assert {each.function for each in undeclared.unmet} == {"flood", "thin"}


def test_seats_on_gpu_servers_are_promised_by_share():
    rooms = (RemoteRoom("s", 0, 64 * GIB, 64 * GIB, 8),)
    pool = replace(POOL, max_nodes=9)
    slow = ServiceEstimate(file_seconds=500.0)
    way = SHARED["remote"]
    flood, other = (
        function(name, tenant, 500, gpu=Choice(way, (way,)), service=slow)
        for name, tenant in (("flood", "lab"), ("other", "ward"))
    )
    plan = ordered(seen(flood, other, remote=rooms), pools=(pool,), nodes=())
    told = {each.function: each.reason.figures.get("workers") for each in plan.unmet}
    assert told == {"flood": 4, "other": 4}
    few = replace(other, waiting=(Files(NOW, 1),))
    plan = ordered(seen(flood, few, remote=rooms), pools=(pool,), nodes=())
    assert {each.function: each.reason.figures.get("workers") for each in plan.unmet} == {"flood": 7}


# Who makes room


def ending(*functions: FunctionView, there: tuple[WorkerView, ...], **more: object) -> set[str]:
    freed = with_room(seen(*functions, there=there, **more), NOW)
    for each in freed.functions:
        assert len(each.running) == sum(w.busy for w in freed.workers if w.function == each.name)
    return {each.name for each in freed.workers if not each.busy}


LONG = ServiceEstimate(file_seconds=600.0)


@pytest.mark.parametrize(
    ("functions", "more", "gone"),
    [
        ([function("a", "lab"), function("b", "ward", 1)], {}, {"a0"}),
        ([function("a", "lab"), function("b", "ward", 2)], {}, {"a0", "a1"}),
        ([function("a", "lab"), function("b", "ward")], {}, {"a0", "a1", "a2", "a3"}),
        ([function("a", "lab"), function("b", "ward")], {"tenants": (replace(LAB, weight=3.0), WARD)},
         {"a0", "a1"}),
        ([function("a", "lab"), function("b", "ward")], {"tenants": (LAB, replace(WARD, priority=1))},
         {f"a{n}" for n in range(8)}),
        ([function("a", "lab"), function("b", "ward")], {"tenants": (replace(LAB, priority=1), WARD)}, set()),
        ([function("a", "lab"), function("b", "ward", 0)], {}, set()),
        ([function("a", "lab"), function("b", "ward", 1, paused=True)], {}, set()),
        # a worker with a long file finishes it all the same, as long as its pod may
        ([function("a", "lab", service=LONG, leaving_seconds=900.0), function("b", "ward", 1)], {}, {"a0"}),
        ([function("a", "lab", service=LONG, leaving_seconds=300.0), function("b", "ward", 1)], {}, set()),
        # a large one needs several of one node
        ([function("a", "lab"), function("b", "ward", 1, request=cpus(3))], {}, {"a0", "a1", "a2"}),
        ([function("a", "lab"), function("b", "ward", 1, request=cpus(9))], {}, set()),
        # what its quota does not allow is not made room for
        ([function("a", "ward"), function("b", "lab")], {"tenants": bounded(workers=1)}, {"a0"}),
        # functions that are not declared are a tenant too
        ([function("a", "x"), function("b", "ward", 1)], {}, {"a0"}),
        ([function("a", "x"), function("b", "y", 1)], {}, {"a0"}),  # they are one: who has none gets one
    ],
)  # fmt: skip
def test_a_tenant_above_its_share_makes_room_for_one_below(functions, more, gone):
    assert ending(*functions, there=workers("a", 8), **more) == gone


def test_what_is_ceded_goes_to_whom_it_was_ceded_and_nobody_takes_it_back():
    snapshot = seen(function("a", "lab"), function("b", "ward"), there=workers("a", 8))
    freed = with_room(snapshot, NOW)
    assert counts(freed) == {"a": 4, "b": 4}
    later = seen(function("a", "lab"), function("b", "ward"), there=(*workers("a", 4), *workers("b", 4)))
    assert with_room(later, NOW) == later


def test_the_one_that_is_most_above_its_share_cedes_first():
    there = (*workers("a", 5), *workers("c", 3))
    functions = [function("a", "lab"), function("c", "clinic"), function("b", "ward", 1)]
    tenants = (LAB, WARD, TenantView("clinic"))
    assert ending(*functions, there=there, tenants=tenants) == {"a0"}


def test_gpus_of_servers_are_ceded_too():
    way = SHARED["remote"]
    rooms = (RemoteRoom("s", 0, 32 * GIB, 32 * GIB, 8),)
    there = tuple(replace(each, places=(("s", 0),)) for each in workers("a", 4))
    flood, thin = (
        function(name, tenant, gpu=Choice(way, (way,))) for name, tenant in (("a", "lab"), ("b", "ward"))
    )
    assert ending(flood, thin, there=there, remote=rooms) == {"a0", "a1"}


@pytest.mark.parametrize(
    ("age", "since", "gone"),
    [(1.0, 60.0, set()), (90.0, 60.0, {"a0"}), (90.0, TURN_SECONDS - 1, set())],
)
def test_a_single_worker_is_passed_on_once_the_others_file_is_due(age: float, since: float, gone: set[str]):
    """On one slot shares can't be equal; that its own files are due even longer does not keep it."""
    there = workers("a", 1, age=since)
    flood, other = function("a", "lab", age=5000.0), function("b", "ward", age=age)
    assert ending(flood, other, there=there, pools=(ONE_SLOT,)) == gone


ONE_SLOT = replace(POOL, capacity=cpus(1))
SLOW = function("c", "ward", age=90.0, service=ServiceEstimate(start_seconds=25.0))
TURNS = [
    ("it was never seen to have it", {}, [], {"a0"}),
    ("the other's turn lasts", {"ward": 29.0}, [], set()),
    ("the other's turn is over", {"ward": 30.0}, [], {"a0"}),
    ("a turn is long where a start is", {"ward": 99.0}, [SLOW], set()),
    ("and over then", {"ward": 100.0}, [SLOW], {"a0"}),
    ("a third one's turn is waited for", {"ward": 59.0, "": 5.0}, [function("c", "nobody")], set()),
    ("but not of one that has no file", {"ward": 59.0, "": 5.0}, [function("c", "nobody", 0)], {"a0"}),
]  # fmt: skip


@pytest.mark.parametrize(("ago", "others", "gone"), [row[1:] for row in TURNS], ids=[row[0] for row in TURNS])
def test_whose_turn_it_is_on_one_slot(ago: dict[str, float], others: list[FunctionView], gone: set[str]):
    served = (("lab", NOW), *((name, NOW - seconds) for name, seconds in ago.items()))
    asking = others if SLOW in others else [function("b", "ward", age=90.0), *others]
    found = ending(function("a", "lab"), *asking, there=workers("a", 1), pools=(ONE_SLOT,), served=served)
    assert found == gone


def test_turns_are_as_long_as_weights_say():
    flood, other = function("a", "lab"), function("b", "ward", age=90.0)
    heavy = (replace(LAB, weight=3.0), WARD)
    for ago, gone in ((89.0, set()), (90.0, {"a0"})):
        served = (("ward", NOW - ago),)
        found = ending(flood, other, there=workers("a", 1), pools=(ONE_SLOT,), tenants=heavy, served=served)
        assert found == gone
    light = (LAB, replace(WARD, weight=3.0))
    for ago, gone in ((29.0, set()), (30.0, {"a0"})):
        served = (("ward", NOW - ago),)
        found = ending(flood, other, there=workers("a", 1), pools=(ONE_SLOT,), tenants=light, served=served)
        assert found == gone, "its own turn is the longer one"


def test_a_slot_that_is_free_goes_to_the_tenant_that_lacked_one_for_longest():
    both = function("a", "lab", age=5000.0), function("b", "ward")
    served = (("lab", NOW - 2.0), ("ward", NOW - 50.0))
    assert counts(seen(*both, pools=(ONE_SLOT,), served=served)) == {"a": 0, "b": 1}
    assert counts(seen(*both, pools=(ONE_SLOT,))) == {"a": 1, "b": 0}, "else by deadline"


def test_a_worker_that_starts_keeps_its_slot_as_its_turn_has_just_begun():
    both = function("a", "lab", age=5000.0), function("b", "ward", age=90.0)
    served = (("lab", NOW - 2.0), ("ward", NOW))
    starting = workers("b", 0, 1, age=1.0)
    snapshot = seen(*both, there=starting, pools=(ONE_SLOT,), served=served)
    assert counts(with_room(snapshot, NOW)) == {"a": 0, "b": 1}


# What is told


def test_shares_and_quotas_are_told():
    snapshot = seen(
        function("a", "lab", 40), function("b", "ward", 2), function("c", "nobody", 0),
        tenants=(replace(LAB, weight=2.0, bounds=(("cpu", 6000), ("workers", 20))), WARD, TenantView("idle")),
    )  # fmt: skip
    told = explanation(snapshot, decide(snapshot, ScalerSettings(), NOW), NOW)
    assert told.tenants == (
        TenantStory("lab", 2.0, 0, 40, 6, 0.75, "cpu", {"cpu": 6000, "workers": 6},
                    {"cpu": 6000, "workers": 20}),
        TenantStory("ward", 1.0, 0, 2, 2, 0.25, "cpu", {}, {}),
        TenantStory("idle", 1.0, 0, 0, 0, 0.0, "", {}, {}),
    )  # fmt: skip
    assert [each.tenant for each in told.functions] == ["lab", "ward", ""]
    about = told.about("b")
    assert about is not None
    assert [each.name for each in about.tenants] == ["ward"]
    assert type(told).from_json(told.to_json()) == told


def test_without_tenants_nothing_is_told_of_them():
    snapshot = seen(function("a", "lab"), tenants=())
    told = explanation(snapshot, decide(snapshot, ScalerSettings(), NOW), NOW)
    assert (told.tenants, told.functions[0].tenant) == ((), "")

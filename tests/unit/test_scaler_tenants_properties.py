"""What holds for tenants on any snapshot: quotas, shares, no room unused; and nothing changes without any."""

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.placement.packing import RemoteRooms
from headrace.placement.ways import NEEDS_NONE
from headrace.scaler.decide import decide
from headrace.scaler.deciding.rooms import ON
from headrace.scaler.deciding.workers import share_out
from headrace.scaler.plan import ReasonCode
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
    WorkerView,
)
from headrace.scaler.turns import with_room
from tests.unit.scaler_snapshots import (
    NOW,
    TENANTS,
    meeting,
    options,
    pressed,
    snapshots,
    tenant_views,
    used_by,
    within_quotas,
)

GENTLE = settings(max_examples=100, deadline=None)


def counted(snapshot: Snapshot) -> Counter[str]:
    """Workers that are there."""
    return Counter(worker.function for worker in snapshot.workers)


# Without tenants nothing changes


@given(snapshots(), options, st.sampled_from([0.5, 1.0, 7.0]))
@GENTLE
def test_a_single_tenant_without_a_quota_changes_no_plan(snapshot, options, weight):
    alike = tuple(replace(each, tenant="lab") for each in snapshot.functions)
    without = replace(snapshot, functions=alike, tenants=())
    alone = replace(without, tenants=(TenantView("idle"), TenantView("lab", weight, 5)))
    assert with_room(alone, NOW).workers == with_room(without, NOW).workers
    for one, other in ((alone, without), (with_room(alone, NOW), with_room(without, NOW))):
        assert decide(one, options, NOW) == decide(other, options, NOW)


# Quotas


@given(snapshots() | pressed() | pressed())
@settings(max_examples=400, deadline=None)
def test_quotas_hold_for_what_is_there_and_what_is_promised_also_where_room_is_made(snapshot):
    for each in (snapshot, with_room(snapshot, NOW)):
        counts = meeting(each, share_out(each, NOW))
        assert within_quotas(each.functions, each.tenants, each.remote, counts, each.leaving)


@given(snapshots() | pressed(), st.data())
@GENTLE
def test_nothing_is_added_where_a_quota_is_exceeded_already(snapshot, data):
    """As where it was lowered: of what is exceeded no function gets a further worker."""
    tenants = tuple(data.draw(tenant_views(name)) for name in TENANTS[1:])
    lowered = replace(snapshot, tenants=tenants)
    there = counted(lowered)
    busy = Counter(worker.function for worker in lowered.workers if worker.busy)
    told = {each.function: each.count for each in share_out(lowered, NOW)}
    for tenant in tenants:
        before, after, working = (
            used_by(tenant, lowered.functions, lowered.remote, counts, lowered.leaving)
            for counts in (there, told, busy)
        )
        for name, most in tenant.bounds:
            if before.get(name, 0) > most:
                assert after.get(name, 0) <= max(most, working.get(name, 0))


@given(snapshots(), options)
@GENTLE
def test_no_more_nodes_are_ordered_than_quotas_leave_workers_for(snapshot, options):
    """One slot a node, and none there: each further worker of a bound tenant needs a node."""
    one = ResourceList.of({"slot": 1})
    pool = PoolView("p", one, BootEstimate(60.0, 60.0), max_nodes=99)
    functions = tuple(
        replace(each, request=one, pools=("p",), running=(), tenant="lab", gpu=NEEDS_NONE)
        for each in snapshot.functions
    )
    for tenant in snapshot.tenants:
        bound = dict(tenant.bounds)
        most = min(bound.get("slot", 99), bound.get("workers", 99))
        alone = Snapshot(functions, (pool,), tenants=(replace(tenant, name="lab"),))
        plain = ScalerSettings(wait_worth=options.wait_worth)
        assert len(decide(alone, plain, NOW).start) <= most


# No room stays unused


@given(snapshots() | pressed())
@GENTLE
def test_no_room_on_nodes_stays_free_that_a_waiting_file_may_use(snapshot):
    """Functions whose workers start at once; those of others must be worth their start."""
    told = {each.function: each for each in share_out(snapshot, NOW)}
    functions = {each.name: each for each in snapshot.functions}
    free = {
        node.name: _left(snapshot, node, told, functions)
        for node in snapshot.nodes
        if node.state in ON and node.enabled
    }
    remote = _remote_left(snapshot, told)
    for function in snapshot.functions:
        count = told[function.name].count
        more = count - len(function.running) < function.files_waiting and count < function.max_workers
        if function.paused or not more or function.service.start_seconds > 0:
            continue
        claim = function.way.claim
        if claim is not None and not remote.fitting(claim, function.way.servers, 1):
            continue
        fitting = [
            name for name, (pool, room) in free.items()
            if pool in function.pools
            and function.request.fits(room)
            and _is_allowed_one_more(snapshot, told, function.name, name)
        ]  # fmt: skip
        assert fitting == [], (function.name, told[function.name])


def _is_allowed_one_more(snapshot, told, function, node):
    """Whether quotas leave it one more worker there, be it one that is there already."""
    on = told[function].on
    more = {**told, function: replace(told[function], on={**on, node: on.get(node, 0) + 1})}
    counts = meeting(snapshot, tuple(more.values()))
    return within_quotas(snapshot.functions, snapshot.tenants, snapshot.remote, counts, snapshot.leaving)


def _left(snapshot, node, told, functions):
    (pool,) = (each for each in snapshot.pools if each.name == node.pool)
    room = pool.capacity
    for each in told.values():
        room = room.minus(functions[each.function].request, each.on.get(node.name, 0))
    return node.pool, room


def _remote_left(snapshot, told):
    """What a decision leaves of the servers; new ones are placed as the decision places them."""
    rooms = RemoteRooms(snapshot.remote)
    functions = {each.name: each for each in snapshot.functions}
    busy = Counter(worker.function for worker in snapshot.workers if worker.busy)
    for worker in snapshot.workers:
        claim = functions[worker.function].way.claim
        if worker.busy and claim is not None:
            rooms.hold(worker.places, claim)
    for name, each in told.items():
        way = functions[name].way
        if way.claim is not None:
            rooms.take(way.claim, way.servers, each.count - busy[name])
    return rooms


@given(snapshots(), options)
@GENTLE
def test_a_share_holds_nobody_back_while_there_is_a_node_to_order(snapshot, options):
    plan = decide(snapshot, options, NOW)
    ordered = Counter(start.pool for start in plan.start)
    booting = sum(node.state is NodeState.BOOTING for node in snapshot.nodes) + len(plan.start)
    functions = {each.name: each for each in snapshot.functions}
    for unmet in plan.unmet:
        if unmet.reason.code is not ReasonCode.SHARE or options.max_booting_nodes:
            continue
        function = functions[unmet.function]
        assume(function.way.claim is None)  # it may be the servers that are short
        for pool in snapshot.pools:
            if pool.name not in function.pools or not function.request.fits(pool.capacity):
                continue
            mine = [node for node in snapshot.nodes if node.pool == pool.name]
            there = sum(node.state is not NodeState.OFF for node in mine) + ordered[pool.name]
            coming = sum(node.state is NodeState.BOOTING for node in mine) + ordered[pool.name]
            full = there >= pool.max_nodes or (pool.max_booting and coming >= pool.max_booting)
            assert full, (pool, unmet, booting)


# Shares


@st.composite
def floods(draw, most=3):
    """Tenants of any weight that all want more than there is, each worker one slot of some nodes.

    Each has `most` functions at most.
    """
    number = draw(st.integers(2, 4))
    weights = [draw(st.sampled_from([0.5, 1.0, 2.0, 3.0])) for _ in range(number)]
    functions = tuple(
        FunctionView(
            f"{tenant}{which}", ResourceList.of({"slot": 1}), ("p",), (Files(NOW - 1, 999),),
            tenant=str(tenant), max_workers=999,
        )
        for tenant in range(number)
        for which in range(draw(st.integers(1, most)))
    )  # fmt: skip
    pool = PoolView(
        "p", ResourceList.of({"slot": draw(st.integers(1, 9))}), BootEstimate(60.0, 60.0), max_nodes=12
    )
    nodes = tuple(NodeView(f"n{n}", "p", NodeState.IDLE, NOW - 100) for n in range(draw(st.integers(1, 12))))
    tenants = tuple(TenantView(str(tenant), weight) for tenant, weight in enumerate(weights))
    return Snapshot(functions, (pool,), nodes, tenants=tenants)


@given(floods())
@GENTLE
def test_where_all_flood_shares_are_as_the_weights_within_one_worker(snapshot):
    told = {each.function: each.count for each in share_out(snapshot, NOW)}
    weights = {tenant.name: tenant.weight for tenant in snapshot.tenants}
    counts = Counter[str]()
    for function in snapshot.functions:
        counts[function.tenant] += told[function.name]
    slots = sum(pool.capacity["slot"] * len(snapshot.nodes) for pool in snapshot.pools)
    assert counts.total() == slots
    for one, weight in weights.items():
        for other, theirs in weights.items():
            assert (counts[one] - 1) / weight <= counts[other] / theirs + 1e-9, (one, other, counts)


@given(floods())
@GENTLE
def test_where_all_flood_nodes_are_promised_as_the_weights_within_one_worker(snapshot):
    slow = tuple(
        replace(each, service=ServiceEstimate(file_seconds=600.0), max_wait_seconds=60.0)
        for each in snapshot.functions
    )
    plan = decide(replace(snapshot, functions=slow), ScalerSettings(), NOW)
    (pool,) = snapshot.pools
    assert len(plan.start) == pool.max_nodes - len(snapshot.nodes)
    shares = {each.function: each.reason.figures["workers"] for each in plan.unmet}
    weights = {tenant.name: tenant.weight for tenant in snapshot.tenants}
    own = {each.name: each.tenant for each in snapshot.functions}
    counts = {own[name]: int(number) for name, number in shares.items()}  # told of a class, by each function
    assert sum(counts.values()) == pool.max_nodes * pool.capacity["slot"]
    for one, weight in weights.items():
        for other, theirs in weights.items():
            assert (counts[one] - 1) / weight <= counts[other] / theirs + 1e-9, (one, other, counts)


# Making room


def worked(snapshot: Snapshot, counts: dict[str, dict[str, int]]) -> Snapshot:
    """The same with so many workers by function and node, each of which has a file."""
    workers = tuple(
        WorkerView(f"{name}-{node}-{number}", name, node, NOW - 60, busy=True)
        for name, on in counts.items()
        for node, count in on.items()
        for number in range(count)
    )
    functions = tuple(
        replace(
            each,
            running=tuple(Running(NOW - 60, w.node) for w in workers if w.function == each.name),
        )
        for each in snapshot.functions
    )
    return replace(snapshot, functions=functions, workers=workers)


def by_tenant(snapshot: Snapshot) -> Counter[str]:
    owners = {each.name: each.tenant for each in snapshot.functions}
    return Counter(owners[worker.function] for worker in snapshot.workers if worker.busy)


@given(floods(most=1), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_room_is_made_until_shares_are_as_the_weights_and_never_back_and_forth(snapshot, seed):
    """All nodes are full of workers with long queues; whoever is told to end is replaced as is decided."""
    (pool,), chance = snapshot.pools, Random(seed)
    names = [each.name for each in snapshot.functions]
    counts: dict[str, dict[str, int]] = {name: {} for name in names}
    for node in snapshot.nodes:
        for _ in range(pool.capacity["slot"]):
            name = chance.choice(names)
            counts[name][node.name] = counts[name].get(node.name, 0) + 1
    courses = []
    for _ in range(20):
        state = worked(snapshot, counts)
        courses.append(by_tenant(state))
        counts = {each.function: dict(each.on) for each in share_out(with_room(state, NOW), NOW)}
    weights = {tenant.name: tenant.weight for tenant in snapshot.tenants}
    for tenant, weight in weights.items():
        course = [each[tenant] for each in courses]
        assert course in (sorted(course), sorted(course, reverse=True)), "it gains or it cedes"
        for other, theirs in weights.items():
            last = courses[-1]
            assert (last[tenant] - 1) / weight <= last[other] / theirs + 1e-9, (tenant, other, last)


@given(snapshots(), options)
@GENTLE
def test_two_leaders_make_the_same_room_and_the_same_plan(snapshot, options):
    first, second = with_room(snapshot, NOW), with_room(snapshot, NOW)
    assert first == second
    assert decide(first, options, NOW) == decide(second, options, NOW)

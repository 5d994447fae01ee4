"""Snapshots of any kind for property tests: consistent ones, drawn by hypothesis."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from headrace.model.function import Access, Isolation
from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.placement.packing import RemoteRoom
from headrace.placement.ways import NEEDS_NONE, Choice, GpuClaim, Way
from headrace.scaler.plan import Workers
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

NOW = 100_000.0
POOLS = ("p", "q")
TENANTS = ("", "lab", "ward")

amounts = st.builds(
    lambda slots, gpus: ResourceList.of({"slot": slots, "gpu": gpus}), st.integers(1, 3), st.integers(0, 1)
)
ages = st.integers(0, 2000)
GIB = 2**30
SHARES = tuple(
    Choice(Way(access, POOLS, "gpu", count))
    for access in (Access.MIG, Access.MPS, Access.TIMESLICE)
    for count in (1, 2)
)
REMOTE = tuple(
    Choice(Way(Access.REMOTE, POOLS, claim=GpuClaim(count, memory, Isolation.NONE), servers=servers))
    for memory in (4 * GIB, 8 * GIB, None)
    for servers, count in ((("s",), 1), (("s", "t"), 1), (("s", "t"), 2))
)
gpus = st.one_of(st.just(NEEDS_NONE), st.sampled_from(SHARES), st.sampled_from(REMOTE))


@st.composite
def pools(draw, name):
    boot = float(draw(st.sampled_from([0, 30, 150, 600])))
    most = draw(st.integers(1, 8))
    return PoolView(
        name,
        ResourceList.of({"slot": draw(st.integers(1, 6)), "gpu": draw(st.integers(0, 2))}),
        BootEstimate(boot, boot * draw(st.sampled_from([1.0, 1.3])), failing=draw(st.booleans())),
        price_per_hour=draw(st.sampled_from([0.0, 0.5, 1.0])),
        min_nodes=draw(st.integers(0, min(2, most))),
        max_nodes=most,
        spare_nodes=draw(st.integers(0, min(2, most))),
        max_booting=draw(st.integers(0, 3)),
    )


@st.composite
def functions(draw, name):
    groups = sorted(draw(st.lists(st.tuples(ages, st.integers(1, 40)), max_size=4)), reverse=True)
    waiting = tuple(Files(NOW - age, count, count) for age, count in groups)
    return FunctionView(
        name,
        draw(amounts),
        tuple(draw(st.lists(st.sampled_from(POOLS), min_size=1, unique=True))),
        waiting=waiting,
        recent=waiting,
        silences=tuple(draw(st.lists(st.floats(10, 5000), max_size=4))),
        last_arrival=waiting[-1].arrived if waiting else None,
        service=ServiceEstimate(
            draw(st.sampled_from([0.0, 20.0])), draw(st.sampled_from([0.5, 2.0, 60.0, 900.0]))
        ),
        max_wait_seconds=float(draw(st.sampled_from([0, 60, 300]))),
        min_workers=draw(st.integers(0, 2)),
        max_workers=draw(st.integers(2, 30)),
        priority=draw(st.integers(0, 1)),
        tenant=draw(st.sampled_from(TENANTS)),
        paused=draw(st.sampled_from([False, False, False, True])),
        gpu=draw(gpus),
    )


@st.composite
def servers(draw):
    """GPUs of up to two servers."""
    return tuple(
        RemoteRoom(name, 0, size * GIB, size * GIB, draw(st.integers(0, 4)))
        for name in "st"
        for size in draw(st.lists(st.sampled_from([8, 16]), max_size=1))
    )


@st.composite
def snapshots(draw):
    """A consistent one: nodes within their pools' numbers, busy workers within nodes' room and quotas.

    Workers that leave count for quotas too, of functions that may be there no more.
    """
    views = tuple(draw(pools(name)) for name in POOLS)
    found = [draw(functions(name)) for name in draw(st.sampled_from(["", "a", "ab", "abc"]))]
    tenants = tuple(draw(tenant_views(name)) for name in sorted(draw(st.sets(st.sampled_from(TENANTS[1:])))))
    rooms = draw(servers())
    nodes = [draw(nodes_of(pool, n)) for pool in views for n in range(draw(st.integers(0, pool.max_nodes)))]
    return peopled(draw, Snapshot(tuple(found), views, tuple(nodes), tenants=tenants, remote=rooms))


@st.composite
def pressed(draw):
    """One where quotas are what is short: files for all, and bounds of what their workers count for."""
    room = ResourceList.of({"slot": draw(st.sampled_from([4, 12])), "gpu": 12})
    pool = PoolView("p", room, BootEstimate(30.0, 30.0), max_nodes=2)
    found = [
        replace(
            draw(functions(name)), pools=("p",), waiting=(Files(NOW - draw(ages), 40, 40),), paused=False,
            tenant=draw(st.sampled_from(TENANTS[1:])), service=ServiceEstimate(0.0, 60.0),
        )
        for name in draw(st.sampled_from(["a", "ab", "abc"]))
    ]  # fmt: skip
    rooms = tuple(RemoteRoom(name, number, 16 * GIB, 16 * GIB, 4) for name in "st" for number in range(3))
    counted = {name: set[str]() for name in TENANTS[1:]}
    for each in found:
        counted[each.tenant].update(charge_by_hand(each.request, each.way, rooms))
    tenants = tuple(draw(tenant_views(name, *names)) for name, names in counted.items())
    nodes = tuple(NodeView(f"p-{number}", "p", NodeState.IDLE, NOW - 100) for number in range(2))
    return peopled(draw, Snapshot(tuple(found), (pool,), nodes, tenants=tenants, remote=rooms))


def peopled(draw, empty):
    """The same with workers on nodes that are on, and with some that leave, as far as quotas allow."""
    found, tenants, rooms = empty.functions, empty.tenants, empty.remote
    nodes, workers, running = [], [], {function.name: [] for function in found}
    pools_by_name = {pool.name: pool for pool in empty.pools}
    for node in empty.nodes:
        on = node.state in (NodeState.IDLE, NodeState.DRAINING) and draw(st.booleans())
        pool = pools_by_name[node.pool]
        nodes.append(employ(draw, node, pool, found, tenants, rooms, workers, running) if on else node)
    seen = tuple(replace(function, running=tuple(running[function.name])) for function in found)
    counts = Counter(worker.function for worker in workers)
    leaving: tuple[Leaving, ...] = ()
    for one in draw(st.lists(leavers(rooms), max_size=3)):
        more = (*leaving, replace(one, name=f"gone{len(leaving)}"))
        leaving = more if within_quotas(found, tenants, rooms, counts, more) else leaving
    return replace(empty, functions=seen, nodes=tuple(nodes), workers=tuple(workers), leaving=leaving)


@st.composite
def leavers(draw, rooms):
    """A worker that leaves, of a tenant that may be none, by what it was made with."""
    held = charge_by_hand(draw(amounts), draw(gpus).way, rooms)
    return Leaving("", draw(st.sampled_from((*TENANTS, "former"))), ResourceList.of(held))


@st.composite
def tenant_views(draw, name, *counted):
    """Bounds of nothing, or of anything that is counted; of some of `counted`, where there are such."""
    most = {
        "gpu": 2,
        "gpuShares.mig": draw(st.integers(0, 2)),
        "gpuShares.mps": draw(st.integers(0, 2)),
        "gpuShares.timeslice": draw(st.integers(0, 2)),
        "remoteGpuMemory": draw(st.integers(0, 4)) * 4 * GIB,
        "remoteGpuSessions": draw(st.integers(0, 3)),
        "slot": draw(st.integers(0, 8)),
        "workers": draw(st.integers(0, 6)),
    }
    bound = draw(st.sets(st.sampled_from(sorted(counted or most)), min_size=bool(counted)))
    return TenantView(
        name,
        draw(st.sampled_from([0.5, 1.0, 2.0])),
        draw(st.integers(0, 1)),
        tuple((each, most[each]) for each in sorted(bound)),
    )


@st.composite
def nodes_of(draw, pool, number):
    states = [state for state in NodeState if state is not NodeState.BUSY]
    state = draw(st.sampled_from(states))
    ordered = NOW - draw(ages)
    enabled = draw(st.sampled_from([True, True, True, False]))
    return NodeView(
        f"{pool.name}-{number}", pool.name, state, max(ordered, NOW - draw(ages)), ordered, enabled
    )


def employ(draw, node, pool, found, tenants, rooms, workers, running):
    """Put workers on a node, busy ones or idle, as room, servers, maxWorkers and quotas allow."""
    free = pool.capacity
    for function in found:
        for _ in range(draw(st.integers(0, 2))):
            there = Counter(worker.function for worker in workers)
            there[function.name] += 1
            places = _places(function, found, rooms, workers)
            fits = node.pool in function.pools and function.request.fits(free) and places is not None
            allowed = within_quotas(found, tenants, rooms, there)
            if not (fits and allowed and there[function.name] <= function.max_workers):
                continue
            busy = draw(st.sampled_from([True, True, False]))
            workers.append(WorkerView(f"w{len(workers)}", function.name, node.name, NOW, busy, places))
            if busy:
                free = free.minus(function.request)
                running[function.name].append(Running(NOW - draw(ages), node.name, 1))
    works = free != pool.capacity
    return replace(node, state=NodeState.BUSY) if works and node.state is NodeState.IDLE else node


def _places(function, found, rooms, workers):
    """GPUs of servers that have room beside what these workers hold; None without."""
    claim = function.way.claim
    if claim is None:
        return ()
    taken, places = held(found, rooms, workers), []
    for room in rooms:
        memory, sessions = taken[room.server, room.number]
        needed = room.memory_bytes if claim.memory_bytes is None else claim.memory_bytes
        fits = memory + needed <= room.free_bytes and sessions < room.free_sessions
        if room.server in function.way.servers and fits:
            places.append((room.server, room.number))
    return tuple(places[: claim.count]) if len(places) >= claim.count else None


def held(
    found: Sequence[FunctionView], rooms: Sequence[RemoteRoom], workers: Sequence[WorkerView]
) -> Mapping[tuple[str, int], tuple[int, int]]:
    """By GPU: bytes and sessions that workers have of it."""
    functions = {each.name: each for each in found}
    sizes = {(room.server, room.number): room.memory_bytes for room in rooms}
    taken: dict[tuple[str, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for worker in workers:
        for place in worker.places:
            claim = functions[worker.function].way.claim
            assert claim is not None
            needed = sizes[place] if claim.memory_bytes is None else claim.memory_bytes
            taken[place] = taken[place][0] + needed, taken[place][1] + 1
    return taken


def used_by(
    tenant: TenantView,
    found: Sequence[FunctionView],
    rooms: Sequence[RemoteRoom],
    counts: Mapping[str, int],
    leaving: Sequence[Leaving] = (),
) -> Mapping[str, int]:
    """What so many workers by function count for, and those that leave: the definition, by hand."""
    used: Counter[str] = Counter()
    for function in found:
        if function.tenant == tenant.name:
            for name, amount in charge_by_hand(function.request, function.way, rooms).items():
                used[name] += counts.get(function.name, 0) * amount
    for worker in leaving:
        if worker.tenant == tenant.name:
            used.update(dict(worker.charge))
    return used


def charge_by_hand(request: ResourceList, way: Way, rooms: Sequence[RemoteRoom]) -> Mapping[str, int]:
    """What one worker counts for: the definition, once more."""
    charge = {"workers": 1, **dict(request)}
    if way.claim is not None:
        largest = max((room.memory_bytes for room in rooms if room.server in way.servers), default=0)
        charge["remoteGpuSessions"] = way.claim.count
        charge["remoteGpuMemory"] = way.claim.count * (way.claim.memory_bytes or largest)
    elif way.access is not None:
        charge[f"gpuShares.{way.access}"] = way.count
    return charge


def within_quotas(found, tenants, rooms, counts, leaving=()):
    """Whether so many workers by function, and those that leave, keep to every bound."""
    return all(
        used_by(tenant, found, rooms, counts, leaving).get(name, 0) <= most
        for tenant in tenants
        for name, most in tenant.bounds
    )


def meeting(snapshot: Snapshot, given_out: Sequence[Workers]) -> Mapping[str, int]:
    """By function: workers that are there at once, as those given out begin before those in excess end."""
    there = Counter((worker.function, worker.node) for worker in snapshot.workers)
    found = Counter(worker.function for worker in snapshot.workers)
    for each in given_out:
        for node, number in each.on.items():
            found[each.function] += max(0, number - there[each.function, node])
    return found


options = st.builds(
    ScalerSettings,
    max_booting_nodes=st.integers(0, 3),
    spare_nodes=st.integers(0, 2),
    spare_slots=st.integers(0, 2),
    wait_worth=st.sampled_from([0.0, 0.1, 1.0]),
)

"""Who makes room where a function's files wait and it has no worker at all. Pure.

A worker with a file is never taken away, and one whose queue is long never lacks a file: alone, that would
leave the others waiting for its last one. So a worker that shall make room is told to the decision as free;
whoever acts lets it finish what it computes. Functions with several workers give one at once; one that has
a single worker gives it to another whose oldest file is due, by deadline. On a node that is disabled or
drained nobody goes on to another file, nor does a worker that is beyond its tenant's quota.

Between tenants shares decide instead (`ceding`), and where one has nothing and another a single worker, turns
(`slots`).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList, total
from headrace.scaler.ceding import ceded, file_seconds, finishes
from headrace.scaler.deciding.budgets import Budget
from headrace.scaler.deciding.charges import Charges
from headrace.scaler.deciding.parties import is_contested, tenants_of
from headrace.scaler.deciding.remote import Remote
from headrace.scaler.deciding.rooms import ON
from headrace.scaler.deciding.workers import share_out
from headrace.scaler.plan import ReasonCode
from headrace.scaler.slots import Slots
from headrace.scaler.snapshot import FunctionView, Snapshot, WorkerView

_STARVED = (ReasonCode.NO_ROOM, ReasonCode.NO_GPU_ROOM)
TURN_SECONDS = 5.0  # a single worker stays so long at least: each change costs a start
FINISH_SECONDS = 20.0  # a worker that is told to end gives its files so long, and hands back what is left


def with_room(snapshot: Snapshot, now: float) -> Snapshot:
    """The same snapshot with workers told as free that shall make room."""
    leaving = _on_closed_nodes(snapshot) | _beyond_quotas(snapshot)
    if is_contested(tenants_of(snapshot)):
        leaving |= ceded(_freed(snapshot, leaving))
    told = zip(snapshot.functions, share_out(_freed(snapshot, leaving), now), strict=True)
    starved = [f for f, each in told if not each.count and each.reason.code in _STARVED]
    for function in sorted(starved, key=lambda f: (-f.priority, due(f))):
        leaving.update(worker.name for worker in _givers(snapshot, function, leaving, now))
    return _freed(snapshot, leaving)


def _on_closed_nodes(snapshot: Snapshot) -> set[str]:
    """Workers on nodes that take no new work: none of them shall go on to its next file."""
    closed = {n.name for n in snapshot.nodes if not n.enabled or n.state is NodeState.DRAINING}
    return {worker.name for worker in snapshot.workers if worker.busy and worker.node in closed}


def _beyond_quotas(snapshot: Snapshot) -> set[str]:
    """Busy workers that tenants have too many, as a quota was lowered: the youngest go first."""
    functions, charges = {each.name: each for each in snapshot.functions}, Charges(snapshot)
    leaving: set[str] = set()
    for tenant in (each for each in snapshot.tenants if each.bounds):
        budget = Budget.of(tenant)
        wishes = {n: budget.wish(charges.of(f)) for n, f in functions.items() if f.tenant == tenant.name}
        own = [worker for worker in snapshot.workers if worker.busy and worker.function in wishes]
        for worker in own:
            budget.take(wishes[worker.function], 1)
        for worker in sorted(own, key=lambda each: (-each.since, each.name)):
            if budget.allows(wishes[worker.function], 0) < 0 and finishes(functions[worker.function]):
                budget.take(wishes[worker.function], -1)
                leaving.add(worker.name)
    return leaving


def due(function: FunctionView) -> float:
    """When a worker must start for the oldest waiting file to keep its promise; never without one."""
    if not function.waiting:
        return inf
    return function.waiting[0].arrived + function.max_wait_seconds - function.service.start_seconds


def _givers(
    snapshot: Snapshot, function: FunctionView, leaving: Collection[str], now: float
) -> Sequence[WorkerView]:
    """The fewest workers of one node that make room for one of the function; none where that can't be."""
    working = [worker for worker in snapshot.workers if worker.busy and worker.name not in leaving]
    givers = _giving(snapshot, function, working, now)
    if function.way.claim is not None and not _finds_gpu(snapshot, function, leaving):
        return _remote_givers(snapshot, function, givers, leaving)
    capacity = {pool.name: pool.capacity for pool in snapshot.pools if pool.name in function.pools}
    requests = {each.name: each.request for each in snapshot.functions}
    found: list[Sequence[WorkerView]] = []
    for node in snapshot.nodes:
        if node.state in ON and node.enabled and node.pool in capacity:
            held = [worker for worker in working if worker.node == node.name]
            offered = [worker for worker in givers if worker.node == node.name]
            found += _fewest(function, capacity[node.pool].minus(node.taken), (held, offered), requests)
    return min(found, key=len, default=())


def _finds_gpu(snapshot: Snapshot, function: FunctionView, leaving: Collection[str]) -> bool:
    """Whether a server has room for a worker once these have left."""
    return Remote(_freed(snapshot, leaving)).of(function).allowed(1) > 0


def _remote_givers(
    snapshot: Snapshot, function: FunctionView, givers: Sequence[WorkerView], leaving: Collection[str]
) -> Sequence[WorkerView]:
    """The fewest of these, in their order, that make room on a GPU server; none where all do not."""
    holding = [worker for worker in givers if worker.places]
    for number in range(1, len(holding) + 1):
        gone = {*leaving, *(worker.name for worker in holding[:number])}
        if _finds_gpu(snapshot, function, gone):
            return holding[:number]
    return ()


def _fewest(
    function: FunctionView,
    capacity: ResourceList,
    workers: tuple[Sequence[WorkerView], Sequence[WorkerView]],
    requests: Mapping[str, ResourceList],
) -> list[Sequence[WorkerView]]:
    """Of a node's busy workers and those offered: how many of these make room; nothing if all do not."""
    held, offered = workers
    for number in range(len(offered) + 1):
        staying = [worker for worker in held if worker not in offered[:number]]
        used = total(requests.get(worker.function, ResourceList()) for worker in staying)
        if function.request.fits(capacity.minus(used)):
            return [offered[:number]]
    return []


def _giving(
    snapshot: Snapshot, function: FunctionView, working: Sequence[WorkerView], now: float
) -> Sequence[WorkerView]:
    """Workers that would give way to the function, those of who has most first.

    Of its own tenant's the youngest are first; of others' the oldest, which had the slot for longest.
    """
    functions, tenants = {each.name: each for each in snapshot.functions}, tenants_of(snapshot)
    left = Counter(worker.function for worker in working)
    slots = Slots(snapshot, tenants, [worker.function for worker in working], now)

    def standing(worker: WorkerView) -> tuple[int, float]:
        is_own = tenants.get(worker.function) == tenants[function.name]
        return left[worker.function], worker.since if is_own else -worker.since

    found: list[WorkerView] = []
    for worker in sorted(working, key=standing, reverse=True):
        owner = functions.get(worker.function)
        if owner is None or owner.left_alone:
            continue
        if tenants[function.name] == tenants[owner.name]:
            gives = _gives(worker, owner, function, left[owner.name], now)
        else:
            gives = slots.passes(owner, function) and finishes(owner) and _is_due(worker, function, now)
        if gives:
            found.append(worker)
            left[owner.name] -= 1
    return found


def _gives(worker: WorkerView, owner: FunctionView, function: FunctionView, left: int, now: float) -> bool:
    """Whether one of its owner's `left` workers gives way."""
    if owner.name == function.name or owner.priority > function.priority:
        return False
    if file_seconds(owner) > FINISH_SECONDS:
        return False  # its file would be cut off, and begin anew
    if left > 1 or owner.priority < function.priority:
        return True
    return due(function) < due(owner) and _is_due(worker, function, now)


def _is_due(worker: WorkerView, function: FunctionView, now: float) -> bool:
    """Whether a single worker has been busy for a while, and the function's file is due."""
    return due(function) <= now and now - worker.since >= TURN_SECONDS


def _freed(snapshot: Snapshot, leaving: Collection[str]) -> Snapshot:
    if not leaving:
        return snapshot
    return replace(
        snapshot,
        functions=tuple(_without(each, snapshot, leaving) for each in snapshot.functions),
        workers=tuple(
            replace(worker, busy=False, gives=True) if worker.name in leaving else worker
            for worker in snapshot.workers
        ),
    )


def _without(function: FunctionView, snapshot: Snapshot, leaving: Collection[str]) -> FunctionView:
    """Without the files in work of those who leave; each busy worker has one, in the same order."""
    busy = [worker for worker in snapshot.workers if worker.function == function.name and worker.busy]
    pairs = zip(function.running, busy, strict=True)
    return replace(function, running=tuple(file for file, worker in pairs if worker.name not in leaving))

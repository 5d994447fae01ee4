"""What the policies have in common: a pod a file, nodes for pods, and nodes that have been idle.

Idealised in their favour: all of them pack exactly, count nodes on their way in full, and take the cheapest
pool. Nodes that serve have no room for a pod that waits, or it would not wait.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.deciding.classes import price_a_worker
from headrace.scaler.deciding.rooms import ON
from headrace.scaler.deciding.supply import Supplies
from headrace.scaler.plan import Reason, ReasonCode, StartNode, StopNode
from headrace.scaler.snapshot import FunctionView, PoolView, Snapshot


@dataclass(frozen=True, slots=True)
class Pods:
    """So many pods of a function that wait for a node."""

    function: FunctionView
    count: int


@dataclass(slots=True)
class Bin:
    """What is still free on a node on its way."""

    pool: str
    free: ResourceList


def pending(snapshot: Snapshot, arrived_by: float, *, most: int | None = None) -> tuple[Pods, ...]:
    """A pod for each file that arrived by then, within maxWorkers and `most` a function."""
    found = []
    for function in snapshot.functions:
        files = sum(each.count for each in function.waiting if each.arrived <= arrived_by)
        allowed = function.max_workers if most is None else min(most, function.max_workers)
        found.append(Pods(function, min(files, allowed - len(function.running))))
    return tuple(pods for pods in found if pods.count > 0 and not pods.function.paused)


def nodes_for(snapshot: Snapshot, pods: Sequence[Pods], why: str) -> tuple[StartNode, ...]:
    """The nodes to order beside those on their way: first fit, the pods that fill a node most first."""
    pools = {pool.name: pool for pool in snapshot.pools}
    supplies = Supplies.of(snapshot)
    coming = [
        Bin(node.pool, pools[node.pool].capacity)
        for node in snapshot.nodes
        if node.state is NodeState.BOOTING and node.pool in pools
    ]
    starts: list[StartNode] = []
    reason = Reason(ReasonCode.POLICY, why)
    for each in sorted(pods, key=lambda each: _most_a_node(each.function, pools.values())):
        left = _fill(coming, each)
        for pool in _homes(each.function, pools.values()):
            bins = _open(each.function.request, left, pool, most=supplies.of_pool(pool.name))
            coming += bins
            left = _fill(bins, Pods(each.function, left))
            starts += [StartNode(supplies.take(pool.name), pool.name, reason) for _ in bins]
    return tuple(starts)


def idle_for(snapshot: Snapshot, seconds: float, *, now: float) -> tuple[StopNode, ...]:
    """The nodes that have been idle so long, within each pool's min_nodes."""
    stops: list[StopNode] = []
    reason = Reason(ReasonCode.POLICY, f"idle for {seconds:g} s", {"idle_seconds": seconds})
    for pool in snapshot.pools:
        on = [node for node in snapshot.nodes if node.pool == pool.name and node.state in ON]
        idle = [node for node in on if node.state is NodeState.IDLE and now - node.since >= seconds]
        spare = max(0, len(on) - pool.min_nodes)
        stops += [StopNode(node.name, pool.name, reason) for node in idle[:spare]]
    return tuple(stops)


def _homes(function: FunctionView, pools: Iterable[PoolView]) -> list[PoolView]:
    """The pools into whose nodes a pod fits, the cheapest a pod first."""
    fitting = [p for p in pools if p.name in function.pools and function.request.fits(p.capacity)]
    return sorted(fitting, key=lambda pool: (price_a_worker(pool, function.request), pool.name))


def _most_a_node(function: FunctionView, pools: Iterable[PoolView]) -> int:
    return max((function.request.count_in(pool.capacity) for pool in _homes(function, pools)), default=0)


def _fill(bins: Sequence[Bin], pods: Pods) -> int:
    """Put pods into bins; how many are left."""
    left, request = pods.count, pods.function.request
    for each in bins:
        if not left:
            break
        if each.pool in pods.function.pools and (fitting := min(left, request.count_in(each.free))):
            each.free = each.free.minus(request, fitting)
            left -= fitting
    return left


def _open(request: ResourceList, count: int, pool: PoolView, *, most: int) -> list[Bin]:
    """New nodes for so many pods, no more than may be ordered."""
    nodes = -(-count // request.count_in(pool.capacity))
    return [Bin(pool.name, pool.capacity) for _ in range(min(nodes, most))]

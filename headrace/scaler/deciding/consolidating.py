"""Cheaper nodes in place of dear ones, where the load has lasted and will fill them. Pure.

A node of a pool where a worker is cheaper is ordered once the steady load fills it beside all such nodes that
are there, and dear nodes that it replaces have served for so long that the saving would have paid its boot:
as for keeping a node, what has lasted so long is taken to last as long again. The dear ones then run dry, as
workers fill cheap nodes first, and are stopped like any that is not worth keeping.
"""

from collections.abc import Iterator, Sequence

from headrace.model.node import NodeState
from headrace.scaler.deciding.classes import WorkClass, price_a_worker
from headrace.scaler.deciding.rates import Load
from headrace.scaler.deciding.rooms import ON
from headrace.scaler.deciding.supply import Supplies
from headrace.scaler.plan import Reason, ReasonCode
from headrace.scaler.snapshot import NodeView, PoolView, Snapshot


def replacement(
    each: WorkClass, snapshot: Snapshot, supplies: Supplies, *, load: Load, now: float
) -> tuple[PoolView, Reason] | None:
    """The pool of which one more node is worth its boot, and why; `load` is in nodes of the class's home."""
    nodes = [node for node in snapshot.nodes if node.state is NodeState.BUSY]
    workers = load.nodes * each.workers_a_node
    for pool in each.homes[:-1]:
        holds = each.request.count_in(pool.capacity)
        cheap = sum(1 for node in snapshot.nodes if node.pool == pool.name and node.state in ON)
        workers -= cheap * holds
        if workers < holds:
            return None
        if supplies.of_pool(pool.name):
            replaced = list(_dearer(each, pool, nodes, workers=holds))
            saving = sum(price for _, price in replaced) - pool.price_per_hour
            if saving > 0 and _lasted(replaced, pool, saving, now):
                return pool, _reason(pool, [node.name for node, _ in replaced], saving)
    return None


def _dearer(
    each: WorkClass, pool: PoolView, nodes: Sequence[NodeView], *, workers: int
) -> Iterator[tuple[NodeView, float]]:
    """The dearest busy nodes that hold so many workers together at most, with their prices an hour."""
    pools = {home.name: home for home in each.homes}
    here = price_a_worker(pool, each.request)
    dear = [
        (node, pools[node.pool])
        for node in nodes
        if node.pool in pools and price_a_worker(pools[node.pool], each.request) > here
    ]
    dear.sort(key=lambda found: (-price_a_worker(found[1], each.request), -found[0].ordered, found[0].name))
    for node, home in dear:
        workers -= each.request.count_in(home.capacity)
        if workers < 0:
            return
        yield node, home.price_per_hour


def _lasted(replaced: Sequence[tuple[NodeView, float]], pool: PoolView, saving: float, now: float) -> bool:
    """Whether the youngest of them has served for as long as the saving takes to pay a boot."""
    youngest = max(node.ordered for node, _ in replaced)
    return now - youngest - pool.boot.usual_seconds >= pool.price_per_hour * pool.boot.usual_seconds / saving


def _reason(pool: PoolView, replaced: Sequence[str], saving: float) -> Reason:
    text = f"one of {pool.name} does the work of {', '.join(replaced)} and saves {saving:g} an hour"
    return Reason(ReasonCode.CONSOLIDATION, text, {"saving": saving, "nodes": len(replaced)})

"""How many workers each class of files is entitled to, where there is less than all tenants want. Pure.

As if nobody had any yet: the nodes that are on, on their way or can be ordered, and all GPU servers, are
given out by turns of tenants, just as workers are on the nodes that are on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from headrace.model.node import NodeState
from headrace.placement.ways import Choice
from headrace.scaler.deciding.classes import WorkClass
from headrace.scaler.deciding.giving import give
from headrace.scaler.deciding.rooms import ON
from headrace.scaler.deciding.supply import Supplies
from headrace.scaler.deciding.workers import members_of
from headrace.scaler.snapshot import Files, FunctionView, NodeView, PoolView, Snapshot


def entitled(
    snapshot: Snapshot, found: Sequence[WorkClass], wanted: Mapping[str, int], supplies: Supplies
) -> Mapping[str, int]:
    """By class: how many workers it may have of those that it has or wants."""
    wanted = {each.name: wanted.get(each.name, each.running) for each in found}
    asking = [each for each in found if wanted[each.name]]
    there = [
        replace(node, state=NodeState.IDLE)
        for node in snapshot.nodes
        if node.enabled and (node.state in ON or node.state is NodeState.BOOTING)
    ]
    new = [node for pool in snapshot.pools for node in _to_order(pool, asking, wanted, supplies)]
    members = members_of(
        replace(
            snapshot,
            functions=tuple(_as_function(each, wanted[each.name]) for each in asking),
            nodes=(*there, *new),
            workers=(),
            leaving=(),
            remote=(*snapshot.remote, *snapshot.standby),
            standby=(),
        )
    )
    give(members, wish=lambda member: member.function.max_workers - member.count)
    return {member.function.name: member.count for member in members}


def _to_order(
    pool: PoolView, asking: Sequence[WorkClass], wanted: Mapping[str, int], supplies: Supplies
) -> Sequence[NodeView]:
    """The nodes of a pool that could be ordered, no more than there are workers for."""
    workers = sum(wanted[each.name] for each in asking if pool in each.homes)
    number = min(supplies.of_pool(pool.name), workers)
    return [NodeView(f"{pool.name}+{n}", pool.name, NodeState.IDLE, 0.0) for n in range(number)]


def _as_function(each: WorkClass, wanted: int) -> FunctionView:
    return FunctionView(
        each.name,
        each.request,
        tuple(home.name for home in each.homes),
        waiting=(Files(each.oldest, wanted),) if each.files else (),
        max_wait_seconds=each.wait_seconds,
        max_workers=wanted,
        priority=each.priority,
        tenant=each.tenant,
        gpu=Choice(each.way),
    )

"""Why no further node can be ordered where workers lack one. Pure."""

from collections.abc import Sequence

from headrace.model.node import NodeState
from headrace.scaler.plan import Reason, ReasonCode
from headrace.scaler.snapshot import NodeView, PoolView


def shortage(homes: Sequence[PoolView], nodes: Sequence[NodeView]) -> Reason:
    """By pool, in their order; what hinders a pool for now comes before limits that somebody has set."""
    told = {node.pool: node.hindrance for node in nodes if node.hindrance}
    told |= {home.name: bare for home in homes if (bare := bareness(home, nodes))}
    hindered = "; ".join(f"pool {home.name}: {told[home.name]}" for home in homes if home.name in told)
    if hindered:
        return Reason(ReasonCode.NO_CAPACITY, hindered)
    limited = ", ".join(home.name for home in homes if not home.by_hand)
    reached = (f"maxNodes or maxBooting is reached in {limited}",) if limited else ()
    taken = (
        f"pool {home.name}: its nodes have no room, and nobody makes further ones; label one: {home.by_hand}"
        for home in homes
        if home.by_hand
    )
    return Reason(ReasonCode.LIMIT, "; ".join((*reached, *taken)))


def bareness(pool: PoolView, nodes: Sequence[NodeView]) -> str:
    """What to do for a pool whose nodes nobody makes, and that has none; empty: it has one, or is another."""
    if not pool.by_hand or any(node.pool == pool.name and node.state is not NodeState.OFF for node in nodes):
        return ""
    return f"no node bears its label, and nobody makes one; label one: {pool.by_hand}"

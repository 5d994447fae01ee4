"""A cluster of a fixed size: what is paid without a scaler."""

from headrace.model.node import NodeState
from headrace.scaler.deciding.supply import Supplies
from headrace.scaler.plan import Plan, Reason, ReasonCode, StartNode
from headrace.scaler.snapshot import Snapshot


class Static:
    """So many nodes of each pool, or max_nodes, from the start to the end; none is ever stopped."""

    def __init__(self, *, nodes: int | None = None) -> None:
        self._nodes = nodes

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        del now
        reason = Reason(ReasonCode.POLICY, "a cluster of a fixed size")
        starts: list[StartNode] = []
        supplies = Supplies.of(snapshot)
        for pool in snapshot.pools:
            there = sum(1 for n in snapshot.nodes if n.pool == pool.name and n.state is not NodeState.OFF)
            wanted = pool.max_nodes if self._nodes is None else self._nodes
            lacking = min(wanted - there, supplies.of_pool(pool.name))
            starts += [StartNode(supplies.take(pool.name), pool.name, reason) for _ in range(lacking)]
        return Plan(start=tuple(starts))

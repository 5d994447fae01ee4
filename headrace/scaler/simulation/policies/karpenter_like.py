"""A policy like Karpenter's."""

from math import inf

from headrace.scaler.plan import Plan, StartNode
from headrace.scaler.simulation.policies.pods import idle_for, nodes_for, pending
from headrace.scaler.snapshot import Snapshot


class KarpenterLike:
    """Nodes for a batch of pods; empty ones go after thirty seconds.

    Source: Karpenter, "Settings" and "Disruption": a batch of pending pods closes after BATCH_IDLE_DURATION
    (1 s) without a new one, or after BATCH_MAX_DURATION (10 s); consolidation of empty nodes after
    consolidateAfter, here 30 s as in its examples. Idealised: no disruption budget (10 % of the nodes at a
    time by default), no replacement of nodes by cheaper ones, a batch closes at the next decision.
    """

    def __init__(
        self,
        *,
        batch_idle_seconds: float = 1.0,
        batch_most_seconds: float = 10.0,
        consolidate_after_seconds: float = 30.0,
    ) -> None:
        self._batch_idle_seconds = batch_idle_seconds
        self._batch_most_seconds = batch_most_seconds
        self._consolidate_after_seconds = consolidate_after_seconds
        self._opened: float | None = None

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        starts = nodes_for(snapshot, pending(snapshot, now), "a batch of pending pods")
        stops = idle_for(snapshot, self._consolidate_after_seconds, now=now)
        return Plan(start=self._batched(snapshot, starts, now=now), stop=stops)

    def _batched(
        self, snapshot: Snapshot, starts: tuple[StartNode, ...], *, now: float
    ) -> tuple[StartNode, ...]:
        """The nodes, if the batch closes; none while it is open."""
        if not starts:
            self._opened = None
            return ()
        if self._opened is None:
            self._opened = now
        last = max((f.last_arrival for f in snapshot.functions if f.last_arrival is not None), default=-inf)
        idle = now - last >= self._batch_idle_seconds
        if not idle and now - self._opened < self._batch_most_seconds:
            return ()
        self._opened = None
        return starts

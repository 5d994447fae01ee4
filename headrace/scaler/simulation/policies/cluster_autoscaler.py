"""Kubernetes' Cluster Autoscaler."""

from collections.abc import Sequence
from math import floor, inf

from headrace.scaler.plan import Plan
from headrace.scaler.simulation.policies.pods import Pods, idle_for, nodes_for, pending
from headrace.scaler.snapshot import Snapshot

SCAN_SECONDS = 10.0


class ClusterAutoscaler:
    """Nodes for every pod that can't be scheduled; off once unneeded for ten minutes.

    Source: kubernetes/autoscaler, cluster-autoscaler/FAQ.md, defaults of its flags: scan-interval 10 s,
    scale-down-unneeded-time 10 min, scale-down-delay-after-add 10 min. Pods that are seen at a scan are
    packed on nodes on their way, then on new ones. Only empty nodes are removed here: utilisation below
    scale-down-utilization-threshold would move working pods. Idealised: all empty nodes go at once
    (max-empty-bulk-delete is 10), and a silent device plugin does not cause a second node (issue 1949).
    """

    def __init__(self, *, unneeded_seconds: float = 600.0, delay_after_add_seconds: float = 600.0) -> None:
        self._unneeded_seconds = unneeded_seconds
        self._delay_after_add_seconds = delay_after_add_seconds
        self._added = -inf

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        scan = floor(now / SCAN_SECONDS) * SCAN_SECONDS
        return self.scale(snapshot, pending(snapshot, scan), now=now)

    def scale(self, snapshot: Snapshot, pods: Sequence[Pods], *, now: float) -> Plan:
        """The plan for pods that somebody else has made."""
        starts = nodes_for(snapshot, pods, "unschedulable pods")
        if starts:
            self._added = now
        delayed = now - self._added < self._delay_after_add_seconds
        stops = () if delayed else idle_for(snapshot, self._unneeded_seconds, now=now)
        return Plan(start=starts, stop=stops)

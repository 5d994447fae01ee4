"""KEDA's ScaledJob, on nodes of the Cluster Autoscaler."""

from math import floor

from headrace.scaler.plan import Plan
from headrace.scaler.simulation.policies.cluster_autoscaler import ClusterAutoscaler
from headrace.scaler.simulation.policies.pods import pending
from headrace.scaler.snapshot import Snapshot


class KedaScaledJob:
    """A job for each message, made at each poll; the Cluster Autoscaler brings nodes for their pods.

    Source: KEDA, ScaledJob specification and "Scaling Jobs", defaults: pollingInterval 30 s,
    maxReplicaCount 100 a ScaledJob, scaling strategy `default` (queue length less running jobs). Idealised:
    a job that ends makes way at once, not at the next poll, and no job is made twice (issue 2488).
    """

    def __init__(self, *, polling_seconds: float = 30.0, most_jobs: int = 100) -> None:
        self._polling_seconds = polling_seconds
        self._most_jobs = most_jobs
        self._autoscaler = ClusterAutoscaler()

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        poll = floor(now / self._polling_seconds) * self._polling_seconds
        return self._autoscaler.scale(snapshot, pending(snapshot, poll, most=self._most_jobs), now=now)

"""CLUES: the elasticity manager that OSCAR grew up with."""

from headrace.scaler.plan import Plan
from headrace.scaler.simulation.policies.pods import idle_for, nodes_for, pending
from headrace.scaler.snapshot import Snapshot


class Clues:
    """A node for what has waited for long, and half an hour's patience with idle ones.

    Source: grycap/clues, its configuration's defaults. A job that has been pending for RECONSIDER_JOB_TIME
    (60 s) becomes a request, for which nodes are switched on, those on their way counted; a node goes off
    once it has been idle for IDLE_TIME (1800 s). No spare nodes, no limit on booting ones, no cooldown.
    Its own period is 5 s (PERIOD_SCHEDULE); here it looks in the simulation's. Idealised: GPUs are booked.
    """

    def __init__(self, *, reconsider_seconds: float = 60.0, idle_seconds: float = 1800.0) -> None:
        self._reconsider_seconds = reconsider_seconds
        self._idle_seconds = idle_seconds

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        requests = pending(snapshot, now - self._reconsider_seconds)
        why = f"pending for {self._reconsider_seconds:g} s"
        return Plan(
            start=nodes_for(snapshot, requests, why), stop=idle_for(snapshot, self._idle_seconds, now=now)
        )

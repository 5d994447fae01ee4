"""Headrace's own decision, the one that the service makes."""

from headrace.scaler.decide import decide
from headrace.scaler.plan import Plan
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import Snapshot


class HeadracePolicy:
    """`headrace.scaler.decide.decide` with a stack's settings."""

    def __init__(self, settings: ScalerSettings | None = None) -> None:
        self._settings = settings or ScalerSettings()

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        return decide(snapshot, self._settings, now)

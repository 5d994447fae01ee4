"""The status of a GpuServer: whether it serves, or why not. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from headrace.gpu.publisher.standing import Standing
from headrace.model.gpu_server import GpuServer
from headrace.model.status import READY, Condition, GpuServerStatus, Truth
from headrace.placement.remoting import FACTS, misfit

Manifest = Mapping[str, Any]

ANSWERING, SILENT, UNFIT = "Answering", "Silent", "Unfit"


def status_of(found: Manifest, server: GpuServer, standing: Standing, now: float) -> GpuServerStatus:
    """As it stands now; the moment of a condition that has not changed stays."""
    ready, reason, message = _verdict(server, standing)
    before = _condition(found)
    kept = before.last_transition_time if before is not None and before.status is ready else ""
    condition = Condition(
        type=READY,
        status=ready,
        reason=reason,
        message=message,
        last_transition_time=kept or datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    generation = found["metadata"].get("generation", 0)
    return GpuServerStatus(observed_generation=generation, conditions=(condition,))


def _verdict(server: GpuServer, standing: Standing) -> tuple[Truth, str, str]:
    if fault := misfit(server):
        return Truth.FALSE, UNFIT, f"it {fault}"
    if not standing.answering:
        return Truth.FALSE, SILENT, standing.fault
    isolation = FACTS[server.spec.backend].isolation
    return Truth.TRUE, ANSWERING, f"it answers; isolation of its sessions: {isolation}"


def _condition(found: Manifest) -> Condition | None:
    told = (found.get("status") or {}).get("conditions") or ()
    return next(
        (Condition.model_validate(each, strict=False) for each in told if each["type"] == READY), None
    )

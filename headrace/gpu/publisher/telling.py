"""The status of a GpuServer: whether it serves, or why not. Pure."""

from collections.abc import Mapping
from typing import Any

from headrace.gpu.publisher.standing import Standing
from headrace.model.gpu_server import GpuServer
from headrace.model.status import READY, GpuServerStatus, condition, told
from headrace.placement.remoting import FACTS, misfit

Manifest = Mapping[str, Any]

ANSWERING, SILENT, UNFIT = "Answering", "Silent", "Unfit"


def status_of(found: Manifest, server: GpuServer, standing: Standing, now: float) -> GpuServerStatus:
    """As it stands now; the moment of a condition that has not changed stays."""
    holds, reason, message = _verdict(server, standing)
    before = told(found, GpuServerStatus).conditions
    ready = condition(READY, before, holds=holds, reason=reason, message=message, now=now)
    generation = found["metadata"].get("generation", 0)
    return GpuServerStatus(observed_generation=generation, conditions=(ready,))


def _verdict(server: GpuServer, standing: Standing) -> tuple[bool, str, str]:
    if fault := misfit(server):
        return False, UNFIT, f"it {fault}"
    if not standing.answering:
        return False, SILENT, standing.fault
    isolation = FACTS[server.spec.backend].isolation
    return True, ANSWERING, f"it answers; isolation of its sessions: {isolation}"

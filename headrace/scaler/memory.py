"""What the scaler remembers over its restarts: one value, which names all that it has learned."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from headrace.model.value import StoredValue
from headrace.scaler.learning import ArrivalHistory, BootHistory, ServiceHistory
from headrace.scaler.lifecycle import NodeMemory
from headrace.scaler.snapshot import ServiceEstimate

UNSEEN = ServiceEstimate()  # believed of a function of which no file was worked yet


@dataclass(frozen=True)
class FunctionMemory:
    """One function: seconds a file, and how its files arrived."""

    service: ServiceHistory = field(default_factory=lambda: ServiceHistory(UNSEEN))
    arrivals: ArrivalHistory = field(default_factory=ArrivalHistory)


@dataclass(frozen=True)
class PoolMemory:
    """One pool: seconds a boot, and its nodes."""

    boots: BootHistory
    nodes: tuple[NodeMemory, ...] = ()


class Remembered(StoredValue):
    """All of it, by name. `from_json` raises pydantic.ValidationError."""

    functions: Mapping[str, FunctionMemory] = Field(default_factory=dict)
    pools: Mapping[str, PoolMemory] = Field(default_factory=dict)

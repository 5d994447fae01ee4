"""The values that all yardsticks share: files with their deadlines, and what the cheapest schedule costs."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class DueFile:
    """A file: when it arrives, when it must start (arrival + wait + boot), and for how long it computes."""

    arrived: float
    start_by: float
    service_seconds: float


class Proof(StrEnum):
    """How near a figure is to the cheapest schedule's cost."""

    EXACT = "exact"
    LOWER_BOUND = "lower-bound"  # no schedule is cheaper; perhaps none is as cheap


@dataclass(frozen=True, slots=True)
class Optimum:
    """The cheapest schedule's cost in seconds of nodes from power-on to power-off.

    `node_seconds` is never above it, so a ratio to it is never flattering. `feasible_seconds` is the cost
    of a schedule that keeps every deadline, None where none was sought.
    """

    node_seconds: float
    feasible_seconds: float | None = None

    @property
    def proof(self) -> Proof:
        return Proof.EXACT if self.feasible_seconds == self.node_seconds else Proof.LOWER_BOUND


def total(parts: Iterable[Optimum]) -> Optimum:
    """Of parts that share no node."""
    node_seconds, feasible_seconds = 0.0, 0.0
    sought = True
    for part in parts:
        node_seconds += part.node_seconds
        feasible_seconds += part.feasible_seconds or 0.0
        sought = sought and part.feasible_seconds is not None
    return Optimum(node_seconds, feasible_seconds if sought else None)

"""Boots that ended between two looks at the nodes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from headrace.model.node import NodeState
from headrace.scaler.deciding.rooms import ON
from headrace.scaler.snapshot import NodeView, Snapshot


class BootEnd(StrEnum):
    """How a boot ended."""

    READY = "ready"
    FAILED = "failed"  # not there in time
    GIVEN_UP = "given-up"  # whoever makes nodes can't make one now


@dataclass(frozen=True, slots=True)
class Booted:
    """One boot; `seconds` from its order until it was seen to have ended."""

    pool: str
    end: BootEnd
    seconds: float


def booted(before: Snapshot, after: Snapshot, now: float) -> Iterator[Booted]:
    """Of nodes that were booting in the one and are not in the other; `now` is the moment of the other."""
    found = {(node.pool, node.name): node for node in after.nodes}
    for node in before.nodes:
        later = found.get((node.pool, node.name))
        if node.state is NodeState.BOOTING and later is not None and (end := _end(later)) is not None:
            yield Booted(node.pool, end, max(0.0, now - node.ordered))


def _end(node: NodeView) -> BootEnd | None:
    """None: it has not ended, or nobody knows how."""
    if node.state in ON:
        return BootEnd.READY
    return {NodeState.FAILED: BootEnd.FAILED, NodeState.OFF: BootEnd.GIVEN_UP}.get(node.state)

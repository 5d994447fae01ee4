"""A node's life: its states, and which may follow which."""

from enum import StrEnum


class NodeState(StrEnum):
    """Where a node stands, as the scaler sees it."""

    OFF = "off"  # switched off, or not existing in a cloud
    BOOTING = "booting"  # ordered; not yet there with all that its pool promises, GPUs included
    IDLE = "idle"  # on, and no worker on it has a file
    BUSY = "busy"  # on, and a worker on it has a file
    DRAINING = "draining"  # on, takes no new worker, is stopped once it is idle
    STOPPING = "stopping"  # ordered to go; not yet gone
    FAILED = "failed"  # its boot or its stop did not end in time
    UNKNOWN = "unknown"  # its driver can't say


NEXT: dict[NodeState, frozenset[NodeState]] = {
    NodeState.OFF: frozenset({NodeState.BOOTING, NodeState.IDLE, NodeState.UNKNOWN}),
    NodeState.BOOTING: frozenset({NodeState.IDLE, NodeState.OFF, NodeState.FAILED, NodeState.UNKNOWN}),
    NodeState.IDLE: frozenset(
        {
            NodeState.BUSY,
            NodeState.DRAINING,
            NodeState.STOPPING,
            NodeState.OFF,
            NodeState.FAILED,
            NodeState.UNKNOWN,
        }
    ),
    NodeState.BUSY: frozenset(
        {NodeState.IDLE, NodeState.DRAINING, NodeState.OFF, NodeState.FAILED, NodeState.UNKNOWN}
    ),
    NodeState.DRAINING: frozenset(
        {
            NodeState.STOPPING,
            NodeState.IDLE,
            NodeState.BUSY,
            NodeState.OFF,
            NodeState.FAILED,
            NodeState.UNKNOWN,
        }
    ),
    NodeState.STOPPING: frozenset({NodeState.OFF, NodeState.IDLE, NodeState.FAILED, NodeState.UNKNOWN}),
    NodeState.FAILED: frozenset({NodeState.OFF, NodeState.IDLE, NodeState.STOPPING, NodeState.UNKNOWN}),
    NodeState.UNKNOWN: frozenset(set(NodeState) - {NodeState.UNKNOWN}),
}  # a stop is ordered of an idle or a drained node only: never of one that works


class IllegalStepError(ValueError):
    """A node was said to go where it can't."""


def step(name: str, before: NodeState, after: NodeState) -> NodeState:
    """The state after; the same state is always allowed. Raises IllegalStepError."""
    if after is not before and after not in NEXT[before]:
        allowed = ", ".join(sorted(NEXT[before]))
        raise IllegalStepError(f"node {name}: found {before} to {after}, allowed {allowed}")
    return after

"""How long a node was in which state, one state after another. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from headrace.model.node import NodeState
from headrace.scaler.explaining import NodeStory

MOST_KEPT = 48  # of a node
SHORT_SECONDS = 5.0  # a node that is idle for less goes on being busy: a pause between two files is none
FORGET_SECONDS = 3600.0  # after which a node that is gone is not known any more


@dataclass(frozen=True, slots=True)
class Run:
    """A state and since when, in seconds since the epoch; it lasts until the next run's start."""

    state: NodeState
    start: float


Runs = tuple[Run, ...]  # the newest last; it lasts until now


def followed(runs: Runs, state: NodeState, since: float) -> Runs:
    """After a look at a node that has a state since a moment."""
    if not runs:
        return (Run(state, since),)
    *before, last = runs
    if state is last.state:
        return runs
    start = max(since, last.start)
    pauses = last.state is NodeState.IDLE and start - last.start < SHORT_SECONDS
    if pauses and before and before[-1].state is state:
        return tuple(before)
    return (*runs, Run(state, start))[-MOST_KEPT:]


def all_followed(known: Mapping[str, Runs], nodes: Sequence[NodeStory], now: float) -> Mapping[str, Runs]:
    """Of every node. One that is not told of any more is off, and is forgotten after a while."""
    after = {node.name: followed(known.get(node.name, ()), node.state, node.since) for node in nodes}
    for name, runs in known.items():
        gone = name not in after
        if gone and (runs[-1].state is not NodeState.OFF or now - runs[-1].start < FORGET_SECONDS):
            after[name] = followed(runs, NodeState.OFF, now)
    return after


def compact(runs: Runs, states: Mapping[NodeState, int], most: int) -> tuple[int, ...]:
    """Those before the last, `most` of them: index of the state and whole seconds, in turns."""
    pairs = list(pairwise(runs))[-most:]
    return tuple(
        number for run, after in pairs for number in (states[run.state], round(after.start - run.start))
    )

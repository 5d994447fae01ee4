"""How many nodes each pool has, kept up event by event: a heartbeat costs one comparison and wakes nobody."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from headrace.kube.mirror import Mirror
from headrace.kube.naming import labels_of
from headrace.kube.port import Change, Event, Manifest
from headrace.model.labels import POOL
from headrace.nodes.cluster import sighting_of

Place = tuple[str, bool]  # a node's pool, and whether the node takes workers


@dataclass(frozen=True, slots=True)
class Figures:
    """Nodes of a pool, and how many of them take workers: ready, not cordoned, not about to go."""

    nodes: int = 0
    ready: int = 0


class Tally:
    """Counts the nodes of a mirror by the pool that their label names."""

    def __init__(self, mirror: Mirror) -> None:
        self._places: dict[str, Place] = {}  # by node
        self._counts: Counter[Place] = Counter()
        self._listeners: list[Callable[[str], None]] = []
        mirror.listen(self._hear)

    def figures(self, pool: str) -> Figures:
        """As of the last event."""
        ready = self._counts[pool, True]
        return Figures(nodes=ready + self._counts[pool, False], ready=ready)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call this with the name of each pool whose figures change; it must not wait or raise."""
        self._listeners.append(listener)

    def _hear(self, event: Event) -> None:
        name = event.manifest["metadata"]["name"]
        now = None if event.change is Change.GONE else _place(event.manifest)
        before = self._places.pop(name, None)
        if now is not None:
            self._places[name] = now
        if now != before:
            self._move(before, now)

    def _move(self, before: Place | None, now: Place | None) -> None:
        if before is not None:
            self._counts[before] -= 1
        if now is not None:
            self._counts[now] += 1
        for pool in {place[0] for place in (before, now) if place is not None}:
            for listener in self._listeners:
                listener(pool)


def _place(node: Manifest) -> Place | None:
    """None: it belongs to no pool."""
    pool = labels_of(node).get(POOL)
    return (pool, sighting_of(node, ()).joined) if pool else None

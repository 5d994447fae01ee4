"""How many nodes each pool has: a heartbeat costs one comparison and wakes nobody."""

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
        self._listeners: list[Callable[[str], None]] = []
        mirror.listen(self._hear)

    def figures(self, pool: str) -> Figures:
        """As of the last event."""
        those = [ready for of, ready in self._places.values() if of == pool]
        return Figures(nodes=len(those), ready=sum(those))

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call this with the name of each pool whose figures change; it must not wait or raise."""
        self._listeners.append(listener)

    def _hear(self, event: Event) -> None:
        name = event.manifest["metadata"]["name"]
        now = None if event.change is Change.GONE else _place(event.manifest)
        before = self._places.pop(name, None)
        if now is not None:
            self._places[name] = now
        if now == before:
            return
        for pool in {place[0] for place in (before, now) if place is not None}:
            for listener in self._listeners:
                listener(pool)


def _place(node: Manifest) -> Place | None:
    """None: it belongs to no pool."""
    pool = labels_of(node).get(POOL)
    return (pool, sighting_of(node, ()).joined) if pool else None

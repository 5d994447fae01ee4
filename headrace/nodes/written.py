"""Nodes as a mirror shows them, and as they were written since: a mirror is some milliseconds late."""

from collections.abc import Callable
from dataclasses import dataclass

from headrace.kube.mirror import Mirror
from headrace.kube.naming import uid_of, version_of
from headrace.kube.port import Manifest

LAG_SECONDS = 10.0  # a mirror that has not shown our own write by then will not


@dataclass(frozen=True, slots=True)
class _Write:
    """What an order has written, until the mirror shows it; `known`: it had shown that node before."""

    node: Manifest
    known: bool
    until: float


class WrittenNodes:
    """`now` gives seconds since the epoch."""

    def __init__(self, mirror: Mirror, now: Callable[[], float]) -> None:
        self._mirror = mirror
        self._now = now
        self._writes: dict[str, _Write] = {}

    def get(self, name: str) -> Manifest | None:
        """A node as the mirror shows it, or as it was written since."""
        seen = self._mirror.get(name)
        own = self._writes.get(name)
        if own is None:
            return seen
        if (not own.known if seen is None else _is_older(seen, own.node)) and self._now() < own.until:
            return own.node
        del self._writes[name]
        return seen

    def note(self, node: Manifest) -> None:
        """It was just written so."""
        name = node["metadata"]["name"]
        seen = self._mirror.get(name)
        known = seen is not None and uid_of(seen) == uid_of(node)
        self._writes[name] = _Write(node, known, self._now() + LAG_SECONDS)


def _is_older(one: Manifest, other: Manifest) -> bool:
    """Of two states of one node, or of two nodes that bore the name: versions are numbers that grow.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """
    return int(version_of(one)) < int(version_of(other))

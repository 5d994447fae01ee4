"""Node objects as a mirror shows them, and as they were written since: a mirror is some milliseconds late."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.kube.kinds import NODES
from headrace.kube.mirror import Mirror
from headrace.kube.naming import uid_of, version_of
from headrace.kube.port import Kube, Manifest
from headrace.nodes.cluster import by_node, check_seen
from headrace.nodes.draining import cordon

LAG_SECONDS = 10.0  # a mirror that has not shown our own write by then will not


@dataclass(frozen=True, slots=True)
class _Write:
    """What an order has written, until the mirror shows it; `known`: it had shown that node before."""

    node: Manifest
    known: bool
    until: float


class NodeObjects:
    """All of a cluster's. `nodes` and `pods` are mirrors of them and of the pods of every namespace.

    `now` gives seconds since the epoch.
    """

    def __init__(self, kube: Kube, nodes: Mirror, pods: Mirror, *, now: Callable[[], float]) -> None:
        self._kube = kube
        self._mirror = nodes
        self._pods = pods
        self._now = now
        self._writes: dict[str, _Write] = {}

    def check(self, *, pods: bool = False) -> None:
        """Raise TransientError where nodes (or their pods) are not shown yet, or as they were long ago."""
        check_seen(self._mirror, *([self._pods] if pods else ()))

    def pods(self) -> Mapping[str, Sequence[Manifest]]:
        """Those of each node."""
        return by_node(self._pods)

    def shown(self) -> Iterator[tuple[str, Manifest]]:
        """Every node as the mirror shows it, by name."""
        return ((name, node) for (_, name), node in self._mirror.items.items())

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

    async def change(self, name: str, change: Manifest) -> None:
        """Patch a node. Raises what the port raises."""
        self.note(await self._kube.patch(NODES, name, change))

    async def cordon(self, node: Manifest) -> None:
        """Write down the order to stop that very node, and keep pods off it, where it is still there."""
        written = await cordon(self._kube, node, now=self._now())
        if written is not None:
            self.note(written)

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

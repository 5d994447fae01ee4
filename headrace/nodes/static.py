"""Nodes that others have made and that are always on: those of the cluster which carry the pool's label."""

from collections.abc import Sequence

from headrace.kube.mirror import Mirror
from headrace.kube.naming import labels_of
from headrace.model.errors import NotFoundError
from headrace.model.labels import POOL
from headrace.model.pool import NodePool
from headrace.nodes.cluster import by_node, check_seen, sighting_of
from headrace.nodes.port import Sighting


class StaticNodes:
    """See the port. `nodes` and `pods` are mirrors of all nodes and of the pods of every namespace."""

    def __init__(self, pool: NodePool, nodes: Mirror, pods: Mirror) -> None:
        self._pool = pool.name
        self._nodes = nodes
        self._pods = pods

    async def nodes(self) -> Sequence[Sighting]:
        """See the port. What pods other than workers take there is not allocatable."""
        check_seen(self._nodes, self._pods)
        pods = by_node(self._pods)
        return [sighting_of(self._nodes.items["", name], pods.get(name, ())) for name in self._names()]

    async def start(self, name: str) -> None:
        """See the port. It is on."""
        self._check(name)

    async def stop(self, name: str) -> None:
        """See the port. It stays on."""
        self._check(name)

    def _names(self) -> Sequence[str]:
        items = self._nodes.items
        return sorted(name for (_, name), node in items.items() if labels_of(node).get(POOL) == self._pool)

    def _check(self, name: str) -> None:
        names = self._names()
        if name not in names:
            found = ", ".join(names[:5]) or "none"
            raise NotFoundError(
                f"node {name} is not in pool {self._pool}, whose {len(names)} nodes are those labelled "
                f"{POOL}={self._pool} ({found}); label it: kubectl label node {name} {POOL}={self._pool}"
            )

"""Nodes that exist in the API alone: kwok plays their kubelets, https://kwok.sigs.k8s.io/

How long a boot takes is a matter of kwok's stages. A node that is on exists; one that is off does not.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headrace.kube.kinds import NODES
from headrace.kube.mirror import Mirror
from headrace.kube.naming import labels_of, uid_of
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import ConfigurationError, ExistsError, NotFoundError
from headrace.model.pool import UNSAID, NodePool
from headrace.model.resources import CPU, ResourceList
from headrace.nodes.cluster import is_stopping, sighting_of
from headrace.nodes.draining import DRAIN_SECONDS
from headrace.nodes.emptying import Emptying
from headrace.nodes.objects import NodeObjects
from headrace.nodes.port import Power, Sighting

FAKE = {"kwok.x-k8s.io/node": "fake"}


class KwokNodes:
    """See the port. `nodes` and `pods` are mirrors of all nodes and of the pods of every namespace.

    `now` gives seconds since the epoch. A stop is an order that the node's object bears: `nodes` moves it
    along, a pass at each call, until the node is empty, and then deletes it.
    """

    def __init__(
        self,
        pool: NodePool,
        kube: Kube,
        nodes: Mirror,
        pods: Mirror,
        *,
        now: Callable[[], float] = time.time,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._pool = pool
        self._kube = kube
        self._objects = NodeObjects(kube, nodes, pods, now=now)
        self._now = now
        self._names = tuple(sorted(f"{pool.name}-{number}" for number in range(pool.spec.max_nodes)))
        self._emptying = Emptying(kube, self._delete, now=now, drain_seconds=drain_seconds)
        self._deleted: set[str] = set()  # uids of nodes whose end the mirror has not shown yet

    async def nodes(self) -> Sequence[Sighting]:
        """See the port. One of another pool by such a name is unknown; those that stop are moved along."""
        self._objects.check(pods=True)
        pods = self._objects.pods()
        found = {name: self._objects.get(name) for name in (*self._names, *self._surplus())}
        ours = [each for each in found.values() if each is not None and self._is_ours(each)]
        self._deleted &= {uid_of(each) for each in ours}
        await self._emptying.move_along(ours, pods)
        return [self._sighting(name, found[name], pods.get(name, ())) for name in sorted(found)]

    async def start(self, name: str) -> None:
        """See the port. Raises ConfigurationError where a node of another pool bears the name."""
        self._check(name)
        self._objects.check()
        node = self._objects.get(name)
        if node is not None:
            self._check_ours(node)
            return
        try:
            made = await self._kube.create(NODES, _node_of(self._pool, name, self._now()))
        except ExistsError:
            made = await self._kube.get(NODES, name)
            self._check_ours(made)
        self._objects.note(made)

    async def stop(self, name: str) -> None:
        """See the port. It is cordoned at once."""
        self._check(name)
        self._objects.check()
        node = self._objects.get(name)
        if node is None or is_stopping(node):
            return
        self._check_ours(node)
        await self._objects.cordon(node)

    def _surplus(self) -> list[str]:
        """Nodes of this pool beyond its bound, which was higher once: they can be stopped."""
        return [
            name for name, node in self._objects.shown() if self._is_ours(node) and name not in self._names
        ]

    def _sighting(self, name: str, node: Manifest | None, pods: Sequence[Manifest]) -> Sighting:
        if node is None:
            return Sighting(name, Power.OFF, certain=True)  # it is nothing but its object
        return sighting_of(node, pods) if self._is_ours(node) else Sighting(name, Power.UNKNOWN)

    async def _delete(self, node: Manifest) -> None:
        if uid_of(node) not in self._deleted:
            await self._kube.delete(NODES, node["metadata"]["name"], uid=uid_of(node))
            self._deleted.add(uid_of(node))

    def _is_ours(self, node: Manifest) -> bool:
        return labels_of(node).get(labels.POOL) == self._pool.name

    def _check(self, name: str) -> None:
        if name not in self._names and name not in self._surplus():
            raise NotFoundError(
                f"node {name} is none of pool {self._pool.name}'s {len(self._names)} "
                f"({', '.join(self._names[:3])}, …); raise maxNodes, or name one of these"
            )

    def _check_ours(self, node: Manifest) -> None:
        if not self._is_ours(node):
            name, pool = node["metadata"]["name"], labels_of(node).get(labels.POOL, "none")
            raise ConfigurationError(
                f"node {name}: found one of pool {pool}, allowed one of {self._pool.name}; rename either pool"
            )


def _node_of(pool: NodePool, name: str, now: float) -> Manifest:
    """The object of a node whose start is ordered, as a kubelet would register it."""
    marks = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        **pool.node_labels,
        labels.POOL: pool.name,
    }
    taints = [each.model_dump(mode="json", by_alias=True) for each in pool.spec.taints]
    return {
        "metadata": {"name": name, "labels": marks, "annotations": {**FAKE, labels.STARTED: f"{now:.3f}"}},
        "spec": {"taints": taints} if taints else {},
        "status": {
            "capacity": {**UNSAID, **pool.spec.capacity},
            "allocatable": _quantities(pool.allocatable),
        },
    }


def _quantities(amounts: ResourceList) -> Mapping[str, Any]:
    return {name: f"{amount}m" if name == CPU else str(amount) for name, amount in amounts}

"""Nodes that exist in the API alone: kwok plays their kubelets, https://kwok.sigs.k8s.io/

How long a boot takes is a matter of kwok's stages. A node that is on exists; one that is off does not.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.kube.kinds import NODES
from headrace.kube.mirror import Mirror
from headrace.kube.naming import labels_of, uid_of, version_of
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    ExistsError,
    HeadraceError,
    NotFoundError,
)
from headrace.model.pool import UNSAID, NodePool
from headrace.model.resources import CPU, ResourceList
from headrace.nodes.cluster import by_node, check_seen, is_stopping, sighting_of
from headrace.nodes.draining import DRAIN_SECONDS, cordon, drain_of, evict
from headrace.nodes.port import Power, Sighting

LOG = logging.getLogger(__name__)
FAKE = {"kwok.x-k8s.io/node": "fake"}
AT_ONCE = 16  # nodes that are emptied and deleted together
LAG_SECONDS = 10.0  # a mirror that has not shown our own write by then will not


@dataclass(frozen=True, slots=True)
class _Written:
    """What an order has written, until the mirror shows it; `known`: it had shown that node before."""

    node: Manifest
    known: bool
    until: float


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
        self._mirror = nodes
        self._pods = pods
        self._now = now
        self._drain_seconds = drain_seconds
        self._written: dict[str, _Written] = {}
        self._names = tuple(sorted(f"{pool.name}-{number}" for number in range(pool.spec.max_nodes)))
        self._overdue: set[str] = set()  # uids of nodes of which it was told that they don't empty
        self._deleted: set[str] = set()  # uids of nodes whose end the mirror has not shown yet

    async def nodes(self) -> Sequence[Sighting]:
        """See the port. One of another pool by such a name is unknown; those that stop are moved along."""
        check_seen(self._mirror, self._pods)
        pods = by_node(self._pods)
        found = {name: self._node(name) for name in (*self._names, *self._surplus())}
        await self._move_along([each for each in found.values() if each and self._is_ours(each)], pods)
        return [self._sighting(name, found[name], pods.get(name, ())) for name in sorted(found)]

    async def start(self, name: str) -> None:
        """See the port. Raises ConfigurationError where a node of another pool bears the name."""
        self._check(name)
        check_seen(self._mirror)
        node = self._node(name)
        if node is not None:
            self._check_ours(node)
            return
        try:
            made = await self._kube.create(NODES, _node_of(self._pool, name, self._now()))
        except ExistsError:
            made = await self._kube.get(NODES, name)
            self._check_ours(made)
        self._note(made)

    async def stop(self, name: str) -> None:
        """See the port. It is cordoned at once."""
        self._check(name)
        check_seen(self._mirror)
        node = self._node(name)
        if node is None or is_stopping(node):
            return
        self._check_ours(node)
        written = await cordon(self._kube, node, now=self._now())
        if written is not None:
            self._note(written)

    def _node(self, name: str) -> Manifest | None:
        """A node as the mirror shows it, or as it was written since."""
        seen = self._mirror.get(name)
        own = self._written.get(name)
        if own is None:
            return seen
        if (not own.known if seen is None else _is_older(seen, own.node)) and self._now() < own.until:
            return own.node
        del self._written[name]
        return seen

    def _note(self, node: Manifest) -> None:
        name = node["metadata"]["name"]
        seen = self._mirror.get(name)
        known = seen is not None and uid_of(seen) == uid_of(node)
        self._written[name] = _Written(node, known, self._now() + LAG_SECONDS)

    def _surplus(self) -> list[str]:
        """Nodes of this pool beyond its bound, which was higher once: they can be stopped."""
        return [
            name
            for (_, name), node in self._mirror.items.items()
            if self._is_ours(node) and name not in self._names
        ]

    def _sighting(self, name: str, node: Manifest | None, pods: Sequence[Manifest]) -> Sighting:
        if node is None:
            return Sighting(name, Power.OFF, certain=True)  # it is nothing but its object
        return sighting_of(node, pods) if self._is_ours(node) else Sighting(name, Power.UNKNOWN)

    async def _move_along(self, nodes: Sequence[Manifest], pods: Mapping[str, Sequence[Manifest]]) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def move(node: Manifest) -> None:
            async with room:
                await self._pass(node, pods.get(node["metadata"]["name"], ()))

        going = [node for node in nodes if is_stopping(node)]
        uids = {uid_of(node) for node in going}
        self._overdue &= uids
        self._deleted &= uids
        await asyncio.gather(*(move(node) for node in going if uid_of(node) not in self._deleted))

    async def _pass(self, node: Manifest, pods: Sequence[Manifest]) -> None:
        """Do for a node that stops what can be done now; what goes wrong is told, and comes again."""
        name = node["metadata"]["name"]
        drain = drain_of(node, pods, now=self._now(), bound=self._drain_seconds)
        try:
            refused = await evict(self._kube, drain)
            if drain.overdue and (drain.asked or drain.ending):
                self._tell_overdue(node, f"{drain.told} did not leave in time. {refused}".rstrip())
            if drain.done:
                await self._kube.delete(NODES, name, uid=uid_of(node))
                self._deleted.add(uid_of(node))
        except ChangedError:
            return  # another bears the name by now: that one was not meant
        except HeadraceError as error:
            LOG.warning("node %s: %s", name, error, extra={"action": "node-not-emptied", "node": name})

    def _tell_overdue(self, node: Manifest, reason: str) -> None:
        if uid_of(node) not in self._overdue:
            self._overdue.add(uid_of(node))
            name = node["metadata"]["name"]
            LOG.warning("node %s: %s", name, reason, extra={"action": "node-drain-overdue", "node": name})

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


def _is_older(one: Manifest, other: Manifest) -> bool:
    """Of two states of one node, or of two nodes that bore the name: versions are numbers that grow.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """
    return int(version_of(one)) < int(version_of(other))


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

"""Hosts that are nodes of the cluster: seen by the API server and by their power, emptied before they go off.

A host bears the name of its node, whose object stays while it is off. There the order to stop stands, so that
whoever leads next completes it; it is taken off once Kubernetes too takes the host for gone. Whoever wakes it
then, the scaler or a person, has a node that takes pods. A kubelet that has not come again since the last
start is not there yet, whatever its object says: Kubernetes takes a dead node for ready for most of a minute.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from headrace.kube.mirror import Mirror
from headrace.kube.naming import annotations_of, labels_of, uid_of
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import ChangedError, ConfigurationError, NotFoundError
from headrace.model.pool import NodePool, PowerSpec
from headrace.nodes.clock import CLOCK, Clock
from headrace.nodes.cluster import heard_at, is_ready, is_stopping, sighting_of
from headrace.nodes.draining import DRAIN_SECONDS
from headrace.nodes.emptying import Emptying
from headrace.nodes.objects import NodeObjects
from headrace.nodes.port import Power, Sighting
from headrace.nodes.power.board import Switchboard, Word
from headrace.nodes.power.hosts import Host, Hosts

CLOCK_SECONDS = 5.0  # by which a host's clock may be behind; Ansible's role cluster_node sees to it


class PowerNodes:
    """See the port. `nodes` and `pods` are mirrors of all nodes and of the pods of every namespace.

    `now` gives seconds since the epoch.
    """

    def __init__(
        self,
        pool: NodePool,
        kube: Kube,
        nodes: Mirror,
        pods: Mirror,
        board: Switchboard,
        *,
        now: Callable[[], float] = time.time,
        clock: Clock = CLOCK,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._pool = pool
        self._objects = NodeObjects(kube, nodes, pods, now=now)
        self._now = now
        self._hosts = Hosts(pool.name, board, pool.spec.power or PowerSpec(), clock=clock)
        self._emptying = Emptying(kube, self._switch_off, now=now, drain_seconds=drain_seconds)

    async def nodes(self) -> Sequence[Sighting]:
        """See the port. Those that stop are moved along; one whose node is another pool's is unknown."""
        self._objects.check(pods=True)
        hosts, pods = await self._hosts.seen(), self._objects.pods()
        found = {name: self._objects.get(name) for name in hosts}
        await self._emptying.move_along(
            [each for each in found.values() if each and self._is_ours(each)], pods
        )
        for host in hosts.values():
            await self._complete(host, found[host.name])
        return [self._sighting(host, found[name], pods.get(name, ())) for name, host in hosts.items()]

    async def start(self, name: str) -> None:
        """See the port. Raises ConfigurationError where its node is of another pool."""
        host = await self._host(name)
        node = self._objects.get(name)
        if node is not None:
            self._check_ours(node)
        if self._sighting(host, node, ()).power in (Power.OFF, Power.UNKNOWN):
            if node is not None:
                await self._mark(node)
            self._hosts.order(name, Word.ON)

    async def stop(self, name: str) -> None:
        """See the port. It is cordoned at once; a host that is no node yet goes off as it is."""
        host = await self._host(name)
        node = self._objects.get(name)
        if node is None or not self._is_ours(node):
            if host.may_be_on:
                self._hosts.order(name, Word.OFF)
        elif not is_stopping(node) and not (host.power is Power.OFF and host.order is None):
            await self._objects.cordon(node)

    async def close(self) -> None:
        """Let go of what is under way."""
        await self._hosts.close()

    async def _switch_off(self, node: Manifest) -> None:
        """It is empty."""
        name = node["metadata"]["name"]
        host = self._hosts.get(name)
        if host is not None and host.may_be_on:
            self._hosts.order(name, Word.OFF)

    async def _complete(self, host: Host, node: Manifest | None) -> None:
        """Take the order to stop off the node of a host that is off for everybody."""
        if node is None or not self._is_ours(node) or not is_stopping(node):
            return
        if host.power is Power.OFF and host.order is None and not is_ready(node):
            with suppress(NotFoundError, ChangedError):
                await self._objects.change(host.name, _without_order({"metadata": {"uid": uid_of(node)}}))

    async def _mark(self, node: Manifest) -> None:
        """Take the order to stop off it, if there is one, and write down that it was started."""
        change: dict[str, Any] = {"metadata": {"annotations": {labels.STARTED: f"{self._now():.3f}"}}}
        wanted = _without_order(change) if is_stopping(node) else change
        await self._objects.change(node["metadata"]["name"], wanted)

    async def _host(self, name: str) -> Host:
        self._objects.check()
        hosts = await self._hosts.seen()
        if name not in hosts:
            raise self._hosts.unknown(name, self._pool.hosts)
        return hosts[name]

    def _is_ours(self, node: Manifest) -> bool:
        return labels_of(node).get(labels.POOL) == self._pool.name

    def _check_ours(self, node: Manifest) -> None:
        if not self._is_ours(node):
            name, pool = node["metadata"]["name"], labels_of(node).get(labels.POOL, "none")
            raise ConfigurationError(
                f"node {name}: found one of pool {pool}, allowed one of {self._pool.name}; label it: kubectl "
                f"label --overwrite node {name} {labels.POOL}={self._pool.name}"
            )

    def _sighting(self, host: Host, node: Manifest | None, pods: Sequence[Manifest]) -> Sighting:
        if host.order is Word.ON:
            return Sighting(host.name, Power.STARTING, address=host.address)
        if host.order is Word.OFF:
            return Sighting(host.name, Power.STOPPING, address=host.address)
        if node is None or not self._is_ours(node):
            return Sighting(host.name, host.power, address=host.address)
        if is_stopping(node):
            power = Power.OFF if host.power is Power.OFF else Power.STOPPING
            return Sighting(host.name, power, address=host.address)
        seen = sighting_of(node, pods)
        if seen.joined and _came_again(node):
            return seen
        power = Power.UNKNOWN if seen.power is Power.UNKNOWN else host.power
        return Sighting(host.name, power, address=host.address)


def _without_order(change: dict[str, Any]) -> dict[str, Any]:
    """A change of a node that also takes the order to stop off, and lets pods come."""
    annotations = {**change["metadata"].get("annotations", {}), labels.STOPPING: None}
    return {"metadata": {**change["metadata"], "annotations": annotations}, "spec": {"unschedulable": None}}


def _came_again(node: Manifest) -> bool:
    """Whether its kubelet has been heard since its last start."""
    try:
        started = float(annotations_of(node).get(labels.STARTED, 0))
    except ValueError:
        started = 0.0  # written by somebody else
    return heard_at(node) >= started - CLOCK_SECONDS

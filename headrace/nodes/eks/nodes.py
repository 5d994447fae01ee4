"""Nodes that are instances of a node group: seen by the API server and by AWS, emptied before they end.

A node's name is a slot: its Node object bears another, and says by a label which slot it is. Which instance
has which slot stands in the register, ADR 16. The order to stop stands in the Node object; the register says
so once the node is empty, or where no Node object is there yet.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from headrace.kube.mirror import Mirror
from headrace.kube.naming import labels_of, uid_of
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import ChangedError, NotFoundError, TransientError
from headrace.model.pool import NodePool
from headrace.nodes.clock import CLOCK, Clock
from headrace.nodes.cluster import is_stopping
from headrace.nodes.draining import DRAIN_SECONDS
from headrace.nodes.eks.desk import Desk
from headrace.nodes.eks.group import Group
from headrace.nodes.eks.keeping import KeptRegister
from headrace.nodes.eks.register import started, stopped
from headrace.nodes.eks.sightings import Body, hindrance, instance_of, sightings
from headrace.nodes.eks.steering import Seen
from headrace.nodes.emptying import Emptying
from headrace.nodes.objects import NodeObjects
from headrace.nodes.port import Sighting


class EksNodes:
    """See the port. `nodes` and `pods` are mirrors of all nodes and of the pods of every namespace.

    `slots` is the register of the group; `now` gives seconds since the epoch.
    """

    def __init__(
        self,
        pool: NodePool,
        kube: Kube,
        nodes: Mirror,
        pods: Mirror,
        group: Group,
        *,
        slots: KeptRegister,
        now: Callable[[], float] = time.time,
        clock: Clock = CLOCK,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._pool = pool
        self._objects = NodeObjects(kube, nodes, pods, now=now)
        self._now = now
        self._names = frozenset(f"{pool.name}-{number}" for number in range(pool.spec.max_nodes))
        self._slots = slots
        self._desk = Desk(pool.name, group, slots, marks=self._marks, now=now, clock=clock)
        self._emptying = Emptying(kube, self._end, now=now, drain_seconds=drain_seconds)

    async def nodes(self) -> Sequence[Sighting]:
        """See the port. Those that stop are moved along; an instance that nobody ordered has a name too."""
        self._objects.check(pods=True)
        seen = await self._desk.seen()
        objects, names = self._by_instance(), seen.register.by_instance()
        for instance, node in objects.items():
            await self._mark(node, names.get(instance))
        pods = self._objects.pods()
        await self._emptying.move_along(self._going(seen, objects), pods)
        bodies = {
            instance: Body(node, pods.get(node["metadata"]["name"], ()))
            for instance, node in self._by_instance().items()
        }
        known = self._names | seen.register.slots.keys()
        return sightings(known, seen, bodies, pool=self._pool.name, now=self._now())

    async def start(self, name: str) -> None:
        """See the port. Raises the reason where AWS launches none now."""
        seen = await self._known(name)
        if name in seen.register.slots:
            return
        fault = hindrance(seen, now=self._now())
        if fault is not None:
            raise fault
        written = await self._desk.order(partial(started, name=name, now=self._now()))
        if name not in written.slots:
            raise TransientError(f"node {name} is not started: {written.pause.reason}")

    async def stop(self, name: str) -> None:
        """See the port. It is cordoned at once; an instance that is no node yet ends as it is."""
        seen = await self._known(name)
        slots = seen.register.slots if name in seen.register.slots else (await self._slots.read()).slots
        slot = slots.get(name)  # which another scaler may have started since the last look
        if slot is None or slot.ending is not None:
            return
        node = self._by_instance().get(slot.instance)
        if node is None:
            await self._desk.order(partial(stopped, name=name, now=self._now()))
        elif not is_stopping(node):
            await self._objects.cordon(node)

    async def close(self) -> None:
        """Let go of what is under way."""
        await self._desk.close()

    async def _known(self, name: str) -> Seen:
        self._objects.check()
        seen = await self._desk.seen()
        if name not in self._names and name not in seen.register.slots:
            raise NotFoundError(
                f"node {name} is none of pool {self._pool.name}'s {len(self._names)} "
                f"({self._pool.name}-0, …); raise maxNodes, or name one of these"
            )
        return seen

    def _by_instance(self) -> Mapping[str, Manifest]:
        """Node objects by their instance, as they were written last; those of other pools too."""
        shown = ((instance_of(node), name) for name, node in self._objects.shown())
        found = {instance: self._objects.get(name) for instance, name in shown if instance}
        return {instance: node for instance, node in found.items() if node is not None}

    def _marks(self) -> Mapping[str, str]:
        """Instances whose Node object names a slot of this pool."""
        return {
            instance: labels_of(node).get(labels.NODE, "")
            for instance, node in self._by_instance().items()
            if labels_of(node).get(labels.POOL) == self._pool.name
        }

    def _going(self, seen: Seen, objects: Mapping[str, Manifest]) -> Sequence[Manifest]:
        """Those that are ordered to stop and not empty yet."""
        slots = seen.register.slots.values()
        found = [objects.get(slot.instance) for slot in slots if slot.ending is None]
        return [node for node in found if node is not None and is_stopping(node)]

    async def _mark(self, node: Manifest, name: str | None) -> None:
        """Have a Node object name its slot, and none that is not its own any more."""
        marks = labels_of(node)
        ours = marks.get(labels.POOL, self._pool.name) == self._pool.name
        if not ours or (name is None and labels.POOL not in marks):
            return
        wanted = {labels.NODE: name, labels.POOL: self._pool.name}
        if all(marks.get(key) == value for key, value in wanted.items()):
            return
        change = {"metadata": {"uid": uid_of(node), "labels": wanted}}
        try:
            await self._objects.change(node["metadata"]["name"], change)
        except (NotFoundError, ChangedError):
            return  # it is gone

    async def _end(self, node: Manifest) -> None:
        """It is empty."""
        seen = await self._desk.seen()
        name = seen.register.by_instance().get(instance_of(node))
        if name is not None:
            await self._desk.order(partial(stopped, name=name, now=self._now()))

"""Which hosts of GPU servers are switched on for files that wait. Pure.

A server that is off is seats that are ready one boot later. A class of files gets the fewest of them that let
its files start in time, where those of servers that answer do not; servers on their way are filled before
others, so that nothing is started twice.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from math import inf

import numpy as np

from headrace.model.node import NodeState
from headrace.placement.packing import RemoteRoom, RemoteRooms
from headrace.scaler.deciding.classes import WorkClass
from headrace.scaler.deciding.need import need
from headrace.scaler.snapshot import NodeView, PoolView, Snapshot


class Serving:
    """The servers that are off or on their way, in one decision."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self._now = now
        pools = {pool.name: pool for pool in snapshot.pools}
        nodes = [node for node in snapshot.nodes if node.pool in pools and _may_serve(node)]
        self._nodes = {node.name: node for node in nodes}
        self._ready = {node.name: _ready(node, pools[node.pool], now) for node in nodes}
        rooms = [room for room in snapshot.standby if room.host in self._nodes]
        self._rooms = RemoteRooms(sorted(rooms, key=lambda room: self._turn(room, pools)))

    def _turn(self, room: RemoteRoom, pools: Mapping[str, PoolView]) -> tuple[float, float, str, str, int]:
        """What is ready first, then what is cheapest."""
        price = pools[self._nodes[room.host].pool].price_per_hour
        return self._ready[room.host], price, room.host, room.server, room.number

    def seats(self, each: WorkClass, *, free: int, most: int) -> int:
        """How many seats the class needs on these servers, beside `free` ones that it has now.

        It could have `most` workers more in all.
        """
        if each.way.claim is None or most <= free:
            return 0
        hosts = self._rooms.hosts(each.way.claim, each.way.servers, most - free)
        later = sorted(max(self._ready[host] for host in together) for together in hosts)
        if not later:
            return 0
        now = [self._now + each.start_seconds] * free + _ends(each, self._now)
        coming = [ready + each.start_seconds for ready in later]
        found = _fewest(each, now, coming, late=False)
        return found if found <= len(coming) else min(len(coming), _fewest(each, now, coming, late=True))

    def hold(self, each: WorkClass, seats: int) -> None:
        """The class has so many of them."""
        if each.way.claim is not None:
            self._rooms.take(each.way.claim, each.way.servers, seats)

    @property
    def to_start(self) -> Sequence[NodeView]:
        """Hosts that are off and of which something is held, in the order of names."""
        held: Collection[str] = self._rooms.taken
        return [self._nodes[host] for host in sorted(held) if self._nodes[host].state is NodeState.OFF]


def _may_serve(node: NodeView) -> bool:
    """Whether it will be on, or can be had on now."""
    return node.state is NodeState.BOOTING or node.startable


def _ready(node: NodeView, pool: PoolView, now: float) -> float:
    """When it is expected to serve. One that is on its way for long is expected any moment."""
    if node.state is NodeState.BOOTING:
        return max(now, node.ordered + pool.boot.usual_seconds)
    return now + pool.boot.usual_seconds


def _ends(each: WorkClass, now: float) -> list[float]:
    """When its files in work are expected to end."""
    return [
        max(now, file.started + function.service.seconds(1, file.bytes))
        for function in each.functions
        for file in function.running
    ]


def _fewest(each: WorkClass, now: Sequence[float], coming: Sequence[float], *, late: bool) -> int:
    """How many of those that come are needed so that all files start in time; one too many: all do not do.

    `late`: what can't be in time any more has as long as its promise from the first of them on.
    """
    jobs = each.jobs
    if late:
        jobs = jobs.postponed(before=coming[0], until=coming[0] + each.wait_seconds)

    def suffices(number: int) -> bool:
        times = np.sort(np.array([*now, *coming[:number]]))
        return need(jobs, times, inf) == 0

    return bisect_left(range(len(coming) + 1), True, key=suffices)  # noqa: FBT003  (what is looked for)

"""What is free on each node, when, and what earlier classes have already been promised of it.

Made anew for each decision. A node that is on offers what its busy workers leave, and more as each of them
ends; a node on its way offers all that its pool promises, at the time at which it is expected (the median
boot: of several, some are early), however late it is: what is ordered is never ordered twice. Idle workers
hold nothing: they end where their room is needed.

Kept in columns, a row a node and moment: thousands of nodes are packed by a few operations on arrays.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter

import numpy as np
from numpy.typing import NDArray

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.deciding.axis import Axis
from headrace.scaler.deciding.need import Times
from headrace.scaler.snapshot import FunctionView, NodeView, PoolView, Snapshot

ON = frozenset({NodeState.IDLE, NodeState.BUSY})

Whole = NDArray[np.int64]
MANY = 2**62  # workers: what no node holds


@dataclass(frozen=True, slots=True)
class Slots:
    """When a worker can start, ascending, and on which room.

    At the same time a node of the pool that was named first comes first, and of one pool the oldest.
    """

    times: Times
    rooms: Whole

    def first(self, number: int) -> "Slots":
        return Slots(self.times[:number], self.rooms[:number])


class Rooms:
    """The rooms of all nodes that serve, the oldest node first, then those that this decision orders."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self._pools = {pool.name: pool for pool in snapshot.pools}
        self._axis = Axis(snapshot.pools)
        self._nodes = [
            node
            for node in sorted(snapshot.nodes, key=attrgetter("ordered", "name"))
            if node.enabled
            and node.pool in self._pools
            and (node.state in ON or node.state is NodeState.BOOTING)
        ]
        self._times: list[float] = []
        self._owners: list[int] = []
        self._free: list[list[int]] = []
        ends = _ends(snapshot.functions, now)
        for number, node in enumerate(self._nodes):
            self._add_rows(number, node, ends.get(node.name, ()), now)
        self._promised = np.zeros((len(self._nodes), len(self._axis.names)), dtype=np.int64)
        self._used: set[int] = set()
        self.anything_coming = any(node.state is NodeState.BOOTING for node in self._nodes)
        self._columns: tuple[Times, Whole, Whole, Whole] | None = None

    def slots(self, request: ResourceList, pools: Iterable[str]) -> Slots:
        """Every slot of a request on these pools' nodes; the cheapest pool first, as nodes are ordered."""
        times, owners, pools_of, free = self._arrays()
        wanted = np.array(self._axis.row(request), dtype=np.int64)
        asked = np.flatnonzero(wanted)
        counts = np.maximum((free[:, asked] // wanted[asked]).min(axis=1, initial=MANY), 0)
        turns = {name: turn for turn, name in enumerate(pools)}
        turn = np.array([turns.get(name, -1) for name in self._pools], dtype=np.int64)[pools_of]
        counts[turn < 0] = 0
        before = np.concatenate(([0], np.where(owners[1:] == owners[:-1], counts[:-1], 0)))[: len(counts)]
        added = np.maximum(counts - before, 0)
        order = np.lexsort((turn, times))
        return Slots(np.repeat(times[order], added[order]), np.repeat(owners[order], added[order]))

    def promise(self, slots: Slots, request: ResourceList) -> None:
        """Take these slots away from later classes."""
        rooms, counts = np.unique(slots.rooms, return_counts=True)
        self._promised[rooms] += counts[:, None] * np.array(self._axis.row(request), dtype=np.int64)
        self._used.update(rooms.tolist())

    def order(self, name: str, pool: PoolView, now: float) -> None:
        """Count with a node that this decision orders."""
        node = NodeView(name, pool.name, NodeState.BOOTING, now, ordered=now)
        self._nodes.append(node)
        self.anything_coming = True
        self._add_rows(len(self._nodes) - 1, node, (), now)
        self._promised = np.vstack(
            [self._promised, np.zeros_like(self._promised, shape=(1, len(self._axis.names)))]
        )
        self._columns = None

    def used(self) -> frozenset[str]:
        """Nodes that files which wait need."""
        return frozenset(self._nodes[room].name for room in self._used)

    def count(self, pool: str) -> int:
        """Nodes of a pool that are on or on their way."""
        return sum(1 for node in self._nodes if node.pool == pool)

    def spare(self, pool: str) -> int:
        """Those of them that nobody needs."""
        return sum(
            1
            for room, node in enumerate(self._nodes)
            if node.pool == pool and room not in self._used and node.state is not NodeState.BUSY
        )

    def _arrays(self) -> tuple[Times, Whole, Whole, Whole]:
        """Time, room, its pool's number and what is free of each row, promises taken off."""
        if self._columns is None:
            numbers = {name: number for number, name in enumerate(self._pools)}
            pools_of = np.array([numbers[node.pool] for node in self._nodes], dtype=np.int64)
            owners = np.array(self._owners, dtype=np.int64)
            free = np.array(self._free, dtype=np.int64).reshape(-1, len(self._axis.names))
            self._columns = (np.array(self._times), owners, pools_of[owners], free)
        times, owners, pools_of, free = self._columns
        return times, owners, pools_of, free - self._promised[owners]

    def _add_rows(
        self, number: int, node: NodeView, ends: Sequence[tuple[float, ResourceList]], now: float
    ) -> None:
        if node.state is NodeState.BOOTING:  # counted in full, also when that time is past
            ready = node.ordered + self._pools[node.pool].boot.usual_seconds
            self._add_row(number, ready, self._axis.whole(node))
            return
        free = self._axis.left(node)
        given_back = [(end, self._axis.row(request)) for end, request in sorted(ends, key=itemgetter(0))]
        for _, vector in given_back:
            free = [have - held for have, held in zip(free, vector, strict=True)]
        self._add_row(number, now, free)
        for end, vector in given_back:
            free = [have + held for have, held in zip(free, vector, strict=True)]
            self._add_row(number, end, free)

    def _add_row(self, number: int, time: float, free: list[int]) -> None:
        self._owners.append(number)
        self._times.append(time)
        self._free.append(free)


def _ends(functions: Sequence[FunctionView], now: float) -> Mapping[str, list[tuple[float, ResourceList]]]:
    """By node: when its files in work are expected to end, and what each gives back."""
    found: dict[str, list[tuple[float, ResourceList]]] = {}
    for function in functions:
        for file in function.running:
            end = max(now, file.started + function.service.seconds(1, file.bytes))
            found.setdefault(file.node, []).append((end, function.request))
    return found

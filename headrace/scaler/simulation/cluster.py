"""Virtual nodes and the workers on them: what fits where, and how both look in a snapshot.

Idealised as the engine says: a worker without a file holds nothing, it ends where its room is needed.
"""

from bisect import insort
from collections import Counter
from collections.abc import Callable
from operator import attrgetter

from headrace.model.node import NodeState, step
from headrace.model.resources import ResourceList, total
from headrace.scaler.deciding.classes import price_a_worker
from headrace.scaler.simulation.backlog import Queued
from headrace.scaler.simulation.setting import SimFunction, SimPool
from headrace.scaler.snapshot import NodeView, WorkerView


class Worker:
    """One worker. `queued` is its file while it has one, which computes since `started`."""

    def __init__(self, name: str, function: SimFunction, node: "Node", *, since: float) -> None:
        self.name = name
        self.function = function
        self.node = node
        self.since = since
        self.queued: Queued | None = None
        self.started = 0.0

    @property
    def view(self) -> WorkerView:
        busy = self.queued is not None
        return WorkerView(self.name, self.function.name, self.node.name, self.since, busy)


class Node:
    """One node from its order on. `number` counts the cluster's orders; `worked`: it has had a file."""

    def __init__(self, name: str, pool: SimPool, *, ordered: float, number: int, failures: int) -> None:
        self.name = name
        self.pool = pool
        self.ordered = ordered
        self.number = number
        self.failures = failures
        self.state = step(name, NodeState.OFF, NodeState.BOOTING)
        self.since = ordered
        self.joined = False
        self.worked = False
        self.busy_seconds = 0.0  # without the present spell
        self.busy: list[Worker] = []
        self.idle: list[Worker] = []  # the longest idle first
        self._free = pool.view.capacity  # what busy workers leave
        self._fits: dict[str, bool] = {}
        self._view: NodeView | None = None
        self._worker_views: tuple[WorkerView, ...] | None = ()
        self._hired = 0

    def become(self, state: NodeState, now: float) -> None:
        """Raises IllegalStepError for a state that can't follow."""
        if self.state is NodeState.BUSY:
            self.busy_seconds += now - self.since
        self.state, self.since = step(self.name, self.state, state), now
        self._view = None

    def join(self) -> None:
        """It is there, but may lack what its pool promises."""
        self.joined, self._view = True, None

    def has_room(self, function: SimFunction) -> bool:
        """Whether one more file of the function could be worked here."""
        found = self._fits.get(function.name)
        if found is None:
            found = self.pool.name in function.pools and function.request.fits(self._free)
            self._fits[function.name] = found
        return found

    def price_a_worker(self, function: SimFunction) -> float:
        """Price of an hour of one worker on this node, were it full of them."""
        return price_a_worker(self.pool.view, function.request)

    def warm(self, function: SimFunction) -> Worker | None:
        """An idle worker of the function, the latest one."""
        return next((worker for worker in reversed(self.idle) if worker.function is function), None)

    def in_the_way(self, function: SimFunction) -> list[Worker]:
        """The idle workers that end to make room for one more worker, the longest idle first."""
        held = total(worker.function.request for worker in self.idle)
        leaving: list[Worker] = []
        while not function.request.fits(self._free.minus(held)):
            leaving.append(self.idle[len(leaving)])
            held = held.minus(leaving[-1].function.request)
        return leaving

    def hire(self, function: SimFunction, now: float) -> Worker:
        """A new worker, idle; there must be room."""
        self._hired += 1
        worker = Worker(f"{self.name}/{self._hired}", function, self, since=now)
        self.idle.append(worker)
        return worker

    def dismiss(self, worker: Worker) -> None:
        """End an idle worker."""
        self.idle.remove(worker)
        self._worker_views = None

    def occupy(self, worker: Worker) -> None:
        """An idle worker takes a file."""
        self.idle.remove(worker)
        self.busy.append(worker)
        self.worked = True
        self._set_free(self._free.minus(worker.function.request))

    def release(self, worker: Worker) -> None:
        """Its file has ended; it stays warm."""
        self.busy.remove(worker)
        self.idle.append(worker)
        self._set_free(self._free.plus(worker.function.request))

    @property
    def view(self) -> NodeView:
        if self._view is None:
            self._view = NodeView(
                self.name,
                self.pool.name,
                self.state,
                self.since,
                ordered=self.ordered,
                failures=self.failures,
                joined=self.joined,
            )
        return self._view

    @property
    def worker_views(self) -> tuple[WorkerView, ...]:
        if self._worker_views is None:
            self._worker_views = tuple(worker.view for worker in (*self.busy, *self.idle))
        return self._worker_views

    def _set_free(self, free: ResourceList) -> None:
        self._free, self._worker_views = free, None
        self._fits.clear()


class Cluster:
    """All nodes that are not off, those that serve in order of age, and those whose last boot failed."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.serving: list[Node] = []
        self.busy = 0  # nodes with a file in work
        self.stopping = 0
        self._failed: dict[str, NodeView] = {}
        self._ordered = 0
        self._busy: Counter[str] = Counter()  # workers by function
        self._idle: dict[str, dict[Worker, None]] = {}  # by function, the longest idle first

    @property
    def booting(self) -> int:
        """Nodes that are ordered and not usable yet."""
        return len(self.nodes) - len(self.serving) - self.stopping

    def count(self, pool: str) -> int:
        """Nodes of a pool that are not off."""
        return sum(1 for node in self.nodes.values() if node.pool.name == pool)

    def order(self, name: str, pool: SimPool, now: float) -> Node:
        """A node that boots from now on. `name` must be off."""
        self._ordered += 1
        failed = self._failed.pop(name, None)
        failures = failed.failures if failed else 0
        node = Node(name, pool, ordered=now, number=self._ordered, failures=failures)
        self.nodes[name] = node
        return node

    def serve(self, node: Node, now: float) -> None:
        """It is usable."""
        node.failures = 0
        node.become(NodeState.IDLE, now)
        insort(self.serving, node, key=attrgetter("number"))

    def retire(self, node: Node, now: float) -> None:
        """It takes no more files, and is on its way off."""
        node.become(NodeState.STOPPING, now)
        self.stopping += 1
        self._leave(node)

    def fail(self, node: Node, now: float) -> None:
        """Its boot did not end in time: it goes off, and is listed with its failures."""
        node.failures += 1
        node.become(NodeState.FAILED, now)
        self.remove(node, now)
        self._failed[node.name] = node.view

    def remove(self, node: Node, now: float) -> None:
        """It is off."""
        self.stopping -= node.state is NodeState.STOPPING
        node.become(NodeState.OFF, now)
        del self.nodes[node.name]
        if node in self.serving:
            self._leave(node)

    def first_with_room(
        self, function: SimFunction, is_kept: Callable[[Node, SimFunction], bool]
    ) -> Node | None:
        """Of the nodes that could work one more file the one where a worker is cheapest, then the oldest.

        Those that are kept from it are left out.
        """
        fitting = (node for node in self.serving if node.has_room(function) and not is_kept(node, function))
        if len(function.pools) == 1:
            return next(fitting, None)
        return min(fitting, key=lambda node: node.price_a_worker(function), default=None)

    def may_employ(self, function: SimFunction) -> bool:
        """Whether one more of its workers may have a file."""
        return self._busy[function.name] < function.max_workers

    def employ(self, function: SimFunction, node: Node, *, queued: Queued, now: float) -> Worker:
        """Give a file to a worker of a node that has room; a warm one starts at once.

        Idle workers give way: others on this node to its size, the function's own to max_workers.
        """
        worker = node.warm(function)
        start_seconds = function.start_seconds if worker is None else 0.0
        if worker is None:
            worker = self._hire(function, node, now)
        self._idle[function.name].pop(worker)
        self._busy[function.name] += 1
        node.occupy(worker)
        worker.queued, worker.started = queued, now + start_seconds
        if node.state is NodeState.IDLE:
            node.become(NodeState.BUSY, now)
            self.busy += 1
        return worker

    def release(self, worker: Worker, now: float) -> None:
        """Its file has ended; it stays, warm."""
        self._busy[worker.function.name] -= 1
        self._idle[worker.function.name][worker] = None
        worker.queued = None
        worker.node.release(worker)
        if not worker.node.busy:
            worker.node.become(NodeState.IDLE, now)
            self.busy -= 1

    def _hire(self, function: SimFunction, node: Node, now: float) -> Worker:
        for each in node.in_the_way(function):
            self._dismiss(each)
        idle = self._idle.setdefault(function.name, {})
        if idle and self._busy[function.name] + len(idle) >= function.max_workers:
            self._dismiss(next(iter(idle)))
        worker = node.hire(function, now)
        idle[worker] = None
        return worker

    def _dismiss(self, worker: Worker) -> None:
        del self._idle[worker.function.name][worker]
        worker.node.dismiss(worker)

    def _leave(self, node: Node) -> None:
        self.serving.remove(node)
        self.busy -= bool(node.busy)
        for worker in tuple(node.idle):
            self._dismiss(worker)
        for worker in node.busy:
            self._busy[worker.function.name] -= 1

    @property
    def node_views(self) -> tuple[NodeView, ...]:
        """In order of age; then those that are off since their boot failed."""
        return (*(node.view for node in self.nodes.values()), *self._failed.values())

    @property
    def worker_views(self) -> tuple[WorkerView, ...]:
        return tuple(view for node in self.serving for view in node.worker_views)

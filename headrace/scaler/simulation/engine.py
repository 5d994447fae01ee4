"""The simulation: a trace, a setting and a policy in, an outcome out. Event-driven, on virtual time.

Idealised: a node that serves takes the waiting file with the earliest start deadline (arrival +
maxWaitSeconds) among the functions whose request fits beside its busy workers and that are below maxWorkers;
the oldest node takes first. A worker that is warm for the function on that node starts at once, another after
its start. No file waits while a slot for it is free, so a plan's worker numbers are not needed.

Where there are several tenants the one whose share is least comes first, and a node is kept for it where its
file needs more room than comes free at once; no file starts beyond a tenant's quota.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from functools import partial
from itertools import count
from math import floor, inf
from typing import Protocol

from headrace.model.errors import ConfigurationError
from headrace.model.node import NodeState
from headrace.scaler.deciding.parties import Standing
from headrace.scaler.plan import Plan, StartNode
from headrace.scaler.simulation.backlog import Queued
from headrace.scaler.simulation.chance import fate
from headrace.scaler.simulation.cluster import Cluster, Node, Worker
from headrace.scaler.simulation.ledger import Ledger
from headrace.scaler.simulation.observation import ObservedFunction, ObservedPool, first_estimate, observe
from headrace.scaler.simulation.outcome import Outcome
from headrace.scaler.simulation.setting import Setting
from headrace.scaler.simulation.tenancy import Tenancy
from headrace.scaler.simulation.trace import Trace
from headrace.scaler.snapshot import Snapshot

FAILED_AFTER = 1.5  # times the pool's usual boot: when a boot is seen to have failed
SOONEST = 0.25  # of a period: the least time between two decisions


class Decider(Protocol):
    """A policy. It may remember what it saw; a new run takes a new one."""

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        """What to do now; asked when things change, and each period while a file waits or a node is there."""


class Rank(IntEnum):
    """Which of the events of one moment comes first."""

    END = 0
    NODE = 1
    ARRIVAL = 2
    DECISION = 3


def simulate(trace: Trace, setting: Setting, decider: Decider) -> Outcome:
    """One run from time 0 on. Raises ConfigurationError for a function or pool that the setting lacks."""
    return Simulation(trace, setting, decider).run()


class Simulation:
    """One run; good for a single `run`."""

    def __init__(self, trace: Trace, setting: Setting, decider: Decider) -> None:
        self._trace = trace
        self._setting = setting
        self._decider = decider
        self._functions = {f.name: ObservedFunction(f, first_estimate(f, trace)) for f in setting.functions}
        self._pools = {pool.name: ObservedPool(pool) for pool in setting.pools}
        self._orders = {pool.name: count(1) for pool in setting.pools}
        self._cluster = Cluster()
        self._tenancy = Tenancy(setting)
        self._ledger = Ledger(grace_seconds=setting.period_seconds)
        self._events: list[tuple[float, Rank, int, Callable[[], None]]] = []
        self._sequence = count()
        self._now = 0.0
        self._decided = -inf
        self._next_decision = inf
        self._progress = 0.0  # when a file arrived, started or ended last
        self._to_come = len(trace.arrivals)

    def run(self) -> Outcome:
        """Play all events.

        Nodes that are on then are billed up to the last file's end; up to now, where files still wait.
        """
        for number, arrival in enumerate(self._trace.arrivals):
            if arrival.function not in self._functions:
                raise ConfigurationError(_unknown("trace", arrival.function, self._functions))
            queued = Queued(arrival.time, number, arrival)
            self._at(arrival.time, Rank.ARRIVAL, partial(self._arrive, queued))
        self._wake()
        while self._events:
            self._now, _, _, action = heapq.heappop(self._events)
            if self._is_over():
                break
            action()
        end = self._now if self._waiting else self._progress
        return self._ledger.close(self._cluster, files=len(self._trace.arrivals), now=end)

    @property
    def _waiting(self) -> int:
        return sum(len(each.backlog) for each in self._functions.values())

    def _is_over(self) -> bool:
        patient = self._now - self._progress <= self._setting.patience_seconds
        return not (patient or self._to_come or self._cluster.busy)

    def _at(self, time: float, rank: Rank, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, rank, next(self._sequence), action))

    def _arrive(self, queued: Queued) -> None:
        self._to_come -= 1
        self._progress = self._now
        function = self._functions[queued.file.function]
        waited = bool(function.backlog)  # then no node has room, or it has all its workers
        function.arrived(queued)
        if not waited:
            self._place(function)
        self._wake()

    def _place(self, function: ObservedFunction) -> None:
        """Start what waits of one function, on the oldest nodes with room."""
        while function.backlog and self._may_employ(function):
            node = self._cluster.first_with_room(function.function, self._tenancy.is_kept)
            if node is None:
                return
            self._start(function, node)

    def _fill(self, node: Node) -> bool:
        """Start what fits on one node, the most urgent first; whether that was anything."""
        filled = False
        while (function := self._most_urgent(node)) is not None:
            self._start(function, node)
            filled = True
        return filled

    def _most_urgent(self, node: Node) -> ObservedFunction | None:
        """Whose file starts next on the node; of several tenants that one's whose share is least."""
        asking = [each for each in self._functions.values() if each.backlog and self._may_employ(each)]
        able = (
            each
            for each in asking
            if node.has_room(each.function) and not self._tenancy.is_kept(node, each.function)
        )
        found = min(able, key=self._turn, default=None)
        if found is None or not self._tenancy.is_contested or not self._keep(node, asking, found):
            return found
        return self._most_urgent(node)

    def _keep(self, node: Node, asking: Sequence[ObservedFunction], found: ObservedFunction) -> bool:
        """Keep the node for whoever comes before and would fit on it were it empty; whether it is."""
        for each in sorted(asking, key=self._turn):
            function = each.function
            if (
                self._tenancy.is_before(function, found.function)
                and self._tenancy.keeps_none(function)
                and node.pool.name in function.pools
                and function.request.fits(node.pool.view.capacity)
            ):
                self._tenancy.keep(node, function)
                return True
        return False

    def _turn(self, each: ObservedFunction) -> tuple[Standing, float]:
        return self._tenancy.standing(each.function), each.deadline

    def _may_employ(self, each: ObservedFunction) -> bool:
        return self._cluster.may_employ(each.function) and self._tenancy.allows(each.function)

    def _start(self, function: ObservedFunction, node: Node) -> None:
        queued = function.backlog.take()
        worker = self._cluster.employ(function.function, node, queued=queued, now=self._now)
        function.began(worker, queued)
        self._tenancy.count(worker.function, 1)
        self._ledger.started(worker, queued.number, arrived=queued.arrived)
        self._progress = self._now
        end = worker.started + queued.file.service_seconds
        self._at(end, Rank.END, partial(self._end, worker, queued))
        kept = self._tenancy.started(worker.function)
        if kept is not None and kept is not node:
            self._fill(kept)

    def _end(self, worker: Worker, queued: Queued) -> None:
        if worker.node.state is not NodeState.BUSY:
            return  # its node died
        function = self._functions[worker.function.name]
        full = [each for each in self._functions.values() if each.backlog and not self._may_employ(each)]
        self._cluster.release(worker, self._now)
        self._tenancy.count(worker.function, -1)
        function.ended(queued)
        self._ledger.finished += 1
        self._progress = self._now
        filled = self._fill(worker.node)
        for each in full:
            self._place(each)
        for node in self._tenancy.kept:
            self._fill(node)  # who has it kept may come first no more
        if not filled:
            self._wake()

    def _wake(self) -> None:
        """Decide now, or as soon as a decision may follow the last one."""
        soonest = self._decided + SOONEST * self._setting.period_seconds
        self._plan_decision(max(self._now, soonest))

    def _plan_decision(self, time: float) -> None:
        if time < self._next_decision:
            self._next_decision = time
            self._at(time, Rank.DECISION, partial(self._decide, time))

    def _decide(self, time: float) -> None:
        if time != self._next_decision:
            return  # another was planned before it
        self._decided, self._next_decision = time, inf
        snapshot = observe(
            self._functions.values(),
            self._pools.values(),
            self._setting.tenants,
            cluster=self._cluster,
            now=self._now,
        )
        plan = self._decider.decide(snapshot, self._now)
        for stop in plan.stop:
            self._stop(stop.node)
        for start in plan.start:
            self._order(start)
        waiting = self._waiting
        self._ledger.look(self._cluster, waiting=waiting, now=self._now)
        if waiting or self._cluster.nodes:
            period = self._setting.period_seconds
            following = (floor(self._now / period) + 1) * period
            self._plan_decision(following if following > self._now else following + period)  # floats round

    def _order(self, start: StartNode) -> None:
        """Without effect when the node is on or on its way, or its pool is full."""
        if start.pool not in self._pools:
            raise ConfigurationError(_unknown(f"start of node {start.node}", start.pool, self._pools))
        observed = self._pools[start.pool]
        pool = observed.pool
        if start.node in self._cluster.nodes or self._cluster.count(pool.name) >= pool.view.max_nodes:
            return
        node = self._cluster.order(start.node, pool, self._now)
        self._ledger.boots += 1
        befalls = fate(pool, next(self._orders[pool.name]), seed=self._setting.seed)
        if befalls.fails:
            seen = self._now + FAILED_AFTER * observed.view.boot.usual_seconds
            self._at(seen, Rank.NODE, partial(self._fail, node))
            return
        joins = self._now + befalls.joins_after_seconds
        self._at(joins, Rank.NODE, node.join)
        serve = partial(self._serve, node, lives_seconds=befalls.lives_seconds)
        self._at(joins + pool.device_delay_seconds, Rank.NODE, serve)

    def _serve(self, node: Node, *, lives_seconds: float) -> None:
        self._pools[node.pool.name].booted(self._now - node.ordered)
        self._cluster.serve(node, self._now)
        if lives_seconds < inf:
            self._at(self._now + lives_seconds, Rank.NODE, partial(self._die, node))
        self._fill(node)
        self._wake()

    def _fail(self, node: Node) -> None:
        self._pools[node.pool.name].failed()
        self._ledger.failed_boots += 1
        self._ledger.off(node, self._now)
        self._cluster.fail(node, self._now)
        self._wake()

    def _die(self, node: Node) -> None:
        """Its files go back to the queue."""
        if node.state not in (NodeState.IDLE, NodeState.BUSY):
            return
        self._ledger.deaths += 1
        self._ledger.off(node, self._now)
        self._cluster.remove(node, self._now)
        self._tenancy.forget(node)
        for worker in node.busy:
            self._tenancy.count(worker.function, -1)
            if worker.queued is not None:
                self._ledger.lost(worker.queued.number)
                self._functions[worker.function.name].lost(worker.queued)
        for name in dict.fromkeys(worker.function.name for worker in node.busy):
            self._place(self._functions[name])
        self._wake()

    def _stop(self, name: str) -> None:
        """Without effect when the node is not idle."""
        node = self._cluster.nodes.get(name)
        if node is None or node.state is not NodeState.IDLE:
            return
        self._cluster.retire(node, self._now)
        self._tenancy.forget(node)
        if node.pool.stop_seconds:
            self._at(self._now + node.pool.stop_seconds, Rank.NODE, partial(self._off, node))
        else:
            self._off(node)

    def _off(self, node: Node) -> None:
        self._ledger.off(node, self._now)
        self._cluster.remove(node, self._now)


def _unknown(where: str, name: str, known: Iterable[str]) -> str:
    allowed = ", ".join(sorted(known)) or "none, as none is declared"
    return f"{where}: found {name}, allowed {allowed}; declare it, or take it out"

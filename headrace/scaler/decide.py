"""The decision: a snapshot and the settings in, a plan out. Pure; simulator and service call it alike.

The policy: the fewest nodes that let every file start at most its function's maxWaitSeconds plus one usual
boot after it arrived, each ordered as late as that number allows. How near to the optimum it comes, and what
was tried besides, is in docs/scaler.md and ADR 10.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf

from headrace.model.node import NodeState
from headrace.scaler.deciding.charges import Charges
from headrace.scaler.deciding.classes import WorkClass, classes
from headrace.scaler.deciding.consolidating import replacement
from headrace.scaler.deciding.entitling import entitled
from headrace.scaler.deciding.holding import Moment, held
from headrace.scaler.deciding.need import fewest, need
from headrace.scaler.deciding.ordering import Order, order_now, orderable, room_to_order
from headrace.scaler.deciding.parties import Parties
from headrace.scaler.deciding.quotas import Quotas
from headrace.scaler.deciding.remote import Remote
from headrace.scaler.deciding.rooms import Rooms, Slots
from headrace.scaler.deciding.serving import Serving
from headrace.scaler.deciding.shortages import shortage
from headrace.scaler.deciding.stopping import Loads, Stopping, nodes_on, on_or_coming
from headrace.scaler.deciding.supply import Choice, Supplies, choose
from headrace.scaler.deciding.workers import share_out
from headrace.scaler.plan import Plan, Reason, ReasonCode, StartNode, StopNode, Unmet, Workers
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import FunctionView, ServiceEstimate, Snapshot


def decide(snapshot: Snapshot, settings: ScalerSettings, now: float) -> Plan:
    """What to start and to stop now, and why; workers; what can't be met. The same input, the same plan."""
    snapshot = replace(snapshot, functions=tuple(map(_endless, snapshot.functions)))
    charges = Charges(snapshot)
    parties = Parties(snapshot, charges)
    for function in snapshot.functions:
        parties.of(function).take(parties.cost(function), len(function.running))
    found, homeless = classes(snapshot, charges, parties)
    deciding = _decided(snapshot, settings, now, found, {})
    if parties.contested and deciding.short:
        supplies = Supplies.of(snapshot, max_booting=settings.max_booting_nodes)
        shares = entitled(snapshot, found, {**deciding.taken, **deciding.short}, supplies)
        deciding = _decided(snapshot, settings, now, found, shares)
    used = deciding.rooms.used() | frozenset(deciding.remote.hosts)
    stops, kept = Stopping(snapshot, found, settings, used, deciding.loads, deciding.there, now).judge()
    return Plan(
        start=tuple(deciding.starts),
        stop=(*stops, *_drained(snapshot)),
        workers=tuple(map(_told, share_out(snapshot, now), snapshot.functions)),
        unmet=(*deciding.unmet, *_unfit(homeless)),
        kept=kept,
    )


def _endless(function: FunctionView) -> FunctionView:
    """With files in work that never end, where it is left as it is: nobody gets the room of its workers."""
    return replace(function, service=ServiceEstimate(file_seconds=inf)) if function.left_alone else function


def _told(workers: Workers, function: FunctionView) -> Workers:
    """With the reason of one that is left as it is."""
    if not function.left_alone:
        return workers
    reason = Reason(ReasonCode.LEFT_ALONE, f"left as it is: {function.left_alone}", workers.reason.figures)
    return replace(workers, reason=reason)


def _decided(
    snapshot: Snapshot,
    settings: ScalerSettings,
    now: float,
    found: Sequence[WorkClass],
    shares: Mapping[str, int],
) -> "_Decision":
    deciding = _Decision(
        snapshot,
        settings,
        now,
        found,
        shares,
        Rooms(snapshot, now),
        Supplies.of(snapshot, max_booting=settings.max_booting_nodes),
        Loads(found, now),
        on_or_coming(snapshot),
        Quotas(snapshot, found),
        Remote(snapshot),
        Serving(snapshot, now),
    )
    for each in found:
        if each.files:
            deciding.serve(each)
        if len(each.homes) > 1:
            deciding.consolidate(each)
    deciding.switch_on_servers()
    deciding.keep_slots()
    deciding.fill_up()
    return deciding


@dataclass(slots=True)
class _Decision:
    """One decision on its way; rooms and supplies change as classes are served.

    `shares` are workers that classes may have at most, by name; none: as many as they want. `short` are those
    for whose workers there are too few nodes or GPUs of servers, with what they want.
    """

    snapshot: Snapshot
    settings: ScalerSettings
    now: float
    found: Sequence[WorkClass]
    shares: Mapping[str, int]
    rooms: Rooms
    supplies: Supplies
    loads: Loads
    there: Mapping[str, int]  # nodes by pool that are on or on their way
    quotas: Quotas
    remote: Remote
    serving: Serving
    starts: list[StartNode] = field(default_factory=list)
    unmet: list[Unmet] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=dict)  # workers by class, of those that are served already
    short: dict[str, int] = field(default_factory=dict)

    def serve(self, each: WorkClass) -> None:
        """Promise the class what it needs of what is there, and order or hold the rest."""
        allowed, limit = self._allowed(each)
        slots = self._slots(each).first(allowed)
        order = order_now(
            each,
            slots.times + each.start_seconds,
            self.supplies,
            allowed=allowed - len(slots.times),
            now=self.now,
        )
        if order.limited and limit.code is ReasonCode.NO_GPU_ROOM:
            times = slots.times + each.start_seconds
            whole = order_now(each, times, self.supplies, allowed=each.most_workers, now=self.now)
            self.short[each.name] = len(times) + whole.workers
        if not order.workers:
            if order.limited:
                self._cannot(each, limit)
            self._promise(each, slots, order)
            return
        self._take(each, len(slots.times) + order.workers)
        self.rooms.promise(slots, each.request)
        if order.limited:
            self._cannot(each, limit)
        if order.code is not ReasonCode.OVERDUE and self._held(each, order):
            return
        if order.choice.missing:
            self.short[each.name] = self.taken[each.name]
            self._cannot(each, shortage(each.homes, self.snapshot.nodes))
        self._start(order.choice, self._reason(each, order))
        self._share(each, order.workers)

    def _slots(self, each: WorkClass) -> Slots:
        """Those of its nodes that come free at all: a worker that is left as it is has its room for good."""
        slots = self.rooms.slots(each.request, (home.name for home in each.homes))
        return slots.first(bisect_left(slots.times, inf))

    def _promise(self, each: WorkClass, slots: Slots, order: Order) -> None:
        """No node is missing: take only so much as the promise needs, as others share the nodes."""
        shared = len(self.found) > 1 or any(home.spare_nodes for home in each.homes)
        enough = fewest(order.jobs, order.times) if shared else len(order.times)
        self._take(each, enough)
        self.rooms.promise(slots.first(enough), each.request)

    def _take(self, each: WorkClass, workers: int) -> None:
        """The class has so many; GPUs of servers that they need are no others'."""
        self.taken[each.name] = workers
        self.quotas.promise(each, workers)
        self.remote.by(each.way).take(workers - each.running)

    def _held(self, each: WorkClass, order: Order) -> bool:
        period = self.settings.period_seconds
        if order.boot_seconds <= 0:
            return False
        ready = self.now + period + order.boot_seconds + each.start_seconds
        later = need(order.jobs, order.times, ready, enough=orderable(each, self.supplies))
        price = inf if later == inf else choose(int(later), each.request, each.homes, self.supplies).price
        moment = Moment(
            now=self.now,
            period_seconds=period,
            wait_worth=self.settings.wait_worth,
            nodes_on=nodes_on(self.found, self.there, each.home),
            load=self.loads.on(each.home),
            price_now=order.choice.price,
            price_later=price,
        )
        why = held(each, moment)
        if why is not None:
            reason, until = why
            self._cannot(each, reason, until)
        return why is not None

    def _allowed(self, each: WorkClass) -> tuple[int, Reason]:
        """The most workers that the class may have, and what limits them."""
        most = each.most_workers
        reason = Reason(ReasonCode.LIMIT, "maxWorkers allows no further worker")
        most, exhausted = self.quotas.allowed(each, most)
        if exhausted:
            reason = Reason(ReasonCode.QUOTA, exhausted)
        share = self.shares.get(each.name, most)
        if share < most:
            text = f"{_owner(each)} has its share while others' files wait too: {_counted(share, 'worker')}"
            most, reason = share, Reason(ReasonCode.SHARE, text, {"workers": share})
        more = max(0, most - each.running)
        on_servers = self._on_servers(each, more)
        if on_servers < more:
            text = f"the GPUs of {', '.join(each.way.servers)} have no room for a further worker"
            most, reason = each.running + on_servers, Reason(ReasonCode.NO_GPU_ROOM, text)
        return most, reason

    def _on_servers(self, each: WorkClass, more: int) -> int:
        """How many of so many more workers find GPUs: on servers that answer, or that are switched on."""
        free = self.remote.by(each.way).allowed(more)
        if free == more:
            return free
        slots = len(self._slots(each).times)
        most = min(more, slots + room_to_order(each, self.supplies))
        seats = self.serving.seats(each, free=free, most=most)
        self.serving.hold(each, seats)
        return free + seats

    def switch_on_servers(self) -> None:
        """Start the hosts of GPU servers that files wait for."""
        for host in self.serving.to_start:
            if self.supplies.choose(host):
                text = "files wait for the GPUs that it serves"
                self.starts.append(StartNode(host.name, host.pool, Reason(ReasonCode.FILES_WAIT, text)))
                self.rooms.order(host.name, self.supplies.pools[host.pool].pool, self.now)

    def _start(self, choice: Choice, reason: Reason) -> None:
        for pool, nodes in choice.nodes.items():
            for _ in range(nodes):
                name = self.supplies.take(pool)
                self.starts.append(StartNode(name, pool, reason))
                self.rooms.order(name, self.supplies.pools[pool].pool, self.now)

    def _share(self, each: WorkClass, workers: int) -> None:
        """Promise the class its workers on the nodes ordered for it; what they leave is for later classes."""
        ordered = self._slots(each)
        self.rooms.promise(ordered.first(workers), each.request)

    def consolidate(self, each: WorkClass) -> None:
        """Order a cheaper node in place of dear ones, where nothing else is ordered."""
        if self.starts or self.rooms.anything_coming:  # it may change the picture
            return
        load = self.loads.on(each.home)
        better = replacement(each, self.snapshot, self.supplies, load=load, now=self.now)
        if better is not None:
            pool, reason = better
            self._start(Choice({pool.name: 1}, pool.price_per_hour), reason)

    def keep_slots(self) -> None:
        """Keep free workers ready for each function, beyond what files need: CLUES' extra slots."""
        for each in self.found if self.settings.spare_slots else ():
            wanted = self.settings.spare_slots * len(each.functions)
            lacking = wanted - len(self._slots(each).times)
            text = f"spareSlots is {self.settings.spare_slots}"
            choice = choose(lacking, each.request, each.homes, self.supplies)
            self._start(choice, Reason(ReasonCode.SPARE, text))
            self.rooms.promise(self._slots(each).first(wanted), each.request)

    def fill_up(self) -> None:
        """Order what is missing of minNodes and spareNodes, whatever waits."""
        beyond = 0
        for name, supply in self.supplies.pools.items():
            pool = supply.pool
            missing = max(pool.min_nodes - self.rooms.count(name), 0)
            self._add(name, missing, Reason(ReasonCode.MIN_NODES, f"minNodes is {pool.min_nodes}"))
            spare = self.rooms.spare(name)
            reason = Reason(ReasonCode.SPARE, f"spareNodes is {pool.spare_nodes}")
            self._add(name, max(pool.spare_nodes - spare, 0), reason)
            beyond += max(spare - pool.spare_nodes, 0)
        reason = Reason(ReasonCode.SPARE, f"spareNodes of all pools is {self.settings.spare_nodes}")
        for pool in sorted((s.pool for s in self.supplies.pools.values()), key=lambda p: p.price_per_hour):
            beyond += self._add(pool.name, max(self.settings.spare_nodes - beyond, 0), reason)

    def _add(self, pool: str, nodes: int, reason: Reason) -> int:
        nodes = min(nodes, self.supplies.of_pool(pool))
        self._start(Choice({pool: nodes} if nodes else {}), reason)
        return nodes

    def _cannot(self, each: WorkClass, reason: Reason, until: float | None = None) -> None:
        for function in each.functions:
            if function.waiting:
                self.unmet.append(Unmet(function.name, function.files_waiting, reason, until))

    @staticmethod
    def _reason(each: WorkClass, order: Order) -> Reason:
        code, nodes = order.code, order.choice.count
        by, files, more = (
            _clock(float(each.jobs.deadlines[-1])),
            _counted(each.files, "file"),
            _counted(nodes, "further node"),
        )
        text = {
            ReasonCode.OVERDUE: f"{files} can't start in time any more: {more} as soon as can be",
            ReasonCode.PROMISE: f"{files}: {more} start all by {by}, {nodes - 1} would not",
        }.get(code, f"{files} waiting")
        return Reason(code, text, {"files": each.files, "nodes": nodes})


def _drained(snapshot: Snapshot) -> tuple[StopNode, ...]:
    """Nodes that were to be emptied first, and are empty."""
    working = {file.node for function in snapshot.functions for file in function.running}
    reason = Reason(ReasonCode.DRAINED, "it was drained, and its last file has ended")
    return tuple(
        StopNode(node.name, node.pool, reason)
        for node in snapshot.nodes
        if node.state is NodeState.DRAINING and node.enabled and node.name not in working
    )


def _unfit(homeless: Sequence[FunctionView]) -> tuple[Unmet, ...]:
    text = "no pool has nodes that hold a worker and that its node selector and tolerations allow"
    return tuple(
        Unmet(function.name, files, Reason(ReasonCode.NO_POOL_FITS, function.way.reason or text))
        for function in homeless
        if (files := function.files_waiting)
    )


def _owner(each: WorkClass) -> str:
    return f"tenant {each.tenant}" if each.tenant else "functions without a tenant"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _clock(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S UTC")

"""Which idle nodes go and which stay, each with its reason. Pure.

No timer: a node stays while keeping it costs less than the boot that it may save, judged by what arrived in
the last boot and in the last wait + boot. A node with work, or that waiting files need, is never looked at.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from headrace.model.node import NodeState
from headrace.scaler.deciding.classes import WorkClass, serving
from headrace.scaler.deciding.rates import Load, keeps
from headrace.scaler.deciding.rooms import ON
from headrace.scaler.plan import Reason, ReasonCode, StopNode
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import NodeView, PoolView, Snapshot


class Loads:
    """What the classes that may use a pool would have kept busy of its nodes; each pool reckoned once."""

    def __init__(self, found: Sequence[WorkClass], now: float) -> None:
        self._found = found
        self._now = now
        self._known: dict[str, Load] = {}

    def on(self, pool: PoolView) -> Load:
        """The load in nodes of a pool."""
        if pool.name not in self._known:
            self._known[pool.name] = self._reckoned(pool)
        return self._known[pool.name]

    def _reckoned(self, pool: PoolView) -> Load:
        classes = serving(self._found, pool.name)
        boot = pool.boot.usual_seconds
        wait = min((each.wait_seconds for each in classes), default=0.0)
        in_boot = in_both = files = 0.0
        for each in classes:
            workers = each.workers_on(pool)
            lately, work = each.recent.since(self._now - wait - boot)
            files += lately
            in_both += work / workers
            in_boot += each.recent.since(self._now - boot)[1] / workers
        return Load(wait, boot, in_boot, in_both, files)


def nodes_on(found: Sequence[WorkClass], counts: Mapping[str, int], pool: PoolView) -> float:
    """Nodes that are on or on their way and serve the same classes, in nodes of this pool."""
    classes = serving(found, pool.name)
    if not classes:
        return 0.0
    if pool.name in classes[0].seats:
        return float(counts[pool.name])
    homes = {home.name: home for each in classes for home in each.homes}
    leading = classes[0].request
    workers = sum(counts[name] * leading.count_in(home.capacity) for name, home in homes.items())
    return workers / leading.count_in(pool.capacity)


def on_or_coming(snapshot: Snapshot) -> dict[str, int]:
    """By pool: nodes that are on or on their way."""
    return _counts(snapshot, ON | {NodeState.BOOTING})


@dataclass(slots=True)
class Stopping:
    """One decision's judgement over all idle nodes. `used` are the nodes that waiting files need."""

    snapshot: Snapshot
    found: Sequence[WorkClass]
    settings: ScalerSettings
    used: Collection[str]
    loads: Loads
    on_or_coming: Mapping[str, int]
    now: float
    _wanted: frozenset[str] = frozenset()  # pools whose nodes could work files that wait

    def judge(self) -> tuple[tuple[StopNode, ...], Mapping[str, Reason]]:
        """What is stopped, and why the rest stays: the dearest go first, of these the newest."""
        pools = {pool.name: pool for pool in self.snapshot.pools}
        idle = [n for n in self.snapshot.nodes if n.state is NodeState.IDLE and n.pool in pools]
        if not idle:
            return (), {}
        stops: list[StopNode] = []
        kept: dict[str, Reason] = {}
        there = dict(self.on_or_coming)
        spare = _counts(self.snapshot, frozenset({NodeState.IDLE}))
        named = {node.pool for node in idle}
        self._wanted = frozenset(home.name for each in self.found if each.files for home in each.homes)
        on = {name: nodes_on(self.found, there, pools[name]) for name in named}
        prices = {name: self._price(pools[name]) for name in named}
        for node in sorted(idle, key=lambda each: (-prices[each.pool], -each.ordered, each.name)):
            pool = pools[node.pool]
            beyond = sum(max(0, spare[name] - each.spare_nodes) for name, each in pools.items())
            reason = self._stays(node, pool, there[pool.name], spare[pool.name], beyond)
            if reason is None and keeps(self.loads.on(pool), on[pool.name]):
                reason = Reason(ReasonCode.WORTH_KEEPING, "keeping it costs less than another boot")
            if reason is not None:
                kept[node.name] = reason
                continue
            stops.append(StopNode(node.name, pool.name, self._gone(self.loads.on(pool), on[pool.name])))
            there[pool.name] -= 1
            spare[pool.name] -= 1
            on[pool.name] -= 1
        return tuple(stops), kept

    def _price(self, pool: PoolView) -> float:
        """Of a worker an hour, of the class that comes first there; of a node, where none may run."""
        classes = serving(self.found, pool.name)
        return pool.price_per_hour / (classes[0].workers_on(pool) if classes else 1)

    def _stays(self, node: NodeView, pool: PoolView, there: int, spare: int, beyond: int) -> Reason | None:
        """Why it stays whatever it costs; None: its worth decides.

        `there` of the pool's nodes are on or coming, `spare` idle; `beyond` are idle beyond pools' spares.
        """
        idle = self.now - node.since
        if not node.enabled:
            return Reason(ReasonCode.DISABLED, "a person disabled it")
        if node.name in self.used or pool.name in self._wanted:
            return Reason(ReasonCode.FILES_WAIT, "files wait that it can work")
        if there <= pool.min_nodes:
            return Reason(ReasonCode.MIN_NODES, f"minNodes is {pool.min_nodes}")
        if spare <= pool.spare_nodes:
            return Reason(ReasonCode.SPARE, f"spareNodes is {pool.spare_nodes}")
        if beyond <= self.settings.spare_nodes:
            return Reason(ReasonCode.SPARE, f"spareNodes of all pools is {self.settings.spare_nodes}")
        if idle < self.settings.idle_seconds:
            return Reason(
                ReasonCode.IDLE, f"idle for {idle:.0f} s, at least {self.settings.idle_seconds:.0f}"
            )
        if self.now - node.ordered < self.settings.cooldown_seconds:
            return Reason(ReasonCode.COOLDOWN, f"ordered {self.now - node.ordered:.0f} s ago")
        return None

    @staticmethod
    def _gone(load: Load, on: float) -> Reason:
        share = min(1.0, max(0.0, load.nodes - (on - 1)))
        return Reason(
            ReasonCode.NOT_WORTH_KEEPING,
            f"busy {share:.0%} of the time at this rate, a boot costs {load.boot_seconds:.0f} node-seconds",
            {"share": round(share, 4), "bootSeconds": load.boot_seconds, "nodesOn": on},
        )


def _counts(snapshot: Snapshot, states: Collection[NodeState]) -> dict[str, int]:
    counts = dict.fromkeys((pool.name for pool in snapshot.pools), 0)
    for node in snapshot.nodes:
        if node.state in states and node.pool in counts:
            counts[node.pool] += 1
    return counts

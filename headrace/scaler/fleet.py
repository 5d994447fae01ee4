"""The nodes of all pools: what is remembered of each, what its driver shows, orders given and confirmed."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from headrace.model.errors import HeadraceError, TransientError
from headrace.model.labels import POOL
from headrace.model.node import NodeState
from headrace.model.pool import Driver, Hook, NodePool, Provides
from headrace.model.resources import NOTHING, ResourceList
from headrace.nodes.port import NodeDriver, Power, Sighting, devices
from headrace.scaler import lifecycle
from headrace.scaler.deciding.rooms import ON
from headrace.scaler.learning import BootHistory
from headrace.scaler.lifecycle import Change, Expected, NodeMemory, Order
from headrace.scaler.memory import PoolMemory
from headrace.scaler.ports import Wishes
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import NodeView, PoolView

LOOK_SECONDS = 2.0  # a driver that takes longer to show its nodes is not waited for; its answer counts later
ORDERS_AT_ONCE = 20

_log = logging.getLogger(__name__)
_ON_WAY = {NodeState.BOOTING: Order.START, NodeState.STOPPING: Order.STOP}
_OFTEN = frozenset({Hook.IDLE, Hook.BUSY})  # with each file that comes alone


class Fleet:
    """`pools` with a driver each, by name."""

    def __init__(
        self,
        pools: Sequence[NodePool],
        drivers: Mapping[str, NodeDriver],
        *,
        settings: ScalerSettings,
        remembered: Mapping[str, PoolMemory],
    ) -> None:
        self.pools = pools
        self._drivers = drivers
        self._settings = settings
        self._looks: dict[str, asyncio.Future[Sequence[Sighting]]] = {}  # by pool: those that take long
        self._orders = asyncio.Semaphore(ORDERS_AT_ONCE)
        self._boots: dict[str, BootHistory] = {}
        self._nodes: dict[str, dict[str, NodeMemory]] = {}
        self._hindrances: dict[str, Mapping[str, str]] = {}  # by pool: of nodes that are off
        self._taken: dict[str, Mapping[str, ResourceList]] = {}  # by pool: of nodes that take workers
        self._inherited: set[tuple[str, str]] = set()  # pool and node: under way when this process began
        for pool in pools:
            known = remembered.get(pool.name, PoolMemory(BootHistory(pool.spec.boot_seconds)))
            self._boots[pool.name] = replace(known.boots, prior_seconds=pool.spec.boot_seconds)
            self._nodes[pool.name] = {node.name: node for node in known.nodes}
            self._inherited |= {(pool.name, node.name) for node in known.nodes if node.state in _ON_WAY}

    @property
    def boot_seconds(self) -> float:
        """Of the slowest pool."""
        return max((boots.estimate.safe_seconds for boots in self._boots.values()), default=0.0)

    @property
    def memory(self) -> dict[str, PoolMemory]:
        """What is to be remembered, by pool."""
        return {
            name: PoolMemory(boots, tuple(self._nodes[name].values())) for name, boots in self._boots.items()
        }

    @property
    def views(self) -> tuple[NodeView, ...]:
        """Every node for the snapshot."""
        return tuple(
            NodeView(
                node.name, pool, node.state, node.since, node.ordered, node.enabled, node.failures,
                joined=node.joined is not None,
                hindrance=self._hindrances.get(pool, {}).get(node.name, ""),
                taken=self._taken.get(pool, {}).get(node.name, NOTHING),
            )
            for pool, nodes in self._nodes.items()
            for node in nodes.values()
        )  # fmt: skip

    @property
    def pool_views(self) -> tuple[PoolView, ...]:
        """Every pool for the snapshot."""
        return tuple(_pool_view(pool, self._boots[pool.name]) for pool in self.pools)

    async def look(self, busy: Collection[str], now: float) -> None:
        """See every node; those of a driver that does not answer stay as they are. `busy`: nodes' names."""
        sights = await asyncio.gather(*(self._see(pool.name) for pool in self.pools))
        for pool, sighted in zip(self.pools, sights, strict=True):
            if sighted is None:
                continue
            seen = {each.name: each for each in sighted}
            self._hindrances[pool.name] = {each.name: each.hindrance for each in sighted if each.hindrance}
            taken = ((each.name, _taken(pool, each)) for each in sighted)
            self._taken[pool.name] = {name: lacks for name, lacks in taken if lacks.amounts}
            for name in sorted({*seen, *self._nodes[pool.name]}):
                await self._observe(
                    pool, seen.get(name, Sighting(name, Power.OFF)), busy=name in busy, now=now
                )

    async def _see(self, pool: str) -> Sequence[Sighting] | None:
        """What a pool's driver shows; None where it does not answer, or not yet."""
        look = self._looks.pop(pool, None) or asyncio.ensure_future(self._drivers[pool].nodes())
        await asyncio.wait({look}, timeout=LOOK_SECONDS)
        try:
            if look.done():
                return look.result()
            self._looks[pool] = look
            raise TransientError(f"its driver has not answered within {LOOK_SECONDS:g} s")
        except HeadraceError as error:
            _log.warning("pool %s is not seen: %s", pool, error, extra={"action": "scaler.pool_unseen"})
            return None

    async def _observe(self, pool: NodePool, seen: Sighting, *, busy: bool, now: float) -> None:
        before = self._nodes[pool.name].get(seen.name, NodeMemory(seen.name))
        # A few quick boots are no reason to give up those that take as long as the pool says.
        boot_seconds = max(self._boots[pool.name].estimate.safe_seconds, pool.spec.boot_seconds)
        expected = Expected(pool.allocatable, boot_seconds, self._settings)
        change = lifecycle.observe(before, seen, busy=busy, expected=expected, now=now)
        change = self._repeated(pool.name, before, change)
        if await self._carry_out(pool.name, change) and before.state is NodeState.BOOTING:
            self._learn(pool.name, change.memory, now)

    def _repeated(self, pool: str, before: NodeMemory, change: Change) -> Change:
        """With the order that a former process gave: it may have ended before its driver carried it out."""
        if (pool, before.name) not in self._inherited:
            return change
        self._inherited.discard((pool, before.name))
        if change.order is not None or change.memory.state is not before.state or not before.enabled:
            return change
        return replace(change, order=_ON_WAY[before.state])

    def _learn(self, pool: str, node: NodeMemory, now: float) -> None:
        if node.state in ON:
            self._boots[pool] = self._boots[pool].booted(now - node.ordered)
        elif node.state is NodeState.FAILED:
            self._boots[pool] = self._boots[pool].failed()

    def heed(self, wishes: Wishes, now: float) -> None:
        """Enable and disable nodes as people want it."""
        wanted = wishes.enabled()
        for nodes in self._nodes.values():
            for name, node in nodes.items():
                if wanted.get(name, node.enabled) is not node.enabled:
                    able = wanted[name]
                    nodes[name] = (lifecycle.enable(node, now) if able else lifecycle.disable(node)).memory
                    word = "enabled" if able else "disabled"
                    _log.info("node %s is %s", name, word, extra={"action": f"scaler.node_{word}"})

    async def start(self, name: str, pool: str, now: float) -> None:
        """Order a node to boot; without effect unless it is off."""
        node = self._nodes[pool].get(name, NodeMemory(name, NodeState.OFF))
        await self._carry_out(pool, lifecycle.start(node, now))

    async def stop(self, name: str, pool: str, *, busy: bool, now: float) -> None:
        """Order a node to stop; without effect where it works by now, or is not idle."""
        if name in self._nodes[pool]:
            await self._carry_out(pool, lifecycle.stop(self._nodes[pool][name], busy=busy, now=now))

    async def _carry_out(self, pool: str, change: Change) -> bool:
        """Give a change's order, then remember it. False: the order was not confirmed, and comes again."""
        name, driver = change.memory.name, self._drivers[pool]
        _tell_hooks(name, change.hooks)
        try:
            if change.order is not None:
                async with self._orders:
                    await (driver.start if change.order is Order.START else driver.stop)(name)
        except HeadraceError as error:
            _log.warning(
                "node %s: %s not confirmed: %s", name, change.order, error,
                extra={"action": "scaler.order_failed", "node": name},
            )  # fmt: skip
            return False
        self._nodes[pool][name] = change.memory
        return True


def _taken(pool: NodePool, seen: Sighting) -> ResourceList:
    """What a node that takes workers has less than its pool says. Devices that it lacks it is waited for."""
    lacks = pool.allocatable.minus(seen.allocatable) if seen.joined else NOTHING
    return lacks.minus(devices(lacks))


def _tell_hooks(node: str, hooks: Sequence[Hook]) -> None:
    for hook in hooks:
        level = logging.DEBUG if hook in _OFTEN else logging.INFO
        _log.log(level, "node %s: %s", node, hook, extra={"action": "scaler.hook", "node": node})


def _pool_view(pool: NodePool, boots: BootHistory) -> PoolView:
    spec = pool.spec
    return PoolView(
        pool.name,
        pool.allocatable,
        boots.estimate,
        price_per_hour=spec.price_per_hour,
        min_nodes=spec.min_nodes,
        max_nodes=spec.max_nodes,
        spare_nodes=spec.spare_nodes,
        max_booting=spec.max_booting,
        named=spec.driver in (Driver.POWER, Driver.EKS),
        fixed=spec.driver is Driver.STATIC,
        by_hand=_by_hand(pool),
    )


def _by_hand(pool: NodePool) -> str:
    """Of hosts that serve GPUs there are no nodes that could be labelled."""
    is_labelled = pool.spec.driver is Driver.STATIC and pool.spec.provides is Provides.NODES
    return f"kubectl label node NODE {POOL}={pool.name}" if is_labelled else ""

"""The scaler on Kubernetes: it strives for the lease, decides and acts while it leads, and begins anew."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from headrace.kube.port import Kube
from headrace.metrics import catalogue
from headrace.metrics.family import Figure, Service
from headrace.metrics.port import SILENT, Meter
from headrace.model.errors import HeadraceError
from headrace.model.pool import NodePool
from headrace.model.settings import KubernetesSettings
from headrace.model.switching import unswitched
from headrace.model.tenancy import own_name, tenant_of
from headrace.nodes.port import NodeDriver
from headrace.queue.port import Queue
from headrace.scaler.kubernetes.counting import CountedKube
from headrace.scaler.kubernetes.drivers import Fenced, Means, Sights, driver_of
from headrace.scaler.kubernetes.keeping import MapKeeper
from headrace.scaler.kubernetes.telling import Bulletin, LeftOut, Remarks
from headrace.scaler.kubernetes.watching import Watching
from headrace.scaler.kubernetes.wishes import NodeWishes
from headrace.scaler.kubernetes.workers import PodHost
from headrace.scaler.monitor import Monitor
from headrace.scaler.service import Decision, Scaler, World
from headrace.scaler.settings import ScalerSettings

STEP_SECONDS = 1.0  # between two decisions while nothing changes but the queue
REST_SECONDS = 0.2  # between two decisions at least: changes that come together are decided on together
WRITE_SECONDS = 2.0  # between two writings of plan and memory
COUNT_SECONDS = 60.0  # between two logs of what the API server was asked
SETTINGS = ScalerSettings(period_seconds=STEP_SECONDS)

_log = logging.getLogger(__name__)


class Lead(Protocol):
    """What the scaler needs of headrace.kube.leadership.Leadership, which strives already."""

    def leading(self) -> bool:
        """The fence: whether this process may act now."""
        ...

    async def elected(self) -> None:
        """Wait until this process leads. Raises FatalError where it never will."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the scaler is connected to. `now` gives seconds since the epoch, `monotonic` on a steady clock.

    `meter` takes what is counted.
    """

    kube: Kube
    queue: Queue
    place: KubernetesSettings
    leadership: Lead
    settings: ScalerSettings = SETTINGS
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    meter: Meter = SILENT


class Life:
    """One process of the scaler: `run` it, and ask how it is."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._kube = CountedKube(parts.kube)
        self._watching = Watching(self._kube, parts.place)
        leading = parts.leadership.leading
        self._host = PodHost(
            self._kube, parts.place, self._watching.seen, parts.queue, leading=leading, now=parts.now
        )
        self._monitor = Monitor(parts.now, parts.meter)
        self._left_out: Sequence[LeftOut] = ()
        self._synced = False
        self._beat = parts.monotonic()

    @property
    def silent_seconds(self) -> float | None:
        """How long the API server has been out of reach; None before its first lists."""
        return self._watching.silent_seconds if self._synced else None

    @property
    def left_out(self) -> Mapping[str, str]:
        """By tenant's namespace that can't be seen now, why: what runs there is left as it is."""
        return self._watching.left_out

    @property
    def still_seconds(self) -> float:
        """How long no step has ended: a leader that stands still keeps every other from leading."""
        return self._parts.monotonic() - self._beat

    async def figures(self) -> Sequence[Figure]:
        """What Prometheus is told of how it stands."""
        own, is_leading = (Service.SCALER.value,), self._parts.leadership.leading()
        return (
            Figure(catalogue.LEADING, is_leading, own),
            Figure(catalogue.KUBE_SILENT, self.silent_seconds or 0.0, own),
            *(
                Figure(catalogue.KUBE_CALLS, number, _asked(call))
                for call, number in self._kube.calls.items()
            ),
            *self._monitor.figures(),
            *(Figure(catalogue.WORKERS_FAILING, 1, _labels(each)) for each in self._troubled()),
        )

    def _troubled(self) -> Iterable[str]:
        return self._host.troubles if self._parts.leadership.leading() else ()

    async def run(self) -> None:
        """For ever.

        Raises TransientError when the first lists do not come, FatalError when this process can never lead.
        """
        async with self._watching.following():
            self._synced = True
            gc.freeze()  # what is loaded by now stays: no need to look at it again at each decision
            helpers = [asyncio.create_task(each) for each in (self._listen_often(), self._count_often())]
            try:
                while True:
                    await self._elected()
                    self._monitor.begin()
                    await self._term()
                    if not self._parts.leadership.leading():
                        self._monitor.end()
            finally:
                for helper in helpers:
                    helper.cancel()
                self._tell_calls()

    async def _elected(self) -> None:
        """Wait, alive, until this process leads."""
        election = asyncio.ensure_future(self._parts.leadership.elected())
        try:
            while not election.done():
                self._beat = self._parts.monotonic()
                await asyncio.wait({election}, timeout=STEP_SECONDS)
            election.result()
        finally:
            election.cancel()

    async def _listen_often(self) -> None:
        """Hear the workers also while another leads: who takes over must know which of them work."""
        while True:
            if not self._parts.leadership.leading():
                try:
                    await self._host.listen()
                except HeadraceError as error:
                    _log.debug("workers are not heard: %s", error, extra={"action": "scaler.not_heard"})
            await asyncio.sleep(STEP_SECONDS)

    async def _count_often(self) -> None:
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            self._tell_calls()

    def _tell_calls(self) -> None:
        told = dict(sorted(self._kube.calls.items()))
        _log.info("calls of the API server so far", extra={"action": "scaler.calls", "calls": told})

    async def _term(self) -> None:
        """One time as the leader, with what the last leader has written down."""
        namespace = self._parts.place.platform_namespace
        try:
            keeper = await MapKeeper.load(self._kube, namespace)
        except HeadraceError as error:
            _log.warning("not begun: %s", error, extra={"action": "scaler.memory_unread"})
            await asyncio.sleep(STEP_SECONDS)
            return
        bulletin = Bulletin(self._kube, namespace, self._remarks)
        writing = asyncio.create_task(self._write_often(keeper, bulletin))
        try:
            while self._parts.leadership.leading():
                await self._with_these_pools(keeper, bulletin)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await self._write(keeper, bulletin)

    async def _write_often(self, keeper: MapKeeper, bulletin: Bulletin) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self._write(keeper, bulletin)

    async def _write(self, keeper: MapKeeper, bulletin: Bulletin) -> None:
        try:
            for each in (bulletin, keeper):
                if self._parts.leadership.leading():
                    await each.write()
        except Exception:  # noqa: BLE001  (the scaler must outlive every fault of what it tells)
            _log.exception("unexpected", extra={"action": "scaler.write_failed"})

    def _remarks(self) -> Remarks:
        return Remarks(self._host.troubles, self._left_out)

    async def _with_these_pools(self, keeper: MapKeeper, bulletin: Bulletin) -> None:
        """Decide again and again, until the pools change or this process leads no more."""
        known = self._watching.pools.values
        async with AsyncExitStack() as closing:
            scaler = self._scaler(known, keeper, bulletin, closing)
            closing.callback(scaler.close)
            while self._parts.leadership.leading() and self._watching.pools.values is known:
                await self._step(scaler)

    async def _step(self, scaler: Scaler) -> None:
        before = self._watching.revision
        if not self._watching.silent_seconds:
            functions = [each.function for each in self._watching.functions.by_name.values()]
            decision = await scaler.step(functions, left=self._watching.out_of_reach)
            if decision is None:
                self._monitor.failed()
        self._beat = self._parts.monotonic()
        await asyncio.sleep(REST_SECONDS)
        await self._watching.changed(STEP_SECONDS - REST_SECONDS, since=before)

    def _scaler(
        self, pools: Sequence[NodePool], keeper: MapKeeper, bulletin: Bulletin, closing: AsyncExitStack
    ) -> Scaler:
        drivers, place = self._drivers(pools, closing), self._parts.place
        self._left_out = [LeftOut(each, why) for each in pools if (why := unswitched(each, place))]
        for pool, why in self._left_out:
            extra = {"action": "scaler.pool_left_out"}
            _log.error("pool %s is left out: %s", pool.name, why, extra=extra)
        world = World(
            queue=self._parts.queue,
            workers=self._host,
            drivers=drivers,
            wishes=NodeWishes(self._watching.nodes, self._watching.pool_objects),
            keeper=keeper,
            now=self._parts.now,
        )
        used = [pool for pool in pools if pool.name in drivers]

        def tell(decision: Decision) -> None:
            bulletin.tell(decision)
            self._monitor.tell(decision)

        return Scaler(world, used, settings=self._parts.settings, tell=tell, tenants=place.tenants)

    def _drivers(self, pools: Sequence[NodePool], closing: AsyncExitStack) -> Mapping[str, NodeDriver]:
        """By pool; those that can't be had are left out."""
        sights = Sights(self._watching.nodes, self._watching.pods, self._watching.servers)
        means = Means(self._kube, sights, self._parts.place, self._parts.now, closing)
        found = {pool.name: driver_of(pool, means) for pool in pools}
        return {
            name: Fenced(driver, self._parts.leadership.leading)
            for name, driver in found.items()
            if driver is not None
        }


def _labels(function: str) -> tuple[str, str]:
    return own_name(function), tenant_of(function)


def _asked(call: str) -> tuple[str, str]:
    """The verb and the kind of a call, as labels."""
    verb, _, kind = call.rpartition(" ")
    return verb.removesuffix(" of").replace(" ", "-"), kind

"""The scaler on Kubernetes: it strives for the lease, decides and acts while it leads, and begins anew."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from headrace.kube.kinds import FUNCTIONS, NODE_POOLS, NODES, PODS
from headrace.kube.leadership import Leadership
from headrace.kube.mirror import Mirror
from headrace.kube.port import EVERYTHING, Kube, Selection
from headrace.model import labels
from headrace.model.errors import HeadraceError, TransientError
from headrace.model.pool import NodePool
from headrace.model.settings import KubernetesSettings
from headrace.nodes.port import NodeDriver
from headrace.queue.port import Queue
from headrace.scaler.kubernetes.drivers import Fenced, Sights, driver_of
from headrace.scaler.kubernetes.keeping import MapKeeper
from headrace.scaler.kubernetes.objects import by_name, functions_in, pools_in
from headrace.scaler.kubernetes.telling import Bulletin
from headrace.scaler.kubernetes.wishes import NodeWishes
from headrace.scaler.kubernetes.workers import PodHost, Seen
from headrace.scaler.service import Scaler, World
from headrace.scaler.settings import ScalerSettings

SYNC_SECONDS = 60.0  # for the first lists
STEP_SECONDS = 1.0  # between two decisions while nothing changes but the queue
REST_SECONDS = 0.2  # between two decisions at least: changes that come together are decided on together
WRITE_SECONDS = 2.0  # between two writings of plan and memory
SETTINGS = ScalerSettings(period_seconds=STEP_SECONDS)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the scaler is connected to; `leadership` strives already."""

    kube: Kube
    queue: Queue
    place: KubernetesSettings
    leadership: Leadership
    now: Callable[[], float] = time.time


class Watching:
    """The mirrors, for as long as the process lives: a standby that takes over has seen everything."""

    def __init__(self, kube: Kube, place: KubernetesSettings) -> None:
        mine = Selection(place.namespace, {labels.PART_OF: labels.HEADRACE, labels.COMPONENT: "worker"})
        self.workers = Mirror(kube, PODS, mine)
        self.pods = Mirror(kube, PODS, EVERYTHING)
        self.nodes = Mirror(kube, NODES, EVERYTHING)
        self._functions = Mirror(kube, FUNCTIONS, Selection(place.namespace))
        self._pools = Mirror(kube, NODE_POOLS, EVERYTHING)
        self.functions = functions_in(self._functions)
        self.pools = pools_in(self._pools)

    @property
    def all(self) -> Sequence[Mirror]:
        return self.workers, self.pods, self.nodes, self._functions, self._pools

    @property
    def silent_seconds(self) -> float:
        """How long the API server has been out of reach."""
        return max(each.silent_seconds for each in self.all)

    async def sync(self) -> None:
        """Wait for the first lists. Raises TransientError."""
        for each in self.all:
            if not await each.sync(SYNC_SECONDS):
                raise TransientError(
                    f"the API server has not listed everything within {SYNC_SECONDS:g} s; is it up, and may "
                    "this account list functions, node pools, nodes and pods?"
                )

    async def changed(self, seconds: float) -> None:
        """Until something changed, so many seconds at most."""
        revisions = [each.revision for each in self.all]
        waits = [
            asyncio.create_task(each.changed(seconds, since=revision))
            for each, revision in zip(self.all, revisions, strict=True)
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


async def live(parts: Parts, ready: Callable[[Watching], None]) -> None:
    """For ever. Raises TransientError when the first lists do not come, FatalError when nobody can lead."""
    watching = Watching(parts.kube, parts.place)
    async with AsyncExitStack() as closing:
        for mirror in watching.all:
            await closing.enter_async_context(mirror)
        await watching.sync()
        gc.freeze()  # what is loaded by now stays: no need to look at it again at each decision
        ready(watching)
        while True:
            await parts.leadership.elected()
            await _term(parts, watching)


async def _term(parts: Parts, watching: Watching) -> None:
    """One time as the leader, with what the last leader has written down."""
    try:
        keeper = await MapKeeper.load(parts.kube, parts.place.platform_namespace)
    except HeadraceError as error:
        _log.warning("not begun: %s", error, extra={"action": "scaler.memory_unread"})
        await asyncio.sleep(STEP_SECONDS)
        return
    bulletin = Bulletin(parts.kube, parts.place.platform_namespace)
    writing = asyncio.create_task(_write_often(parts, keeper, bulletin))
    try:
        while parts.leadership.leading():
            await _with_these_pools(parts, watching, keeper, bulletin)
    finally:
        writing.cancel()


async def _write_often(parts: Parts, keeper: MapKeeper, bulletin: Bulletin) -> None:
    while True:
        await asyncio.sleep(WRITE_SECONDS)
        if parts.leadership.leading():
            await bulletin.write()
            await keeper.write()


async def _with_these_pools(parts: Parts, watching: Watching, keeper: MapKeeper, bulletin: Bulletin) -> None:
    """Decide again and again, until the pools change or this process leads no more."""
    known = watching.pools.values
    drivers = _drivers(parts, watching, known)
    pools = [pool for pool in known if pool.name in drivers]
    world = World(
        queue=parts.queue,
        workers=_host(parts, watching),
        drivers=drivers,
        wishes=NodeWishes(watching.nodes),
        keeper=keeper,
        now=parts.now,
    )
    scaler = Scaler(world, pools, settings=SETTINGS, tell=bulletin.tell)
    while parts.leadership.leading() and watching.pools.values == known:
        if not watching.silent_seconds:
            await scaler.step([each.function for each in watching.functions.values])
        await asyncio.sleep(REST_SECONDS)
        await watching.changed(STEP_SECONDS - REST_SECONDS)
    scaler.close()


def _host(parts: Parts, watching: Watching) -> PodHost:
    seen = Seen(watching.workers, watching.nodes, lambda: by_name(watching.functions.values))
    return PodHost(
        parts.kube, parts.place, seen, parts.queue, leading=parts.leadership.leading, now=parts.now
    )


def _drivers(parts: Parts, watching: Watching, pools: Sequence[NodePool]) -> Mapping[str, NodeDriver]:
    sights = Sights(watching.nodes, watching.pods)
    found = {}
    for pool in pools:
        driver = driver_of(pool, parts.kube, sights)
        if driver is None:
            _log.error(
                "pool %s is left out: its driver %s is not built for Kubernetes yet, allowed kwok, static",
                pool.name, pool.spec.driver, extra={"action": "scaler.pool_left_out"},
            )  # fmt: skip
            continue
        found[pool.name] = Fenced(driver, parts.leadership.leading)
    return found

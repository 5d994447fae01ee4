"""The service: what changes says whose turn it is, and turns are taken while this process leads."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from headrace.catalog.deployed import known_as
from headrace.controller.buckets import Buckets
from headrace.controller.census import REST_SECONDS, Census
from headrace.controller.figures import Standing, figures
from headrace.controller.functions import Functions
from headrace.controller.pools import Pools
from headrace.controller.seen import Seen
from headrace.controller.turns import Turns
from headrace.controller.waking import Waking, Whose
from headrace.controller.world import World
from headrace.kube.kinds import BUCKETS, FUNCTIONS, NODE_POOLS
from headrace.kube.mirrors import told_left_out
from headrace.metrics import catalogue
from headrace.metrics.family import Figure
from headrace.metrics.port import SILENT, Meter
from headrace.model.errors import ChangedError, HeadraceError, NotFoundError
from headrace.model.tenancy import own_name

HANDS = 4  # turns taken at once
STANDBY_SECONDS = 1.0  # between two looks whether this process may act by now
LEFT_OUT_SECONDS = 5.0  # between two looks whether an object's namespace can be seen by now
FAILED_SECONDS = 10.0  # before files are counted again after a failure
SILENT_SECONDS = 60.0  # without the API server, after which the service is not ready

_log = logging.getLogger(__name__)


class Service:
    """Everything of the controller but the process. Belongs to one event loop."""

    def __init__(
        self,
        world: World,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        meter: Meter = SILENT,
    ) -> None:
        self._world = world
        self._meter = meter
        self._sleep = sleep
        self.seen = Seen(world.kube, world.kubernetes)
        self.census = Census(world.storage, world.settings.platform_bucket, world.monotonic)
        self.turns: Turns[Whose] = Turns(world.monotonic)
        self._functions = Functions(world, self.seen, self.census)
        self._buckets = Buckets(world, self.seen)
        self._pools = Pools(world, self.seen)
        Waking(self.seen, self.turns).listen()

    def unready(self) -> str:
        """Why it is not ready, for people; empty: it is. A standby that sees the cluster is ready."""
        if not self.seen.synced:
            return "the first lists of the API server have not come"
        silent = self.seen.silent_seconds
        return f"the API server has been out of reach for {silent:.0f} s" if silent > SILENT_SECONDS else ""

    def remark(self) -> str:
        """What it can't do though it is ready, for people; empty: nothing."""
        return told_left_out(self.seen.left_out)

    async def figures(self) -> Sequence[Figure]:
        """What Prometheus is told of how it stands."""
        known = [known_as(each, self._world.kubernetes) for each in self.seen.functions.items.values()]
        kinds = {FUNCTIONS: self.seen.functions, BUCKETS: self.seen.buckets, NODE_POOLS: self.seen.pools}
        failing = Counter(whose.kind.name for whose in self.turns.failing)
        standing = Standing(
            is_leading=self._world.leading(),
            silent_seconds=self.seen.silent_seconds if self.seen.synced else 0.0,
            objects={kind.name: len(view.items) for kind, view in kinds.items()},
            failing={kind.name: failing[kind.name] for kind in kinds},
            counts={name: self.census.counts(name) for name in known if self.census.has_counted(name)},
        )
        return figures(standing)

    async def run(self) -> None:
        """Work until it is cancelled."""
        async with self.seen, asyncio.TaskGroup() as group:
            for _ in range(HANDS):
                group.create_task(self._take_turns())
            group.create_task(self._count_files())
            group.create_task(self._lay_ground())

    async def turn(self, whose: Whose) -> None:
        """Take one turn that `turns` handed out, and give it back. Raises nothing."""
        if not (self._world.leading() and self.seen.synced):
            self.turns.done(whose, STANDBY_SECONDS)
            return
        if whose.namespace in self.seen.left_out:  # what is not shown of it may be there nevertheless
            self.turns.done(whose, LEFT_OUT_SECONDS)
            return
        try:
            again = await self._reconcile(whose)
        except (ChangedError, NotFoundError) as error:  # the mirror was late: look again
            self._failed(whose, error, logging.INFO)
        except HeadraceError as error:
            self._failed(whose, error, logging.WARNING)
        except Exception:  # noqa: BLE001  (the loop's top: it must outlive every fault)
            _log.exception("unexpected", extra={"action": "controller.defect", **whose.fields})
            self._count(whose, "failed")
            self.turns.failed(whose)
        else:
            self._count(whose, "done")
            self.turns.done(whose, again)

    async def count(self) -> float:
        """Count the files of one function that is due; how long to rest, in seconds."""
        if not (self._world.leading() and self.seen.synced):
            return STANDBY_SECONDS
        try:
            place = self._world.kubernetes
            known = [known_as(each, place) for each in self.seen.functions.items.values()]
            changed, rest = await self.census.turn(known)
        except HeadraceError as error:
            _log.warning("files are not counted: %s", error, extra={"action": "controller.count_failed"})
            return FAILED_SECONDS
        if changed is not None:
            self.turns.add(Whose(FUNCTIONS, place.namespace_of(changed), own_name(changed)))
        return rest

    async def _reconcile(self, whose: Whose) -> float | None:
        if whose.kind == NODE_POOLS:
            return await self._pools.reconcile(whose.name)
        failures = self.turns.failures(whose)
        if whose.kind == FUNCTIONS:
            return await self._functions.reconcile(whose.namespace, whose.name, failures=failures)
        return await self._buckets.reconcile(whose.namespace, whose.name, failures=failures)

    def _failed(self, whose: Whose, error: HeadraceError, level: int) -> None:
        _log.log(level, "again later: %s", error, extra={"action": "controller.turn_failed", **whose.fields})
        self._count(whose, "failed")
        self.turns.failed(whose)

    def _count(self, whose: Whose, outcome: str) -> None:
        self._meter.count(catalogue.TURNS, whose.kind.name, outcome)

    async def _take_turns(self) -> None:
        while True:
            await self.turn(await self.turns.next())

    async def _lay_ground(self) -> None:
        """Make the platform's bucket once this process leads.

        Its object is the last of a deployment, and the receivers before it are not ready without a bucket.
        """
        while not await self.lay_ground():
            await self._sleep(STANDBY_SECONDS)

    async def lay_ground(self) -> bool:
        """Make the platform's bucket, if this process may act; whether it is there."""
        if not self._world.leading():
            return False
        try:
            await self._world.hands.ensure_bucket(self._world.settings.platform_bucket)
        except HeadraceError as error:
            extra = {"action": "controller.ground_failed"}
            _log.warning("the platform's bucket is not made: %s", error, extra=extra)
            return False
        return True

    async def _count_files(self) -> None:
        while True:
            rest = REST_SECONDS
            try:
                rest = await self.count()
            except Exception:  # noqa: BLE001  (the loop's top: it must outlive every fault)
                _log.exception("unexpected", extra={"action": "controller.defect"})
            await self._sleep(rest)

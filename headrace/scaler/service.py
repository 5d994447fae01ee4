"""The scaler as a service: observe, decide, act, tell. All that it touches comes in as ports."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError
from headrace.model.function import Function
from headrace.model.observation import Finished
from headrace.model.pool import NodePool
from headrace.model.tenancy import tenant_of
from headrace.model.tenant import Tenant
from headrace.nodes.port import NodeDriver
from headrace.queue.port import Backlog, Queue
from headrace.scaler.decide import decide
from headrace.scaler.fleet import Fleet
from headrace.scaler.learning import ServiceHistory
from headrace.scaler.memory import FunctionMemory, Remembered
from headrace.scaler.observing import (
    EMPTY,
    Course,
    Sight,
    followed,
    held_views,
    tenant_view,
    worker_views,
)
from headrace.scaler.plan import Plan
from headrace.scaler.ports import Keeper, Present, Wanted, Wishes, WorkerHost
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import Leaving, Snapshot, TenantView, WorkerView
from headrace.scaler.turns import with_room

KEEP_SECONDS = 5.0  # between two writings of what is remembered

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """One step: when, what was seen, what was decided, and how many seconds that took to compute."""

    moment: float
    snapshot: Snapshot
    plan: Plan
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class World:
    """What the scaler sees and acts on. `drivers` by pool.

    `now` gives seconds since the epoch, `timer` on a clock that is fine and steady.
    """

    queue: Queue
    workers: WorkerHost
    drivers: Mapping[str, NodeDriver]
    wishes: Wishes
    keeper: Keeper
    now: Callable[[], float]
    timer: Callable[[], float] = time.perf_counter


class Scaler:
    """Decides again at each step. `tell` is called after each, once the plan was carried out."""

    def __init__(
        self,
        world: World,
        pools: Sequence[NodePool],
        *,
        settings: ScalerSettings,
        tell: Callable[[Decision], None],
        tenants: Sequence[Tenant] = (),
    ) -> None:
        self._world = world
        self._settings = settings
        self._tell = tell
        self._tenants = tuple(tenant_view(each) for each in tenants)
        self._kept = _read(world.keeper)
        self._kept_at = world.now()
        self._functions: dict[str, FunctionMemory] = dict(self._kept.functions)
        self._courses: dict[str, Course] = {}
        self._fleet = Fleet(pools, world.drivers, settings=settings, remembered=self._kept.pools)
        self._troubled = False
        self._served: dict[str, float] = {}  # by tenant: when it was last seen to have a worker
        self._left: Mapping[str, str] = {}
        self._told_left: frozenset[str] = frozenset()

    async def step(
        self, functions: Sequence[Function], *, left: Mapping[str, str] | None = None
    ) -> Decision | None:
        """One round. None: a fault, which is logged, kept it from being done; all stays as it is then.

        `left`: functions of which nobody can begin or end workers now, and why. They are left as they are,
        like those whose backlog can't be read while others' can.
        """
        self._left = left or {}
        try:
            decision = await self._decision(functions)
            await self._act(decision, functions)
            self._tell(decision)
            self._remember(decision.moment)
        except HeadraceError as error:
            if not self._troubled:
                _log.warning("all stays as it is: %s", error, extra={"action": "scaler.step_failed"})
            self._troubled = True
        except Exception:  # noqa: BLE001  (the loop's top: the scaler must outlive every fault)
            _log.exception("unexpected", extra={"action": "scaler.step_failed"})
        else:
            self._troubled = False
            return decision
        return None

    def close(self) -> None:
        """Keep what is remembered; call it at the end. A fault is logged."""
        self._keep(self._world.now())

    # Observe

    async def _decision(self, functions: Sequence[Function]) -> Decision:
        told, present, backlogs = await asyncio.gather(
            self._world.queue.told(), self._world.workers.present(), self._backlogs(functions)
        )
        now = self._world.now()
        self._tell_left(functions, backlogs)
        heard = _by_function(told)
        sights = tuple(
            self._sight(function, backlog, present, heard.get(function.name, ()), now)
            if isinstance(backlog, Backlog)
            else self._blind(function, str(backlog), present, heard.get(function.name, ()))
            for function, backlog in zip(functions, backlogs, strict=True)
        )
        self._fleet.heed(self._world.wishes, now)
        views = (worker for sight in sights for worker in sight.workers)
        serving = self._world.workers.remote().serving
        await self._fleet.look(_working(present, views) | serving, now)
        self._served |= dict.fromkeys(_having(sights, present, self._tenants), now)
        snapshot = with_room(self._snapshot(sights, _leaving(present), now), now)
        began = self._world.timer()
        plan = decide(snapshot, self._settings, now)
        return Decision(now, snapshot, plan, self._world.timer() - began)

    async def _backlogs(self, functions: Sequence[Function]) -> list[Backlog | HeadraceError]:
        """Of each function, or why it is left as it is. Raises the first fault where no backlog was read."""
        found = await asyncio.gather(*(self._backlog(function.name) for function in functions))
        asked = [
            each for function, each in zip(functions, found, strict=True) if function.name not in self._left
        ]
        faults = [each for each in asked if isinstance(each, HeadraceError)]
        if faults and len(faults) == len(asked):
            raise faults[0]
        return found

    async def _backlog(self, function: str) -> Backlog | HeadraceError:
        if function in self._left:
            return ConfigurationError(self._left[function])
        try:
            return await self._world.queue.backlog(function)
        except NotFoundError:
            return EMPTY  # the receiver makes its stream in a moment
        except HeadraceError as error:
            return error

    def _tell_left(self, functions: Sequence[Function], backlogs: Sequence[Backlog | HeadraceError]) -> None:
        """Log, by tenant, which functions are left as they are from now on, and which no more."""
        pairs = zip(functions, backlogs, strict=True)
        left = {each.name: str(found) for each, found in pairs if isinstance(found, HeadraceError)}
        by_tenant: dict[str, list[str]] = {}
        for name in sorted(left.keys() - self._told_left):
            by_tenant.setdefault(tenant_of(name), []).append(name)
        for tenant, names in by_tenant.items():
            extra = {"action": "scaler.left_alone", "tenant": tenant}
            _log.warning("%s: left as it is: %s", ", ".join(names), left[names[0]], extra=extra)
        if again := sorted({each.name for each in functions} & self._told_left - left.keys()):
            _log.info("%s: decided on again", ", ".join(again), extra={"action": "scaler.left_no_more"})
        self._told_left = frozenset(left)

    def _sight(
        self,
        function: Function,
        backlog: Backlog,
        present: Sequence[Present],
        heard: Sequence[Finished],
        now: float,
    ) -> Sight:
        name = function.name
        memory = self._functions.get(name, FunctionMemory())
        before = self._courses.get(name)
        files = sum(each.files for each in heard)
        course = (before or Course(backlog.tasks)).next(backlog, files, now)
        memory = FunctionMemory(
            _learned(memory.service, heard), followed(before, memory.arrivals, backlog, now=now)
        )
        self._courses[name] = course
        sight = self._sighted(function, memory, backlog, self._views(function, backlog, present, now))
        self._functions[name] = sight.forgetting(self._fleet.boot_seconds, now)
        return sight

    def _blind(
        self, function: Function, why: str, present: Sequence[Present], heard: Sequence[Finished]
    ) -> Sight:
        """Without its backlog; what was told of it is not lost for the next look that has one."""
        name = function.name
        memory = self._functions.get(name, FunctionMemory())
        self._functions[name] = memory = replace(memory, service=_learned(memory.service, heard))
        if course := self._courses.get(name):
            self._courses[name] = replace(course, told=course.told + sum(each.files for each in heard))
        return self._sighted(function, memory, EMPTY, held_views(_of(function, present)), left_alone=why)

    def _views(
        self, function: Function, backlog: Backlog | HeadraceError, present: Sequence[Present], now: float
    ) -> list[WorkerView]:
        own, course = _of(function, present), self._courses.get(function.name)
        if course is None or not isinstance(backlog, Backlog):
            return held_views(own)
        return worker_views(own, backlog, course, now)

    def _sighted(
        self,
        function: Function,
        memory: FunctionMemory,
        backlog: Backlog,
        workers: Sequence[WorkerView],
        *,
        left_alone: str = "",
    ) -> Sight:
        host = self._world.workers
        gpu = host.gpu(function)
        request = host.request(function, gpu.way)
        return Sight(
            function, memory, backlog, workers, host.takes(function), gpu, request,
            host.leaving_seconds(function), left_alone,
        )  # fmt: skip

    def _snapshot(self, sights: Sequence[Sight], leaving: Sequence[Leaving], now: float) -> Snapshot:
        boot, remote = self._fleet.boot_seconds, self._world.workers.remote()
        return Snapshot(
            functions=tuple(each.view(self._fleet.pools, boot_seconds=boot, now=now) for each in sights),
            pools=self._fleet.pool_views,
            nodes=self._fleet.views,
            workers=tuple(worker for each in sights for worker in each.workers),
            tenants=self._tenants,
            leaving=tuple(leaving),
            served=tuple(self._served.items()),
            remote=remote.rooms,
            standby=remote.standby,
        )

    # Act

    async def _act(self, decision: Decision, functions: Sequence[Function]) -> None:
        """Nodes to start and workers together, then nodes to stop that nobody works on by then."""
        plan, views = decision.plan, decision.snapshot.functions
        wanted = {
            view.name: Wanted(workers.on, view.request, view.way, function)
            for view, workers, function in zip(views, plan.workers, functions, strict=True)
        }
        starts = asyncio.gather(
            *(self._fleet.start(each.node, each.pool, decision.moment) for each in plan.start)
        )
        try:
            await self._world.workers.reconcile(wanted)
        finally:
            await starts
        working, now = await self._working(functions) if plan.stop else frozenset(), self._world.now()
        await asyncio.gather(
            *(
                self._fleet.stop(each.node, each.pool, busy=each.node in working, now=now)
                for each in plan.stop
            )
        )

    async def _working(self, functions: Sequence[Function]) -> frozenset[str]:
        """Nodes on which a worker has a file, and hosts whose GPUs somebody holds, now."""
        present, backlogs = await asyncio.gather(self._world.workers.present(), self._backlogs(functions))
        now = self._world.now()
        views = (
            worker
            for function, backlog in zip(functions, backlogs, strict=True)
            for worker in self._views(function, backlog, present, now)
        )
        return _working(present, views) | self._world.workers.remote().serving

    # Remember

    def _remember(self, now: float) -> None:
        if now - self._kept_at >= KEEP_SECONDS:
            self._keep(now)

    def _keep(self, now: float) -> None:
        """A memory that can't be written is no reason to stop; it is tried again later."""
        self._kept_at = now
        remembered = Remembered(functions=dict(self._functions), pools=self._fleet.memory)
        if remembered == self._kept:
            return
        try:
            self._world.keeper.keep(remembered)
            self._kept = remembered
        except OSError as error:
            _log.warning("what was learned is not kept: %s", error, extra={"action": "scaler.keep_failed"})


def _read(keeper: Keeper) -> Remembered:
    try:
        return keeper.read()
    except OSError as error:
        _log.warning("what was learned is not known: %s", error, extra={"action": "scaler.read_failed"})
        return Remembered()


def _of(function: Function, present: Sequence[Present]) -> list[Present]:
    return [worker for worker in present if worker.function == function.name and not worker.leaving]


def _leaving(present: Sequence[Present]) -> list[Leaving]:
    return [Leaving(each.name, each.tenant, each.charge) for each in present if each.leaving]


def _having(
    sights: Iterable[Sight], present: Iterable[Present], tenants: Iterable[TenantView]
) -> frozenset[str]:
    """The tenants that have a worker, one that leaves included; "" for all that are not declared."""
    staying = {each.function.metadata.namespace or "" for each in sights if each.workers}
    leaving = {each.tenant for each in present if each.leaving}
    declared = {each.name for each in tenants}
    return frozenset(name if name in declared else "" for name in staying | leaving)


def _working(present: Sequence[Present], views: Iterable[WorkerView]) -> frozenset[str]:
    """Nodes on which a worker has a file; whoever is leaving may have one still."""
    leaving = {worker.node for worker in present if worker.leaving}
    return frozenset(leaving | {worker.node for worker in views if worker.busy})


def _by_function(told: Sequence[Finished]) -> dict[str, list[Finished]]:
    heard: dict[str, list[Finished]] = {}
    for each in told:
        heard.setdefault(each.function, []).append(each)
    return heard


def _learned(service: ServiceHistory, heard: Sequence[Finished]) -> ServiceHistory:
    for each in heard:
        service = service.observed(each.files, each.bytes, each.seconds)
        if each.load_seconds is not None:
            service = service.started(each.load_seconds)
    return service

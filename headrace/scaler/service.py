"""The scaler as a service: observe, decide, act, tell. All that it touches comes in as ports."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.function import Function
from headrace.model.observation import Finished
from headrace.model.pool import NodePool
from headrace.model.tenant import Tenant
from headrace.nodes.port import NodeDriver
from headrace.queue.port import Backlog, Queue
from headrace.scaler.decide import decide
from headrace.scaler.fleet import Fleet
from headrace.scaler.learning import ServiceHistory
from headrace.scaler.memory import FunctionMemory, Remembered
from headrace.scaler.observing import EMPTY, Course, Sight, followed, tenant_view, worker_views
from headrace.scaler.plan import Plan
from headrace.scaler.ports import Keeper, Present, Wanted, Wishes, WorkerHost
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import Leaving, Snapshot, WorkerView
from headrace.scaler.turns import with_room

KEEP_SECONDS = 5.0  # between two writings of what is remembered

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """One step: when, what was seen, and what was decided."""

    moment: float
    snapshot: Snapshot
    plan: Plan


@dataclass(frozen=True, slots=True)
class World:
    """What the scaler sees and acts on. `drivers` by pool; `now` gives seconds since the epoch."""

    queue: Queue
    workers: WorkerHost
    drivers: Mapping[str, NodeDriver]
    wishes: Wishes
    keeper: Keeper
    now: Callable[[], float]


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

    async def step(self, functions: Sequence[Function]) -> Decision | None:
        """One round. None: a fault, which is logged, kept it from being done; all stays as it is then."""
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
        heard = _by_function(told)
        sights = tuple(
            self._sight(function, backlog, present, heard.get(function.name, ()), now)
            for function, backlog in zip(functions, backlogs, strict=True)
        )
        self._fleet.heed(self._world.wishes, now)
        views = (worker for sight in sights for worker in sight.workers)
        serving = self._world.workers.remote().serving
        await self._fleet.look(_working(present, views) | serving, now)
        snapshot = with_room(self._snapshot(sights, _leaving(present), now), now)
        return Decision(now, snapshot, decide(snapshot, self._settings, now))

    async def _backlogs(self, functions: Sequence[Function]) -> list[Backlog]:
        return await asyncio.gather(*(self._backlog(function.name) for function in functions))

    async def _backlog(self, function: str) -> Backlog:
        try:
            return await self._world.queue.backlog(function)
        except NotFoundError:
            return EMPTY  # the receiver makes its stream in a moment

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
        workers = worker_views(_of(function, present), backlog, course, now)
        host = self._world.workers
        gpu = host.gpu(function)
        request = host.request(function, gpu.way)
        sight = Sight(
            function, memory, backlog, workers, host.takes(function), gpu, request,
            host.leaving_seconds(function),
        )  # fmt: skip
        self._courses[name] = course
        self._functions[name] = sight.forgetting(self._fleet.boot_seconds, now)
        return sight

    def _snapshot(self, sights: Sequence[Sight], leaving: Sequence[Leaving], now: float) -> Snapshot:
        boot, remote = self._fleet.boot_seconds, self._world.workers.remote()
        return Snapshot(
            functions=tuple(each.view(self._fleet.pools, boot_seconds=boot, now=now) for each in sights),
            pools=self._fleet.pool_views,
            nodes=self._fleet.views,
            workers=tuple(worker for each in sights for worker in each.workers),
            tenants=self._tenants,
            leaving=tuple(leaving),
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
            for worker in worker_views(_of(function, present), backlog, self._courses[function.name], now)
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

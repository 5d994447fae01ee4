"""Files that are alike for the decision: one request, the same pools, and their jobs by deadline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from headrace.model.resources import ResourceList
from headrace.placement.packing import RemoteRoom, RemoteRooms
from headrace.placement.ways import NO_GPU, Way
from headrace.scaler.deciding.charges import Charges
from headrace.scaler.deciding.need import Job, Jobs, Times
from headrace.scaler.deciding.parties import Parties
from headrace.scaler.snapshot import FunctionView, PoolView, Snapshot

MOST_SEATS = 1000  # of one host that are counted


@dataclass(frozen=True)
class WorkClass:
    """Functions whose workers are interchangeable for a node: what they need, and where they may run.

    `tenant` is the one that is declared, or empty; `charge` is what a worker counts for with it.
    `homes` are the pools into whose nodes a worker fits, the cheapest a worker first; `way` is the same to
    GPUs. `server_boot_seconds`: what the slowest of the GPU servers takes that are off and may serve them;
    `seats` are workers that one host of a pool of GPU servers serves, by pool.
    """

    request: ResourceList
    homes: tuple[PoolView, ...]
    tenant: str
    priority: int
    functions: tuple[FunctionView, ...]
    charge: ResourceList
    way: Way = NO_GPU
    server_boot_seconds: float = 0.0
    seats: Mapping[str, int] = field(default_factory=dict)

    @property
    def home(self) -> PoolView:
        """The pool whose boot the promise counts with."""
        return self.homes[0]

    @property
    def workers_a_node(self) -> int:
        """How many fill a node of the home pool."""
        return self.request.count_in(self.home.capacity)

    def workers_on(self, pool: PoolView) -> int:
        """How many one node of a pool is enough for: it holds them, or serves them GPUs."""
        return self.seats.get(pool.name) or self.request.count_in(pool.capacity)

    @property
    def name(self) -> str:
        return ", ".join(function.name for function in self.functions)

    @cached_property
    def files(self) -> int:
        """How many wait."""
        return sum(function.files_waiting for function in self.functions)

    @cached_property
    def oldest(self) -> float:
        """When the oldest waiting file arrived. Raises ValueError when none waits."""
        return min(function.waiting[0].arrived for function in self.functions if function.waiting)

    @cached_property
    def wait_seconds(self) -> float:
        """The shortest promise of those functions that have files waiting, or else of all."""
        waiting = [f.max_wait_seconds for f in self.functions if f.waiting]
        return min(waiting or [f.max_wait_seconds for f in self.functions])

    @cached_property
    def start_seconds(self) -> float:
        """What the slowest worker's start takes, of those functions that have files waiting."""
        return max((f.service.start_seconds for f in self.functions if f.waiting), default=0.0)

    @property
    def running(self) -> int:
        """Files in work."""
        return sum(len(function.running) for function in self.functions)

    @property
    def most_workers(self) -> int:
        """What the functions with files allow together, never more than there are files in hand."""
        return sum(min(f.max_workers, len(f.running) + f.files_waiting) for f in self.functions)

    @cached_property
    def recent(self) -> "Arrivals":
        """What arrived of all functions lately."""
        rows = [
            (files.arrived, files.count, function.service.seconds(files.count, files.bytes))
            for function in self.functions
            for files in function.recent
        ]
        return Arrivals(*np.array(rows, dtype=np.float64).reshape(-1, 3).T)

    @cached_property
    def jobs(self) -> Jobs:
        """The waiting files by deadline: arrival + the promise + the usual boot, a node's or a server's."""
        boot = max(self.home.boot.usual_seconds, self.server_boot_seconds)
        return Jobs.of(
            Job(files.arrived + function.max_wait_seconds + boot, files.count, seconds, seconds / files.count)
            for function in self.functions
            for files in function.waiting
            for seconds in (function.service.seconds(files.count, files.bytes),)
        )


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What arrived lately, worked or not: a column for times, files and seconds of work."""

    times: Times
    files: Times
    seconds: Times

    def since(self, time: float) -> tuple[float, float]:
        """Files and seconds of work that arrived from a time on."""
        late = self.times >= time
        return float(self.files[late].sum()), float(self.seconds[late].sum())


def classes(
    snapshot: Snapshot, charges: Charges, parties: Parties
) -> tuple[tuple[WorkClass, ...], tuple[FunctionView, ...]]:
    """All classes, the first to be served first, and the functions that fit no pool.

    The tenant whose share is least goes first; of one tenant the higher priority, then what fewest pools
    serve: those that have a choice are to leave it the nodes that were ordered for it; then the request that
    fewest of its home's nodes hold: the large ones are packed before the small. Paused functions have no
    class.
    """
    pools = {pool.name: pool for pool in snapshot.pools}
    declared = {tenant.name for tenant in snapshot.tenants}
    groups: dict[tuple[object, ...], list[FunctionView]] = {}
    homeless: list[FunctionView] = []
    homes: dict[tuple[object, ...], tuple[PoolView, ...]] = {}
    for function in snapshot.functions:
        if function.paused:
            continue
        tenant = function.tenant if function.tenant in declared else ""
        key = (function.request, function.pools, tenant, function.priority, function.way)
        if key not in homes:
            homes[key] = _homes(function, pools)
        (groups.setdefault(key, []) if homes[key] else homeless).append(function)
    boots = _server_boots(snapshot, pools)
    found = [
        WorkClass(
            first.request, homes[key], str(key[2]), first.priority, (first, *others), charges.of(first),
            first.way,
            max((boots.get(server, 0.0) for server in first.way.servers), default=0.0),
            _seats(snapshot, first.way),
        )
        for key, (first, *others) in groups.items()
    ]  # fmt: skip
    found.sort(key=lambda each: (parties.of(each.functions[0]).standing, _turn(each)))
    return tuple(found), tuple(homeless)


def _server_boots(snapshot: Snapshot, pools: Mapping[str, PoolView]) -> Mapping[str, float]:
    """By server that is off: the usual boot of its host, in seconds."""
    of_host = {
        node.name: pools[node.pool].boot.usual_seconds for node in snapshot.nodes if node.pool in pools
    }
    return {room.server: of_host[room.host] for room in snapshot.standby if room.host in of_host}


def _seats(snapshot: Snapshot, way: Way) -> Mapping[str, int]:
    """By pool of GPU servers: workers that go this way and find room on one host with nobody else there."""
    pool_of = {node.name: node.pool for node in snapshot.nodes}
    by_host: dict[str, list[RemoteRoom]] = {}
    for room in (*snapshot.remote, *snapshot.standby) if way.claim is not None else ():
        if room.host in pool_of and room.server in way.servers:
            by_host.setdefault(room.host, []).append(room)
    found: dict[str, int] = {}
    for host, rooms in by_host.items():
        fitting = RemoteRooms(rooms).fitting(way.claim, way.servers, MOST_SEATS) if way.claim else 0
        found[pool_of[host]] = max(fitting, found.get(pool_of[host], 0))
    return {pool: number for pool, number in found.items() if number}


def _homes(function: FunctionView, pools: Mapping[str, PoolView]) -> tuple[PoolView, ...]:
    fitting = [pools[n] for n in function.pools if n in pools and function.request.fits(pools[n].capacity)]
    return tuple(sorted(fitting, key=lambda pool: (price_a_worker(pool, function.request), pool.name)))


def price_a_worker(pool: PoolView, request: ResourceList) -> float:
    """Price of an hour of one worker on a node that is full of them."""
    return pool.price_per_hour / request.count_in(pool.capacity)


def _turn(each: WorkClass) -> tuple[int, int, int, str]:
    return (-each.priority, len(each.homes), each.request.count_in(each.home.capacity), each.name)


def serving(found: Sequence[WorkClass], pool: str) -> tuple[WorkClass, ...]:
    """The classes that may use a pool's nodes, or the GPUs that these serve."""
    return tuple(
        each for each in found if pool in each.seats or any(home.name == pool for home in each.homes)
    )

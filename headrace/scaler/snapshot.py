"""What a decision is made from: functions, files, workers, nodes and pools as they stand. Frozen values.

Times are seconds since the epoch, durations seconds. Whoever observes builds one; nothing here does I/O.
"""

from dataclasses import dataclass

from headrace.model.node import NodeState
from headrace.model.resources import NOTHING, ResourceList
from headrace.placement.packing import Place, RemoteRoom
from headrace.placement.ways import NEEDS_NONE, Choice, Way


@dataclass(frozen=True, slots=True)
class Files:
    """Files of one function that arrived at nearly the same time; `arrived` is that of the oldest."""

    arrived: float
    count: int
    bytes: int = 0  # of all of them


@dataclass(frozen=True, slots=True)
class Running:
    """A file in work: since when it computes, on which node, and its size."""

    started: float
    node: str
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class ServiceEstimate:
    """Seconds that a file of so many bytes takes on a warm worker, and what a worker's start takes."""

    start_seconds: float = 0.0  # from a worker's start to its first file
    file_seconds: float = 1.0
    seconds_per_byte: float = 0.0

    def seconds(self, files: int, size: int) -> float:
        """For `files` files of `size` bytes in all, one after another."""
        return files * self.file_seconds + size * self.seconds_per_byte


@dataclass(frozen=True, slots=True)
class BootEstimate:
    """What is known of a pool's boots."""

    usual_seconds: float  # their median: the promise's boot
    safe_seconds: float  # their 0.9 quantile: what planning counts with
    failing: bool = False  # some failed lately: leave room for another


@dataclass(frozen=True, slots=True)
class FunctionView:
    """One function.

    `request` is what a worker needs on a node, its sidecar included. `waiting` is oldest first, without
    files in work. `recent` has what arrived lately, worked or not, oldest first, at least as far back as
    the longest wait and boot. `silences` are the last 32 gaps between arrivals that were longer than a
    period. `pools` are those whose labels and taints suit it, whether a worker fits into their nodes or not.
    `left_alone` is why none of its workers shall come or go, for people; empty: they may. It is told as
    paused then, and all its workers as busy. `gpu` is how its workers come to GPUs, and why so.
    `leaving_seconds` is how long a worker that is told to end may go on with what it has in hand.
    """

    name: str
    request: ResourceList
    pools: tuple[str, ...]
    waiting: tuple[Files, ...] = ()
    running: tuple[Running, ...] = ()
    recent: tuple[Files, ...] = ()
    silences: tuple[float, ...] = ()
    last_arrival: float | None = None
    service: ServiceEstimate = ServiceEstimate()
    max_wait_seconds: float = 60.0
    min_workers: int = 0
    max_workers: int = 50
    idle_seconds: float = 60.0
    priority: int = 0
    tenant: str = ""
    paused: bool = False
    left_alone: str = ""
    gpu: Choice = NEEDS_NONE
    leaving_seconds: float = 20.0  # as on one machine; a pod has more

    @property
    def way(self) -> Way:
        """How its workers come to GPUs."""
        return self.gpu.way

    @property
    def files_waiting(self) -> int:
        """How many files wait."""
        return sum(files.count for files in self.waiting)


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node. `since` is when it got its state, `ordered` when it was last ordered to boot.

    `taken` is what workers can't use of what the pool says: others' pods have it, or it was never there.
    """

    name: str
    pool: str
    state: NodeState
    since: float
    ordered: float = 0.0
    enabled: bool = True
    failures: int = 0  # boots and stops that failed in a row
    joined: bool = False  # while booting: it is there, but lacks what its pool promises (a GPU's plugin)
    hindrance: str = ""  # while off: why it can't be started now
    taken: ResourceList = NOTHING

    @property
    def startable(self) -> bool:
        """Whether it is off and can be started."""
        return self.state is NodeState.OFF and self.enabled and not self.hindrance


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker: its function and node, whether it has a file, and since when that is so.

    `places` are the GPUs of servers that it holds. `gives`: it has a file, and is told as free so that it
    makes room for others.
    """

    name: str
    function: str
    node: str
    since: float
    busy: bool
    places: tuple[Place, ...] = ()
    gives: bool = False


@dataclass(frozen=True, slots=True)
class Leaving:
    """A worker that was told to end and is there still, whose function may be another by now, or gone.

    `charge` is what it holds of all that is counted of its tenant (see `headrace.scaler.deciding.charges`).
    """

    name: str
    tenant: str
    charge: ResourceList


@dataclass(frozen=True, slots=True)
class PoolView:
    """Nodes of one kind. `capacity` is what workers may use of one: daemon sets are taken off."""

    name: str
    capacity: ResourceList
    boot: BootEstimate
    price_per_hour: float = 1.0
    min_nodes: int = 0
    max_nodes: int = 100
    spare_nodes: int = 0
    max_booting: int = 0  # 0: no limit
    named: bool = False  # only nodes that are listed can be started: nobody makes new ones
    fixed: bool = False  # its nodes are always on, and nobody makes or switches any
    by_hand: str = ""  # of a fixed pool of nodes: the command by which a person adds one


@dataclass(frozen=True, slots=True)
class TenantView:
    """One tenant that is declared: its functions share by `weight` with those of others.

    Those of a higher `priority` come first. `bounds` are the most that its workers may take together, by what
    is counted (see `headrace.scaler.deciding.charges`); what is not named has no bound.
    """

    name: str
    weight: float = 1.0
    priority: int = 0
    bounds: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it, at one moment. Names are unique; nodes that are off are listed where they have a name.

    Functions of tenants that are not declared share as one, of weight 1. `leaving` are workers that were told
    to end and are there still: their room is the host's matter, but they count for quotas.

    `served`: by tenant when it was last seen to have a worker, as far as the observer knows; "" are functions
    whose tenant is not declared.

    `remote` are GPUs of servers, without what others than these workers hold of them; `standby` those of
    servers that are off, whose hosts are among the nodes.
    """

    functions: tuple[FunctionView, ...]
    pools: tuple[PoolView, ...]
    nodes: tuple[NodeView, ...] = ()
    workers: tuple[WorkerView, ...] = ()
    tenants: tuple[TenantView, ...] = ()
    leaving: tuple[Leaving, ...] = ()
    served: tuple[tuple[str, float], ...] = ()
    remote: tuple[RemoteRoom, ...] = ()
    standby: tuple[RemoteRoom, ...] = ()

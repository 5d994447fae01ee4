"""What was gathered, from all sources, as it stands at a moment. Frozen values; None: not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.model.function import Function
from headrace.model.observation import Standing
from headrace.model.pool import NodePool
from headrace.model.record import Ending, FailureRecord
from headrace.operations.gpus import Gpus
from headrace.queue.port import Backlog
from headrace.scaler.explaining import Explanation
from headrace.status.document import Source


@dataclass(frozen=True, slots=True)
class FunctionSeen:
    """One function as it is installed. `fault`: why it can't be worked; `remark`: what is unusual about it.

    `inputs` and `outputs` are addresses by the store's names.
    """

    name: str
    tenant: str
    function: Function | None
    digest: str = ""
    fault: str = ""
    remark: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """How files of a function ended (None stands for done), counted at a moment."""

    endings: Mapping[Ending | None, int]
    at: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Of every function that was counted, and the newest files of all that failed, newest first."""

    functions: Mapping[str, Counted] = field(default_factory=dict)
    failed: tuple[FailureRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What workers told last of themselves, by name, and on which node each is, where that is known."""

    standings: Mapping[str, Standing] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GpusSeen:
    """GPUs of a cluster, and by pod (namespace/name) whose worker it is."""

    gpus: Gpus
    functions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sight:
    """All of it. A function without an entry in `backlogs` was not asked, None there: it has no queue."""

    sources: tuple[Source, ...]
    functions: tuple[FunctionSeen, ...] | None = None
    backlogs: Mapping[str, Backlog | None] | None = None
    counts: Counts | None = None
    plan: Explanation | None = None
    plan_is_fresh: bool = False
    pools: Mapping[str, NodePool] | None = None
    heard: Heard | None = None
    gpus: GpusSeen | None = None

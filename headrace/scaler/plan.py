"""What shall be done, and why: actions that may be repeated, and the demand that can't be met."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ReasonCode(StrEnum):
    """Why something is done, or not; stable, for scripts."""

    PROMISE = "promise"  # so many nodes start all files in time, one fewer would not
    OVERDUE = "overdue"  # the promise is broken already: as soon as possible
    HELD = "held"  # waiting longer costs no further boot
    COMPANY = "company"  # waiting longer may bring files that share the boot
    FILES_WAIT = "files-wait"
    NOTHING_WAITS = "nothing-waits"
    NOT_WORTH_KEEPING = "not-worth-keeping"  # keeping it costs more than the boot that it may save
    WORTH_KEEPING = "worth-keeping"
    SPARE = "spare"
    CONSOLIDATION = "consolidation"  # it replaces dearer nodes
    MIN_NODES = "min-nodes"
    MIN_WORKERS = "min-workers"
    KEPT_WARM = "kept-warm"
    IDLE = "idle"
    PAUSED = "paused"
    LEFT_ALONE = "left-alone"  # it can't be told how much work it has: none of its workers comes or goes
    RECOVERY = "recovery"
    DRAINED = "drained"
    COOLDOWN = "cooldown"
    DISABLED = "disabled"
    LIMIT = "limit"  # max_nodes, max_booting or max_workers
    QUOTA = "quota"
    NO_CAPACITY = "no-capacity"  # whoever makes or switches nodes can't start one now
    SHARE = "share"  # a tenant has its fair share while others' files wait
    NO_POOL_FITS = "no-pool-fits"
    NO_ROOM = "no-room"  # on the nodes that are on
    NO_GPU_ROOM = "no-gpu-room"  # on the GPU servers
    WORKERS_FAILING = "workers-failing"  # they can't start, or end before their time
    POLICY = "policy"  # another policy's own rule, for comparison


@dataclass(frozen=True, slots=True)
class Reason:
    """A code, its figures by name, and the same for people."""

    code: ReasonCode
    text: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StartNode:
    """Order a node. Without effect when it is on or on its way; names are given in a fixed order."""

    node: str
    pool: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class StopNode:
    """Stop a node, if it is still idle then."""

    node: str
    pool: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers a function shall have, on the nodes that are on: node -> number."""

    function: str
    on: Mapping[str, int]
    reason: Reason

    @property
    def count(self) -> int:
        return sum(self.on.values())


@dataclass(frozen=True, slots=True)
class Unmet:
    """Files of a function for which nothing is done now, and why."""

    function: str
    files: int
    reason: Reason
    until: float | None = None  # when it is looked at again at the latest, where that is known


@dataclass(frozen=True, slots=True)
class Plan:
    """One decision, complete: what is not named stays as it is."""

    start: tuple[StartNode, ...] = ()
    stop: tuple[StopNode, ...] = ()
    workers: tuple[Workers, ...] = ()
    unmet: tuple[Unmet, ...] = ()
    kept: Mapping[str, Reason] = field(default_factory=dict)  # idle nodes that stay, and why

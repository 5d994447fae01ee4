"""What a simulated run came to: node-hours, cost, waits, boots, and its course for a plot. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from statistics import fmean


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from a file's arrival to the start of its computing, its last one if its node died under it.

    Over all files that started and were not lost again. Percentiles by nearest rank; all 0 without files.
    """

    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Waits":
        if not seconds:
            return cls()
        ordered = sorted(seconds)

        def rank(share: float) -> float:
            return ordered[max(0, ceil(share * len(ordered)) - 1)]

        return cls(fmean(ordered), rank(0.5), rank(0.95), rank(0.99), ordered[-1])


@dataclass(frozen=True, slots=True)
class TenantOutcome:
    """Of one tenant's files: how long they waited, and how many were late."""

    wait: Waits
    late: float


@dataclass(frozen=True, slots=True)
class Moment:
    """How it stood from `time` on: files waiting; nodes that serve, that boot, and that work a file."""

    time: float
    waiting: int
    on: int
    booting: int
    busy: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run.

    `node_hours` go from each order to power-off, failed boots included; `cost` is their price; `busy_hours`
    are those of nodes with a file in work. `late` files waited longer than maxWaitSeconds, the usual boot of
    the pool that worked them and one period. `boots` counts orders; `failed_boots` never came up;
    `surplus_boots` came up and never had a file; `deaths` are nodes that died while they served.
    `unfinished` files had not ended when the run did; those that never started are in no other figure.
    `tenants` are those of functions that have one.
    """

    node_hours: float
    busy_hours: float
    cost: float
    wait: Waits
    late: int
    boots: int
    surplus_boots: int
    failed_boots: int
    deaths: int
    unfinished: int
    tenants: Mapping[str, TenantOutcome] = field(default_factory=dict)
    timeline: tuple[Moment, ...] = ()

    def document(self, optimum_node_hours: float | None = None) -> dict[str, object]:
        """The stable JSON document, without the timeline; null where the optimum was not computed."""
        figures = asdict(self)
        del figures["timeline"]
        return {**figures, "optimum_node_hours": optimum_node_hours}

"""What a comparison tells. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.assessment.candidates import CPU
from headrace.assessment.measures import Measured
from headrace.assessment.plan import Plan

BY_SERVER, BY_WORKER = "server", "worker"  # who counted GPU seconds


@dataclass(frozen=True, slots=True)
class GpuSeconds:
    """Of one file. `counted_by` the `server`: its GPU computed so long; the `worker`: it held it so long."""

    a_file: float
    counted_by: str


@dataclass(frozen=True, slots=True)
class Price:
    """Of a thousand files, in the currency of the pools; None where something has no price, as `why` says."""

    a_thousand: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class WayResult:
    """One way. `start_seconds`: until its workers ran, nodes' boots included. `trouble`: why files have no
    result, empty where all have; `measured` is of those that have."""

    name: str
    told: str
    served_by: tuple[str, ...] = ()
    start_seconds: float | None = None
    measured: Measured | None = None
    gpu: GpuSeconds | None = None
    price: Price | None = None
    failed: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A way that the cluster does not have."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """All of them. `cheapest` and `fastest` name ways, the best first. `trouble`: what was not removed."""

    id: str
    function: str
    files: int
    workers: int
    ways: tuple[WayResult, ...]
    left_out: tuple[LeftOut, ...]
    cheapest: tuple[str, ...]
    fastest: tuple[str, ...]
    trouble: str = ""

    @property
    def good(self) -> bool:
        """Whether every file has a result by every way, and nothing was left behind."""
        return not self.trouble and not any(each.trouble for each in self.ways)


def assessment_of(plan: Plan, ways: Sequence[WayResult], trouble: str = "") -> Assessment:
    """The comparison, with the order of its ways: those that gave every result."""
    prices = [(each.price.a_thousand, each.name) for each in _whole(ways) if each.price]
    rates = [(-each.measured.files_a_second, each.name) for each in _whole(ways) if each.measured]
    known = [(price, name) for price, name in prices if price is not None]
    return Assessment(
        plan.id,
        plan.function.name,
        len(plan.files),
        plan.workers,
        tuple(ways),
        tuple(LeftOut(each.name, each.way.reason) for each in plan.left_out),
        tuple(name for _, name in sorted(known)) if len(known) == len(_whole(ways)) else (),
        tuple(name for _, name in sorted(rates)),
        trouble,
    )


def _whole(ways: Sequence[WayResult]) -> Sequence[WayResult]:
    return [each for each in ways if not each.trouble]


def access_order(names: Sequence[str]) -> tuple[str, ...]:
    """The ways as `gpu.access` has them: each kind once, none for the run without a GPU."""
    return tuple(dict.fromkeys(name.partition("-")[0] for name in names if name != CPU))

"""What simulated runs came to, as one value: policies beside one another, over one seed or several.

`Report.document` is the stable JSON document; words for people are those of the command.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from statistics import median

from headrace.scaler.simulation.optimum.cost import Proof
from headrace.scaler.simulation.outcome import Outcome, TenantOutcome, Waits
from headrace.scaler.simulation.scenario import Faults

Pick = Callable[[Sequence[float]], float]


class Method(StrEnum):
    """How the optimum was found."""

    WHOLE = "whole-nodes"  # whole nodes, for files that are alike, one worker a node
    FLUID = "fluid"  # a linear programme: parts of nodes, parts of boots


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The cheapest schedule of a trace, all arrivals known and nothing going wrong.

    `cost` is told where there are several pools, which differ in price: then it is the yardstick.
    """

    node_hours: float
    method: Method
    proof: Proof
    cost: float | None = None

    def ratio(self, outcome: Outcome) -> float:
        """How many times the optimum a run has cost."""
        return outcome.cost / self.cost if self.cost else outcome.node_hours / self.node_hours


@dataclass(frozen=True, slots=True)
class Figures:
    """A policy's figures, of one run (see Outcome) or over several seeds."""

    node_hours: float
    busy_hours: float
    cost: float
    wait: Waits
    late: float
    boots: float
    surplus_boots: float
    failed_boots: float
    deaths: float
    unfinished: float
    optimum_node_hours: float
    ratio: float  # to the optimum
    tenants: Mapping[str, TenantOutcome] = field(default_factory=dict)

    @classmethod
    def of(cls, outcome: Outcome, yardstick: Yardstick) -> "Figures":
        return cls(
            node_hours=outcome.node_hours,
            busy_hours=outcome.busy_hours,
            cost=outcome.cost,
            wait=outcome.wait,
            late=outcome.late,
            boots=outcome.boots,
            surplus_boots=outcome.surplus_boots,
            failed_boots=outcome.failed_boots,
            deaths=outcome.deaths,
            unfinished=outcome.unfinished,
            optimum_node_hours=yardstick.node_hours,
            ratio=yardstick.ratio(outcome),
            tenants=outcome.tenants,
        )

    @classmethod
    def over(cls, seeds: Sequence["Figures"], pick: Pick) -> "Figures":
        """Each figure by itself."""
        numbers = {
            each.name: pick([getattr(one, each.name) for one in seeds])
            for each in fields(cls)
            if each.name not in ("wait", "tenants")
        }
        names = sorted({name for one in seeds for name in one.tenants})
        tenants = {
            name: _tenant([one.tenants[name] for one in seeds if name in one.tenants], pick) for name in names
        }
        return cls(wait=_waits([one.wait for one in seeds], pick), tenants=tenants, **numbers)


def _waits(seeds: Sequence[Waits], pick: Pick) -> Waits:
    return Waits(**{each.name: pick([getattr(one, each.name) for one in seeds]) for each in fields(Waits)})


def _tenant(seeds: Sequence[TenantOutcome], pick: Pick) -> TenantOutcome:
    return TenantOutcome(_waits([one.wait for one in seeds], pick), pick([one.late for one in seeds]))


@dataclass(frozen=True, slots=True)
class Run:
    """One trace under all policies, and its optimum."""

    seed: int
    files: int
    yardstick: Yardstick
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was simulated: the trace's origin, functions and pools by name, faults, and wait_worth."""

    trace: str
    functions: Sequence[str]
    pools: Sequence[str]
    unused_pools: Sequence[str] = ()
    faults: Faults = field(default_factory=Faults)
    wait_worth: float = 0.1


@dataclass(frozen=True, slots=True)
class Report:
    """All runs, one a seed, with the same policies in the same order."""

    simulated: Simulated
    runs: Sequence[Run]

    @property
    def policies(self) -> tuple[str, ...]:
        return tuple(self.runs[0].outcomes)

    def usual(self, policy: str) -> Figures:
        """A policy's figures, each the median over the seeds."""
        return self._over_seeds(policy, median)

    def worst(self, policy: str) -> Figures:
        """A policy's figures, each the greatest over the seeds."""
        return self._over_seeds(policy, max)

    def document(self) -> dict[str, object]:
        """The stable document; a policy has `worst` where there are several seeds."""
        several = len(self.runs) > 1
        return {
            "simulated": {**asdict(self.simulated), "runs": [_told(run) for run in self.runs]},
            "policies": {
                name: {
                    **asdict(self.usual(name)),
                    **({"worst": asdict(self.worst(name))} if several else {}),
                }
                for name in self.policies
            },
        }

    def _over_seeds(self, policy: str, pick: Pick) -> Figures:
        return Figures.over([Figures.of(run.outcomes[policy], run.yardstick) for run in self.runs], pick)


def _told(run: Run) -> dict[str, object]:
    return {"seed": run.seed, "files": run.files, "optimum": asdict(run.yardstick)}

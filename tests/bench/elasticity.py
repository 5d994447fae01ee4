"""The scaler against the optimum: node-hours, waits, faults, and the time that a decision takes.

Runs the simulator on made traces; the promise, the boot and the workloads are those of the goals. Simulated
time, so that a noisy machine changes nothing but how long it takes.
"""

import os
import statistics
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache

from headrace.model.resources import ResourceList
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.simulation.engine import simulate
from headrace.scaler.simulation.generators import WORKLOADS
from headrace.scaler.simulation.optimum.cost import DueFile
from headrace.scaler.simulation.optimum.fluid import fluid_optimum
from headrace.scaler.simulation.optimum.whole import whole_optimum
from headrace.scaler.simulation.outcome import Outcome
from headrace.scaler.simulation.policies import POLICIES
from headrace.scaler.simulation.policies.headrace import HeadracePolicy
from headrace.scaler.simulation.setting import Setting, SimFunction, SimPool
from headrace.scaler.simulation.trace import Trace
from headrace.scaler.snapshot import BootEstimate, PoolView

SEEDS = 20
PEER_SEEDS = 3  # of the policies to compare with
MOST_NODES = 300
PERIOD_SECONDS = 10.0
WHOLE = frozenset({"bursts-60", "bursts-2", "trickle"})  # against whole nodes; the others against the LP
WORKER = ResourceList.of({"cpu": 1000})
FOUR = ResourceList.of({"cpu": 4000})


@dataclass(frozen=True, slots=True)
class Case:
    """One run: a workload and its seed, promise and boot in seconds, a policy, faults of the pool."""

    workload: str
    seed: int = 0
    wait_seconds: float = 300.0
    boot_seconds: float = 150.0
    policy: str = "headrace"
    wait_worth: float = 0.1
    believed_factor: float = 1.0
    faults: tuple[tuple[str, float], ...] = ()
    told_boot_seconds: float | None = None  # what the scaler is told of the boot; none: the truth


@dataclass(frozen=True, slots=True)
class Run:
    """What a case came to; `ratio` is node-hours to the optimum's."""

    case: Case
    outcome: Outcome
    optimum_seconds: float
    files: int

    @property
    def ratio(self) -> float:
        return self.outcome.node_hours * 3600 / self.optimum_seconds

    @property
    def late(self) -> float:
        """The share of files that started too late."""
        return self.outcome.late / self.files


def run(case: Case) -> Run:
    """Simulate a case and compute its yardstick."""
    trace = WORKLOADS[case.workload](case.seed)
    policy = HeadracePolicy(ScalerSettings(wait_worth=case.wait_worth))
    decider = policy if case.policy == "headrace" else POLICIES[case.policy]()
    outcome = simulate(trace, setting(case, trace), decider)
    boot = case.boot_seconds + dict(case.faults).get("device_delay_seconds", 0.0)
    optimum = optimum_seconds(case.workload, case.seed, case.wait_seconds, boot)
    return Run(case, replace(outcome, timeline=()), optimum, len(trace.arrivals))


def run_all(cases: Iterable[Case]) -> list[Run]:
    """All cases, on all cores."""
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(run, cases))


def setting(case: Case, trace: Trace) -> Setting:
    """One pool of nodes of one worker; of four for the mixture."""
    told = case.told_boot_seconds or case.boot_seconds
    view = PoolView(
        "nodes",
        FOUR if case.workload == "mix" else WORKER,
        BootEstimate(told, told),
        max_nodes=MOST_NODES,
    )
    functions = tuple(
        SimFunction(
            name,
            WORKER,
            ("nodes",),
            max_wait_seconds=case.wait_seconds,
            max_workers=10**6,
            believed_factor=case.believed_factor,
        )
        for name in sorted({arrival.function for arrival in trace.arrivals})
    )
    pool = SimPool(view, boot_seconds=case.boot_seconds, **dict(case.faults))
    return Setting(functions, (pool,), period_seconds=PERIOD_SECONDS, seed=case.seed)


@lru_cache(maxsize=64)
def optimum_seconds(workload: str, seed: int, wait_seconds: float, boot_seconds: float) -> float:
    """The yardstick of a workload, the same for every policy."""
    arrivals = WORKLOADS[workload](seed).arrivals
    if workload in WHOLE:
        return whole_optimum(
            [arrival.time for arrival in arrivals],
            service_seconds=arrivals[0].service_seconds,
            max_wait_seconds=wait_seconds,
            boot_seconds=boot_seconds,
        ).node_seconds
    due = [DueFile(a.time, a.time + wait_seconds + boot_seconds, a.service_seconds) for a in arrivals]
    workers = 4 if workload == "mix" else 1
    return fluid_optimum(due, boot_seconds=boot_seconds, workers_per_node=workers).node_seconds


@dataclass(frozen=True, slots=True)
class Summary:
    """Runs of one cell of a table."""

    runs: Sequence[Run] = field(default_factory=tuple)

    @property
    def ratio(self) -> float:
        return statistics.median(run.ratio for run in self.runs)

    @property
    def worst(self) -> float:
        return max(run.ratio for run in self.runs)

    @property
    def wait(self) -> float:
        return statistics.median(run.outcome.wait.mean for run in self.runs)

    @property
    def greatest_wait(self) -> float:
        return max(run.outcome.wait.max for run in self.runs)

    @property
    def late(self) -> float:
        return max(run.late for run in self.runs)

    @property
    def boots(self) -> float:
        return statistics.median(run.outcome.boots for run in self.runs)

    @property
    def surplus(self) -> int:
        return sum(run.outcome.surplus_boots for run in self.runs)

    @property
    def unfinished(self) -> int:
        return sum(run.outcome.unfinished for run in self.runs)


def summaries(cases: Sequence[Case], runs: Sequence[Run]) -> dict[Case, Summary]:
    """By case with its seed left out."""
    found: dict[Case, list[Run]] = {}
    for case, each in zip(cases, runs, strict=True):
        found.setdefault(replace(case, seed=0), []).append(each)
    return {case: Summary(tuple(each)) for case, each in found.items()}


def measured(cases: Iterable[Case], seeds: int) -> dict[Case, Summary]:
    """Each case over so many seeds."""
    wanted = [replace(case, seed=seed) for case in cases for seed in range(seeds)]
    return summaries(wanted, run_all(wanted))

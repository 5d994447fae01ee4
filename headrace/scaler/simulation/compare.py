"""Runs policies beside one another: every seed, every policy, and the optimum. Needs the extra `simulate`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.model.function import Function
from headrace.model.pool import NodePool
from headrace.model.tenant import Tenant
from headrace.scaler.plan import Plan
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.simulation.engine import Decider, simulate
from headrace.scaler.simulation.policies import POLICIES
from headrace.scaler.simulation.policies.headrace import HeadracePolicy
from headrace.scaler.simulation.report import Report, Run, Simulated
from headrace.scaler.simulation.scenario import Faults, setting_of
from headrace.scaler.simulation.trace import Trace
from headrace.scaler.simulation.yardstick import yardstick
from headrace.scaler.snapshot import Snapshot

OWN = "headrace"

Watch = Callable[[str, float], None]  # told what is running, and which share of the trace has passed


@dataclass(frozen=True, slots=True)
class Case:
    """All that is to be simulated, but the seeds. `origin` names where traces come from."""

    origin: str
    trace_at: Callable[[int], Trace]  # of a seed
    functions: Sequence[Function]
    pools: Sequence[NodePool]
    faults: Faults
    settings: ScalerSettings
    policies: Sequence[str]
    tenants: Sequence[Tenant] = ()

    def decider(self, name: str) -> Decider:
        """A new one of a policy."""
        return HeadracePolicy(self.settings) if name == OWN else POLICIES[name]()


def compare(case: Case, seeds: Sequence[int], watch: Watch) -> Report:
    """Run all. Raises ConfigurationError for a trace that functions and pools do not suit, before any run."""
    first = case.trace_at(seeds[0])
    setting = setting_of(
        first, case.functions, case.pools, tenants=case.tenants, faults=case.faults, seed=seeds[0]
    )
    used = [pool.name for pool in setting.pools]
    simulated = Simulated(
        case.origin,
        [function.name for function in setting.functions],
        used,
        [pool.name for pool in case.pools if pool.name not in used],
        case.faults,
        case.settings.wait_worth,
    )
    return Report(simulated, [_run(case, seed, watch) for seed in seeds])


def _run(case: Case, seed: int, watch: Watch) -> Run:
    trace = case.trace_at(seed)
    setting = setting_of(
        trace, case.functions, case.pools, tenants=case.tenants, faults=case.faults, seed=seed
    )
    end = trace.arrivals[-1].time or 1.0
    outcomes = {
        name: simulate(trace, setting, _Watched(case.decider(name), f"seed {seed}: {name}", end, watch))
        for name in case.policies
    }
    watch(f"seed {seed}: the optimum", 1.0)
    return Run(seed, len(trace.arrivals), yardstick(trace, setting), outcomes)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A policy whose progress is told."""

    decider: Decider
    name: str
    end_seconds: float
    watch: Watch

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        self.watch(self.name, min(1.0, now / self.end_seconds))
        return self.decider.decide(snapshot, now)

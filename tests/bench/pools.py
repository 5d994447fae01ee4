"""Two pools side by side: spot and on demand, and nodes of one and of four GPUs."""

import os
import statistics
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product

from headrace.model.resources import GPU, ResourceList
from headrace.scaler.simulation.engine import simulate
from headrace.scaler.simulation.generators import WORKLOADS
from headrace.scaler.simulation.outcome import Outcome
from headrace.scaler.simulation.policies.headrace import HeadracePolicy
from headrace.scaler.simulation.setting import Setting, SimFunction, SimPool
from headrace.scaler.simulation.yardstick import yardstick
from headrace.scaler.snapshot import BootEstimate, PoolView
from tests.bench.figures import Spread, table

SEEDS = 6
WORKLOADS_OF_POOLS = {"bursts-60": "8 x 200 x 60 s", "diurnal": "diurnal", "flash": "flash crowd"}
ONE, FOUR = ResourceList.of({GPU: 1}), ResourceList.of({GPU: 4})


def pool(name: str, capacity: ResourceList, price: float, *, most: int = 300) -> SimPool:
    """Nodes that boot in 150 s."""
    view = PoolView(name, capacity, BootEstimate(150.0, 150.0), price_per_hour=price, max_nodes=most)
    return SimPool(view, boot_seconds=150.0)


PAIRS: Mapping[str, tuple[SimPool, SimPool]] = {
    "spot 0.3 (at most 20 nodes), on demand 1": (
        pool("spot", ONE, 0.3, most=20),
        pool("on-demand", ONE, 1.0),
    ),
    "spot 0.3 (no limit), on demand 1": (pool("spot", ONE, 0.3), pool("on-demand", ONE, 1.0)),
    "1 GPU 1, 4 GPUs 3.2": (pool("one", ONE, 1.0), pool("four", FOUR, 3.2)),
    "4 GPUs 4, no other": (pool("four", FOUR, 4.0), pool("none", FOUR, 100.0)),
}


def measured_pools() -> str:
    """The section of the page."""
    cells = list(product(PAIRS, WORKLOADS_OF_POOLS))
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as executor:
        found = dict(zip(cells, executor.map(partial(_cell, seeds=SEEDS), cells), strict=True))
    rows = [[name, *(found[name, workload] for workload in WORKLOADS_OF_POOLS)] for name in PAIRS]
    return (
        "### Two pools\n\n"
        "Cost through a lower bound of it (all work fluid, where it is cheapest, no limit), median (and "
        f"spread) of {SEEDS} seeds; mean wait; greatest wait. maxWaitSeconds 300, boot 150 s; prices are a "
        "node's an hour.\n\n" + table(["pools and prices", *WORKLOADS_OF_POOLS.values()], rows)
    )


def _cell(cell: tuple[str, str], *, seeds: int) -> str:
    runs = [_run(*cell, seed) for seed in range(seeds)]
    ratio = Spread.of([outcome.cost / least for outcome, least in runs])
    wait = statistics.median(outcome.wait.mean for outcome, _ in runs)
    return f"{ratio.told()}; {wait:.0f}; {max(outcome.wait.max for outcome, _ in runs):.0f}"


def _run(name: str, workload: str, seed: int) -> tuple[Outcome, float]:
    """A run's outcome, and the least cost."""
    trace, pools = WORKLOADS[workload](seed), PAIRS[name]
    names = sorted({arrival.function for arrival in trace.arrivals})
    homes = tuple(each.name for each in pools)
    functions = tuple(
        SimFunction(function, ONE, homes, max_wait_seconds=300.0, max_workers=10**6) for function in names
    )
    setting = Setting(functions, pools, seed=seed)
    least = yardstick(trace, setting).cost
    if least is None:
        raise RuntimeError(f"{name}: no bound on the cost")
    return simulate(trace, setting, HeadracePolicy()), least

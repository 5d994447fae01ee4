"""One tenant floods, another trickles: how long the other's files wait, with and without fair shares.

Twice: in the event-driven simulator over many seeds, and under the real scaler's rounds, where workers with
long queues have to end for another's sake, on nodes and a queue in memory.
"""

import asyncio
import json
import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from matplotlib.figure import Figure

from headrace.model.resources import ResourceList
from headrace.model.tenant import Tenant
from headrace.scaler.simulation.engine import simulate
from headrace.scaler.simulation.generators import WORKLOADS
from headrace.scaler.simulation.outcome import Waits
from headrace.scaler.simulation.policies.headrace import HeadracePolicy
from headrace.scaler.simulation.setting import Setting, SimFunction, SimPool
from headrace.scaler.snapshot import BootEstimate, PoolView, TenantView
from tests.bench.figures import table
from tests.fixtures.lab import Lab, lab_function, lab_pool

SEEDS, LAB_SEEDS = 10, 3
WAIT, BOOT = 60.0, 150.0
LAB_BOOT = 60.0
FLOOD_SECONDS = (10.0, 60.0, 600.0)  # of a file of the flood, under the real scaler
LAB_MINUTES = 40
IMAGES = Path(__file__).parents[2] / "docs" / "images"
SHARED = {True: "shares", False: "none"}


@dataclass(frozen=True, slots=True)
class Found:
    """What became of both tenants' files; `late` of those that trickle."""

    flood: Waits
    thin: Waits
    late: int
    node_hours: float = 0.0


async def page(base: Path) -> str:
    """The section; `base` is not used, nothing is left on disk but the plot."""
    del base
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as executor:
        simulated = list(product((True, False), (1, 3), range(SEEDS)))
        runs = dict(zip(simulated, executor.map(_simulated, *zip(*simulated, strict=True)), strict=True))
        worked = list(product((True, False), FLOOD_SECONDS, range(LAB_SEEDS)))
        labs = dict(zip(worked, executor.map(_worked, *zip(*worked, strict=True)), strict=True))
    _draw(labs[True, 60.0, 0], labs[False, 60.0, 0])
    return "\n".join(
        [
            "## Two tenants, one floods\n",
            _told_of_runs(runs),
            _told_of_labs({case: _found(starts) for case, starts in labs.items()}),
        ]
    )


def _told_of_runs(runs: dict[tuple[bool, int, int], Found]) -> str:
    rows = []
    for size, shared in product((1, 3), (True, False)):
        found = [runs[shared, size, seed] for seed in range(SEEDS)]
        late = sum(each.late for each in found)
        hours = statistics.median(each.node_hours for each in found)
        waits = *_row([each.thin for each in found]), str(late), *_row([each.flood for each in found])
        rows.append([str(size), SHARED[shared], *waits, f"{hours:.1f}"])
    names = "slots,tenants,p50,p99,greatest,late,flood p50,flood p99,flood greatest,node-hours"
    return (
        "Simulated, `headrace simulate --workload flood`: three times in six hours 3,000 files of 60 s come "
        "at once, each in one slot; of another tenant a file of 10 s every other minute, in one slot or "
        f"three. At most 20 nodes of four slots, maxWaitSeconds {WAIT:.0f}, boot {BOOT:.0f} s. Waits in "
        f"seconds of the files that trickle, then of the flood: medians over {SEEDS} seeds, the greatest of "
        "all of them, late files of all of them. Without tenants the simulator serves by deadline alone.\n\n"
        + table(names.split(","), rows)
    )


def _told_of_labs(labs: dict[tuple[bool, float, int], Found]) -> str:
    rows = []
    for seconds, shared in product(FLOOD_SECONDS, (True, False)):
        found = [labs[shared, seconds, seed] for seed in range(LAB_SEEDS)]
        late = sum(each.late for each in found)
        rows.append([f"{seconds:.0f} s", SHARED[shared], *_row([each.thin for each in found]), str(late)])
    head = ["a file of the flood", "tenants", "p50", "p99", "greatest", "late"]
    return (
        "Under the real scaler's rounds (a step every 2 s; nodes, queue and workers in memory): half an hour "
        "of work for four nodes of four cores at once, and of another tenant a file of 5 s every 90 s. "
        f"maxWaitSeconds {WAIT:.0f}, boot {LAB_BOOT:.0f} s, {LAB_SEEDS} seeds. Without tenants functions go "
        "round, but a worker with a file of more than 20 s makes room for none. Files that have not begun at "
        "the end count with their wait until then.\n\n"
        + table(head, rows)
        + "\n![Waits of the files that trickle](images/tenants.svg)\n"
    )


def _row(waits: Sequence[Waits]) -> list[str]:
    return [
        f"{statistics.median(each.p50 for each in waits):.0f}",
        f"{statistics.median(each.p99 for each in waits):.0f}",
        f"{max(each.max for each in waits):.0f}",
    ]


# Simulated


def _simulated(shared: bool, size: int, seed: int) -> Found:
    view = PoolView("p", ResourceList.of({"slot": 4}), BootEstimate(BOOT, BOOT), max_nodes=20)
    functions = tuple(
        SimFunction(
            name, ResourceList.of({"slot": slots}), ("p",), max_wait_seconds=WAIT, max_workers=1000,
            tenant=tenant,
        )
        for name, slots, tenant in (("flood", 1, "lab"), ("trickle", size, "ward"))
    )  # fmt: skip
    tenants = (TenantView("lab"), TenantView("ward")) if shared else ()
    setting = Setting(functions, (SimPool(view, BOOT),), tenants)
    outcome = simulate(WORKLOADS["flood"](seed), setting, HeadracePolicy())
    lab, ward = outcome.tenants["lab"], outcome.tenants["ward"]
    return Found(lab.wait, ward.wait, int(ward.late), outcome.node_hours)


# Under the real scaler

Starts = dict[str, list[tuple[float, float]]]  # by function: minutes until arrival, seconds of wait


def _worked(shared: bool, seconds: float, seed: int) -> Starts:
    return asyncio.run(_work(seed, shared=shared, seconds=seconds))


async def _work(seed: int, *, shared: bool, seconds: float) -> Starts:
    tenants = [Tenant.from_json(json.dumps({"name": name})) for name in ("lab", "ward")]
    lab = Lab(
        [lab_function("flood", "lab"), lab_function("thin", "ward")],
        lab_pool(nodes=4, cpu=4, boot_seconds=LAB_BOOT),
        tenants=tenants if shared else (),
        seconds={"flood": seconds, "thin": 5.0},
    )
    chance, began = Random(seed), lab.clock.now()
    await lab.put("thin", 0)
    await lab.put("flood", int(16 * 1800 / seconds))
    following = began + chance.expovariate(1 / 90)
    while lab.clock.now() < began + 60 * LAB_MINUTES:
        if following <= lab.clock.now():
            await lab.put("thin", 1)
            following = lab.clock.now() + chance.expovariate(1 / 90)
        await lab.step(2.0)
    end = lab.clock.now()
    waiting = {name: [(each, end - each) for each in lab.unbegun(name)] for name in ("flood", "thin")}
    return {
        name: [((arrived - began) / 60, wait) for arrived, wait in (*lab.starts[name], *waiting[name])]
        for name in waiting
    }


def _found(starts: Starts) -> Found:
    thin = [wait for _, wait in starts["thin"]]
    flood = [wait for _, wait in starts["flood"]]
    late = sum(wait > WAIT + LAB_BOOT + 10 for wait in thin)  # and a period, as the simulator judges
    return Found(Waits.of(flood), Waits.of(thin), late)


def _draw(shared: Starts, alone: Starts) -> None:
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    axes = figure.subplots()
    looks = ((alone, "without tenants", "#D55E00", "s"), (shared, "with shares", "#0072B2", "o"))
    for starts, label, colour, marker in looks:
        minutes, waits = zip(*sorted(starts["thin"]), strict=True)
        axes.plot(
            minutes, [max(wait, 1.0) for wait in waits], marker, color=colour, label=label, markersize=4
        )
    axes.axhline(WAIT + LAB_BOOT, color="#666666", linestyle=":", label="the promise")
    axes.set(yscale="log", xlabel="arrival, minutes after the flood", ylabel="seconds until the start")
    axes.legend(frameon=False, loc="upper right")
    axes.grid(alpha=0.3)
    figure.savefig(IMAGES / "tenants.svg", metadata={"Date": None})

"""The page on elasticity: tables and plots of what tests.bench.elasticity measures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from tests.bench import decisions
from tests.bench.elasticity import (
    MOST_NODES,
    PEER_SEEDS,
    PERIOD_SECONDS,
    SEEDS,
    Case,
    Summary,
    measured,
)
from tests.bench.figures import table
from tests.bench.pools import measured_pools

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TITLES = {
    "bursts-60": "8 x 200 x 60 s",
    "bursts-2": "8 x 2,000 x 2 s",
    "diurnal": "diurnal",
    "flash": "flash crowd",
    "mix": "mixture",
    "trickle": "trickle",
}
GOALS = {
    "bursts-60": (1.09, 1.10),
    "bursts-2": (1.16, 1.20),
    "diurnal": (1.02, 1.02),
    "flash": (1.11, 1.12),
    "mix": (1.08, 1.09),
    "trickle": (1.10, 1.12),
}
PEERS = ("clues", "cluster-autoscaler", "karpenter-like", "keda-scaledjob", "static")
WAITS, BOOTS = (60.0, 300.0, 900.0), (30.0, 150.0, 600.0)
FAULTS: Mapping[str, Mapping[str, object]] = {
    "seconds a file believed half": {"believed_factor": 0.5},
    "seconds a file believed double": {"believed_factor": 2.0},
    "10 % of boots fail": {"faults": (("failure_share", 0.1),)},
    "boots spread, cv 0.2": {"faults": (("boot_cv", 0.2),)},
    "GPU plugin silent for 300 s": {"faults": (("device_delay_seconds", 300.0),)},
    "a node dies once an hour": {"faults": (("deaths_per_hour", 1.0),)},
}
FAULT_SEEDS, GRID_SEEDS, FRONTIER_SEEDS = 6, 2, 3
WORTHS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
CROWDED = 0.04  # of the axes: nearer points share a label
FRONTIER_WAITS = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0)


async def page(base: Path) -> str:
    """All of it; `base` is not used, nothing is left on disk but the plots."""
    del base
    return "\n".join([_goals(), _peers(), _grid(), _faults(), measured_pools(), _frontier()])


async def decision_page(base: Path) -> str:
    """The time that a decision takes."""
    del base
    return _decisions()


def _told(summary: Summary) -> str:
    return f"{summary.ratio:.3f} ({summary.worst:.3f}) / {summary.wait:.0f}"


def _goals() -> str:
    found = measured([Case(workload) for workload in TITLES], SEEDS)
    rows = [
        [
            TITLES[case.workload],
            f"{each.ratio:.3f} ({each.worst:.3f})",
            "{:.2f} ({:.2f})".format(*GOALS[case.workload]),
            f"{each.wait:.0f}",
            f"{each.greatest_wait:.1f}",
            f"{each.boots:.0f}",
            str(each.surplus),
        ]
        for case, each in found.items()
    ]
    head = ["workload", "ratio", "goal", "mean wait", "greatest wait", "boots a run", "surplus boots"]
    return (
        "## The scaler against the optimum\n\n"
        "Simulated with the decision that the service makes: node-hours from power-on to power-off through "
        "those of the offline optimum with the same start deadlines (arrival + maxWaitSeconds + boot); whole "
        "nodes for bursts and trickle, the linear programme's lower bound for the rest (for whole nodes the "
        "ratios would be smaller). Median (worst) over "
        f"{SEEDS} seeds; maxWaitSeconds 300, boot 150 s, a decision each {PERIOD_SECONDS:.0f} s, at most "
        f"{MOST_NODES} nodes, one set of constants. Bursts lie on what no online policy can beat: 1.086 and "
        "1.140. Waits in seconds.\n\n" + table(head, rows)
    )


def _peers() -> str:
    cases = [Case(workload, policy=policy) for policy in ("headrace", *PEERS) for workload in TITLES]
    found = measured(cases, PEER_SEEDS)
    rows = [
        [policy, *(_peer(found[Case(workload, policy=policy)]) for workload in TITLES)]
        for policy in ("headrace", *PEERS)
    ]
    return (
        "### Beside other policies\n\n"
        f"Ratio / mean wait in seconds, median of {PEER_SEEDS} seeds. The others are idealised models of "
        "their documented rules (sources in `headrace/scaler/simulation/policies`); they wait less and pay "
        "for it, and their yardstick is the same: what would have kept Headrace's promise.\n\n"
        + table(["policy", *TITLES.values()], rows)
    )


def _peer(summary: Summary) -> str:
    return f"{summary.ratio:.2f} / {summary.wait:.0f}"


def _grid() -> str:
    cases = [
        Case(workload, wait_seconds=wait, boot_seconds=boot)
        for wait in WAITS
        for boot in BOOTS
        for workload in TITLES
    ]
    found = measured(cases, GRID_SEEDS)
    rows = []
    for wait in WAITS:
        for boot in BOOTS:
            cell = [found[Case(w, wait_seconds=wait, boot_seconds=boot)] for w in TITLES]
            beyond = max(each.greatest_wait for each in cell) - wait - boot
            rows.append(
                [f"{wait:.0f}, {boot:.0f}", *(f"{each.ratio:.2f}" for each in cell), f"{beyond:+.1f}"]
            )
    return (
        "### Other promises and boots\n\n"
        f"Ratio, median of {GRID_SEEDS} seeds, by maxWaitSeconds and boot; last, the greatest wait beyond "
        f"their sum (at most one period, {PERIOD_SECONDS:.0f} s, is promised).\n\n"
        + table(["wait, boot", *TITLES.values(), "greatest wait"], rows)
    )


def _faults() -> str:
    cases = [replace(Case(workload), **fault) for fault in FAULTS.values() for workload in TITLES]
    found = measured(cases, FAULT_SEEDS)
    rows = []
    for name, fault in FAULTS.items():
        cell = [found[replace(Case(workload), **fault)] for workload in TITLES]
        told = [f"{each.ratio:.2f}, {each.late:.1%}, {each.greatest_wait:.0f}" for each in cell]
        surplus, left = sum(each.surplus for each in cell), sum(each.unfinished for each in cell)
        rows.append([name, *told, str(surplus), str(left)])
    return (
        "### Faults\n\n"
        f"Median ratio to the undisturbed optimum, the worst share of late files, the greatest wait, of "
        f"{FAULT_SEEDS} seeds; surplus boots (that never had a file) and unfinished files of all. A file is "
        "late that started later than the promise and one period; with the silent plugin, promise and "
        "optimum count with the true boot of 450 s while the scaler is told 150.\n\n"
        + table(["fault", *TITLES.values(), "surplus boots", "unfinished"], rows)
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a frontier: (mean wait in seconds, node-hours), and what each is labelled with."""

    name: str
    points: Sequence[tuple[float, float]]
    labels: Sequence[str]


def _frontier() -> str:
    curves = [
        curve
        for workload in ("trickle", "flash")
        for curve in (
            _curve(f"{TITLES[workload]}, waitWorth", [Case(workload, wait_worth=w) for w in WORTHS], WORTHS),
            _curve(
                f"{TITLES[workload]}, maxWaitSeconds",
                [Case(workload, wait_seconds=w) for w in FRONTIER_WAITS],
                FRONTIER_WAITS,
            ),
        )
    ]
    _draw_frontier(curves)
    return (
        "### What a shorter wait costs\n\n"
        "![Node-hours against mean wait](images/frontier.svg)\n\n"
        "Each line goes through the values of one knob, the other at its default (waitWorth 0.1, "
        f"maxWaitSeconds 300); boot 150 s, mean of {FRONTIER_SEEDS} seeds.\n"
    )


def _curve(name: str, cases: Sequence[Case], values: Sequence[float]) -> Curve:
    found = measured(cases, FRONTIER_SEEDS)
    points = []
    for case in cases:
        runs = found[case].runs
        hours = sum(run.outcome.node_hours for run in runs) / len(runs)
        points.append((sum(run.outcome.wait.mean for run in runs) / len(runs), hours))
    return Curve(name, points, [f"{value:g}" for value in values])


def _draw_frontier(curves: Sequence[Curve]) -> None:
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    for axes, pair in zip(figure.subplots(1, 2), (curves[:2], curves[2:]), strict=True):
        most_wait, most_hours = (max(p[axis] for curve in pair for p in curve.points) for axis in (0, 1))
        looks = (("#0072B2", "o", (-6, -11), "right"), ("#D55E00", "s", (6, 5), "left"))
        for curve, (colour, marker, shift, side) in zip(pair, looks, strict=True):
            waits, hours = zip(*curve.points, strict=True)
            axes.plot(waits, hours, color=colour, marker=marker, label=curve.name)
            last = (-1.0, -1.0)
            for label, point in zip(curve.labels, curve.points, strict=True):
                place = (point[0] / most_wait, point[1] / most_hours)
                if math.dist(place, last) > CROWDED:
                    axes.annotate(
                        label,
                        point,
                        xytext=shift,
                        textcoords="offset points",
                        fontsize=8,
                        color=colour,
                        ha=side,
                    )
                    last = place
        axes.set(xlabel="mean wait (s)", ylabel="node-hours")
        axes.set(ylim=(0, 1.1 * most_hours), xlim=(0, 1.1 * most_wait))
        axes.legend(frameon=False, loc="lower left")
        axes.grid(alpha=0.3)
    figure.savefig(IMAGES / "frontier.svg", metadata={"Date": None})


def _decisions() -> str:
    timings = decisions.measure()
    rows = [
        [f"{t.files:,}", f"{t.nodes:,}", f"{t.seconds.median * 1000:.1f}", f"{t.p99 * 1000:.1f}"]
        for t in timings
    ]
    _draw_decisions(timings)
    return (
        "## The time that a decision takes\n\n"
        f"{decisions.FUNCTIONS} functions, {decisions.POOLS} pools, GPUs in half of them; milliseconds of "
        f"{decisions.ROUNDS} decisions each. Goal: p99 at most 50 at 10,000 files and 1,000 nodes, and no "
        "faster than linear growth from there.\n\n"
        + table(["files", "nodes", "median", "p99"], rows)
        + "\n![Time of a decision](images/decisions.svg)\n"
    )


def _draw_decisions(timings: Sequence[decisions.Timing]) -> None:
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    files = [timing.files for timing in timings]
    axes.plot(files, [t.seconds.median * 1000 for t in timings], "o-", color="#0072B2", label="median")
    axes.plot(files, [t.p99 * 1000 for t in timings], "s--", color="#D55E00", label="p99")
    start = next(timing for timing in timings if timing.files == 10_000)
    linear = [start.seconds.median * 1000 * count / start.files for count in files]
    axes.plot(files, linear, ":", color="#666666", label="linear in files")
    axes.set(xscale="log", yscale="log", xlabel="files waiting", ylabel="milliseconds")
    for timing in timings:
        place = (timing.files, timing.seconds.median * 1000)
        axes.annotate(
            f"{timing.nodes:,} nodes", place, xytext=(4, -12), textcoords="offset points", fontsize=8
        )
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(IMAGES / "decisions.svg", metadata={"Date": None})

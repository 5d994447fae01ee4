"""Draws predicted lines and measured points of files on a remote GPU, and by how much they differ."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from headrace.placement.cost import Link
from tests.bench.remoting import JOBS, MEGABITS, MILLISECONDS, POINTS, Figures, Point

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "remoting.png"
GOAL_PERCENT = 20.0
SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/); markers and dashes differ as well.
LOOKS = (("#d55e00", "s", "-."), ("#009e73", "^", "--"), ("#0072b2", "o", "-"))
TEXT, QUIET, GRID = "#1b2733", "#5c6b7a", "#dfe5ea"
SIDE = 1.14  # from a line to the next at the same delay, so that their points don't hide one another


def draw(figures: Figures) -> None:
    """To docs/images/remoting.png."""
    figure = Figure(figsize=(10.0, 6.2), layout="constrained")
    rows = figure.subplots(2, len(JOBS), sharex=True, sharey="row", height_ratios=(3, 1))
    for column, kind in enumerate(JOBS):
        seconds, deviation = rows[0][column], rows[1][column]
        for number, megabits in enumerate(MEGABITS):
            _curve(seconds, figures, kind.NAME, megabits, number)
            _deviation(deviation, figures, kind.NAME, megabits, number)
        _local(seconds, figures.local_seconds[kind.NAME].median)
        seconds.set_title(kind.TITLE, loc="left", color=TEXT, fontsize=11, fontweight="bold")
        seconds.set(yscale="log", ylim=(SECONDS[0], SECONDS[-1]))
        _plain(seconds.yaxis, SECONDS)
        deviation.set_xlabel("added round trip (milliseconds)", color=TEXT)
        _bounds(deviation, figures)
        _style(seconds)
        _style(deviation)
    rows[0][0].set_ylabel("seconds a file", color=TEXT)
    rows[1][0].set_ylabel("prediction off\nby (%)", color=TEXT)
    handles, labels = rows[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9, labelcolor=TEXT
    )
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=144)


def _curve(axes: Axes, figures: Figures, job: str, megabits: float, number: int) -> None:
    colour, marker, dashes = LOOKS[number]
    delays = np.geomspace(MILLISECONDS[0] / 1.5, MILLISECONDS[-1] * 1.5, 80)
    predicted = [figures.predicted(job, Link(delay / 1000, megabits * 125_000)) for delay in delays]
    axes.plot(delays, predicted, dashes, color=colour, linewidth=1.6)
    spreads = [figures.measured(job, Point(delay, megabits)) for delay in MILLISECONDS]
    middle = np.array([each.median for each in spreads])
    reach = [middle - [each.least for each in spreads], [each.greatest for each in spreads] - middle]
    axes.errorbar(
        MILLISECONDS, middle, yerr=reach, fmt=marker, color=colour, markersize=6, markeredgecolor="white",
        capsize=4, elinewidth=1.2, zorder=3, label=f"{megabits:,.0f} Mbit/s: measured, and predicted line",
    )  # fmt: skip


def _deviation(axes: Axes, figures: Figures, job: str, megabits: float, number: int) -> None:
    colour, marker, _ = LOOKS[number]
    percent = [100 * figures.deviation(job, Point(delay, megabits)) for delay in MILLISECONDS]
    places = np.array(MILLISECONDS) * SIDE ** (number - 1)
    axes.plot(places, percent, marker, color=colour, markersize=6, markeredgecolor="white")


def _bounds(axes: Axes, figures: Figures) -> None:
    """Everything is shown, and the goal as a band."""
    worst = max(abs(figures.deviation(kind.NAME, point)) for kind in JOBS for point in POINTS)
    reach = 1.15 * max(GOAL_PERCENT, 100 * worst)
    axes.set_ylim(-reach, reach)
    axes.axhspan(-GOAL_PERCENT, GOAL_PERCENT, color=GRID, alpha=0.5, linewidth=0)
    axes.axhline(0, color=QUIET, linewidth=0.8)


def _local(axes: Axes, seconds: float) -> None:
    """What it takes without remoting; below the scale only in words."""
    below = seconds < SECONDS[0]
    if not below:
        axes.axhline(seconds, color=QUIET, linewidth=1.0, linestyle=":")
    axes.annotate(
        f"the same processor, no server: {seconds:.4f} s{' (off the scale)' if below else ''}",
        (MILLISECONDS[0] / 1.4, max(seconds, SECONDS[0])), fontsize=8, color=QUIET,
        xytext=(0, 5 if below else -11), textcoords="offset points",
    )  # fmt: skip


def _plain(axis: Axis, marks: Sequence[float]) -> None:
    """Marks at these values, spelt as they are said."""
    axis.set_major_locator(FixedLocator(marks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _style(axes: Axes) -> None:
    axes.set(xscale="log")
    _plain(axes.xaxis, MILLISECONDS)
    axes.tick_params(colors=QUIET, labelsize=9, length=0)
    axes.grid(visible=True, which="major", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)

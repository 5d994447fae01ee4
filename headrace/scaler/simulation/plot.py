"""Draws a run: files waiting, the first policy's nodes in full, and what all policies pay for.

Needs the extra `simulate`. Colours are those of Okabe and Ito, which differ for all kinds of colour vision
(https://jfly.uni-koeln.de/color/); lines differ in their dashes too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from headrace.files.picture import Picture
from headrace.scaler.simulation.optimum.cost import Proof
from headrace.scaler.simulation.outcome import Moment, Outcome
from headrace.scaler.simulation.report import Run, Yardstick

SIZE_INCHES = (10.0, 7.6)
DOTS_PER_INCH = 144.0
COLUMNS = 1200  # of a course that is drawn: finer than a screen shows
OFF_SCALE = 3.0  # times the next greatest: a policy with so many nodes does not set the scale
HOURS_FROM_SECONDS = 3 * 3600.0  # runs as long as this are told in hours, shorter ones in minutes

TEXT, QUIET, GRID = "#1b2733", "#5c6b7a", "#dfe5ea"
FIRST, WAITING, BOOTING = "#0072b2", "#d55e00", "#e69f00"
OTHERS = (
    ("#d55e00", "--"),
    ("#009e73", "-."),
    ("#cc79a7", (0, (1, 1))),
    ("#56b4e9", (0, (5, 1))),
    ("#000000", ":"),
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis: its length, and what it is told in."""

    seconds: float

    @property
    def unit(self) -> tuple[str, float]:
        """Its name, and its seconds."""
        return ("hours", 3600.0) if self.seconds >= HOURS_FROM_SECONDS else ("minutes", 60.0)

    @property
    def marks(self) -> Floats:
        """The ends of its columns, in its unit."""
        marks: Floats = np.linspace(0, self.seconds / self.unit[1], COLUMNS + 1)
        return marks

    def course(self, timeline: Sequence[Moment], value: Callable[[Moment], int]) -> Floats:
        """The greatest value in each column, and once more the last one for the end of the line."""
        columns: Floats = np.zeros(COLUMNS + 1)
        times = [*(moment.time for moment in timeline), self.seconds]
        for moment, (begin, end) in zip(timeline, pairwise(times), strict=True):
            first, last = (int(time / self.seconds * COLUMNS) for time in (begin, end))
            among = columns[first : max(last, first + 1)]
            np.maximum(among, value(moment), out=among)
        columns[-1] = columns[-2]
        return columns


def picture(run: Run, kind: Picture) -> bytes:
    """The picture of a run; the same run gives the same bytes."""
    moments = chain.from_iterable(outcome.timeline for outcome in run.outcomes.values())
    axis = Axis(max([moment.time for moment in moments], default=0.0) or 1.0)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "headrace"}):
        layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.12)
        figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout=layout)
        waiting, nodes, paid = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 4))
        _draw_waiting(waiting, run.outcomes, axis)
        _draw_nodes(nodes, *next(iter(run.outcomes.items())), axis)
        _draw_paid(paid, run, axis)
        for axes in (waiting, nodes, paid):
            _style(axes)
        paid.set_xlim(0, axis.marks[-1])
        paid.xaxis.set_major_locator(MaxNLocator(nbins=12, steps=[1, 2, 5, 10]))
        paid.set_xlabel(f"{axis.unit[0]} since the trace's start", color=QUIET, fontsize=9)
        file = BytesIO()
        figure.savefig(file, format=kind.value, metadata={"Date": None} if kind is Picture.SVG else None)
    return file.getvalue()


def _draw_waiting(axes: Axes, outcomes: Mapping[str, Outcome], axis: Axis) -> None:
    courses = [axis.course(each.timeline, lambda moment: moment.waiting) for each in outcomes.values()]
    for course, (colour, dashes) in zip(courses[1:], OTHERS, strict=False):
        lines = _corners(axis, course)
        axes.step(*lines, where="post", color=colour, linestyle=dashes, linewidth=0.8)
    marks, course = _corners(axis, courses[0])
    axes.fill_between(marks, course, step="post", color=FIRST, alpha=0.18, linewidth=0)
    axes.step(marks, course, where="post", color=FIRST, linewidth=1.8)
    _title(axes, "Files waiting")
    _scale(axes, max(course.max() for course in courses))


def _draw_nodes(axes: Axes, name: str, outcome: Outcome, axis: Axis) -> None:
    """Busy, idle and booting ones, on top of one another."""
    marks, busy, on, paid = _corners(
        axis,
        *(
            axis.course(outcome.timeline, value)
            for value in (lambda moment: moment.busy, lambda moment: moment.on, _paid)
        ),
    )
    bands = ((0 * busy, busy, FIRST, 0.75), (busy, on, FIRST, 0.25), (on, paid, BOOTING, 0.9))
    for label, (low, high, colour, alpha) in zip(("busy", "idle", "booting"), bands, strict=True):
        axes.fill_between(
            marks, low, np.maximum(low, high), step="post", color=colour, alpha=alpha, label=label,
            linewidth=0,
        )  # fmt: skip
    _title(axes, f"Nodes of {name}")
    _scale(axes, paid.max())
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=9,
        labelcolor=TEXT, borderaxespad=0.2, handlelength=1.4,
    )  # fmt: skip


def _draw_paid(axes: Axes, run: Run, axis: Axis) -> None:
    """Nodes on or booting of every policy, and node-hours in the legend."""
    peaks = {name: max(map(_paid, outcome.timeline), default=0) for name, outcome in run.outcomes.items()}
    top = _top(list(peaks.values()))
    styles = ((FIRST, "-"), *OTHERS)
    for (name, outcome), (colour, dashes) in zip(run.outcomes.items(), styles, strict=False):
        label = f"{name}: {outcome.node_hours:,.1f} node-hours"
        if peaks[name] > top:
            label += f"\n(up to {peaks[name]:,} nodes, off the scale)"
        axes.step(
            *_corners(axis, axis.course(outcome.timeline, _paid)), where="post", color=colour, label=label,
            linestyle=dashes, linewidth=1.8 if dashes == "-" else 1.0, zorder=3 if dashes == "-" else 2,
        )  # fmt: skip
    _title(axes, f"Nodes that are paid for: on or booting. {_optimum(run.yardstick)}")
    _scale(axes, top)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, frameon=False, fontsize=9,
        labelcolor=TEXT, handlelength=2.6,
    )  # fmt: skip


def _optimum(found: Yardstick) -> str:
    least = "" if found.proof is Proof.EXACT else "at least "
    return f"The optimum: {least}{found.node_hours:,.1f} node-hours"


def _top(peaks: Sequence[int]) -> int:
    """The greatest of the peaks, or the next one where that is out of all proportion to it."""
    *_, second, first = [0, *sorted(peaks)]
    return second if first > OFF_SCALE * second > 0 else first


def _corners(axis: Axis, *courses: Floats) -> tuple[Floats, ...]:
    """Marks and courses, only where any of these changes, and at the end: a small file."""
    changed = np.any([np.diff(course, prepend=-1) != 0 for course in courses], axis=0)
    changed[-1] = True
    return (axis.marks[changed], *(course[changed] for course in courses))


def _paid(moment: Moment) -> int:
    return moment.on + moment.booting


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", color=TEXT, fontsize=11, fontweight="bold")


def _scale(axes: Axes, top: float) -> None:
    axes.set_ylim(0, 1.08 * max(top, 1))


def _style(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.tick_params(colors=QUIET, labelsize=9, length=0)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)

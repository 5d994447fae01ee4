"""Draws a run's timeline: files waiting and finished above, workers below."""

from dataclasses import dataclass
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from headrace.local.measures import Steps, Timeline

DOTS_PER_INCH = 144.0


@dataclass(frozen=True, slots=True)
class Look:
    """Colours on a transparent or plain ground, and the size in inches."""

    text: str
    quiet: str
    grid: str
    waiting: str
    finished: str
    workers: str
    ground: str | None  # None: transparent
    width: float = 9.6
    height: float = 4.2


# Waiting, finished and workers differ in lightness as well as in hue, for readers who see few colours.
LIGHT = Look("#1b2733", "#5c6b7a", "#dfe5ea", "#c2640a", "#0b7a75", "#4a56c8", None)
DARK = Look("#e8eef3", "#9aa9b6", "#2b3844", "#f5a04c", "#3fd0c4", "#9ba6ff", None)
PLAIN = Look("#1b2733", "#5c6b7a", "#dfe5ea", "#c2640a", "#0b7a75", "#4a56c8", "#ffffff")


def narrow(look: Look) -> Look:
    """The same colours for a phone."""
    return Look(
        look.text, look.quiet, look.grid, look.waiting, look.finished, look.workers, look.ground, 4.4, 4.4
    )


def timeline_png(timeline: Timeline, look: Look = PLAIN) -> bytes:
    """A PNG picture of the run."""
    figure = Figure(figsize=(look.width, look.height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_facecolor(look.ground or "none")
    files, workers = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_files(files, timeline, look)
    _draw_workers(workers, timeline, look)
    for axes in (files, workers):
        _style(axes, look)
    workers.set_xlim(0, max(_end(timeline), 1.0))
    workers.set_xlabel("seconds since the first upload", color=look.quiet, fontsize=9)
    picture = BytesIO()
    figure.savefig(picture, format="png", transparent=look.ground is None)
    return picture.getvalue()


def _draw_files(axes: Axes, timeline: Timeline, look: Look) -> None:
    for name, steps, colour in (
        ("waiting", timeline.waiting, look.waiting),
        ("finished", timeline.finished, look.finished),
    ):
        moments, values = _corners(steps, _end(timeline))
        axes.step(moments, values, where="post", color=colour, linewidth=2.0, label=name)
        axes.fill_between(moments, values, step="post", color=colour, alpha=0.14, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.12)
    axes.set_title("Files", loc="left", color=look.text, fontsize=11, fontweight="bold")
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=9,
        labelcolor=look.text, borderaxespad=0.2, handlelength=1.4,
    )  # fmt: skip


def _draw_workers(axes: Axes, timeline: Timeline, look: Look) -> None:
    moments, values = _corners(timeline.workers, _end(timeline))
    axes.fill_between(moments, values, step="post", color=look.workers, alpha=0.35, linewidth=0)
    axes.step(moments, values, where="post", color=look.workers, linewidth=2.0)
    most = max(values, default=0)
    axes.set_ylim(0, most + 0.9)
    axes.set_yticks(range(0, most + 1, max(1, -(-most // 4))))
    _mark_scalings(axes, timeline, look)
    axes.set_title("Workers", loc="left", color=look.text, fontsize=11, fontweight="bold")


def _mark_scalings(axes: Axes, timeline: Timeline, look: Look) -> None:
    """A dot for the decisions of a moment, at the number of workers that was wanted from then on."""
    places: dict[tuple[float, int], list[str]] = {}
    for number, scaling in enumerate(timeline.scalings, start=1):
        places.setdefault((scaling.seconds, scaling.total), []).append(str(number))
    for place, numbers in places.items():
        axes.plot(*place, "o", color=look.text, markersize=4, clip_on=False, zorder=3)
        axes.annotate(
            ", ".join(numbers), place, xytext=(0, 5), textcoords="offset points", ha="center", fontsize=8,
            color=look.text, annotation_clip=False,
        )  # fmt: skip


def _style(axes: Axes, look: Look) -> None:
    axes.set_facecolor("none")
    axes.tick_params(colors=look.quiet, labelsize=9, length=0)
    axes.grid(visible=True, axis="y", color=look.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(look.grid)


def _corners(steps: Steps, end: float) -> tuple[list[float], list[int]]:
    """A step function from 0 to `end`."""
    last = steps[-1][1] if steps else 0
    return [0.0, *(moment for moment, _ in steps), end], [0, *(value for _, value in steps), last]


def _end(timeline: Timeline) -> float:
    """A little beyond the last step, so that it is seen."""
    return timeline.seconds * 1.02

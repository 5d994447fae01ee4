"""Draws a comparison: seconds a file, files a second, price of a thousand files, a bar a way.

Needs the extra `simulate`. The colours are those of Okabe and Ito, which differ for all kinds of colour
vision (https://jfly.uni-koeln.de/color/).
"""

from collections.abc import Callable
from io import BytesIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from headrace.assessment.result import Assessment, WayResult
from headrace.files.picture import Picture

WIDTH_INCHES, ROW_INCHES, HEAD_INCHES = 10.0, 0.45, 1.3
DOTS_PER_INCH = 144.0
TEXT, QUIET, GRID, ERROR = "#1b2733", "#5c6b7a", "#dfe5ea", "#1b2733"
COLOURS = ("#0072b2", "#009e73", "#e69f00")

Value = Callable[[WayResult], float | None]


def picture(found: Assessment, kind: Picture) -> bytes:
    """The picture; the same comparison gives the same bytes. A way without a figure has no bar."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "headrace"}):
        size = (WIDTH_INCHES, HEAD_INCHES + ROW_INCHES * max(2, len(found.ways)))
        figure = Figure(
            figsize=size, dpi=DOTS_PER_INCH, layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.1)
        )
        panels = figure.subplots(1, 3, sharey=True)
        _whiskers(panels[0], found)
        for axes, (title, value), colour in zip(panels, _panels(), COLOURS, strict=True):
            _bars(axes, found, value, colour)
            axes.set_title(title, loc="left", fontsize=10, color=TEXT)
        panels[0].set_yticks(range(len(found.ways)), [each.name for each in found.ways], color=TEXT)
        panels[0].invert_yaxis()
        figure.suptitle(
            f"{found.files} files of {found.function}, {found.workers} at once", fontsize=11, color=TEXT
        )
        file = BytesIO()
        figure.savefig(file, format=kind.value, metadata={"Date": None} if kind is Picture.SVG else None)
    return file.getvalue()


def _panels() -> tuple[tuple[str, Value], ...]:
    return (
        (
            "seconds a file (line: least to most)",
            lambda way: way.measured.seconds_a_file.median if way.measured else None,
        ),
        ("files a second", lambda way: way.measured.files_a_second if way.measured else None),
        ("price of 1,000 files", lambda way: way.price.a_thousand if way.price else None),
    )


def _bars(axes: Axes, found: Assessment, value: Value, colour: str) -> None:
    values = [value(each) for each in found.ways]
    axes.barh(range(len(values)), [each or 0.0 for each in values], height=0.6, color=colour)
    for row, each in enumerate(values):
        text = " none" if each is None else f" {each:.3g}"
        axes.text(each or 0.0, row, text, va="center", fontsize=9, color=QUIET if each is None else TEXT)
    axes.margins(x=0.3)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.tick_params(colors=QUIET, labelsize=8, length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _whiskers(axes: Axes, found: Assessment) -> None:
    """From the least to the most seconds a file."""
    for row, way in enumerate(found.ways):
        if way.measured:
            spread = way.measured.seconds_a_file
            axes.plot([spread.least, spread.most], [row + 0.38] * 2, color=ERROR, linewidth=1.2)

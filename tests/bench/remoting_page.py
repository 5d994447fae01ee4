"""The measured part of docs/gpu-cost.md, and its summary for docs/benchmarks.md."""

from dataclasses import replace
from pathlib import Path

from headrace.placement.cost import Overhead, Work, greatest_round_trip, least_bandwidth
from tests.bench import remoting
from tests.bench.figures import table
from tests.bench.remoting import JOBS, NOWHERE, POINTS, ROUNDS, Echo, Figures
from tests.bench.remoting_plot import GOAL_PERCENT, draw

PAGE = Path(__file__).parents[2] / "docs" / "gpu-cost.md"
BEGIN = "<!-- measured: written by `make bench ARGS=remoting` -->"
END = "<!-- end of what is measured -->"
TIMES_FASTER = (1, 2, 5, 20, 100)  # of a server's GPU than the worker's processor
NEAR_SECONDS = 0.0002  # within a room
BOOT_SECONDS = 150.0  # of a node with a GPU of its own, as in docs/benchmarks.md


async def page(base: Path) -> str:
    """The summary; the page and its picture are written beside."""
    figures = await remoting.measure(base)
    draw(figures)
    head, _, rest = PAGE.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    parts = (_points(figures), _constants(figures), _limits(figures))
    PAGE.write_text(f"{head}{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}{tail}")
    return _summary(figures)


def _summary(figures: Figures) -> str:
    worst = max(abs(figures.deviation(kind.NAME, point)) for kind in JOBS for point in POINTS)
    within = sum(_is_within(figures, kind.NAME, point) for kind in JOBS for point in POINTS)
    return (
        "## A remote GPU: predicted and measured\n\n"
        f"{len(POINTS)} links, {len(JOBS)} kinds of work, {ROUNDS} rounds of all in turn: of "
        f"{len(JOBS) * len(POINTS)} predictions {within} are within {GOAL_PERCENT:.0f} % of the measured "
        f"median, the worst is {100 * worst:.0f} % off. Points, constants and limits: [When a remote GPU "
        "pays](gpu-cost.md).\n"
    )


def _is_within(figures: Figures, job: str, point: remoting.Point) -> bool:
    return abs(figures.deviation(job, point)) <= GOAL_PERCENT / 100


def _points(figures: Figures) -> str:
    rows = [
        [
            kind.NAME,
            f"{point.megabits:,.0f}",
            f"{point.milliseconds:g}",
            f"{figures.predicted(kind.NAME, point.link):.3f}",
            figures.measured(kind.NAME, point).told(3),
            f"{100 * figures.deviation(kind.NAME, point):+.0f} %",
            f"{figures.computed(kind.NAME, point):.3f}",
        ]
        for kind in JOBS
        for point in POINTS
    ]
    return (
        f"Seconds a file, median (and spread) of {ROUNDS} rounds; the last column is what the server counted "
        "as computing at that point, which the prediction does not use.\n\n"
        + table(
            ["work", "Mbit/s", "added round trip, ms", "predicted", "measured", "off by", "computed"], rows
        )
    )


def _constants(figures: Figures) -> str:
    overhead = figures.calibration.overhead
    rows = [
        [
            name,
            str(work.calls),
            str(work.streamed_calls),
            f"{work.bytes_out:,}",
            f"{work.bytes_in:,}",
            f"{work.compute_seconds:.4f}",
            figures.measured(name, NOWHERE).told(4),
            f"{figures.predicted(name, NOWHERE.link):.4f}",
            figures.local_seconds[name].told(4),
        ]
        for name, work in figures.works.items()
    ]
    return (
        "The constants, taken in the same rounds on a link that adds nothing: a call costs "
        f"{1e6 * overhead.call_seconds:.0f} microseconds, a byte {1e9 * overhead.byte_seconds:.1f} "
        "nanoseconds; a file:\n\n"
        + table(
            [
                "work", "calls waited for", "streamed", "bytes out", "bytes in", "computing, s",
                "over that link, s", "predicted, s", "no server, s",
            ],
            rows,
        )
    )  # fmt: skip


def _limits(figures: Figures) -> str:
    """Of functions/echo, for GPUs faster than the stub's."""
    work, local = figures.works[Echo.NAME], figures.local_seconds[Echo.NAME].median
    overhead = figures.calibration.overhead
    rows = [
        [f"{times}", *_limit(replace(work, compute_seconds=local / times), overhead, local)]
        for times in TIMES_FASTER
    ]
    boot = _limit(replace(work, compute_seconds=0.0), overhead, BOOT_SECONDS)
    return (
        f"What the model says of functions/echo, which takes {local:.3f} seconds a file on one thread of "
        "this processor, by how much faster the server's GPU is: the longest round trip at 10 and at 1 "
        f"Gbit/s, and the least bandwidth at a round trip of {1000 * NEAR_SECONDS:g} ms, up to which remote "
        "takes no longer than that.\n\n"
        + table(["GPU faster by", "round trip at 10 Gbit/s", "at 1 Gbit/s", "bandwidth at 0.2 ms"], rows)
        + f"\nInstead of waiting {BOOT_SECONDS:.0f} s for a node with a GPU of its own, the first file may "
        f"go over a round trip of {boot[1]} at 1 Gbit/s, or over {boot[2]} nearby.\n"
    )


def _limit(work: Work, overhead: Overhead, otherwise: float) -> list[str]:
    trips = [
        greatest_round_trip(work, gigabits * 125e6, otherwise_seconds=otherwise, overhead=overhead)
        for gigabits in (10, 1)
    ]
    width = least_bandwidth(work, NEAR_SECONDS, otherwise_seconds=otherwise, overhead=overhead)
    return [
        *("never" if each is None else _span(each) for each in trips),
        "never" if width is None else f"{width / 125_000:,.1f} Mbit/s",
    ]


def _span(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.0f} s"

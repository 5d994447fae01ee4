"""A comparison of ways to a GPU, for people: a table with bars, and what follows from it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from headrace.assessment.candidates import Candidate
from headrace.assessment.plan import Plan
from headrace.assessment.result import BY_SERVER, Assessment, LeftOut, WayResult, access_order
from headrace.cli.output import counted, duration, quiet_table, shown

BAR = 16  # characters
WHOLE = ("way", "")  # columns that no narrow terminal breaks: names and bars


@dataclass(frozen=True, slots=True)
class Copy:
    """A way, and the name of the function that would be made for it."""

    way: str
    told: str
    function: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What a comparison would make and do; nothing is made yet. `files` are worked by each way."""

    dry_run: bool
    function: str
    bucket: str
    copies: tuple[Copy, ...]
    left_out: tuple[LeftOut, ...]
    files: int
    workers: int


def intent_of(plan: Plan) -> Intent:
    """Of a plan."""

    def copy(candidate: Candidate) -> Copy:
        return Copy(candidate.name, candidate.way.told, plan.name_of(candidate))

    return Intent(
        dry_run=True,
        function=plan.function.name,
        bucket=plan.bucket,
        copies=tuple(copy(each) for each in plan.taken),
        left_out=tuple(LeftOut(each.name, each.way.reason) for each in plan.left_out),
        files=len(plan.files),
        workers=plan.workers,
    )


def told_plan(plan: Plan) -> Iterator[RenderableType]:
    """What would be done."""
    intent = intent_of(plan)
    yield (
        f"Would make bucket {intent.bucket} and, one after the other, with "
        f"{counted(intent.workers, 'worker')} each:"
    )
    table = quiet_table("way", "is", "function", whole=WHOLE)
    for each in intent.copies:
        table.add_row(each.way, each.told, each.function)
    yield table
    yield f"Each way works {counted(intent.files, 'file')}. All is removed again."
    yield from _left_out(intent.left_out)


def told_assessment(found: Assessment) -> Iterator[RenderableType]:
    """The table, and sentences below it."""
    ways = f"{counted(found.files, 'file')} of {found.function} by {counted(found.workers, 'worker')}"
    yield Text(f"{ways}, way by way\n", style="bold")
    yield table_of(found.ways)
    yield from _remarks(found)
    yield from _left_out(found.left_out)
    yield from _answer(found)


def table_of(ways: Sequence[WayResult]) -> Table:
    """A row a way; the bar is of its seconds a file."""
    columns = ("way", "s/file", "", "least to most", "files/s", "GPU s/file", "price/1,000", "start", "load")
    table = quiet_table(*columns, whole=WHOLE)
    most = max((each.measured.seconds_a_file.median for each in ways if each.measured), default=0.0)
    for each in ways:
        table.add_row(Text(each.name, style="red" if each.trouble else ""), *_figures(each, most))
    return table


def _figures(way: WayResult, most: float) -> Sequence[RenderableType]:
    found = way.measured
    if found is None:
        return ("-", "", "", "-", "-", "-", duration(way.start_seconds), "-")
    seconds = found.seconds_a_file
    price = way.price.a_thousand if way.price else None
    return (
        f"{figure(seconds.median)}{'*' if found.with_load else ''}",
        Text("█" * max(1, round(BAR * seconds.median / most)) if most else "", style="cyan"),
        f"{figure(seconds.least)} to {figure(seconds.most)}",
        figure(found.files_a_second),
        f"{figure(way.gpu.a_file)}{'' if way.gpu.counted_by == BY_SERVER else '+'}" if way.gpu else "-",
        "-" if price is None else figure(price),
        duration(way.start_seconds),
        duration(found.load_seconds),
    )


def figure(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def _remarks(found: Assessment) -> Iterator[str]:
    if any(each.measured and each.measured.with_load for each in found.ways):
        yield "* every worker had one batch only: the load of the model is in it; give more files or --repeat"
    if any(each.gpu and each.gpu.counted_by != BY_SERVER for each in found.ways):
        yield "+ seconds for which files held their GPUs, as no server counts for how long these computed"
    for why in dict.fromkeys(each.price.why for each in found.ways if each.price and each.price.why):
        yield f"no price: {shown(why)}"
    for each in found.ways:
        if each.served_by:
            yield f"{each.name}: {shown(', '.join(each.served_by))}"
        if each.trouble:
            yield f"{each.name}: {shown(each.trouble)}"
    if found.trouble:
        yield shown(found.trouble)


def _left_out(ways: Sequence[LeftOut]) -> Iterator[str]:
    for each in ways:
        yield f"left out: {each.name}: {shown(each.reason)}"


def _answer(found: Assessment) -> Iterator[str]:
    """Which way to write first."""
    for word, names in (("cheapest", found.cheapest), ("most files a second", found.fastest)):
        if len(names) > 1:
            order = access_order(names)
            wish = f"; gpu.access: [{', '.join(order)}]" if len(order) > 1 else ""
            yield f"{word} first: {', '.join(names)}{wish}"

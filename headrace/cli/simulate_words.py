"""What `headrace simulate` tells people: a table, how good the optimum is, and the answer in plain words."""

from collections.abc import Iterator

from rich.table import Table

from headrace.cli.output import counted
from headrace.scaler.simulation.optimum.cost import Proof
from headrace.scaler.simulation.report import Figures, Method, Report, Run

HEADERS = (
    "node\nhours", "cost", "times\noptimum", "mean\nwait", "p95", "p99", "greatest", "late", "boots",
    "surplus\nboots", "unfin-\nished",
)  # fmt: skip
METHODS = {
    Method.WHOLE: "whole nodes",
    Method.FLUID: "a linear programme, and one boot at least for each stretch of work",
}


def table_of(report: Report) -> Table:
    """A row a policy: medians over the seeds, where several ran the worst in brackets."""
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    table.add_column("policy", style="cyan", no_wrap=True, vertical="bottom")
    for name in HEADERS:
        table.add_column(name, justify="right", no_wrap=True)
    for policy in report.policies:
        cells = _cells(report.usual(policy))
        if len(report.runs) > 1:
            worst = _cells(report.worst(policy))
            cells = [each if each == w else f"{each} ({w})" for each, w in zip(cells, worst, strict=True)]
        table.add_row(policy, *cells)
    return table


def tenants_of(report: Report) -> Table | None:
    """A row a policy and tenant, medians over the seeds; None where no function has one."""
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for name in ("policy", "tenant"):
        table.add_column(name, style="cyan", no_wrap=True)
    for name in ("p50", "p95", "p99", "greatest", "late"):
        table.add_column(name, justify="right", no_wrap=True)
    for policy in report.policies:
        for tenant, found in report.usual(policy).tenants.items():
            wait = found.wait
            waits = (f"{seconds:,.0f} s" for seconds in (wait.p50, wait.p95, wait.p99, wait.max))
            table.add_row(policy, tenant, *waits, f"{found.late:,.0f}")
    return table if table.row_count else None


def _cells(figures: Figures) -> list[str]:
    wait = figures.wait
    return [
        f"{figures.node_hours:,.1f}",
        amount(figures.cost),
        f"{figures.ratio:.2f}",
        *(f"{seconds:,.0f} s" for seconds in (wait.mean, wait.p95, wait.p99, wait.max)),
        *(f"{n:,.0f}" for n in (figures.late, figures.boots, figures.surplus_boots, figures.unfinished)),
    ]


def answer(report: Report) -> Iterator[str]:
    """Sentences: what the first policy costs and how long files wait, the next one, and what is amiss."""
    first, *others = report.policies
    usual, worst, files = report.usual(first), report.worst(first), report.runs[0].files
    yield (
        f"With {first}, {counted(files, 'file')} cost {amount(usual.cost)}, that is "
        f"{amount(usual.cost / files)} a file, in the currency of pricePerHour. A file waits "
        f"{time_span(usual.wait.mean)} on average, 99 of 100 at most {time_span(usual.wait.p99)}, none "
        f"longer than {time_span(usual.wait.max)}."
    )
    if others and usual.cost:
        other = min(others, key=lambda name: report.usual(name).cost)
        theirs = report.usual(other)
        yield (
            f"The cheapest of the others, {other}, costs {theirs.cost / usual.cost:.2f} times as much; its "
            f"files wait {time_span(theirs.wait.mean)} on average."
        )
    seed = " at the worst seed" if len(report.runs) > 1 else ""
    if worst.late:
        late = counted(int(worst.late), "file")
        yield f"Late{seed}: {late}, started later than maxWaitSeconds, one boot and one period after arrival."
    if worst.unfinished:
        unfinished = counted(int(worst.unfinished), "file")
        yield f"Never worked{seed}: {unfinished}; look at maxNodes, maxWorkers and the faults."


def optimum_of(run: Run) -> str:
    """The optimum of one run, how it was found and what it is worth."""
    found = run.yardstick
    exact = found.proof is Proof.EXACT
    value = f"{found.node_hours:,.2f} node-hours" if found.cost is None else f"a cost of {amount(found.cost)}"
    worth = "exact" if exact else "a lower bound: no schedule costs less, and perhaps none as little"
    at_least = "" if exact else "at least "
    return f"The optimum, had every arrival been known: {at_least}{value} ({METHODS[found.method]}; {worth})."


def amount(cost: float) -> str:
    """Money: two decimals, of less than one three digits that count."""
    return f"{cost:,.2f}" if cost >= 1 or cost == 0 else f"{cost:.3g}"


def time_span(seconds: float) -> str:
    """A wait: seconds of short ones, else the two units that count."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    large, small, units = (*divmod(whole, 60), ("min", "s"))
    if whole >= 7200:
        large, small, units = (*divmod(round(whole / 60), 60), ("h", "min"))
    return f"{large} {units[0]} {small} {units[1]}" if small else f"{large} {units[0]}"

"""`headrace status`: how many files of each function wait, run and have ended."""

import typer
from rich.table import Table
from rich.text import Text

from headrace.cli.options import DEFAULT_STATE, Json, State
from headrace.cli.output import duration, out, print_json
from headrace.cli.session import Session, execute
from headrace.operations.status import FunctionStatus, Status
from headrace.operations.status import status as read_status
from headrace.scaler.plan import ReasonCode


def status(context: typer.Context, *, state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Show how many files of each function wait, run and have ended.

    `running` counts what workers hold: staged ahead, computing, or waiting for another attempt. `other`
    counts files that were overwritten, deleted or purged before they were worked. `headrace explain` tells
    why a function has so many workers.
    """
    found = execute(context, state, _read)
    if as_json:
        print_json(found)
    else:
        out().print(status_table(found))


async def _read(session: Session) -> Status:
    return await read_status(
        session.stack, now=session.now(), workers=session.workers(), reasons=session.reasons()
    )


def status_table(found: Status) -> Table:
    """A row a function."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    add_figures(table)
    table.add_column("", style="yellow", no_wrap=True)
    for each in found.functions:
        table.add_row(*row(each), remark(each))
    return table


def add_figures(table: Table) -> None:
    """The columns that `row` fills."""
    table.add_column("function", style="cyan", no_wrap=True)
    for name in ("waiting", "running", "done", "failed", "other", "oldest", "workers"):
        table.add_column(name, justify="right", no_wrap=True)


def row(each: FunctionStatus) -> tuple[str | Text, ...]:
    """A function's name and figures, in the order of the columns."""
    other = each.superseded + each.gone + each.purged
    return (
        each.function,
        f"{each.waiting:,}",
        f"{each.running:,}",
        Text(f"{each.done:,}", style="green" if each.done else ""),
        Text(f"{each.failed:,}", style="bold red" if each.failed else ""),
        f"{other:,}",
        duration(each.oldest_wait_seconds),
        "-" if each.workers is None else str(each.workers),
    )


def remark(each: FunctionStatus) -> str:
    """What is unusual about a function; empty where nothing is."""
    if not each.queued:
        return "no queue yet: the receiver has not seen it"
    if each.reason == ReasonCode.NO_POOL_FITS:
        return f"{each.reason}: `headrace explain {each.function}` tells what it needs"
    return "paused" if each.paused else ""

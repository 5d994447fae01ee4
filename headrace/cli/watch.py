"""`headrace watch`: files waiting, running, done and failed, as they change."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from headrace.cli.options import DEFAULT_STATE, State
from headrace.cli.output import counted, document, err, out, shown
from headrace.cli.session import Session, execute
from headrace.cli.status import add_figures, remark, row
from headrace.model.errors import TransientError
from headrace.operations.rates import Rates
from headrace.operations.status import FunctionStatus, Status, Tally, status

LIVE_SECONDS = 0.5  # between two looks on a terminal
LINE_SECONDS = 5.0  # between two lines elsewhere
QUIET_SECONDS = 2.0  # how long nothing must be unfinished for all to be done: a notification takes a moment
LOOK_SHARE = 0.25  # of the time, at most, goes into looking: a big stack is looked at less often

Show = Callable[[Status, Rates, str], None]  # the last argument: why there is no newer status, or nothing


def watch(
    context: typer.Context,
    interval: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds between two looks; 0.5 live, else 5.")
    ] = None,
    *,
    until_done: Annotated[
        bool,
        typer.Option("--until-done", help="End when no file waits or runs; exit code 1 if any has failed."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line and look.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Show files waiting, running, done and failed, as they change, until Ctrl-C.

    On a terminal a table is kept up to date; elsewhere a line is printed every five seconds.
    """
    live = not as_json and out().is_terminal
    seconds = interval or (LIVE_SECONDS if live else LINE_SECONDS)

    async def step(session: Session) -> Status:
        with _live() if live else nullcontext(_print_json if as_json else _print_line) as show:
            return await follow(session, show, seconds=seconds, until_done=until_done)

    if execute(context, state, step).failed:
        raise typer.Exit(1)


async def follow(session: Session, show: Show, *, seconds: float, until_done: bool) -> Status:
    """Look again and again; returns the last status when nothing has been unfinished for a while.

    A server that does not answer is shown and waited for. Raises TransientError when it has never answered.
    """
    tally, rates = Tally(), Rates()
    found: Status | None = None
    quiet_since: float | None = None
    while True:
        begun = session.now()
        fault = ""
        try:
            found = await status(session.stack, now=begun, tally=tally, workers=session.workers())
            rates = rates.after(begun, {each.function: each.done for each in found.functions})
        except TransientError as error:
            if found is None:
                raise
            fault = str(error)
        show(found, rates, fault)
        quiet_since = None if found.unfinished or fault else quiet_since or begun
        if until_done and quiet_since is not None and begun - quiet_since >= QUIET_SECONDS:
            return found
        looked = session.now() - begun
        wait = max(seconds, looked / LOOK_SHARE) - looked
        await session.sleep(min(wait, QUIET_SECONDS) if until_done and quiet_since is not None else wait)


def _print_json(found: Status, rates: Rates, fault: str) -> None:
    lines = document(found)
    for line in lines["functions"]:
        line["filesPerSecond"] = round(rates.of(line["function"]), 3)
    typer.echo(json.dumps(lines | {"fault": fault or None}))


def _print_line(found: Status, rates: Rates, fault: str) -> None:
    if fault:
        err().print(shown(fault), style="yellow")
        return
    moment = time.strftime("%H:%M:%S", time.localtime(found.at))
    parts = [
        f"{each.function}: {each.waiting} waiting, {each.running} running, {each.done} done, "
        f"{each.failed} failed, {rates.of(each.function):.1f} files/s"
        for each in found.functions
        if each.unfinished or each.ended
    ]
    out().print(f"{moment}  {'; '.join(parts) or 'no file waits, and none has ended'}")


@contextmanager
def _live() -> Iterator[Show]:
    """A table that is kept up to date in place."""
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        yield lambda found, rates, fault: live.update(live_view(found, rates, fault), refresh=True)


def live_view(found: Status, rates: Rates, fault: str) -> RenderableType:
    """The table, a line of totals, and what is wrong, if anything."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    add_figures(table)
    table.add_column("files/s", justify="right", no_wrap=True)
    table.add_column("", width=24)
    table.add_column("", style="yellow", no_wrap=True)
    for each in found.functions:
        table.add_row(*row(each), f"{rates.of(each.function):.1f}", _bar(each), remark(each))
    total = sum(rates.of(each.function) for each in found.functions)
    summary = Text(f"{counted(found.unfinished, 'file')} to go, {total:.1f} files/s", style="dim")
    if fault:
        summary = Text(
            f"as of {time.strftime('%H:%M:%S', time.localtime(found.at))}: {shown(fault)}", style="yellow"
        )
    return Group(table, summary)


def _bar(each: FunctionStatus) -> ProgressBar:
    return ProgressBar(total=max(1, each.ended + each.unfinished), completed=each.ended, width=24)

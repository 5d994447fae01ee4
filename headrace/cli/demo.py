"""`headrace demo`: a hundred echocardiograms through a stack of its own, and a report."""

import asyncio
import contextlib
import json
import logging
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from headrace.cli.output import shown
from headrace.local.board import DemoOptions, DemoRun, Progress
from headrace.local.demo import clear_old_state, require_empty, run_demo, summary
from headrace.local.plot import timeline_png
from headrace.local.report import render_report
from headrace.local.report_data import next_steps, report_data
from headrace.local.signals import cancel_on_signals
from headrace.local.stack import cores_of_this_machine
from headrace.local.state import StateDirectory
from headrace.model.errors import ConfigurationError

LINE_SECONDS = 3.0  # between two lines where there is no terminal to draw on


def demo(
    files: Annotated[int, typer.Option(min=1, help="Clips to derive from the real one.")] = 100,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures into a file, too.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="An empty folder for the stack's state; without it, one below the output folder."),
    ] = None,
    output: Annotated[Path, typer.Option(help="The folder for the report.")] = Path("demo"),
    functions: Annotated[Path | None, typer.Option(help="The folder with functions/echo.")] = None,
) -> None:
    """Work echocardiograms on this machine and write a report that one can look at.

    It starts a real object store and a real queue, uploads the files, and stops all again. Exit status 1
    when a file was lost, was worked twice, or failed.
    """
    folder = StateDirectory((state or output / "state").resolve())
    if state is None:
        clear_old_state(folder)
    else:
        require_empty(folder)
    output.mkdir(parents=True, exist_ok=True)
    options = DemoOptions(
        output.resolve(), folder, _functions(functions), files=files, cores=cores_of_this_machine()
    )
    run = _execute(options)
    report = write_report(run, output, state or output / "state", functions or Path("functions"))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(summary(run, report), indent=2) + "\n")
    _conclude(run, report, Console(highlight=False, soft_wrap=True))
    if not run.audit.good:
        raise typer.Exit(1)


def _functions(given: Path | None) -> Path:
    """The given folder, or the one of this checkout, whichever folder one is in."""
    beside = Path(__file__).parents[2] / "functions"
    found = given or (Path("functions") if Path("functions/echo").is_dir() else beside)
    if not (found / "echo").is_dir():
        raise ConfigurationError(
            f"{found}: no echo function in it; run the demo in a checkout of Headrace, or name --functions"
        )
    return found.resolve()


def _execute(options: DemoOptions) -> DemoRun:
    # The screen is the progress's; the stack's log is in its state folder.
    logging.getLogger().addHandler(logging.NullHandler())

    async def main() -> DemoRun:
        cancel_on_signals()
        with _Screen(Console(stderr=True, highlight=False, soft_wrap=True)) as screen:
            return await run_demo(options, screen.show)

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        typer.echo("stopped; nothing is left running", err=True)
        raise typer.Exit(130) from None


def write_report(run: DemoRun, output: Path, state: Path, functions: Path) -> Path:
    """Write report.html and timeline.png; returns the report's path."""
    data = report_data(run, next_steps=next_steps(state, functions))
    (output / "timeline.png").write_bytes(timeline_png(data.timeline))
    report = output / "report.html"
    report.write_text(render_report(data), encoding="utf-8")
    return report


class _Screen(contextlib.AbstractContextManager["_Screen"]):
    """Live progress; a line from time to time where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._line_at = 0.0

    def __enter__(self) -> "_Screen":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, step: str, progress: Progress) -> None:
        if self._console.is_terminal:
            self._live.update(_panel(step, progress))
        elif time.monotonic() - self._line_at >= LINE_SECONDS:
            self._line_at = time.monotonic()
            self._console.print(_line(step, progress))


def _line(step: str, p: Progress) -> str:
    return (
        f"{p.seconds:5.1f} s  {step}: {p.uploaded}/{p.files} uploaded, {p.waiting} waiting, "
        f"{p.workers} workers, {p.done} done, {p.failed} failed, {p.rate:.1f} files/s"
    )


def _panel(step: str, p: Progress) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(7):
        table.add_column(justify="right")
    table.add_row(*(Text(name, style="dim") for name in
                    ("uploaded", "waiting", "workers", "done", "failed", "files/s", "seconds")))  # fmt: skip
    table.add_row(
        f"{p.uploaded}/{p.files}", str(p.waiting), Text(str(p.workers), style="magenta"),
        Text(str(p.done), style="green"), Text(str(p.failed), style="red" if p.failed else ""),
        f"{p.rate:.1f}", f"{p.seconds:.0f}",
    )  # fmt: skip
    whole = Table.grid()
    whole.add_row(Text(f"Headrace demo: {step}", style="bold"))
    whole.add_row(ProgressBar(total=p.files, completed=p.ended, width=60))
    whole.add_row(table)
    return whole


def _conclude(run: DemoRun, report: Path, console: Console) -> None:
    found, good = run.audit, run.audit.good
    console.print(
        f"[bold {'green' if good else 'red'}]{found.files} files in, {found.records} results out, "
        f"{len(found.lost)} lost, {len(found.twice)} twice, {len(found.failures)} failed[/] "
        f"in {run.seconds:.1f} s"
    )
    for failure in found.failures:
        console.print(f"  [red]{escape(shown(failure.task.key))}[/]: {escape(shown(failure.reason))}")
    for worked in run.evidence.worked:
        if worked.finding is not None and worked.record.task.key.endswith("real-four-chamber.dcm"):
            verdict = "right" if worked.finding.view == "four-chamber" else "wrong"
            console.print(
                f"the real clip, a four-chamber view, was found to be: {worked.finding.view} ({verdict})"
            )
    for key in found.unpublished:
        console.print(f"  [red]{escape(shown(key))}[/]: not what its record names")
    for task in found.strangers:
        console.print(f"  [red]{escape(shown(task.key))}[/]: has a record, and was not uploaded")
    console.print("runtime: host (no container was used); the model is a demonstration, not a medical device")
    console.print(f"\nreport: [bold]{escape(str(report))}[/]")

"""The entry point of `headrace`: the table of its commands."""

import os
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated, ClassVar, NoReturn

import typer

from headrace.cli.deferred import Entry, ErrorMappingGroup

COMMANDS = (
    Entry(
        "up", "headrace.cli.up", "up",
        "Start the stack on this machine: object store, queue, receiver and workers.",
        "headrace up --functions functions",
    ),
    Entry(
        "connect", "headrace.cli.connect", "connect",
        "Make a cluster's stack reachable for the commands on this machine.",
        "headrace connect --kubeconfig lab.yaml --state lab",
    ),
    Entry(
        "doctor", "headrace.cli.doctor", "doctor",
        "Look for what is wrong, and tell what to do.",
        "headrace doctor --kubeconfig lab.yaml",
    ),
    Entry(
        "demo", "headrace.cli.demo", "demo",
        "Work a hundred echocardiograms and write a report.",
        "headrace demo --files 20",
    ),
    Entry(
        "put", "headrace.cli.put", "put",
        "Upload files, so that functions work them.",
        "headrace put scans/*.dcm --function echo",
    ),
    Entry(
        "run", "headrace.cli.run", "run",
        "Upload one file for a function, wait for its result, and fetch it.",
        "headrace run thumbnail cat.png --output results",
    ),
    Entry(
        "watch", "headrace.cli.watch", "watch",
        "Show files waiting, running, done and failed, as they change.",
        "headrace watch --until-done",
    ),
    Entry(
        "status", "headrace.cli.status", "status",
        "Show how many files of each function wait, run and have ended.",
        "headrace status --json",
    ),
    Entry(
        "results", "headrace.cli.results", "results",
        "List what a function has made, or save it in a folder.",
        "headrace results echo --since 2h --output results",
    ),
    Entry(
        "explain", "headrace.cli.explain", "explain",
        "Tell a file's whole story, or why there are so many workers and nodes.",
        "headrace explain s3://uploads/echo/a.dcm",
    ),
    Entry(
        "node", "headrace.cli.node", "app",
        "List nodes, and keep one from taking work.",
    ),
    Entry(
        "gpus", "headrace.cli.gpus", "gpus",
        "List a cluster's GPUs, local and remote: who uses them, and what is free.",
        "headrace gpus --kubeconfig cluster.yaml",
    ),
    Entry(
        "gpu", "headrace.cli.gpu", "app",
        "Compare a cluster's ways to GPUs, by your own files.",
    ),
    Entry(
        "logs", "headrace.cli.logs", "logs",
        "Print what a function printed while it worked a file.",
        "headrace logs echo echo/a.dcm",
    ),
    Entry(
        "replay", "headrace.cli.replay", "replay",
        "Try failed and purged files again.",
        "headrace replay echo --dry-run",
    ),
    Entry(
        "rerun", "headrace.cli.rerun", "rerun",
        "Work files again that are there already, by the function as it is now.",
        "headrace rerun echo --prefix echo/2026/",
    ),
    Entry(
        "pause", "headrace.cli.pause", "pause",
        "Hand out no more files of a function; what runs goes on.",
        "headrace pause echo",
    ),
    Entry(
        "resume", "headrace.cli.pause", "resume",
        "Hand out a function's files again.",
        "headrace resume echo",
    ),
    Entry(
        "purge", "headrace.cli.purge", "purge",
        "Empty a function's queue; replay brings the files back.",
        "headrace purge echo --dry-run",
    ),
    Entry(
        "backup", "headrace.cli.backup", "backup",
        "Copy records, buckets and waiting files to a folder or another store.",
        "headrace backup s3://backups/lab --endpoint https://s3.example --keep 7",
    ),
    Entry(
        "restore", "headrace.cli.restore", "restore",
        "Put a backup back into a new stack.",
        "headrace restore s3://backups/lab --endpoint https://s3.example --dry-run",
    ),
    Entry(
        "simulate", "headrace.cli.simulate", "simulate",
        "Tell what a load will cost and how long files will wait, before money is spent.",
        "headrace simulate --trace trace.csv --pools pools.yaml --plot out.svg",
    ),
    Entry(
        "function", "headrace.cli.function", "app",
        "Check functions, import OSCAR's, begin a new one, try one on a local file.",
    ),
    Entry(
        "event", "headrace.cli.event", "app",
        "Look into notifications of the object store.",
        "headrace event explain delivery.json --functions functions",
    ),
)  # fmt: skip


class _Commands(ErrorMappingGroup):
    entries: ClassVar[tuple[Entry, ...]] = COMMANDS


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich"
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  (typer's callback)
    if wanted:
        typer.echo(f"headrace {version('headrace')}")
        raise typer.Exit


@app.callback()
def _headrace(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Drop a file in a bucket; its result appears in another."""


def run() -> NoReturn:
    """The console script."""
    code: object = 1
    try:
        app()
    except SystemExit as end:
        code = end.code
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Not sys.exit: obstore's threads may still be waiting for the interpreter when it shuts down, and
    # CPython before 3.14 ends such a thread in a way that aborts the process (seen: exit status 134).
    os._exit(code if isinstance(code, int) else 0)

"""`headrace gpu …`: which way to a GPU pays."""

from typing import ClassVar

import typer

from headrace.cli.deferred import DeferringGroup, Entry

COMMANDS = (
    Entry(
        "assess", "headrace.cli.gpu_assess", "assess",
        "Work the same files by each way to a GPU that a cluster has, and compare.",
        "headrace gpu assess --kubeconfig lab.yaml --function echo --files scans --plot ways.svg",
    ),
)  # fmt: skip


class _Commands(DeferringGroup):
    entries: ClassVar[tuple[Entry, ...]] = COMMANDS


app = typer.Typer(cls=_Commands, no_args_is_help=True, help="Compare a cluster's ways to GPUs.")


@app.callback()
def _gpu() -> None:
    """Compare a cluster's ways to GPUs."""

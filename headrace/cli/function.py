"""`headrace function …`: what an author of functions uses. The commands are in modules of their own."""

from typing import ClassVar

import typer

from headrace.cli.deferred import DeferringGroup, Entry

COMMANDS = (
    Entry(
        "check", "headrace.cli.function_check", "check",
        "Check functions: their files, and cycles across all of them.",
        "headrace function check functions",
    ),
    Entry(
        "import", "headrace.cli.function_import", "import_",
        "Make functions of OSCAR's definitions (FDL).",
        "headrace function import fdl.yaml --output functions",
    ),
    Entry(
        "new", "headrace.cli.function_new", "new",
        "Begin a new function with a small working example.",
        "headrace function new histogram --script",
    ),
    Entry(
        "test", "headrace.cli.function_test", "test",
        "Run a function on its samples, or on a local file, by the worker's own code.",
        "headrace function test functions/thumbnail --file cat.png --output results",
    ),
)  # fmt: skip


class _Commands(DeferringGroup):
    entries: ClassVar[tuple[Entry, ...]] = COMMANDS


app = typer.Typer(cls=_Commands, no_args_is_help=True, help="What an author of functions uses.")


@app.callback()
def _function() -> None:
    """What an author of functions uses."""

"""Options that several commands have, worded once."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.completing import function_names

DEFAULT_STATE = Path(".headrace")

State = Annotated[
    Path,
    typer.Option(
        "--state", envvar="HEADRACE_STATE", help="The folder in which `headrace up` keeps its state."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]
Kubeconfig = Annotated[
    Path,
    typer.Option(
        envvar="HEADRACE_KUBECONFIG", exists=True, dir_okay=False, help="Its current context is taken."
    ),
]
FunctionName = Annotated[
    str,
    typer.Argument(metavar="FUNCTION", help="The function's name.", autocompletion=function_names),
]

"""`headrace rerun`: files that are there already are worked again."""

from typing import Annotated

import typer

from headrace.cli.changes import print_changes
from headrace.cli.options import DEFAULT_STATE, DryRun, FunctionName, Json, State
from headrace.cli.session import execute
from headrace.operations.rerun import rerun as rerun_files


def rerun(
    context: typer.Context,
    function: FunctionName,
    prefix: Annotated[str, typer.Option(help="Only objects whose key begins with this.")] = "",
    *,
    state: State = DEFAULT_STATE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Work files again that are there already, by the function as it is now.

    Takes every object that matches the function's inputs, older ones than the function too. The new
    results overwrite the old ones.
    """
    changes = execute(
        context,
        state,
        lambda session: rerun_files(
            session.stack, function, prefix=prefix, now=session.now(), dry_run=dry_run
        ),
    )
    print_changes(changes, as_json=as_json)

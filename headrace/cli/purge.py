"""`headrace purge`: a function's queue is emptied, and nothing is forgotten."""

import typer

from headrace.cli.changes import print_changes
from headrace.cli.options import DEFAULT_STATE, DryRun, FunctionName, Json, State
from headrace.cli.session import execute
from headrace.operations.purge import purge as purge_queue


def purge(
    context: typer.Context,
    function: FunctionName,
    *,
    state: State = DEFAULT_STATE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Empty a function's queue; `headrace replay` brings the files back.

    Takes also files that a worker has in hand and has not recorded yet: their results are not kept.
    """
    changes = execute(
        context,
        state,
        lambda session: purge_queue(session.stack, function, now=session.now(), dry_run=dry_run),
    )
    print_changes(changes, as_json=as_json)

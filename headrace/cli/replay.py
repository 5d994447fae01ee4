"""`headrace replay`: failed and purged files are tried again."""

from typing import Annotated

import typer

from headrace.cli.changes import print_changes
from headrace.cli.completing import failed_tasks
from headrace.cli.options import DEFAULT_STATE, DryRun, FunctionName, Json, State
from headrace.cli.session import execute
from headrace.operations.replay import replay as replay_failures


def replay(
    context: typer.Context,
    function: FunctionName,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--task", help="Only this task; may be given several times.", autocompletion=failed_tasks
        ),
    ] = None,
    *,
    state: State = DEFAULT_STATE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Try failed and purged files again.

    Their failure records move to the history. Files that were overwritten or deleted are left, with the
    reason. A replay that was interrupted is finished by the next one.
    """
    changes = execute(
        context,
        state,
        lambda session: replay_failures(session.stack, function, ids=tasks or None, dry_run=dry_run),
    )
    print_changes(changes, as_json=as_json)

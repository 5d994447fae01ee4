"""`headrace pause` and `headrace resume`: whether a function's files are handed out."""

import typer

from headrace.cli.options import DEFAULT_STATE, DryRun, FunctionName, Json, State
from headrace.cli.output import counted, out, print_json
from headrace.cli.session import execute
from headrace.operations import purge as queue
from headrace.operations.purge import Pausing


def pause(
    context: typer.Context,
    function: FunctionName,
    *,
    state: State = DEFAULT_STATE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Hand out no more files of a function; what runs goes on, and new files are queued.

    Survives a restart. `headrace resume` ends it.
    """
    _print(
        execute(context, state, lambda session: queue.pause(session.stack, function, dry_run=dry_run)),
        as_json=as_json,
    )


def resume(
    context: typer.Context,
    function: FunctionName,
    *,
    state: State = DEFAULT_STATE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Hand out a function's files again."""
    _print(
        execute(context, state, lambda session: queue.resume(session.stack, function, dry_run=dry_run)),
        as_json=as_json,
    )


def _print(pausing: Pausing, *, as_json: bool) -> None:
    if as_json:
        print_json(pausing)
        return
    verb = "would be" if pausing.dry_run else "is"
    word = "paused" if pausing.paused else "running"
    already = " already" if pausing.was_paused == pausing.paused else ""
    out().print(f"{pausing.function} {verb} {word}{already}, {counted(pausing.waiting, 'file')} waiting")

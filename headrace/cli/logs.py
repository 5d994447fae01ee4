"""`headrace logs`: what a function printed while it worked a file."""

import sys
from typing import Annotated

import typer

from headrace.cli.completing import failed_tasks
from headrace.cli.options import DEFAULT_STATE, FunctionName, Json, State
from headrace.cli.output import err, location, print_json, shown_lines
from headrace.cli.session import execute
from headrace.cli.target import SCHEME, parse_object
from headrace.operations.logs import logs as read_logs


def logs(
    context: typer.Context,
    function: FunctionName,
    file: Annotated[
        str,
        typer.Argument(
            metavar="TASK|KEY|s3://BUCKET/KEY", help="Whose log it is.", autocompletion=failed_tasks
        ),
    ],
    *,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Print what a function printed while it worked a file: stdout and stderr of the last attempt.

    A file that has not ended yet has no log: then the exit code is 3.
    """
    place = parse_object(file) if file.startswith(SCHEME) else None
    log = execute(
        context,
        state,
        lambda session: read_logs(
            session.stack,
            function,
            place.key if place else file,
            bucket=session.stack.real_bucket(place.bucket) if place else None,
        ),
    )
    if as_json:
        print_json(log)
        return
    err().print(f"{location(log.bucket, log.key)}  task {log.task_id}  {log.stage}")
    # On a terminal what a function prints must not move the cursor; in a file it is kept as it is.
    text = shown_lines(log.text) if sys.stdout.isatty() else log.text
    typer.echo(text, nl=not text.endswith("\n"))

"""`headrace event explain FILE`: what a saved notification says, and which tasks it would make."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from headrace.catalog.folder import load_folder
from headrace.events.routing import takers
from headrace.model.errors import ConfigurationError, RejectedError
from headrace.model.event import Delivery, FileEvent
from headrace.model.function import Function
from headrace.model.task import task_id
from headrace.notification import Reading, read_body

app = typer.Typer(no_args_is_help=True, help="Notifications of the object store.")

# Exit statuses.
FAULTY_FUNCTIONS = 1
NO_NOTIFICATION = 2


@dataclass(frozen=True, slots=True)
class Planned:
    """A task that a delivery would make; its id is None where the delivery names no identity."""

    function: str
    id: str | None
    bucket: str
    key: str


@app.callback()
def _event() -> None:
    """Notifications of the object store."""


@app.command()
def explain(
    file: Annotated[str, typer.Argument(help="a saved notification; - for standard input")],
    functions: Annotated[Path | None, typer.Option(help="a folder of functions, to show the tasks")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")] = False,
) -> None:
    """Show whose notification it is and what it says. Exit status 2: it is none, 1: functions have faults."""
    try:
        reading = read_body(_read(file))
        installed = [] if functions is None else [each.function for each in load_folder(functions)]
    except RejectedError as error:
        _fail(str(error), NO_NOTIFICATION, as_json=as_json)
    except ConfigurationError as error:
        _fail(str(error), FAULTY_FUNCTIONS, as_json=as_json)
    tasks = plan(reading.delivery, installed)
    if as_json:
        print(json.dumps(document_of(reading, tasks)))  # noqa: T201  (a document for programs)
    else:
        _show(reading, tasks)


def plan(delivery: Delivery, functions: Sequence[Function]) -> tuple[Planned, ...]:
    """The tasks of a delivery, as far as it tells: the receiver takes the identity from the store."""
    return tuple(
        Planned(function.name, _id(function.name, event), event.bucket, event.key)
        for event in delivery.created
        for function in takers(functions, event.bucket, event.key, real_bucket=lambda name: name)
    )


def document_of(reading: Reading, tasks: Sequence[Planned]) -> dict[str, object]:
    """The document that --json prints."""
    return {"dialect": reading.dialect, **_rows(reading.delivery, tasks)}


def _rows(delivery: Delivery, tasks: Sequence[Planned]) -> dict[str, list[dict[str, object]]]:
    return {
        "created": [
            {"bucket": e.bucket, "key": e.key, "version": e.version, "etag": e.etag, "size": e.size}
            for e in delivery.created
        ],
        "ignored": [
            {"event": e.event, "bucket": e.bucket, "key": e.key, "reason": e.reason} for e in delivery.ignored
        ],
        "tasks": [{"function": t.function, "id": t.id, "bucket": t.bucket, "key": t.key} for t in tasks],
    }


def _id(function: str, event: FileEvent) -> str | None:
    identity = event.version or event.etag
    return None if identity is None else task_id(function, event.bucket, event.key, identity)


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise RejectedError(f"{file} can't be read: {error.strerror}") from error


def _fail(reason: str, status: int, *, as_json: bool) -> NoReturn:
    if as_json:
        print(json.dumps({"error": reason}))  # noqa: T201  (a document for programs)
    typer.echo(reason, err=True)
    raise typer.Exit(status)


def _show(reading: Reading, tasks: Sequence[Planned]) -> None:
    console = Console()
    console.print(f"dialect: {reading.dialect}")
    for title, rows in _rows(reading.delivery, tasks).items():
        if not rows:
            console.print(f"{title}: none")
            continue
        table = Table(*rows[0], title=title, title_justify="left")
        for row in rows:
            table.add_row(*("-" if value is None else _for_terminal(value) for value in row.values()))
        console.print(table)


def _for_terminal(value: object) -> str:
    """A value for a table: control characters are shown, not obeyed, and brackets are no markup."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
    return escape(shown)

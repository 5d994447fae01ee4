"""How values are printed: one JSON document for programs, plain words for people."""

import dataclasses
import json
import sys
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import typer
from pydantic.alias_generators import to_camel
from rich.console import Console
from rich.table import Table

from headrace.model.value import Value

WIDE = 200  # columns of a table that goes to a file or a pipe


def out() -> Console:
    """Facts, on stdout. Keys are never taken for markup; long lines are left to the terminal."""
    return Console(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)


def err() -> Console:
    """Progress and remarks, on stderr."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """One document on stdout."""
    typer.echo(json.dumps(document(value), indent=2))


def document(value: object) -> Any:  # noqa: ANN401  (JSON)
    """A value as JSON has it: names in camelCase, a persisted value as it is persisted."""
    if isinstance(value, Value):
        return json.loads(value.to_json())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {to_camel(f.name): document(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): document(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [document(each) for each in value]
    return value


def quiet_table(*columns: str, whole: Collection[str] = ()) -> Table:
    """A table without lines under dim headings; the columns that are named in `whole` are not broken."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column in whole)
    return table


def shown(text: str) -> str:
    """A key or message for a terminal: control characters are shown, not obeyed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)


def shown_lines(text: str) -> str:
    """Text of several lines for a terminal: line ends and tabs stay."""
    return "\n".join("\t".join(map(shown, line.split("\t"))) for line in text.splitlines())


def location(bucket: str, key: str) -> str:
    """An object as S3 clients name it."""
    return shown(f"s3://{bucket}/{key}")


def size(count: int) -> str:
    """Bytes for people, in powers of 1000."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} {units[0]}" if units[0] == "B" or amount >= 99.95 else f"{amount:.1f} {units[0]}"


def duration(seconds: float | None) -> str:
    """A time span for people; a dash for None."""
    if seconds is None:
        return "-"
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def moment(timestamp: float) -> str:
    """Seconds since the epoch as local date and time."""
    return datetime.fromtimestamp(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def counted(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

"""`headrace results`: what a function has made, and how it comes into a local folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from headrace.cli.options import DEFAULT_STATE, FunctionName, Json, State
from headrace.cli.output import counted, duration, err, location, moment, out, print_json, shown, size
from headrace.cli.session import Session, execute
from headrace.cli.since import parse_since
from headrace.cli.target import SCHEME, parse_location
from headrace.model.errors import ConfigurationError
from headrace.model.record import Ended, Ending, FailureRecord, Record
from headrace.operations.fetch import Fate, Fetched, fetch_all
from headrace.operations.logs import standing, stories_of
from headrace.operations.results import Result, ended, results_of
from headrace.operations.wanted import Wanted

FEW = 10  # files without a result that are all told of

_FATES = {
    Fate.DIFFERS: "another file is there, and was left as it is; --overwrite replaces it",
    Fate.MISSING: "nothing lies there: not published yet, or deleted since",
    Fate.REPLACED: "overwritten since, by another version, run or function",
    Fate.OUTSIDE: "its name leads out of a folder; fetch it by an S3 client",
}


@dataclass(frozen=True, slots=True)
class Lacking:
    """A file that has no result, and why; `file` as it was named, or its address."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What `results` tells without a folder."""

    function: str
    results: tuple[Result, ...]
    lacking: tuple[Lacking, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """What `results` did for a folder."""

    function: str
    output: str
    fetched: tuple[Fetched, ...]
    lacking: tuple[Lacking, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which files: those that are `named`, or all of those that the bounds allow."""

    named: tuple[Wanted, ...]
    newest: int | None
    since: float | None

    def takes(self, record: Ended) -> bool:
        return not self.named or any(each.means(record.task) for each in self.named)


def results(
    context: typer.Context,
    function: FunctionName,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY|s3://BUCKET/KEY|TASK]…",
            help="Only of these files; a key that ends with / means all below it.",
        ),
    ] = None,
    newest: Annotated[int | None, typer.Option(min=1, help="Only of the newest so many files.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only what was made since: 30m, 2h, 7d ago, or 2026-05-01T14:30."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Save the outputs in this folder.", file_okay=False)
    ] = None,
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace other files that have an output's name.")
    ] = False,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """List what a function has made, the newest last, or save it in a folder.

    With --output each output is saved under the name that the function gave it. What is there already is not
    loaded again, so a download that was broken off goes on; another file of that name is left as it is.

    Exit code 1: a file that was named has no result, or an output could not be saved; each is told.
    """
    if files and (newest or since):
        raise ConfigurationError(
            "found files beside --newest or --since, allowed one of them; drop the other"
        )

    async def step(session: Session) -> Listed | Saved:
        choice = _Choice(
            tuple(_wanted(each, session) for each in files or ()),
            newest,
            parse_since(since, session.now()) if since else None,
        )
        return await _done(session, function, choice, output, overwrite=overwrite, listing=not as_json)

    found = execute(context, state, step)
    if as_json:
        print_json(found)
    else:
        _print(found)
    left = isinstance(found, Saved) and not all(each.fate.is_there for each in found.fetched)
    if left or (files and found.lacking):
        raise typer.Exit(1)


def _wanted(text: str, session: Session) -> Wanted:
    if not text.startswith(SCHEME):
        return Wanted(text)
    place = parse_location(text)
    return Wanted(place.key, session.stack.real_bucket(place.bucket))


async def _done(
    session: Session, function: str, choice: _Choice, output: Path | None, *, overwrite: bool, listing: bool
) -> Listed | Saved:
    records = []
    async for record in ended(session.stack, function, newest=choice.newest, since=choice.since):
        if choice.takes(record):
            records.append(record)
            if listing and output is None:
                _print_results(record)
    # A plain list tells of no failures: `headrace status` does.
    lacking = await _lacking(session, function, choice, records) if choice.named or output else ()
    if output is None:
        return Listed(function, tuple(each for record in records for each in results_of(record)), lacking)
    fetched = await _fetched(session, records, output, overwrite=overwrite)
    return Saved(function, str(output), fetched, lacking)


async def _fetched(
    session: Session, records: Sequence[Ended], folder: Path, *, overwrite: bool
) -> tuple[Fetched, ...]:
    """Several at once, with progress on a terminal's stderr."""
    done, console = [each for each in records if isinstance(each, Record)], err()
    columns = (TextColumn("saving"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        line = bar.add_task("", total=sum(len({each.name for each in record.outputs}) for record in done))
        return await fetch_all(
            session.stack, done, folder, overwrite=overwrite, tell=lambda _: bar.advance(line)
        )


async def _lacking(
    session: Session, function: str, choice: _Choice, records: Sequence[Ended]
) -> tuple[Lacking, ...]:
    """Files whose newest task has failed, and those of the named ones of which nothing has ended."""
    last = {(record.task.bucket, record.task.key): record for record in records}
    failed = [
        Lacking(
            location(*place), f"{record.state} after {counted(record.attempts, 'attempt')}: {record.reason}"
        )
        for place, record in last.items()
        if isinstance(record, FailureRecord) and record.state is Ending.FAILED
    ]
    unseen = [each for each in choice.named if not any(each.means(record.task) for record in records)]
    return (*failed, *[await _unseen(session, function, each) for each in unseen])


async def _unseen(session: Session, function: str, wanted: Wanted) -> Lacking:
    name = location(wanted.bucket, wanted.text) if wanted.bucket else wanted.text
    if wanted.is_folder:
        return Lacking(name, "no file below it has ended")
    return Lacking(name, standing(await stories_of(session.stack, function, wanted)))


def _print_results(record: Ended) -> None:
    for result in results_of(record):
        output = result.output
        run = f" run {result.run}" if result.run else ""
        out().print(
            f"{location(output.bucket, output.key)}  {size(output.size)}  {moment(result.committed)}  "
            f"{duration(result.seconds)}  from {location(result.bucket, result.key)}{run}"
        )


def _print(found: Listed | Saved) -> None:
    if isinstance(found, Listed):
        total = sum(each.output.size for each in found.results)
        out().print(f"{counted(len(found.results), 'result')} of {found.function}, {size(total)}")
    else:
        _print_saved(found)
    for each in found.lacking[:FEW]:
        err().print(f"{shown(each.file)}: no result: {shown(each.reason)}", style="yellow")
    if len(found.lacking) > FEW:
        err().print(f"{counted(len(found.lacking) - FEW, 'more file')} without a result", style="yellow")


def _print_saved(found: Saved) -> None:
    for each in found.fetched:
        if each.fate is Fate.SAVED:
            out().print(f"saved {shown(each.path)}")
        elif told := _FATES.get(each.fate):
            place = location(each.output.bucket, each.output.key)
            err().print(f"{place} is not saved in {shown(each.path)}: {told}", style="yellow")
    fates = [each.fate for each in found.fetched]
    total = sum(each.output.size for each in found.fetched if each.fate is Fate.SAVED)
    place = shown(found.output)
    parts = [
        f"{counted(fates.count(Fate.SAVED), 'file')} of {found.function} saved in {place}, {size(total)}",
        *([f"{there} there already"] if (there := fates.count(Fate.THERE)) else []),
        *([f"{older} older of the same name"] if (older := fates.count(Fate.OLDER)) else []),
        *([f"{left} not saved"] if (left := sum(each in _FATES for each in fates)) else []),
    ]
    out().print("; ".join(parts))

"""`headrace put`: files are uploaded, so that functions work them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TransferSpeedColumn

from headrace.cli.completing import function_names
from headrace.cli.options import DEFAULT_STATE, DryRun, Json, State
from headrace.cli.output import counted, err, location, out, print_json, size
from headrace.cli.session import Session, execute
from headrace.cli.target import SCHEME, Location, Upload, parse_location, uploads_for, uploads_to
from headrace.model.errors import ConfigurationError
from headrace.operations.concurrently import concurrently
from headrace.operations.reasons import takes

MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Put:
    """An uploaded file, and the functions that its key starts. `etag` is None in a dry run."""

    bucket: str
    key: str
    size: int
    etag: str | None
    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Puts:
    """What `put` did or would do."""

    dry_run: bool
    files: tuple[Put, ...]


def put(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE… [s3://BUCKET/PREFIX]", help="Files or folders, and last where they go."
        ),
    ],
    function: Annotated[
        str | None,
        typer.Option(
            "--function",
            help="Put them where this function looks for its input.",
            autocompletion=function_names,
        ),
    ] = None,
    *,
    state: State = DEFAULT_STATE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Upload files, so that functions work them.

    One file goes to the very key that is given; several, or a key that ends with /, get their names
    put behind it. Of a folder everything below is uploaded. An object of the same key is overwritten.
    """
    paths, target = split(files, function)

    async def step(session: Session) -> Puts:
        if function is not None:
            uploads = uploads_for(paths, session.stack, function)
        else:
            place = parse_location(target)
            uploads = uploads_to(paths, Location(session.stack.real_bucket(place.bucket), place.key))
        return await upload_all(session, uploads, dry_run=dry_run)

    puts = execute(context, state, step)
    if as_json:
        print_json(puts)
    else:
        _print(puts)


def split(arguments: Sequence[str], function: str | None) -> tuple[list[Path], str]:
    """The files, and the target behind them; empty with --function. Raises ConfigurationError."""
    *files, last = arguments
    has_target = last.startswith(SCHEME)
    if has_target == (function is not None):
        found = "both" if has_target else "none"
        raise ConfigurationError(
            f"found {found}, allowed either s3://BUCKET/PREFIX behind the files or --function; write one"
        )
    paths = [Path(each) for each in (files if has_target else arguments)]
    if not paths:
        raise ConfigurationError("found no file before the target; name at least one")
    return paths, last if has_target else ""


async def upload_all(session: Session, uploads: Sequence[Upload], *, dry_run: bool) -> Puts:
    """Upload, several files at once, with progress on a terminal's stderr."""
    stack = session.stack
    columns = (TextColumn("uploading"), BarColumn(), MofNCompleteColumn(), TransferSpeedColumn())
    console = err()
    with Progress(
        *columns, console=console, transient=True, disable=dry_run or not console.is_terminal
    ) as bar:
        line = bar.add_task("", total=len(uploads))

        async def one(upload: Upload) -> Put:
            etag = None if dry_run else await stack.storage.put(upload.bucket, upload.key, upload.path)
            bar.advance(line)
            return Put(
                upload.bucket,
                upload.key,
                upload.path.stat().st_size,
                etag,
                tuple(
                    each.function.name
                    for each in stack.functions
                    if any(takes(source, upload.bucket, upload.key) for source in stack.inputs(each))
                ),
            )

        return Puts(dry_run, tuple(await concurrently(one, uploads, most=MOST_AT_ONCE)))


def _print(puts: Puts) -> None:
    console = out()
    for each in puts.files:
        starts = f"starts {', '.join(each.functions)}" if each.functions else "starts no function"
        console.print(f"{location(each.bucket, each.key)}  {size(each.size)}  {starts}")
    verb = "would be uploaded" if puts.dry_run else "uploaded"
    console.print(f"{counted(len(puts.files), 'file')} {verb}, {size(sum(each.size for each in puts.files))}")

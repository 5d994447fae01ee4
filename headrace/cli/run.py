"""`headrace run`: one file is uploaded for a function, its result awaited and fetched."""

import secrets
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.options import DEFAULT_STATE, DryRun, FunctionName, Json, State
from headrace.cli.output import counted, duration, err, location, out, print_json, shown, shown_lines, size
from headrace.cli.put import Puts, upload_all
from headrace.cli.session import Session, execute
from headrace.cli.target import Upload, uploads_for
from headrace.model.record import FailureRecord, Record
from headrace.model.task import task_id
from headrace.operations.fetch import fetch
from headrace.operations.stack import Stack
from headrace.operations.task_story import Stage, TaskStory
from headrace.operations.waiting import describe, settled


@dataclass(frozen=True, slots=True)
class Finished:
    """A task that has ended, and where its outputs were saved. `seconds`: from the upload's end on."""

    bucket: str
    key: str
    story: TaskStory
    seconds: float
    saved: tuple[str, ...]


def run(
    context: typer.Context,
    function: FunctionName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A local file.", exists=True, dir_okay=False)],
    output: Annotated[Path | None, typer.Option(help="A folder to save the outputs in.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Wait so many seconds at most.")] = None,
    *,
    state: State = DEFAULT_STATE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Upload one file for a function, wait for its result, and fetch it.

    The file goes into a folder of its own below the function's first input, so that it meets no other.
    Exit code 1: the file has failed; the reason and the end of its log are printed. Exit code 4: time
    ran out; the file stays in the queue.
    """

    async def step(session: Session) -> Puts | Finished:
        (upload,) = uploads_for([file], session.stack, function, folder=f"run-{secrets.token_hex(4)}/")
        if dry_run:
            return await upload_all(session, [upload], dry_run=True)
        return await _finished(session, function, upload, output, timeout)

    found = execute(context, state, step)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if isinstance(found, Finished) and found.story.stage is not Stage.DONE:
        raise typer.Exit(1)


async def _finished(
    session: Session, function: str, upload: Upload, output: Path | None, timeout_seconds: float | None
) -> Finished:
    stack, console = session.stack, err()
    await stack.storage.put(upload.bucket, upload.key, upload.path)
    begun = session.now()
    info = await stack.storage.head(upload.bucket, upload.key)
    identifier = task_id(function, upload.bucket, upload.key, info.identity)
    with console.status("uploaded") if console.is_terminal else nullcontext() as display:
        tell = display.update if display else _on_change(console.print)
        story = await settled(
            stack, function, identifier,
            timeout_seconds=timeout_seconds, now=session.now, sleep=session.sleep,
            tell=lambda each: tell(describe(each)),
        )  # fmt: skip
    seconds = session.now() - begun
    saved = await _saved(stack, story, output)
    return Finished(upload.bucket, upload.key, story, seconds, tuple(str(path) for path in saved))


def _on_change(write: Callable[[str], None]) -> Callable[[str], None]:
    """Writes a text only when it differs from the last one."""
    last: list[str] = []

    def tell(text: str) -> None:
        if last != [text]:
            last[:] = [text]
            write(text)

    return tell


async def _saved(stack: Stack, story: TaskStory, folder: Path | None) -> tuple[Path, ...]:
    if folder is None or not isinstance(story.record, Record):
        return ()
    return await fetch(stack, story.record, folder)


def _print(found: Puts | Finished) -> None:
    console = out()
    if isinstance(found, Puts):
        for file in found.files:
            console.print(f"{location(file.bucket, file.key)}  {size(file.size)}  would be uploaded")
        return
    if isinstance(found.story.record, FailureRecord):
        _print_failure(found, found.story.record)
        return
    for each in found.story.outputs:
        console.print(f"{location(each.output.bucket, each.output.key)}  {size(each.output.size)}")
    for path in found.saved:
        console.print(f"saved {shown(path)}")
    console.print(
        f"{found.story.function} made {counted(len(found.story.outputs), 'file')} of "
        f"{location(found.bucket, found.key)} in {duration(found.seconds)}"
    )


def _print_failure(found: Finished, record: FailureRecord) -> None:
    console = err()
    if record.log:
        console.print(shown_lines(record.log), style="dim")
    console.print(
        f"{record.task.function}: {location(found.bucket, found.key)} {record.state} after "
        f"{counted(record.attempts, 'attempt')}: {shown(record.reason)}",
        style="red",
    )
    console.print(f"`headrace logs {record.task.function} {record.task.id}` prints the whole log")

"""`headrace explain`: a file's whole story, or why there are so many workers and nodes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from headrace.cli.completing import subjects
from headrace.cli.options import DEFAULT_STATE, Json, State
from headrace.cli.output import (
    counted,
    duration,
    location,
    moment,
    out,
    print_json,
    shown,
    shown_lines,
    size,
)
from headrace.cli.plan_story import print_explanation, print_where_told
from headrace.cli.session import Session, execute, read_explanation
from headrace.cli.target import Location, parse_object
from headrace.model.errors import NotFoundError
from headrace.model.record import FailureRecord, Record
from headrace.operations.explain import Story
from headrace.operations.explain import explain as find_story
from headrace.operations.task_story import Published, Stage, TaskStory
from headrace.scaler.explaining import Explanation

LOG_LINES = 12  # of a failure's log; `headrace logs` has the rest

_COLOURS = {
    Stage.ABSENT: "yellow",
    Stage.QUEUED: "blue",
    Stage.DONE: "green",
    Stage.FAILED: "bold red",
}
_PUBLISHED = {
    Published.PUBLISHED: "",
    Published.MISSING: "not there: not published yet, or deleted since",
    Published.REPLACED: "overwritten since, by another version, run or function",
}


def explain(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[s3://BUCKET/KEY | FUNCTION | NODE]",
            help="An object, a function or a node; or nothing.",
            autocompletion=subjects,
        ),
    ] = None,
    *,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Also earlier versions of the file; reads every record.")
    ] = False,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Tell a file's whole story, or why there are so many workers and nodes.

    Of a file: received, waiting behind others, attempts, record, or why it never started. Of a function or
    a node: why it has so many workers, or is on or off, what is on its way, what can't be met and why.
    Without an argument: the scaler's whole plan.

    Exit code 3: there is no such object, and nothing is known of it; or no such function or node; or no
    stack runs.
    """
    if what is None or "/" not in what:
        _explain_plan(what, read_explanation(state), as_json=as_json)
    else:
        _explain_file(context, parse_object(what), state, thorough=thorough, as_json=as_json)


def _explain_plan(name: str | None, whole: Explanation, *, as_json: bool) -> None:
    found = whole if name is None else whole.about(name)
    if found is None:
        names = [each.name for each in whole.functions] + [each.name for each in whole.nodes]
        known = ", ".join(names) or "none"
        raise NotFoundError(f"{name!r} is no function and no node; known: {known}; or name s3://BUCKET/KEY")
    if as_json:
        print_json(found)
    else:
        print_explanation(found)


def _explain_file(
    context: typer.Context, place: Location, state: Path, *, thorough: bool, as_json: bool
) -> None:
    async def step(session: Session) -> Story:
        story = await find_story(
            session.stack,
            session.stack.real_bucket(place.bucket),
            place.key,
            now=session.now(),
            listing_seconds=session.listing_seconds,
            thorough=thorough,
        )
        return replace(story, tasks=tuple(_with_shortfall(task, session) for task in story.tasks))

    story = execute(context, state, step)
    if as_json:
        print_json(story)
    else:
        _print(story)
    if story.found is None and not story.tasks:
        raise typer.Exit(3)


def _with_shortfall(task: TaskStory, session: Session) -> TaskStory:
    """With the reason why nothing is done for a file that waits."""
    if task.stage is not Stage.QUEUED or task.paused:
        return task
    return replace(task, why="; ".join(each.reason.text for each in session.unmet(task.function)) or None)


def _print(story: Story) -> None:
    console = out()
    console.print(Text(location(story.bucket, story.key), style="bold"))
    if story.found:
        ago = duration(max(0.0, story.at - story.found.modified))
        _step("object", f"{size(story.found.size)}, put {moment(story.found.modified)} ({ago} ago)")
        _step(
            "",
            f"ETag {story.found.etag}" + (f", version {story.found.version}" if story.found.version else ""),
        )
    if story.why:
        _step("never", story.why, style="yellow")
    for task in story.tasks:
        run = f", run {task.run}" if task.run else ""
        console.print(
            Text.assemble(
                (f"{task.function}: ", "cyan"), (task.stage, _COLOURS.get(task.stage, "yellow")), run
            )
        )
        for name, text in _steps(task, story.at):
            _step(name, text)
    for miss in story.misses:
        console.print(
            Text.assemble((f"{miss.function}: ", "cyan"), ("not taken", "dim"), f": {shown(miss.reason)}")
        )
    if not story.tasks and not story.misses:
        console.print("no function is installed")
    if any(task.stage is Stage.QUEUED and task.why for task in story.tasks):
        print_where_told()


def _step(name: str, text: str, style: str = "") -> None:
    out().print(Text.assemble(f"  {name:<10}", (text, style)))


def _steps(task: TaskStory, now: float) -> Iterator[tuple[str, str]]:
    yield "task", task.task_id
    if task.why and task.stage is Stage.ABSENT:
        yield "because", task.why
    if task.received is not None:
        yield "received", moment(task.received)
    if task.stage is Stage.QUEUED and task.received is not None:
        yield "queued", _queued(task, now - task.received)
        if task.why:
            yield "unmet", shown(task.why)
    for number, reason in enumerate(task.failed_attempts, start=1):
        yield f"attempt {number}", f"failed: {shown(reason)}"
    if task.lost_workers:
        yield "lost", f"{counted(task.lost_workers, 'attempt')}, whose worker was not heard of again"
    if isinstance(task.record, Record):
        yield from _done(task, task.record)
    if isinstance(task.record, FailureRecord):
        yield from _failed(task.record)


def _queued(task: TaskStory, seconds: float) -> str:
    place = f"behind {counted(task.ahead, 'older file')}" if task.ahead else "the oldest in the queue"
    paused = "; the function is paused: `headrace resume` goes on" if task.paused else ""
    return f"for {duration(max(0.0, seconds))}, {place}{paused}"


def _done(task: TaskStory, record: Record) -> Iterator[tuple[str, str]]:
    times = record.times
    yield (
        f"attempt {record.attempt_number}",
        f"started after {duration(times.started - times.received)}, on {shown(record.worker)}",
    )
    yield "computed", f"in {duration(times.finished - times.started)}"
    yield "committed", f"{moment(times.committed)}, {counted(len(record.outputs), 'output')}"
    for each in task.outputs:
        remark = _PUBLISHED[each.published]
        place = f"{location(each.output.bucket, each.output.key)}  {size(each.output.size)}"
        yield "output", place + (f"  {remark}" if remark else "")


def _failed(record: FailureRecord) -> Iterator[tuple[str, str]]:
    yield str(record.state), f"{moment(record.ended)} after {counted(record.attempts, 'attempt')}"
    yield "reason", shown(record.reason)
    for line in shown_lines(record.log).splitlines()[-LOG_LINES:]:
        yield "log", line
    if record.state in {"failed", "purged"}:
        yield "next", f"`headrace replay {record.task.function}` tries it again"

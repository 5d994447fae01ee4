"""What an attempt printed: the whole log object where there is one, else the end that its record keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.model.errors import NotFoundError
from headrace.model.keys import LOGS, log_key
from headrace.model.record import FailureRecord, Record
from headrace.operations.identifiers import identifiers
from headrace.operations.stack import Stack
from headrace.operations.task_story import Stage, TaskStory, find_object, look
from headrace.operations.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Log:
    """The output of a task's last attempt, stdout and stderr together."""

    function: str
    task_id: str
    bucket: str
    key: str
    stage: Stage
    text: str


async def logs(stack: Stack, function: str, reference: str, *, bucket: str | None = None) -> Log:
    """The log of a task, by its id or by its file's key; of a file's latest run.

    `bucket` (real name) narrows a key down to one of the function's buckets. Raises NotFoundError when
    nothing of that name has ended, with what is known of it.
    """
    stories = await stories_of(stack, function, Wanted(reference, bucket))
    ended = [story for story in stories if story.record is not None]
    if not ended:
        raise NotFoundError(f"function {function!r} has no log of {reference!r}: {standing(stories)}")
    record = max((s.record for s in ended if s.record), key=lambda r: (r.task.run, _ended(r)))
    return Log(
        function,
        record.task.id,
        record.task.bucket,
        record.task.key,
        Stage(record.state),
        await _text(stack, record),
    )


async def stories_of(stack: Stack, function: str, wanted: Wanted) -> list[TaskStory]:
    """Of the tasks that a file has now, and of those that failed."""
    installed = stack.find(function)
    if wanted.is_task:
        return [await look(stack, function, wanted.text)]
    buckets = dict.fromkeys(place for place, _ in stack.inputs(installed) if wanted.bucket in {None, place})
    return [story for each in buckets for story in await _stories(stack, function, each, wanted.text)]


async def _stories(stack: Stack, function: str, bucket: str, key: str) -> list[TaskStory]:
    found = await find_object(stack, bucket, key)
    ids = await identifiers(stack, function, (bucket, key), found, thorough=False)
    return [await look(stack, function, each, run=run) for each, run in ids.items()]


def standing(stories: Sequence[TaskStory]) -> str:
    """How it stands with a file none of whose tasks has ended."""
    queued = [story for story in stories if story.stage is Stage.QUEUED]
    if not queued:
        return "it has no such task, or it has not been queued yet; `headrace explain` tells"
    reasons = "; ".join(queued[0].failures)
    return "it has not ended yet" + (f"; failed attempts so far: {reasons}" if reasons else "")


def _ended(record: Record | FailureRecord) -> float:
    return record.times.committed if isinstance(record, Record) else record.ended


async def _text(stack: Stack, record: Record | FailureRecord) -> str:
    """A log object is written only where the log is longer than what a record keeps."""
    task = record.task
    if not record.log:
        return ""
    if isinstance(record, Record):
        key = log_key(task.function, task.id, record.attempt)
        found = [i async for i in stack.storage.list(stack.platform_bucket, key)]
    else:
        prefix = f"{LOGS}/{task.function}/{task.id}/"
        found = [i async for i in stack.storage.list(stack.platform_bucket, prefix)]
    if not found:
        return record.log
    newest = max(found, key=lambda info: (info.modified, info.key))
    text = (await stack.storage.read(stack.platform_bucket, newest.key)).decode(errors="replace")
    return text if text.endswith(record.log) else record.log

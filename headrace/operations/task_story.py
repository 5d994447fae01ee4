"""One task's story, from the queue, its note, its record and the objects under its outputs' final keys."""

from dataclasses import dataclass
from enum import StrEnum

from headrace.model.errors import NotFoundError
from headrace.model.keys import MARK, mark_of
from headrace.model.record import FailureRecord, Output, Record, killed_reason
from headrace.operations.concurrently import concurrently
from headrace.operations.stack import Stack
from headrace.operations.status import find_backlog
from headrace.storage.port import ObjectInfo


class Stage(StrEnum):
    """Where a task is on its way."""

    ABSENT = "absent"  # neither queued nor ended
    QUEUED = "queued"  # waiting, or held by a worker
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    GONE = "gone"
    PURGED = "purged"


class Published(StrEnum):
    """What lies under the final key of an output."""

    PUBLISHED = "published"  # this attempt's result
    MISSING = "missing"
    REPLACED = "replaced"  # another attempt's result, or another object


@dataclass(frozen=True, slots=True)
class OutputStory:
    """An output that a record names, and what its final key holds now."""

    output: Output
    published: Published


@dataclass(frozen=True, slots=True)
class TaskStory:
    """One task of a file.

    While it is queued, `received` (seconds since the epoch) is when it came and `ahead` how many older
    tasks are in the queue. `failures` are the reasons of attempts that failed and were tried again,
    oldest first. `why` says why an absent task has not started, or what keeps a queued one waiting.
    """

    function: str
    task_id: str
    run: int
    stage: Stage
    received: float | None = None
    ahead: int | None = None
    paused: bool = False
    failures: tuple[str, ...] = ()
    outputs: tuple[OutputStory, ...] = ()
    record: Record | FailureRecord | None = None
    why: str | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come: it has ended, and no output is yet to be published."""
        if self.stage in {Stage.ABSENT, Stage.QUEUED}:
            return False
        return all(each.published is not Published.MISSING for each in self.outputs)

    @property
    def failed_attempts(self) -> tuple[str, ...]:
        """Why each attempt failed, oldest first: of a file that was given up the last one's, too."""
        record, unlisted = self.record, self._unlisted
        if not unlisted or not isinstance(record, FailureRecord) or record.reason == killed_reason(unlisted):
            return self.failures
        return (*self.failures, record.reason)

    @property
    def lost_workers(self) -> int:
        """Attempts that ended with their worker, once the task has ended; they are among those counted."""
        return self._unlisted - (len(self.failed_attempts) - len(self.failures))

    @property
    def _unlisted(self) -> int:
        """Attempts that `failures` does not tell of, but for the one that made the result."""
        if isinstance(self.record, Record):
            return max(0, self.record.attempt_number - 1 - len(self.failures))
        return max(0, self.record.attempts - len(self.failures)) if self.record else 0


async def look(stack: Stack, function: str, identifier: str, *, run: int = 0) -> TaskStory:
    """The story of a task. Its absence is told, not raised."""
    # The queue first: a task leaves it only after its record is written, so it is seen in one of them.
    queued = await _queued(stack, function, identifier)
    record = await stack.records.find(function, identifier)
    if isinstance(record, Record):
        return await _done(stack, record)
    if isinstance(record, FailureRecord):
        return await _failed(stack, record)
    return queued or TaskStory(function, identifier, run, Stage.ABSENT)


async def find_object(stack: Stack, bucket: str, key: str) -> ObjectInfo | None:
    """HEAD; None when bucket or object is not there."""
    try:
        return await stack.storage.head(bucket, key)
    except NotFoundError:
        return None


async def _queued(stack: Stack, function: str, identifier: str) -> TaskStory | None:
    backlog = await find_backlog(stack, function)
    found = await stack.queue.find(function, identifier) if backlog else None
    if backlog is None or found is None:
        return None
    task, ahead = found
    return TaskStory(
        function,
        identifier,
        task.run,
        Stage.QUEUED,
        received=task.received,
        ahead=ahead,
        paused=backlog.paused,
        failures=(await stack.records.note(function, identifier)).failures,
    )


async def _done(stack: Stack, record: Record) -> TaskStory:
    task = record.task
    retried = record.attempt_number > 1
    note = await stack.records.note(task.function, task.id) if retried else None
    return TaskStory(
        task.function,
        task.id,
        task.run,
        Stage.DONE,
        received=task.received,
        failures=note.failures if note else (),
        outputs=tuple(await concurrently(lambda o: _output(stack, record, o), record.outputs)),
        record=record,
    )


async def _failed(stack: Stack, record: FailureRecord) -> TaskStory:
    task = record.task
    note = await stack.records.note(task.function, task.id)
    return TaskStory(
        task.function,
        task.id,
        task.run,
        Stage(record.state),
        received=task.received,
        failures=note.failures,
        record=record,
    )


async def _output(stack: Stack, record: Record, output: Output) -> OutputStory:
    found = await find_object(stack, output.bucket, output.key)
    if found is None:
        return OutputStory(output, Published.MISSING)
    own = found.metadata.get(MARK) == mark_of(record.task.id, record.attempt)
    return OutputStory(output, Published.PUBLISHED if own else Published.REPLACED)

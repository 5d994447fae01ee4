"""Which tasks are to be worked after a restore, and which results a backup has to complete. Pure."""

from collections.abc import Mapping, Sequence

from headrace.backup.entry import Entry, Place
from headrace.model.marks import wanted
from headrace.model.record import Ended, Ending, FailureRecord, Output, Record
from headrace.model.task import Task

Objects = Mapping[Place, Entry]
# Endings that an input which is back undoes: a task that waits beside one may be worked anew.
_PASSING = frozenset({Ending.GONE, Ending.SUPERSEDED})


def pending(
    queued: Sequence[Task], moved: Sequence[Task], endings: Mapping[str, Ended | None], objects: Objects
) -> tuple[Task, ...]:
    """The tasks that are not done with, in the queue's order, each once.

    `queued` was read before the records, `moved` are tasks whose former ending is in the history. A task is
    in the queue until it has a record, and in the history before a replay takes its record away: so one that
    was there when the backup began is in one of the three, however often it moved meanwhile.

    `endings` are the records of such tasks as have one, by task; None for one that can't be read.
    """
    tasks = {task.id: task for task in (*queued, *moved)}
    return tuple(task for task_id, task in tasks.items() if _is_left(task_id, endings, objects))


def _is_left(task_id: str, endings: Mapping[str, Ended | None], objects: Objects) -> bool:
    """Whether a worker would have something to do for a task that waits."""
    if task_id not in endings:
        return True
    record = endings[task_id]
    if record is None:
        return False
    if isinstance(record, FailureRecord):
        return record.state in _PASSING
    return bool(unpublished(record, objects))


def unpublished(record: Record, objects: Objects) -> Sequence[Output]:
    """A record's outputs that its worker had not copied to their keys when these were read.

    One that lies under another's result is meant only while its input is still the version that was worked,
    as it is with workers that find a record.
    """
    source = objects.get((record.task.bucket, record.task.key))
    is_current = source is not None and source.identity == record.task.identity
    return [
        output
        for output in record.outputs
        if _lacks(record, objects.get(_place(output)), is_current=is_current)
    ]


def _lacks(record: Record, found: Entry | None, *, is_current: bool) -> bool:
    if found is None:
        return True
    return is_current and wanted(found.metadata, record)


def _place(output: Output) -> Place:
    return output.bucket, output.key

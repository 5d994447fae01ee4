"""Purge, pause and resume: what a person does to a function's queue."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from headrace.model.keys import failure_key, record_key
from headrace.model.record import Ending, FailureRecord
from headrace.model.task import Task
from headrace.operations.change import Action, Changes, Item
from headrace.operations.concurrently import concurrently
from headrace.operations.stack import Stack

_REASON = "taken out of the queue by `headrace purge`"
_ENDED = "it has ended already; its worker takes it out of the queue"


@dataclass(frozen=True, slots=True)
class Pausing:
    """Whether a function was and is paused, and how many of its files wait."""

    function: str
    dry_run: bool
    was_paused: bool
    paused: bool
    waiting: int


async def pause(stack: Stack, function: str, *, dry_run: bool = False) -> Pausing:
    """Hand out no more tasks; what runs goes on. Raises NotFoundError."""
    return await _set_paused(stack, function, paused=True, dry_run=dry_run)


async def resume(stack: Stack, function: str, *, dry_run: bool = False) -> Pausing:
    """Hand out tasks again. Raises NotFoundError."""
    return await _set_paused(stack, function, paused=False, dry_run=dry_run)


async def _set_paused(stack: Stack, function: str, *, paused: bool, dry_run: bool) -> Pausing:
    stack.find(function)
    backlog = await stack.queue.backlog(function)
    if not dry_run:
        await (stack.queue.pause(function) if paused else stack.queue.resume(function))
    return Pausing(function, dry_run, backlog.paused, paused, backlog.waiting)


async def purge(
    stack: Stack, function: str, *, now: float, ids: Collection[str] | None = None, dry_run: bool = False
) -> Changes:
    """End every task in the queue without a result, or those of `ids` alone; `replay` brings them back.

    Takes also what a worker holds: its attempt runs on, but the purge's record is the one that counts,
    unless the attempt's own was written before. Tasks queued after the call began are not touched.
    Raises NotFoundError when the function is unknown or has no stream.
    """
    digest = stack.find(function).digest
    backlog = await stack.queue.backlog(function)
    tasks = await _chosen(stack, function, backlog.tasks, ids)
    if dry_run:
        return Changes(
            Action.PURGE, function, dry_run, changed=tuple(Item.of(task, _REASON) for task in tasks)
        )
    noted = await stack.records.noted(function)

    async def one(task: Task) -> bool:
        note = await stack.records.note(function, task.id) if task.id in noted else None
        record = FailureRecord(
            state=Ending.PURGED,
            task=task,
            reason=_REASON,
            attempts=len(note.failures) if note else 0,
            function_digest=digest,
            worker="purge",
            ended=now,
        )
        return await _end(stack, record)

    purged = await concurrently(one, tasks)
    return Changes(
        Action.PURGE,
        function,
        dry_run,
        changed=tuple(Item.of(task, _REASON) for task, done in zip(tasks, purged, strict=True) if done),
        left=tuple(Item.of(task, _ENDED) for task, done in zip(tasks, purged, strict=True) if not done),
    )


async def _chosen(stack: Stack, function: str, queued: int, ids: Collection[str] | None) -> Sequence[Task]:
    if ids is None:
        return await stack.queue.tasks(function, queued) if queued else ()
    found = [await stack.queue.find(function, each) for each in ids]
    return [each[0] for each in found if each is not None]


async def _end(stack: Stack, record: FailureRecord) -> bool:
    """Write the record, then take the task out. False: another record was there before.

    A crash after the record leaves a task in the queue whose worker finds the record and ends. A task
    with another's record stays in the queue, as its worker may still have outputs to publish.
    """
    task, bucket = record.task, stack.platform_bucket
    await stack.storage.put(bucket, failure_key(task.function, task.id), record.index())
    if not await stack.storage.create(bucket, record_key(task.function, task.id), record.to_json()):
        found = await stack.records.find(task.function, task.id)
        if not (isinstance(found, FailureRecord) and found.state is Ending.PURGED):
            return False
    await stack.queue.remove(task.function, task.id)
    return True

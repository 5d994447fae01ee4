"""Replay: failed and purged tasks are tried again; what ended otherwise is left, with the reason."""

from collections.abc import Collection
from dataclasses import dataclass

from headrace.model.errors import NotFoundError
from headrace.model.keys import failure_key, history_key, note_key, record_key, replay_key
from headrace.model.record import Ending, FailureRecord, Record
from headrace.operations.change import Action, Changes, Item
from headrace.operations.concurrently import concurrently
from headrace.operations.stack import Stack

_LEFT = {
    Ending.SUPERSEDED: "the input was overwritten, and its new version is a task of its own",
    Ending.GONE: "the input was deleted; put it again",
}
_UNACKNOWLEDGED = "its worker has not given it back to the queue yet; replay again later"


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failure to replay. Not `in_place`: an earlier replay moved the record away and was then cut short."""

    record: FailureRecord
    in_place: bool


async def replay(
    stack: Stack, function: str, *, ids: Collection[str] | None = None, dry_run: bool = False
) -> Changes:
    """Put failed and purged tasks into the queue again, with the same ids; all of them without `ids`.

    The failure record moves to the history. A replay that was cut short is finished by the next one.
    Raises NotFoundError for a function that is unknown or has no stream, and for an id that has no
    failure record. Run one replay of a function at a time.
    """
    stack.find(function)
    await stack.queue.backlog(function)
    marked = await stack.records.marked(function)
    wanted = marked if ids is None else frozenset(ids)
    failures = await _failures(stack, function, wanted & marked, dry_run=dry_run)
    if ids is not None:
        _refuse_unknown(function, wanted - {failure.record.task.id for failure in failures})
    # Read after the records: a task that has a failure record and is not in the queue now was
    # acknowledged for good, so that no worker can acknowledge away what is put here.
    queued = await stack.queue.ids(function)
    kept = {failure.record.task.id: why for failure in failures if (why := _why_left(failure, queued))}
    again = [failure for failure in failures if failure.record.task.id not in kept]
    if not dry_run:
        await concurrently(lambda failure: _replay(stack, failure), again)
    return Changes(
        Action.REPLAY,
        function,
        dry_run,
        changed=tuple(Item.of(f.record.task, f"{f.record.state}: {f.record.reason}") for f in again),
        left=tuple(
            Item.of(f.record.task, f"{f.record.state}: {kept[f.record.task.id]}")
            for f in failures
            if f.record.task.id in kept
        ),
    )


def _refuse_unknown(function: str, unknown: Collection[str]) -> None:
    if unknown:
        raise NotFoundError(
            f"function {function!r} has no failure record of task {', '.join(sorted(unknown))}; "
            "`headrace explain` tells a file's task"
        )


async def _failures(
    stack: Stack, function: str, marked: Collection[str], *, dry_run: bool
) -> tuple[_Failure, ...]:
    """Failures in order of their ids, those included whose last replay was cut short."""
    begun = await stack.records.replays(function)

    async def one(task_id: str) -> _Failure | None:
        record = await stack.records.find(function, task_id)
        if isinstance(record, FailureRecord):
            return _Failure(record, in_place=True)
        if isinstance(record, Record):
            if not dry_run:  # a task that is done stays so: its index is of no use any more
                await _forget(stack, function, task_id)
            return None
        earlier = await stack.records.last_failure(function, task_id) if task_id in begun else None
        return _Failure(earlier, in_place=False) if earlier else None

    return tuple(failure for failure in await concurrently(one, sorted(marked)) if failure)


async def _forget(stack: Stack, function: str, task_id: str) -> None:
    keys = [failure_key(function, task_id), replay_key(function, task_id)]
    await stack.storage.delete(stack.platform_bucket, keys)


def _why_left(failure: _Failure, queued: Collection[str]) -> str | None:
    if failure.record.state in _LEFT:
        return _LEFT[Ending(failure.record.state)]
    if failure.in_place and failure.record.task.id in queued:
        return _UNACKNOWLEDGED
    return None


async def _replay(stack: Stack, failure: _Failure) -> None:
    """Move one failure record away and queue its task. What a crash leaves, after

    - the history or the mark: the record is in place, and the next replay begins anew;
    - deleting index and note: the mark still leads to the record;
    - deleting the record: the mark leads to the history;
    - the put: the next replay puts again. The queue refuses that while the task is in it; later a
      worker that is handed the task finds its record and ends.
    """
    record, bucket = failure.record, stack.platform_bucket
    function, task_id = record.task.function, record.task.id
    mark = replay_key(function, task_id)
    if failure.in_place:
        history = history_key(function, task_id, f"{record.ended:017.6f}")
        await stack.storage.put(bucket, history, record.to_json())
        await stack.storage.put(bucket, mark, b"{}")
        # Before the put, as a worker that fails at once writes both anew.
        await stack.storage.delete(bucket, [failure_key(function, task_id), note_key(function, task_id)])
        await stack.storage.delete(bucket, [record_key(function, task_id)])
    await stack.queue.put(record.task)
    await stack.storage.delete(bucket, [mark])

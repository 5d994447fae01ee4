"""What a function has made: the outputs that its records name."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from headrace.model.record import Ended, Output, Record
from headrace.operations.concurrently import MOST_AT_ONCE, concurrently
from headrace.operations.stack import Stack


@dataclass(frozen=True, slots=True)
class Result:
    """One output and the file it was made from; `committed` in seconds since the epoch."""

    function: str
    task_id: str
    run: int
    bucket: str
    key: str
    committed: float
    seconds: float  # that the handler or script took
    output: Output


async def ended(
    stack: Stack, function: str, *, newest: int | None = None, since: float | None = None
) -> AsyncIterator[Ended]:
    """Every record, oldest first; only the `newest` so many, or those written `since` (seconds), if given."""
    stack.find(function)
    listed = await stack.records.listed(function)
    order = sorted(listed, key=lambda task_id: (listed[task_id].modified, task_id))
    # The store's clock tells when a record was written, in whole seconds.
    wanted = [task_id for task_id in order if since is None or listed[task_id].modified >= int(since)]
    if newest is not None:
        wanted = wanted[max(0, len(wanted) - newest) :]
    for start in range(0, len(wanted), MOST_AT_ONCE):
        chunk = wanted[start : start + MOST_AT_ONCE]
        for record in await concurrently(lambda task_id: stack.records.find(function, task_id), chunk):
            if record is not None:
                yield record


def results_of(record: Ended) -> tuple[Result, ...]:
    """A record's outputs; none of a failure. Whether the final keys still hold them, `explain` tells."""
    if not isinstance(record, Record):
        return ()
    task, times = record.task, record.times
    return tuple(
        Result(
            function=task.function,
            task_id=task.id,
            run=task.run,
            bucket=task.bucket,
            key=task.key,
            committed=times.committed,
            seconds=times.finished - times.started,
            output=output,
        )
        for output in record.outputs
    )

"""What a function has made: the outputs that its records name."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from headrace.model.record import Output, Record
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


async def results(stack: Stack, function: str, *, newest: int | None = None) -> AsyncIterator[Result]:
    """Every output of every record, oldest record first; of the `newest` tasks only, where that is given.

    The record names what was committed; whether the final key still holds it, `explain` tells.
    """
    stack.find(function)
    listed = await stack.records.listed(function)
    order = sorted(listed, key=lambda task_id: (listed[task_id].modified, task_id))
    wanted = order if newest is None else order[max(0, len(order) - newest) :]
    for start in range(0, len(wanted), MOST_AT_ONCE):
        chunk = wanted[start : start + MOST_AT_ONCE]
        for record in await concurrently(lambda task_id: stack.records.find(function, task_id), chunk):
            if isinstance(record, Record):
                for output in record.outputs:
                    yield _result(record, output)


def _result(record: Record, output: Output) -> Result:
    task, times = record.task, record.times
    return Result(
        function=task.function,
        task_id=task.id,
        run=task.run,
        bucket=task.bucket,
        key=task.key,
        committed=times.committed,
        seconds=times.finished - times.started,
        output=output,
    )

"""Which tasks a file has: computed for its present version, looked for among those that ended or wait."""

from headrace.model.task import Task, task_id
from headrace.operations.concurrently import concurrently
from headrace.operations.stack import Stack
from headrace.operations.status import find_backlog
from headrace.storage.port import ObjectInfo


async def identifiers(
    stack: Stack, function: str, place: tuple[str, str], found: ObjectInfo | None, *, thorough: bool
) -> dict[str, int]:
    """Ids of a file's tasks with their run numbers; that of the present version's first run leads."""
    bucket, key = place
    ids: dict[str, int] = {}
    if found is not None:
        for run in (0, *await stack.records.runs(function)):
            ids[task_id(function, bucket, key, found.identity, run=run)] = run
    tasks = [record.task for record in await stack.records.failures(function)]
    if thorough:
        tasks += await _all_tasks(stack, function)
    return ids | {task.id: task.run for task in tasks if (task.bucket, task.key) == place}


async def _all_tasks(stack: Stack, function: str) -> list[Task]:
    backlog = await find_backlog(stack, function)
    queued = await stack.queue.tasks(function, backlog.tasks) if backlog and backlog.tasks else ()
    records = await concurrently(
        lambda identifier: stack.records.find(function, identifier), await stack.records.listed(function)
    )
    return [*queued, *(record.task for record in records if record is not None)]

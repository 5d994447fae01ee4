"""Rerun: files that are there already are worked again, by the function as it is now."""

import json
from dataclasses import dataclass

from headrace.model.keys import run_key
from headrace.model.task import Task, task_id
from headrace.operations.change import Action, Changes, Item
from headrace.operations.concurrently import concurrently
from headrace.operations.stack import Stack
from headrace.storage.port import ObjectInfo


@dataclass(frozen=True, slots=True)
class _Run:
    """One rerun: its number is part of the task ids, `started` in seconds since the epoch."""

    function: str
    number: int
    started: float

    def task(self, info: ObjectInfo) -> Task:
        return Task(
            id=task_id(self.function, info.bucket, info.key, info.identity, run=self.number),
            function=self.function,
            bucket=info.bucket,
            key=info.key,
            version=info.version,
            etag=info.etag,
            size=info.size,
            run=self.number,
            received=self.started,
        )


async def rerun(
    stack: Stack, function: str, *, prefix: str = "", now: float, dry_run: bool = False
) -> Changes:
    """Queue every object that the function takes and whose key begins with `prefix`, as new tasks.

    One run number for the whole of it, one above the last. Their outputs overwrite those of earlier
    runs. A rerun that is cut short is repeated as a whole, with a number of its own.
    Raises NotFoundError when the function is unknown or has no stream.
    """
    objects = await _objects(stack, function, prefix)
    await stack.queue.backlog(function)
    if dry_run or not objects:
        number = await _next_number(stack, function)
    else:
        number = await _take_number(stack, function, prefix, now)
    run = _Run(function, number, now)
    tasks = [run.task(info) for info in objects]
    if not dry_run:
        await concurrently(stack.queue.put, tasks)
    reason = f"queued as run {number}"
    return Changes(
        Action.RERUN, function, dry_run, changed=tuple(Item.of(task, reason) for task in tasks), run=number
    )


async def _objects(stack: Stack, function: str, prefix: str) -> list[ObjectInfo]:
    """Each matching object once, though inputs may overlap, in order of bucket and key."""
    found: dict[tuple[str, str], ObjectInfo] = {}
    for bucket, source in stack.inputs(stack.find(function)):
        # Both prefixes hold, so the longer one lists; where neither begins with the other, nothing matches.
        longer = max(prefix, source.prefix, key=len)
        async for info in stack.storage.list(bucket, longer):
            if source.takes(info.key) and info.key.startswith(prefix) and not info.key.endswith("/"):
                found[bucket, info.key] = info
    return [found[place] for place in sorted(found)]


async def _next_number(stack: Stack, function: str) -> int:
    return max(await stack.records.runs(function), default=0) + 1


async def _take_number(stack: Stack, function: str, prefix: str, now: float) -> int:
    """A run number that no other rerun has: of two that create the same counter object, one wins."""
    number = await _next_number(stack, function)
    body = json.dumps({"prefix": prefix, "started": now}).encode()
    while not await stack.storage.create(stack.platform_bucket, run_key(function, number), body):
        number += 1
    return number

"""How fast a running stack works files that wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from headrace.model.keys import record_key
from headrace.model.record import Record
from headrace.model.task import task_id
from headrace.storage.port import ObjectInfo
from tests.stack import Stack


async def drained(
    stack: Stack, function: str, upload: Callable[[], Awaitable[Sequence[ObjectInfo]]]
) -> float:
    """Files a second, from the first pull to the last commit, of files that wait in a paused function."""
    await stack.queue.pause(function)
    infos = await upload()
    await _until(stack, function, len(infos))
    await stack.queue.resume(function)
    await _until(stack, function, 0)
    records = [await _record(stack, function, info) for info in infos]
    seconds = max(r.times.committed for r in records) - min(r.times.pulled for r in records)
    return len(infos) / seconds


async def _record(stack: Stack, function: str, info: ObjectInfo) -> Record:
    key = record_key(function, task_id(function, info.bucket, info.key, info.identity))
    return Record.from_json(await stack.storage.read(stack.settings.platform_bucket, key))


async def _until(stack: Stack, function: str, tasks: int) -> None:
    """Wait until so many tasks are in the queue."""
    while (await stack.queue.backlog(function)).tasks != tasks:
        await asyncio.sleep(0.3)

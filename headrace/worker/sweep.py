"""Removes staging objects that nobody needs any more: of ended tasks, and of attempts long gone."""

from collections import defaultdict

from headrace.model.keys import STAGING
from headrace.model.record import Record
from headrace.storage.port import ObjectInfo, Storage
from headrace.worker.publish import Publisher

ENDED_SECONDS = 600.0  # of the youngest object: a record this old has no commit under way
LOST_SECONDS = 24 * 3600.0  # without a record: an attempt may take long to stage its outputs


async def sweep(storage: Storage, platform_bucket: str, function: str, *, now: float) -> int:
    """Delete what can go of a function's staging; returns how many objects. Publishes before it deletes.

    Two sweeps at once do no harm: publishing and deleting can be repeated.
    """
    by_task: dict[str, list[ObjectInfo]] = defaultdict(list)
    prefix = f"{STAGING}/{function}/"
    async for info in storage.list(platform_bucket, prefix):
        by_task[info.key[len(prefix) :].partition("-")[0]].append(info)
    publisher = Publisher(storage, platform_bucket)
    swept = 0
    for identifier, objects in by_task.items():
        age = now - max(info.modified for info in objects)
        if age > ENDED_SECONDS and await _ended(publisher, function, identifier, lost=age > LOST_SECONDS):
            await storage.delete(platform_bucket, [info.key for info in objects])
            swept += len(objects)
    return swept


async def _ended(publisher: Publisher, function: str, identifier: str, *, lost: bool) -> bool:
    record = await publisher.find(function, identifier)
    if isinstance(record, Record):
        await publisher.ensure(record)
    return record is not None or lost

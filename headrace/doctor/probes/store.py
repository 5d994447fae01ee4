"""What the store answers about its buckets; only when it is allowed to does it write, and leaves nothing."""

import asyncio
import heapq
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass

from headrace.catalog.folder import Installed
from headrace.doctor.store import STALE_SECONDS, BucketFacts, Lost, StoreFacts
from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.function import Existing, Input
from headrace.model.keys import STAGING, record_key
from headrace.model.settings import StorageSettings
from headrace.model.task import task_id
from headrace.model.tenancy import tenant_of
from headrace.operations.reasons import takes
from headrace.operations.stack import Stack
from headrace.storage.client import Client
from headrace.storage.port import ObjectInfo

NEWEST = 10  # files of each input that are compared with queue and records
MOST_LISTED = 5_000  # objects of one listing; what comes behind them is not looked at
GRACE_SECONDS = 60.0  # after two listings, until a file without a task counts as lost
PROBES = "doctor/"  # below this the platform's bucket holds probes; no area of the platform's own


@dataclass(frozen=True, slots=True)
class Looking:
    """How far the probe goes: `writes` allows what writes, and leaves nothing; `now` in seconds."""

    now: Callable[[], float]
    listing_seconds: float
    writes: bool = False


async def store_facts(settings: StorageSettings, stack: Stack, looking: Looking) -> StoreFacts:
    """Of the stack's buckets."""
    client = Client(settings)
    try:
        trouble = await _trouble(lambda: client.call("the list of buckets", lambda s3: s3.list_buckets()))
        # A key that may not list all buckets may still be right for its own.
        platform = await _bucket(stack, stack.platform_bucket)
        if trouble is not None and platform.unread is not None:
            return StoreFacts(settings.address, trouble)
        names = sorted(_buckets_of(stack) - {platform.name})
        buckets = [platform, *await asyncio.gather(*(_bucket(stack, name) for name in names))]
        refusal = ""
        if looking.writes:
            outputs = _outputs_of(stack)
            buckets = [await _tried(client, each, outputs) for each in buckets]
            refusal = await conditional(stack)
        lost, looked_at, unlooked = await arrivals(stack, looking)
        return StoreFacts(
            settings.address,
            buckets=buckets,
            wrote=looking.writes,
            conditional=refusal,
            looked_at=looked_at,
            lost=lost,
            unlooked=unlooked,
            stale=await stale(stack, looking.now()) if platform.unread is None and platform.there else None,
        )
    finally:
        await client.close()


async def _trouble(call: Callable[[], Awaitable[object]]) -> HeadraceError | None:
    try:
        await call()
    except HeadraceError as error:
        return error
    return None


def _buckets_of(stack: Stack) -> set[str]:
    inputs = {bucket for each in stack.functions for bucket, _ in stack.inputs(each)}
    return inputs | _outputs_of(stack) | {stack.platform_bucket}


def _outputs_of(stack: Stack) -> set[str]:
    return {
        stack.real_bucket(output.bucket, tenant_of(each.function.name))
        for each in stack.functions
        for output in each.function.spec.output
    }


async def _bucket(stack: Stack, name: str) -> BucketFacts:
    """Whether it can be listed, and the first object be described."""
    try:
        async with aclosing(_listed(stack, name)) as objects:
            async for info in objects:
                with suppress(NotFoundError):  # deleted meanwhile
                    await stack.storage.head(name, info.key)
                break
    except NotFoundError:
        return BucketFacts(name, there=False)
    except HeadraceError as error:
        return BucketFacts(name, unread=error)
    return BucketFacts(name)


async def _listed(stack: Stack, bucket: str, prefix: str = "") -> AsyncGenerator[ObjectInfo]:
    async for info in stack.storage.list(bucket, prefix):
        yield info


async def _tried(client: Client, found: BucketFacts, outputs: Iterable[str]) -> BucketFacts:
    """Begin an upload in parts, and give it up: the right is that of a put, and nothing is stored."""
    if not found.there or found.name not in outputs:
        return found
    place = {"Bucket": found.name, "Key": f"{PROBES}{secrets.token_hex(8)}"}

    async def begin_and_give_up() -> None:
        begun = await client.call(found.name, lambda s3: s3.create_multipart_upload(**place))
        upload = begun["UploadId"]
        await client.call(found.name, lambda s3: s3.abort_multipart_upload(**place, UploadId=upload))

    return BucketFacts(found.name, unread=found.unread, unwritten=await _trouble(begin_and_give_up))


async def conditional(stack: Stack) -> str:
    """What is wrong with create-only puts; empty: nothing."""
    bucket, key = stack.platform_bucket, f"{PROBES}{secrets.token_hex(8)}"
    try:
        first = await stack.storage.create(bucket, key, b"first")
        if await stack.storage.create(bucket, key, b"second"):
            return f"of two create-only puts of s3://{bucket}/{key} the second was taken"
        kept = await stack.storage.read(bucket, key)
    except HeadraceError as error:
        return f"it could not be tried: {error}"
    finally:
        with suppress(HeadraceError):
            await stack.storage.delete(bucket, [key])
    if not first or kept != b"first":
        return f"a create-only put of s3://{bucket}/{key}, where nothing was, left {kept!r} there"
    return ""


async def arrivals(stack: Stack, looking: Looking) -> tuple[list[Lost], int | None, str]:
    """Lost files, how many were looked at, and why none were. A tenant's may be held back by its bounds."""
    lost: list[Lost] = []
    looked_at: int | None = None
    unlooked = ""
    for each in stack.functions:
        if tenant_of(each.function.name):
            unlooked = unlooked or "tenants' files may be held back by their bounds"
            continue
        try:
            found, count = await _arrivals_of(stack, each, looking)
        except HeadraceError as error:
            unlooked = f"{each.function.name}: {error}"
            continue
        lost, looked_at = [*lost, *found], (looked_at or 0) + count
    return lost, looked_at, unlooked


async def _arrivals_of(stack: Stack, installed: Installed, looking: Looking) -> tuple[list[Lost], int]:
    name, due = installed.function.name, looking.now() - 2 * looking.listing_seconds - GRACE_SECONDS
    first_seen = await stack.records.first_seen(name)
    runs = (0, *await stack.records.runs(name))
    queued = await stack.queue.ids(name)
    lost, count = [], 0
    for bucket, source in stack.inputs(installed):
        for info in await _newest(stack, bucket, source):
            if info.modified > due or (
                source.existing is Existing.IGNORE and info.modified < (first_seen or 0)
            ):
                continue
            count += 1
            ids = [task_id(name, bucket, info.key, info.identity, run=run) for run in runs]
            known = not queued.isdisjoint(ids) or await _ended(stack, name, ids, info)
            if not known:
                lost.append(Lost(name, bucket, info.key, looking.now() - info.modified))
    return lost, count


async def _ended(stack: Stack, function: str, ids: Iterable[str], info: ObjectInfo) -> bool:
    for each in ids:
        with suppress(NotFoundError):
            await stack.storage.head(stack.platform_bucket, record_key(function, each))
            return True
        if await stack.records.ignored(function, each, info.modified):
            return True
    return False


async def _newest(stack: Stack, bucket: str, source: Input) -> list[ObjectInfo]:
    """Of the first MOST_LISTED objects below the prefix, the newest that the input takes."""
    found = []
    async with aclosing(_listed(stack, bucket, source.prefix)) as objects:
        async for info in objects:
            if takes((bucket, source), bucket, info.key) and not info.key.endswith("/"):
                found.append(info)
            if len(found) >= MOST_LISTED:
                break
    return heapq.nlargest(NEWEST, found, key=lambda info: info.modified)


async def stale(stack: Stack, now: float) -> Mapping[str, int]:
    """Staged objects that are older than a worker leaves them, by function."""
    counted: Counter[str] = Counter()
    listed = 0
    async with aclosing(_listed(stack, stack.platform_bucket, f"{STAGING}/")) as objects:
        async for info in objects:
            listed += 1
            if now - info.modified > STALE_SECONDS:
                counted[info.key.split("/")[1]] += 1
            if listed >= MOST_LISTED:
                break
    return counted

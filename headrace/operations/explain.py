"""A file's whole story: whether it is there, who takes it, what became of each of its tasks."""

from dataclasses import dataclass, replace

from headrace.catalog.folder import Installed
from headrace.model.function import Existing
from headrace.model.judging import judge
from headrace.model.tenancy import tenant_of
from headrace.model.tenant import admit
from headrace.operations.identifiers import identifiers
from headrace.operations.reasons import RESTORED_AS_OLD, Miss, closest_miss, takes, why_absent, why_never
from headrace.operations.stack import Stack
from headrace.operations.task_story import Stage, TaskStory, find_object, look
from headrace.storage.port import ObjectInfo


@dataclass(frozen=True, slots=True)
class Story:
    """A file's story at a moment (seconds since the epoch). `why`: what keeps it from every function."""

    at: float
    bucket: str
    key: str
    found: ObjectInfo | None
    tasks: tuple[TaskStory, ...]
    misses: tuple[Miss, ...]
    why: str | None


async def explain(
    stack: Stack, bucket: str, key: str, *, now: float, listing_seconds: float, thorough: bool = False
) -> Story:
    """The story of the object as it is now, and of every failure that stands against its key.

    `thorough` also finds what became of its earlier versions; that reads the queue and every record.
    """
    found = await find_object(stack, bucket, key)
    never = why_never(found, key, is_platform_bucket=bucket == stack.platform_bucket)
    tasks: list[TaskStory] = []
    misses: list[Miss] = []
    for installed in stack.functions:
        name = installed.function.name
        if not any(takes(source, bucket, key) for source in stack.inputs(installed)):
            misses.append(Miss(name, closest_miss(stack.inputs(installed), bucket, key)))
            continue
        runs = await identifiers(stack, name, (bucket, key), found, thorough=thorough)
        stories = [await look(stack, name, identifier, run=run) for identifier, run in runs.items()]
        present = [story for story in stories if story.stage is not Stage.ABSENT]
        if present or found is None or never is not None:
            tasks += present
        else:
            why = await _why_absent(stack, installed, found, now=now, listing_seconds=listing_seconds)
            if _ignores(stack, installed, found) and await stack.records.ignored(
                name, stories[0].task_id, found.modified
            ):
                why = RESTORED_AS_OLD
            tasks.append(replace(stories[0], why=why))
    return Story(now, bucket, key, found, tuple(tasks), tuple(misses), never)


def _ignores(stack: Stack, installed: Installed, found: ObjectInfo) -> bool:
    """Whether no input takes an object that is older than the function."""
    sources = [each for each in stack.inputs(installed) if takes(each, found.bucket, found.key)]
    return all(source.existing is Existing.IGNORE for _, source in sources)


async def _why_absent(
    stack: Stack, installed: Installed, found: ObjectInfo, *, now: float, listing_seconds: float
) -> str:
    source = next(
        source for place, source in stack.inputs(installed) if takes((place, source), found.bucket, found.key)
    )
    if stack.place is not None and (refusal := judge(installed.function, stack.place)):
        return f"the function must not be worked: {refusal}"
    first_seen = await stack.records.first_seen(installed.function.name)
    held = await _why_held(stack, installed.function.name)
    return why_absent(
        found, source, first_seen=first_seen, now=now, listing_seconds=listing_seconds, held=held
    )


async def _why_held(stack: Stack, function: str) -> str:
    """Why one more file of a function's tenant is not let in; empty: it is."""
    tenant = stack.place.declared(tenant_of(function)) if stack.place else None
    if tenant is None or tenant.quota.files_waiting is None:
        return ""
    return admit(tenant, await stack.queue.total(tenant_of(function)), 1).reason

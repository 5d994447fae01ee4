"""Whether a stack is empty enough to take a backup in: what is there stands against it, by name."""

from collections.abc import Sequence

from headrace.backup.manifest import Manifest
from headrace.backup.naming import Naming
from headrace.backup.site import Site
from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.keys import BUCKETS, FUNCTIONS, RESTORES
from headrace.storage.port import ObjectInfo
from headrace.storage.race import PREFIX

_HELP = (
    "restore into a stack that has worked nothing yet, before its functions come (`pulumi -C functions up`, "
    "or folders of `headrace up`); --merge adds to what is there, and overwrites nothing"
)
# What a stack without functions may have: notes of its buckets, the receiver's race, restores cut short.
_HARMLESS = (f"{BUCKETS}/", f"{RESTORES}/", PREFIX)
MOST_NAMED = 5


async def found_in(site: Site, manifest: Manifest, naming: Naming) -> list[str]:
    """What is in the way, for people; nothing: the backup may be restored."""
    found = [*await _platform(site), *await _queues(site, manifest)]
    for state in manifest.data:
        found += await _bucket(site, naming.real(state.name))
    return found


def refuse(found: Sequence[str]) -> None:
    """Raises ConfigurationError that names all of it."""
    if found:
        raise ConfigurationError(
            "\n".join(["the stack is not empty:", *(f"  {each}" for each in found), _HELP])
        )


async def _platform(site: Site) -> list[str]:
    listed = await keys_in(site, site.platform_bucket)
    keys = [key for key in listed if not key.startswith(_HARMLESS)]
    known = sorted(key for key in keys if key.startswith(f"{FUNCTIONS}/"))
    rest = sorted(key for key in keys if not key.startswith(f"{FUNCTIONS}/"))
    names = [key.partition("/")[2].removesuffix(".json") for key in known]
    told = [f"functions are known to it: {_some(names)}"] if names else []
    return told + ([f"bucket {site.platform_bucket}: {_some(rest)}"] if rest else [])


async def _queues(site: Site, manifest: Manifest) -> list[str]:
    found = []
    for queue in manifest.queues:
        try:
            backlog = await site.queue.backlog(queue.function)
        except NotFoundError:
            continue
        found.append(f"the queue of {queue.function} is there, with {backlog.tasks} files")
    return found


async def _bucket(site: Site, bucket: str) -> list[str]:
    keys = await keys_in(site, bucket)
    return [f"bucket {bucket}: {_some(keys)}"] if keys else []


async def keys_in(site: Site, bucket: str) -> list[str]:
    """Every key of a bucket; none where there is no such bucket."""
    return [info.key for info in await objects_in(site, bucket)]


async def objects_in(site: Site, bucket: str) -> list[ObjectInfo]:
    """Every object of a bucket; none where there is no such bucket."""
    return await site.listed(bucket) if await site.storage.has_bucket(bucket) else []


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more

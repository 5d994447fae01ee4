"""Whether a stack may take a backup in: what is there stands against it, and what tenants lack, by name."""

from collections.abc import Sequence

from headrace.backup.manifest import Manifest
from headrace.backup.naming import Naming
from headrace.backup.site import Site
from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.keys import BUCKETS, FUNCTIONS, RESTORES
from headrace.model.tenancy import tenant_of
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
    """What is there and in the way, for people; nothing: the stack is empty."""
    found = [*await _platform(site), *await _queues(site, manifest)]
    for state in manifest.data:
        found += await _bucket(site, naming.real(state.name))
    return found


def unfit(site: Site, manifest: Manifest) -> list[str]:
    """What tenants of the backup lack in the stack, for people: it could be restored in part at most."""
    functions = [each for each in manifest.read_functions() if tenant_of(each.name)]
    names = {each.name for each in functions} | {queue.function for queue in manifest.queues}
    tenants = {tenant_of(name) for name in names} - {""}
    found = [
        f"tenant {tenant}, whose functions the backup has, is not declared in this stack"
        for tenant in sorted(tenants - site.tenants.keys())
    ]
    kept = {state.name for state in manifest.data}
    wanted = {(tenant_of(each.name), bucket) for each in functions for bucket in each.bucket_names}
    for tenant, bucket in sorted(wanted):
        own = site.tenants.get(tenant)
        if own is not None and bucket in kept - own:
            there = ", ".join(sorted(own)) or "none"
            found.append(
                f"tenant {tenant}: bucket {bucket} of the backup is none of its buckets here: {there}"
            )
    return found


def check_tenants(site: Site, manifest: Manifest) -> None:
    """Raises ConfigurationError that names all that tenants lack."""
    if found := unfit(site, manifest):
        told = "\n".join(f"  {each}" for each in found)
        raise ConfigurationError(
            f"the stack's tenants are not those of the backup:\n{told}\n"
            "declare the same tenants with the same buckets (`tenants` of the stack), and deploy the platform"
        )


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

"""Which functions' queues a backup reads, and which buckets it takes."""

from collections.abc import Collection, Sequence
from functools import partial

from headrace.backup import areas
from headrace.backup.site import Site
from headrace.model.errors import ConfigurationError
from headrace.model.keys import BUCKETS, FUNCTIONS


async def function_names(site: Site) -> list[str]:
    """Every function that is there, or was seen at some time and may have left files in the queue."""
    seen = await site.listed(site.platform_bucket, f"{FUNCTIONS}/")
    names = {each.name for each in site.functions} | {areas.function_of(info.key) for info in seen}
    return sorted(names)


def known_buckets(site: Site, made: Collection[str]) -> frozenset[str]:
    """Real names of all that functions or Bucket objects name or that the platform made, but its own."""
    logical = {each.bucket for function in site.functions for each in function.spec.input}
    logical |= {each.bucket for function in site.functions for each in function.spec.output}
    named = set(map(site.real_bucket, logical))
    return frozenset({*named, *site.bucket_objects, *made} - {site.platform_bucket})


async def chosen_buckets(site: Site, wanted: Sequence[str] | None) -> list[str]:
    """Real names of the buckets to take, of those that are in the store.

    Raises ConfigurationError for a name that no function and no object has.
    """
    notes = await site.listed(site.platform_bucket, f"{BUCKETS}/")
    known = known_buckets(site, [areas.bucket_of(info.key) for info in notes])
    names = known if wanted is None else frozenset(map(site.real_bucket, wanted))
    if strange := sorted(names - known):
        raise ConfigurationError(
            f"found --buckets {', '.join(strange)}, allowed {', '.join(sorted(known)) or 'none'}; "
            "name buckets that functions or Bucket objects name"
        )
    return [name for name in sorted(names) if await site.patiently(partial(site.storage.has_bucket, name))]

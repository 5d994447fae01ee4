"""Why an object starts no function, or has not started it yet. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor

from headrace.model.function import Existing, Input
from headrace.storage.port import ObjectInfo

RESTORED_AS_OLD = (
    "it was older than the function when the backup was taken that it was restored from, and its input says "
    "`existing: ignore`; `headrace rerun` works it"
)
PlacedInput = tuple[str, Input]  # the bucket's real name, the input


@dataclass(frozen=True, slots=True)
class Miss:
    """A function that does not take an object, and what of its closest input does not fit."""

    function: str
    reason: str


def takes(source: PlacedInput, bucket: str, key: str) -> bool:
    """Whether an object of this bucket and key matches an input."""
    return source[0] == bucket and source[1].takes(key)


def closest_miss(sources: Iterable[PlacedInput], bucket: str, key: str) -> str:
    """What does not fit, of the input with the fewest misfits; the first of equals. No input: says so."""
    closest = min((_misfits(source, bucket, key) for source in sources), key=len, default=["it has no input"])
    return "; ".join(closest)


def _misfits(source: PlacedInput, bucket: str, key: str) -> list[str]:
    wanted_bucket, wanted = source
    found = []
    if bucket != wanted_bucket:
        found.append(f"it reads the bucket {wanted_bucket!r}, not {bucket!r}")
    if not key.startswith(wanted.prefix):
        found.append(f"the key does not begin with {wanted.prefix!r}")
    if wanted.suffix and not key.endswith(wanted.suffix):
        found.append(f"the key does not end with {' or '.join(map(repr, wanted.suffix))}")
    return found


def why_never(info: ObjectInfo | None, key: str, *, is_platform_bucket: bool) -> str | None:
    """Why an object starts no function whatever the functions say; None when it may."""
    if is_platform_bucket:
        return "it lies in the platform's own bucket, whose objects never start a function"
    if key.endswith("/"):
        return "a key that ends with / is a folder marker, which never starts a function"
    if info is None:
        return "there is no object with this key: it was never put, or it was deleted"
    return None


def why_absent(
    info: ObjectInfo,
    source: Input,
    *,
    first_seen: float | None,
    now: float,
    listing_seconds: float,
    held: str = "",
) -> str:
    """Why a function that takes an object has neither a task nor a record of it.

    `held`: why none of its files is let in now; empty: they are.
    """
    if first_seen is None:
        return "the receiver has not seen this function yet: is `headrace up` running?"
    # Stores tell whole seconds: an object of the function's first second counts as newer, as in the listing.
    if source.existing is Existing.IGNORE and info.modified < floor(first_seen):
        return (
            f"it is {first_seen - info.modified:.0f} s older than the function, whose input says "
            "`existing: ignore`; `headrace rerun` works it"
        )
    if held:
        return f"it is held back, and the listing brings it once there is room: {held}"
    return (
        f"its notification is under way or was lost, {max(0.0, now - info.modified):.0f} s after the put; "
        f"the listing, at least every {listing_seconds:g} s, finds it"
    )

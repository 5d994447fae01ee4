"""What an S3 notification says: files that were finished, and what was left aside, with the reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileEvent:
    """A finished object, as its notification describes it.

    `etag` is normalised (no quotes, no weak mark); `version`, `etag` and `size` (bytes) are None
    where the dialect does not say. The truth is what HEAD answers; these only help to find the key.
    `raw_key` is the key before it was decoded, set only where the sender is unknown and the two differ:
    the object is then one of the two, told apart by size and ETag.
    """

    bucket: str
    key: str
    version: str | None = None
    etag: str | None = None
    size: int | None = None
    raw_key: str | None = None


@dataclass(frozen=True, slots=True)
class IgnoredEvent:
    """A record of a notification that starts no task; bucket and key are None where it names none."""

    event: str
    bucket: str | None
    key: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification, read: it may carry several records."""

    created: tuple[FileEvent, ...] = ()
    ignored: tuple[IgnoredEvent, ...] = ()


def normalised_etag(etag: str) -> str:
    """An ETag as all stores are compared: without quotes and without the weak mark."""
    return etag.removeprefix("W/").strip('"')

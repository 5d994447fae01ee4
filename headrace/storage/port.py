"""What Headrace needs of an object store."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

# What a store keeps of an object's put and gives back to its readers, beside user metadata.
HEADERS = ("Content-Type", "Content-Encoding", "Content-Disposition", "Content-Language", "Cache-Control")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as the store describes it.

    `etag` is normalised; `version` is None where the bucket keeps no versions; `size` in bytes;
    `modified` in seconds since the epoch. Only from `head` and `download`, else empty: `metadata`
    (lower-case names) and `headers`, those of HEADERS that the object has.
    """

    bucket: str
    key: str
    etag: str
    size: int
    modified: float
    version: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """The version id where the bucket keeps versions, else the normalised ETag."""
        return self.version or self.etag


@dataclass(frozen=True, slots=True)
class Version:
    """What a bucket keeps of an object: the newest version, an older one, or the mark that it is deleted.

    `id` as the store spells it, None where the bucket keeps no versions; `is_object`: a reader gets it.
    """

    key: str
    id: str | None
    is_object: bool


class Storage(Protocol):
    """An object store.

    Any key that the store takes is taken here: empty segments, dots, control characters, any Unicode.
    Every call raises TransientError when the store can't be reached or answers 5xx after the adapter's
    own short retries, NotFoundError when bucket or object is missing, and ConfigurationError when
    access is denied.
    """

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        """Describe the newest version, metadata included."""
        ...

    async def read(self, bucket: str, key: str) -> bytes:
        """The whole of a small object."""
        ...

    async def download(
        self, bucket: str, key: str, path: Path, *, version: str | None, etag: str
    ) -> ObjectInfo:
        """Stream an object to a file, in bounded memory.

        With `version`, that version; else only while its ETag is `etag`. Raises ChangedError when the
        object is another by now. A failed download leaves no file.
        """
        ...

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Store an object, a file in bounded memory; returns its normalised ETag. `headers`: of HEADERS."""
        ...

    async def create(self, bucket: str, key: str, body: bytes) -> bool:
        """Store an object only if there is none. False: there was one (perhaps this call's own, sent twice).

        After TransientError the outcome is unknown: read it back.
        """
        ...

    async def copy(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Copy an object on the server, metadata included; (bucket, key) each."""
        ...

    async def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete objects; quiet about those that are not there."""
        ...

    def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """Every object's newest version below a prefix, in no promised order."""
        ...

    def versions(self, bucket: str, prefix: str = "") -> AsyncIterator[Version]:
        """All that is kept below a prefix, old versions and marks of deletion too, in no promised order."""
        ...

    async def delete_versions(self, bucket: str, versions: Sequence[Version]) -> None:
        """Delete these very versions and marks for good; quiet about those that are not there."""
        ...

    async def has_bucket(self, bucket: str) -> bool:
        """Whether it is there."""
        ...

    async def ensure_bucket(self, bucket: str) -> bool:
        """Create the bucket if it is not there; whether that was done.

        It may also be told of one that was created by another in the instant before.
        """
        ...

    async def remove_bucket(self, bucket: str) -> None:
        """Delete the bucket if nothing is kept in it; quiet when it is not there. Raises ChangedError.

        S3 refuses for itself to delete what is not empty. SeaweedFS does so if it is told to, and never of
        old versions alone. It is looked into before, but what is put there within that instant may be lost.
        """
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...

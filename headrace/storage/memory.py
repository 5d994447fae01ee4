"""The port in this process's memory, for tests and for trying a function without a server."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headrace.model.errors import ChangedError, NotFoundError
from headrace.storage.faults import not_empty
from headrace.storage.landing import landing
from headrace.storage.port import ObjectInfo, Version

NO_ID = "null"  # of what was put before the bucket kept versions, as S3 spells it


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of an object; a delete marker has no info. `id` None: the bucket kept no versions then."""

    info: ObjectInfo | None
    body: bytes = b""
    id: str | None = None


@dataclass(slots=True)
class _Bucket:
    versioned: bool = False
    objects: dict[str, list[_Version]] = field(default_factory=dict)  # oldest version first


class MemoryStorage:
    """Buckets in a dictionary. `now` gives seconds since the epoch."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[str, _Bucket] = {}
        self._versions = 0

    def keep_versions(self, bucket: str) -> None:
        """From now on an overwritten or deleted object of the bucket stays, under its version id."""
        self._bucket(bucket).versioned = True

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        """Describe the newest version, metadata included."""
        info, _ = self._newest(bucket, key)
        return info

    async def read(self, bucket: str, key: str) -> bytes:
        """The whole object."""
        _, body = self._newest(bucket, key)
        return body

    async def download(
        self, bucket: str, key: str, path: Path, *, version: str | None, etag: str
    ) -> ObjectInfo:
        """Write an object to a file: that version, or the newest while it has that ETag."""
        info, body = self._of_version(bucket, key, version) if version else self._newest(bucket, key)
        if not version and info.etag != etag:
            raise ChangedError(f"s3://{bucket}/{key} is no longer the version that was asked for")
        with landing(path) as file:
            file.write(body)
        return info

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Store an object; returns its normalised ETag."""
        content = body if isinstance(body, bytes) else body.read_bytes()
        return self._store(bucket, key, content, metadata=metadata, headers=headers).etag

    async def create(self, bucket: str, key: str, body: bytes) -> bool:
        """Store an object only if there is none."""
        try:
            self._newest(bucket, key)
        except NotFoundError:
            self._store(bucket, key, body)
            return True
        return False

    async def copy(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Copy an object, metadata included."""
        info, body = self._newest(*source)
        self._store(*target, body, metadata=info.metadata, headers=info.headers)

    async def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete objects; in a bucket that keeps versions only the newest is hidden."""
        found = self._bucket(bucket)
        for key in keys:
            if found.versioned and key in found.objects:
                found.objects[key].append(_Version(None, id=self._next_id()))
            else:
                found.objects.pop(key, None)

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """Every object's newest version below a prefix, sorted by key, as of the first step."""
        found = self._bucket(bucket).objects
        newest = [found[key][-1].info for key in sorted(found) if key.startswith(prefix)]
        for info in newest:
            if info is not None:
                yield ObjectInfo(bucket, info.key, info.etag, info.size, info.modified, info.version)

    async def versions(self, bucket: str, prefix: str = "") -> AsyncIterator[Version]:
        """All that is kept below a prefix, sorted by key, the oldest version first, as of the first step."""
        found = self._bucket(bucket)
        kept = [
            Version(key, each.id or (NO_ID if found.versioned else None), is_object)
            for key in sorted(found.objects)
            if key.startswith(prefix)
            for each, is_object in _told(found.objects[key])
        ]
        for version in kept:
            yield version

    async def delete_versions(self, bucket: str, versions: Sequence[Version]) -> None:
        """Delete these very versions and marks for good."""
        objects = self._bucket(bucket).objects
        for version in versions:
            had, gone = objects.pop(version.key, []), version.id or NO_ID
            if stay := [each for each in had if (each.id or NO_ID) != gone]:
                objects[version.key] = stay

    async def has_bucket(self, bucket: str) -> bool:
        """Whether it is there."""
        return bucket in self._buckets

    async def ensure_bucket(self, bucket: str) -> bool:
        """Create the bucket if it is not there; whether that was done."""
        if bucket in self._buckets:
            return False
        self._buckets[bucket] = _Bucket()
        return True

    async def remove_bucket(self, bucket: str) -> None:
        """Delete the bucket if nothing is kept in it."""
        found = self._buckets.get(bucket)
        if found and found.objects:
            raise not_empty(bucket, f"found {min(found.objects)!r} in it")
        self._buckets.pop(bucket, None)

    async def close(self) -> None:
        """Nothing to give back."""

    def _bucket(self, bucket: str) -> _Bucket:
        try:
            return self._buckets[bucket]
        except KeyError:
            raise NotFoundError(f"the bucket {bucket} is not there") from None

    def _newest(self, bucket: str, key: str) -> tuple[ObjectInfo, bytes]:
        versions = self._bucket(bucket).objects.get(key)
        return _there(versions[-1] if versions else None, bucket, key)

    def _of_version(self, bucket: str, key: str, version: str) -> tuple[ObjectInfo, bytes]:
        versions = self._bucket(bucket).objects.get(key, [])
        found = next((v for v in versions if v.info and v.info.version == version), None)
        return _there(found, bucket, key)

    def _store(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        found = self._bucket(bucket)
        version = self._next_id() if found.versioned else None
        info = ObjectInfo(
            bucket=bucket,
            key=key,
            etag=hashlib.md5(body, usedforsecurity=False).hexdigest(),
            size=len(body),
            modified=self._now(),
            version=version,
            metadata={name.lower(): value for name, value in (metadata or {}).items()},
            headers=dict(headers or {}),
        )
        older = found.objects.get(key, []) if found.versioned else []
        found.objects[key] = [*older, _Version(info, body, version)]
        return info

    def _next_id(self) -> str:
        self._versions += 1
        return f"v{self._versions}"


def _told(versions: Sequence[_Version]) -> Iterator[tuple[_Version, bool]]:
    """Each version of an object, with whether a reader gets it."""
    for each in versions:
        yield each, each is versions[-1] and each.info is not None


def _there(version: _Version | None, bucket: str, key: str) -> tuple[ObjectInfo, bytes]:
    if version is None or version.info is None:
        raise NotFoundError(f"s3://{bucket}/{key} is not there")
    return version.info, version.body

"""The port on any S3 endpoint, addressed by path. Each call takes the fast road if that can name the key."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from headrace.model.errors import NotFoundError, TransientError
from headrace.model.settings import StorageSettings
from headrace.storage.buckets import Buckets
from headrace.storage.client import Client
from headrace.storage.endpoint import COPY_SECONDS
from headrace.storage.fast import FastRoad, UnreadableMetadataError
from headrace.storage.names import nameable
from headrace.storage.port import ObjectInfo, Version
from headrace.storage.road import Road
from headrace.storage.sure import SureRoad

T = TypeVar("T")


class S3Storage:
    """An object store by S3's protocol. Belongs to one event loop."""

    def __init__(self, settings: StorageSettings) -> None:
        self._client = Client(settings)
        self._copier = Client(settings, read_seconds=COPY_SECONDS)
        self._buckets = Buckets(self._client, settings.region)
        self._fast: Road = FastRoad(settings)
        self._sure: Road = SureRoad(self._client, self._copier)

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        """Describe the newest version, metadata included."""
        return await self._go(lambda road: road.head(bucket, key), key)

    async def read(self, bucket: str, key: str) -> bytes:
        """The whole of a small object."""
        return await self._go(lambda road: road.read(bucket, key), key)

    async def download(
        self, bucket: str, key: str, path: Path, *, version: str | None, etag: str
    ) -> ObjectInfo:
        """Stream an object to a file, in bounded memory."""
        return await self._go(lambda road: road.download(bucket, key, path, version=version, etag=etag), key)

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Store an object; files above 8 MiB in parts."""
        return await self._go(
            lambda road: road.put(bucket, key, body, metadata=metadata or {}, headers=headers or {}), key
        )

    async def create(self, bucket: str, key: str, body: bytes) -> bool:
        """Store an object only if there is none."""
        return await self._go(lambda road: road.create(bucket, key, body), key)

    async def copy(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Copy an object on the server, metadata included; AWS takes 5 GiB at most in one copy."""
        try:
            await self._go(lambda road: road.copy(source, target), source[1], target[1])
        except TransientError as error:
            # SeaweedFS answers 500 when the target's bucket is missing.
            if await self._buckets.exists(target[0]):
                raise
            raise NotFoundError(f"the bucket {target[0]} is not there") from error

    async def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete objects, each in a request of its own."""
        named = [key for key in keys if nameable(key)]
        if named:
            await self._fast.delete(bucket, named)
        await self._sure.delete(bucket, [key for key in keys if not nameable(key)])

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """Every object's newest version below a prefix, in the store's order."""
        async for info in self._buckets.objects(bucket, prefix):
            if info.etag and "\ufffd" not in info.key:
                yield info
                continue
            # SeaweedFS lists versions without some ETags and control characters; HEAD knows.
            try:
                yield await self.head(bucket, info.key)
            except NotFoundError:
                continue

    async def versions(self, bucket: str, prefix: str = "") -> AsyncIterator[Version]:
        """All that is kept below a prefix, in the store's order."""
        async for version in self._buckets.kept(bucket, prefix):
            yield version

    async def delete_versions(self, bucket: str, versions: Sequence[Version]) -> None:
        """Delete these very versions and marks for good, each in a request of its own."""
        await self.delete(bucket, [each.key for each in versions if each.id is None])
        await self._buckets.delete(bucket, [each for each in versions if each.id is not None])

    async def has_bucket(self, bucket: str) -> bool:
        """Whether it is there."""
        return await self._buckets.exists(bucket)

    async def ensure_bucket(self, bucket: str) -> bool:
        """Create the bucket if it is not there; whether that was done."""
        return await self._buckets.ensure(bucket)

    async def remove_bucket(self, bucket: str) -> None:
        """Delete the bucket if nothing is kept in it."""
        await self._buckets.remove(bucket)

    async def close(self) -> None:
        """Give connections back."""
        await self._client.close()
        await self._copier.close()

    async def _go(self, call: Callable[[Road], Awaitable[T]], *keys: str) -> T:
        if all(map(nameable, keys)):
            try:
                return await call(self._fast)
            except UnreadableMetadataError:
                pass  # told by the sure road, which reads any bytes
        return await call(self._sure)

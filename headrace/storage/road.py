"""A way to single objects. S3Storage picks one by the key."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from headrace.storage.port import ObjectInfo


class Road(Protocol):
    """The calls of Storage on single objects, with its errors."""

    async def head(self, bucket: str, key: str) -> ObjectInfo: ...

    async def read(self, bucket: str, key: str) -> bytes: ...

    async def download(
        self, bucket: str, key: str, path: Path, *, version: str | None, etag: str
    ) -> ObjectInfo: ...

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        metadata: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> str: ...

    async def create(self, bucket: str, key: str, body: bytes) -> bool: ...

    async def copy(self, source: tuple[str, str], target: tuple[str, str]) -> None: ...

    async def delete(self, bucket: str, keys: Sequence[str]) -> None: ...


def identified(version: str | None) -> str | None:
    """A version id that names one version for ever.

    "null" is the id of whatever was put while the bucket kept no versions, and is used again after each
    overwriting then, so it tells nothing: https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
    """
    return None if version in (None, "", "null") else version

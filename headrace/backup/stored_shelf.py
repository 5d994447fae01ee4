"""A shelf in a bucket of any object store."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.backup.shelf import PARTIAL, Piece
from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.storage.port import Storage

MOST_REMOVED = 1000


class StoredShelf:
    """Objects below a prefix, which is empty or ends with `/`. It does not see to one backup at a time."""

    def __init__(self, storage: Storage, bucket: str, prefix: str = "") -> None:
        self._storage = storage
        self._bucket = bucket
        self._prefix = prefix
        self._scratch: Path | None = None

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    @property
    def scratch(self) -> Path:
        """See the port."""
        if self._scratch is None:
            raise RuntimeError("a shelf is used within its block `held`")
        return self._scratch

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Have a scratch folder while the block runs. Raises ConfigurationError without a bucket."""
        if not await self._storage.has_bucket(self._bucket):
            raise ConfigurationError(f"the bucket {self._bucket} is not there; make it, or name another")
        with TemporaryDirectory(prefix="headrace-backup-") as folder:
            self._scratch = Path(folder)
            yield

    async def lies_in(self, storage: Storage) -> bool:
        """Whether this is a place in that very store, by whatever address.

        A piece of a random name tells it, and is removed again. A store that lets nobody look is another.
        """
        name = f"{PARTIAL}/{secrets.token_hex(16)}"
        await self.write(name, b"")
        try:
            await storage.head(self._bucket, self._prefix + name)
        except (NotFoundError, ConfigurationError):
            return False
        else:
            return True
        finally:
            await self.remove([name])

    async def read(self, name: str) -> bytes:
        """See the port."""
        return await self._storage.read(self._bucket, self._prefix + name)

    async def fetch(self, name: str) -> Path:
        """See the port: a copy."""
        info = await self._storage.head(self._bucket, self._prefix + name)
        path = self.scratch / secrets.token_hex(8)
        await self._storage.download(
            self._bucket, self._prefix + name, path, version=info.version, etag=info.etag
        )
        return path

    async def release(self, path: Path) -> None:
        """See the port."""
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def write(self, name: str, content: bytes) -> None:
        """See the port."""
        await self._storage.put(self._bucket, self._prefix + name, content)

    async def move_in(self, path: Path, name: str) -> None:
        """See the port."""
        await self._storage.put(self._bucket, self._prefix + name, path)
        path.unlink()

    async def rename(self, name: str, to: str) -> None:
        """See the port: a copy first, so that a kill in between loses nothing."""
        source = self._prefix + name
        await self._storage.copy((self._bucket, source), (self._bucket, self._prefix + to))
        await self._storage.delete(self._bucket, [source])

    async def list(self, prefix: str) -> AsyncIterator[Piece]:
        """See the port."""
        async for info in self._storage.list(self._bucket, self._prefix + prefix):
            yield Piece(info.key.removeprefix(self._prefix), info.size, info.modified)

    async def remove(self, names: Iterable[str]) -> None:
        """See the port."""
        keys = [self._prefix + name for name in names]
        for start in range(0, len(keys), MOST_REMOVED):
            await self._storage.delete(self._bucket, keys[start : start + MOST_REMOVED])

    async def settle(self) -> None:
        """See the port: a store answers when it has kept what it was given."""

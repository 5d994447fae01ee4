"""Which of the store's buckets the platform made: a note of each in the platform's bucket.

Only those are taken away again. The note is written before the bucket is made, so that a crash between the
two leaves none that nobody knows of; it is taken back where the store says that another was there first.
The platform's own bucket can bear its note only while it is there: a crash in the instant between its making
and the note, or between the note's end and its own, leaves it for good, empty.
"""

from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError
from headrace.model.keys import bucket_key
from headrace.storage.port import Storage


class Made:
    """Makes buckets and takes them away; `platform` is the bucket that keeps the notes."""

    def __init__(self, storage: Storage, platform: str) -> None:
        self._storage = storage
        self._platform = platform

    async def ensure(self, real: str) -> None:
        """Make a bucket that is not there, and note it. Raises ConfigurationError when the store refuses."""
        if await self._storage.has_bucket(real):
            return
        if real == self._platform:
            if await self._storage.ensure_bucket(real):
                await self._note(real)
            return
        await self.ensure(self._platform)
        await self._note(real)
        try:
            is_ours = await self._storage.ensure_bucket(real)
        except ConfigurationError:
            await self._forget(real)
            raise
        if not is_ours:
            await self._forget(real)

    async def knows(self, real: str) -> bool:
        """Whether the platform made it."""
        try:
            await self._storage.head(self._platform, bucket_key(real))
        except NotFoundError:
            return False
        return True

    async def remove(self, real: str) -> None:
        """Take a bucket away in which nothing is left but, in the platform's, its own note.

        Quiet when it is gone. Raises ChangedError when anything is in it.
        """
        if real != self._platform:
            await self._storage.remove_bucket(real)
            await self._forget(real)
            return
        await self._forget(real)
        try:
            await self._storage.remove_bucket(real)
        except HeadraceError:
            await self._note(real)
            raise

    async def _note(self, real: str) -> None:
        await self._storage.create(self._platform, bucket_key(real), b"")

    async def _forget(self, real: str) -> None:
        """For good, where the platform's bucket keeps versions too."""
        key = bucket_key(real)
        try:
            notes = [each async for each in self._storage.versions(self._platform, key) if each.key == key]
            await self._storage.delete_versions(self._platform, notes)
        except NotFoundError:  # the platform's bucket is gone
            return

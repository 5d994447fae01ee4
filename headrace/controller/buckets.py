"""A Bucket object: the store's bucket, what is in it, and its orderly end.

The store's own bucket stays, empty: it may have been there before the object was.
"""

import logging
from collections.abc import Sequence

from headrace.catalog.deployed import bucket_of
from headrace.controller import statuses
from headrace.controller.contents import NOTED, Contents, look, some_keys
from headrace.controller.platform import PlatformBucket
from headrace.controller.seen import Seen
from headrace.controller.statuses import Verdict, bucket_status
from headrace.controller.telling import Teller
from headrace.controller.world import World, finalizers
from headrace.kube.kinds import BUCKETS
from headrace.kube.naming import Key, is_ending, key_of
from headrace.kube.port import Manifest
from headrace.model.bucket import Bucket, OnBucketDelete
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.labels import FINALIZER
from headrace.model.status import BucketStatus

LOOK_SECONDS = 10.0  # between two looks into a bucket
ENDING_SECONDS = 2.0  # into one that is to go
PATIENCE = 3  # failures in a row before a status says that the store is out of reach
CHUNKS = 25  # removed in one turn, so that one bucket does not hold up the others
_UNKNOWN = "it is not known what is in it"

_log = logging.getLogger(__name__)


class Buckets:
    """Brings buckets to what their objects say."""

    def __init__(self, world: World, seen: Seen) -> None:
        self._world = world
        self._seen = seen
        self._teller = Teller(world)
        self._platform = PlatformBucket(world, seen)
        self._last: dict[Key, Manifest] = {}

    async def reconcile(self, namespace: str, name: str, *, failures: int) -> float | None:
        """One look; after how many seconds the next is due, None: it is gone. Raises what the ports raise."""
        found = self._seen.bucket(name, namespace)
        if found is None:
            if last := self._last.pop((namespace, name), None):
                self._teller.forget(last)
            return None
        self._last[namespace, name] = found
        try:
            return await self._look(found)
        except TransientError as error:
            if failures + 1 >= PATIENCE:
                await self._tell(
                    found, Verdict.no(statuses.UNREACHABLE, str(error)), None, f"{_UNKNOWN}: {error}"
                )
            raise

    async def _look(self, found: Manifest) -> float | None:
        ending = is_ending(found)
        if ending and FINALIZER not in finalizers(found):
            return None
        if not ending:
            await self._world.hands.hold(BUCKETS, found)
        verdict, bucket = self._judged(found)
        if bucket is None:  # none of the store's buckets is its own
            if not ending:
                return await self._tell(found, verdict, Contents(), "")
            await self._release(found)
            return None
        if ending:
            return await self._end(found, bucket)
        try:
            await self._world.hands.ensure_bucket(bucket.real_name)
        except ConfigurationError as error:
            return await self._tell(found, Verdict.no(statuses.REFUSED, str(error)), None, "")
        contents = await self._contents(found, bucket)
        return await self._tell(found, verdict, contents, self._hindrance(found, bucket, contents))

    def _judged(self, found: Manifest) -> tuple[Verdict, Bucket | None]:
        """Whether the object is sound, and what it says when it is."""
        try:
            bucket = bucket_of(found)
        except ConfigurationError as error:
            return Verdict.no(statuses.INVALID, str(error)), None
        rival = self._rival(found, bucket)
        if rival:
            return Verdict.no(statuses.NAME_TAKEN, rival), None
        return Verdict.yes(f"bucket {bucket.real_name} is there"), bucket

    def _rival(self, found: Manifest, bucket: Bucket) -> str:
        """Who else has the store's name and was first, for people; empty: nobody."""
        if bucket.real_name == self._world.settings.platform_bucket and not self._platform.is_it(found):
            return f"spec.name: found {bucket.real_name!r}, the platform's own, allowed another; change it"
        for other in self._seen.all_buckets():
            if key_of(other) != key_of(found) and self._rank(other) < self._rank(found):
                metadata = other["metadata"]
                if _real_name(other) == bucket.real_name:
                    return (
                        f"spec.name: found {bucket.real_name!r}, which is the bucket of "
                        f"{metadata['namespace']}/{metadata['name']}, allowed a free one; change it"
                    )
        return ""

    def _rank(self, found: Manifest) -> tuple[bool, str, Key]:
        """Who comes first: the platform's own, then the oldest."""
        metadata = found["metadata"]
        return not self._platform.is_it(found), metadata.get("creationTimestamp", ""), key_of(found)

    async def _contents(self, found: Manifest, bucket: Bucket) -> Contents:
        noted = NOTED if self._platform.is_it(found) else ()
        return await look(self._world.storage, bucket.real_name, but=noted)

    def _hindrance(self, found: Manifest, bucket: Bucket, contents: Contents) -> str:
        """Why it is not deleted now, for people; empty: nothing stands against it."""
        if self._platform.is_it(found):
            return self._platform.hindrance(bucket, contents)
        if contents.objects and bucket.spec.on_delete is OnBucketDelete.REFUSE:
            return (
                f"bucket {contents.told(bucket.real_name)} holds data, allowed none with onDelete: refuse; "
                "empty it, or set spec.onDelete: delete"
            )
        return ""

    async def _tell(
        self, found: Manifest, verdict: Verdict, contents: Contents | None, hindrance: str
    ) -> float:
        """Write the status if that is due. `contents` None: what is in it is not known."""
        before = statuses.told(found, BucketStatus)
        known = contents or Contents(before.objects, before.is_bound)
        status = bucket_status(
            found,
            verdict,
            objects=known.objects,
            is_bound=known.is_bound,
            hindrance=hindrance,
            now=self._world.now(),
        )
        wait = await self._teller.tell(BUCKETS, found, status)
        return wait or (ENDING_SECONDS if is_ending(found) or not verdict.ready else LOOK_SECONDS)

    # Its end

    async def _end(self, found: Manifest, bucket: Bucket) -> float | None:
        """Let it go once it is empty, or empty it where that is asked for."""
        waits = await self._platform.end_others(bucket) if self._platform.is_it(found) else ""
        if waits:
            return await self._tell(found, Verdict.no(statuses.ENDING, waits), None, waits)
        contents = await self._contents(found, bucket)
        if bucket.spec.on_delete is OnBucketDelete.DELETE:
            if not await self._emptied(bucket.real_name):
                return 0.0
        elif contents.objects:
            hindrance = self._hindrance(found, bucket, contents)
            return await self._tell(found, Verdict.no(statuses.HOLDS_DATA, hindrance), contents, hindrance)
        await self._release(found)
        return None

    async def _emptied(self, real: str) -> bool:
        """Remove objects; whether none is left."""
        for _ in range(CHUNKS):
            keys: Sequence[str] = await some_keys(self._world.storage, real)
            if not keys:
                return True
            await self._world.hands.remove_objects(real, keys)
        return False

    async def _release(self, found: Manifest) -> None:
        await self._world.hands.release(BUCKETS, found)
        name = "/".join(key_of(found))
        _log.info("deleted", extra={"action": "controller.bucket_deleted", "bucket": name})


def _real_name(found: Manifest) -> str:
    """The store's name, as far as the object says one."""
    spec = found.get("spec")
    said = spec.get("name") if isinstance(spec, dict) else None
    return str(said or found["metadata"]["name"])

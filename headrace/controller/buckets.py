"""A Bucket object: the store's bucket, what is in it, and its orderly end.

The store's own bucket goes too where the platform made it; one that was there before stays. While another
object names it, neither it nor anything in it goes.
"""

import logging
from collections.abc import Iterator, Sequence

from headrace.catalog.deployed import bucket_of
from headrace.controller import statuses
from headrace.controller.contents import NOTED, Contents, look, some_versions, told_contents
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
from headrace.model.judging import judge_bucket
from headrace.model.keys import bucket_key
from headrace.model.labels import FINALIZER
from headrace.model.status import BucketStatus, told
from headrace.model.tenant import Tenant
from headrace.storage.port import Version

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
        bucket = self._judged(found)
        if isinstance(bucket, Verdict):  # none of the store's buckets is its own
            if not ending:
                return await self._tell(found, bucket, Contents(), "")
            await self._release(found, "none of the store's buckets was its own")
            return None
        if ending:
            return await self._end(found, bucket)
        try:
            await self._world.hands.ensure_bucket(bucket.real_name)
        except ConfigurationError as error:
            return await self._tell(found, Verdict.no(statuses.REFUSED, str(error)), None, "")
        contents = await self._contents(found, bucket)
        verdict = Verdict.yes(f"bucket {bucket.real_name} is there; {await self._fate(bucket)}")
        return await self._tell(found, verdict, contents, self._hindrance(found, bucket, contents))

    def _judged(self, found: Manifest) -> Bucket | Verdict:
        """What the object says, or why it can't be followed."""
        try:
            bucket = bucket_of(found)
        except ConfigurationError as error:
            return Verdict.no(statuses.INVALID, str(error))
        tenant = self._tenant_of(found)
        if tenant is not None:
            if refusal := judge_bucket(bucket.name, tenant) or _misnamed(bucket, tenant):
                return Verdict.no(statuses.NOT_ALLOWED, f"tenant {tenant.name}: {refusal}")
            bucket = bucket.called(self._real_name(found))
        if bucket.real_name == self._world.settings.platform_bucket and not self._platform.is_it(found):
            return _taken(bucket, "the platform's own", "another")
        holder = self._holder(found, bucket)
        if holder and tenant is not None:  # the stack says so, and who was first sees to its end
            return Verdict.yes(
                f"bucket {bucket.real_name} is that of {holder}, which stays when this object goes"
            )
        return _taken(bucket, f"which is the bucket of {holder}", "a free one") if holder else bucket

    async def _fate(self, bucket: Bucket) -> str:
        if await self._world.made.knows(bucket.real_name):
            return "it goes with this object, once it is empty"
        return "it was there before, and stays when this object goes"

    def _holder(self, found: Manifest, bucket: Bucket) -> str:
        """Who else has the store's name and comes first, for people; empty: nobody."""
        for other in self._namesakes(found, bucket):
            if self._rank(other) < self._rank(found):
                return "/".join(key_of(other))
        return ""

    def _namesakes(self, found: Manifest, bucket: Bucket) -> Iterator[Manifest]:
        """Other objects that name the same bucket in the store."""
        for other in self._seen.all_buckets():
            if key_of(other) != key_of(found) and self._real_name(other) == bucket.real_name:
                yield other

    def _tenant_of(self, found: Manifest) -> Tenant | None:
        """Whose an object is; None: the stack's or the platform's own."""
        namespace, place = found["metadata"]["namespace"], self._world.kubernetes
        is_own = namespace in (place.namespace, place.platform_namespace)
        return None if is_own else place.declared(namespace)

    def _real_name(self, found: Manifest) -> str:
        """The store's name: a tenant's is what the stack says, another is as far as the object says one."""
        logical = found["metadata"]["name"]
        if tenant := self._tenant_of(found):
            return self._world.settings.real_bucket(logical, tenant.name)
        spec = found.get("spec")
        said = spec.get("name") if isinstance(spec, dict) else None
        return str(said or logical)

    def _rank(self, found: Manifest) -> tuple[bool, bool, str, Key]:
        """Who comes first: the platform's own, then the stack's before tenants', then the oldest."""
        is_tenants, made = self._tenant_of(found) is not None, found["metadata"].get("creationTimestamp", "")
        return not self._platform.is_it(found), is_tenants, made, key_of(found)

    async def _contents(self, found: Manifest, bucket: Bucket) -> Contents:
        noted = NOTED if self._platform.is_it(found) else ()
        return await look(self._world.storage, bucket.real_name, but=noted)

    def _hindrance(self, found: Manifest, bucket: Bucket, contents: Contents) -> str:
        """Why it is not deleted now, for people; empty: nothing stands against it."""
        if self._platform.is_it(found):
            return self._platform.hindrance(bucket, contents)
        if contents and bucket.spec.on_delete is OnBucketDelete.REFUSE:
            return (
                f"bucket {contents.told(bucket.real_name)} holds data, allowed none with onDelete: refuse; "
                "empty it, or set spec.onDelete: delete"
            )
        return ""

    async def _tell(
        self, found: Manifest, verdict: Verdict, contents: Contents | None, hindrance: str
    ) -> float:
        """Write the status if that is due. `contents` None: what is in it is not known."""
        before = told(found, BucketStatus)
        known = told_contents(before) if contents is None else contents
        status = bucket_status(found, verdict, known, hindrance=hindrance, now=self._world.now())
        wait = await self._teller.tell(BUCKETS, found, status)
        return wait or (ENDING_SECONDS if is_ending(found) or not verdict.ready else LOOK_SECONDS)

    # Its end

    async def _end(self, found: Manifest, bucket: Bucket) -> float | None:
        """Let it go once it is empty, or empty it where that is asked for."""
        waits = await self._platform.end_others(bucket) if self._platform.is_it(found) else ""
        if waits:
            return await self._tell(found, Verdict.no(statuses.ENDING, waits), None, waits)
        contents = await self._contents(found, bucket)
        if contents and bucket.spec.on_delete is OnBucketDelete.REFUSE:
            hindrance = self._hindrance(found, bucket, contents)
            return await self._tell(found, Verdict.no(statuses.HOLDS_DATA, hindrance), contents, hindrance)
        if other := self._sharer(found, bucket):
            await self._release(found, f"the store's bucket stays: {other} names it too")
            return None
        try:
            stays = await self._why_it_stays(bucket)
            if not await self._emptied(found, bucket, stays=bool(stays)):
                return 0.0
            if not stays:
                await self._world.hands.remove_bucket(bucket.real_name)
        except ConfigurationError as error:
            return await self._tell(found, Verdict.no(statuses.REFUSED, str(error)), None, str(error))
        await self._release(found, stays or "the store's bucket is deleted too")
        return None

    def _sharer(self, found: Manifest, bucket: Bucket) -> str:
        """Who else names the store's bucket and so keeps it with its data, for people; empty: nobody."""
        for other in self._namesakes(found, bucket):
            if not is_ending(other):
                return "/".join(key_of(other))
        for space in self._seen.left_out:  # what it has can't be told, only what it may have
            tenant = self._world.kubernetes.declared(space)
            if tenant is not None and bucket.real_name in tenant.buckets.values():
                return f"tenant {space}, whose objects can't be seen now,"
        return ""

    async def _why_it_stays(self, bucket: Bucket) -> str:
        """What keeps the store's own bucket, for people; empty: it goes with the object."""
        if not await self._world.made.knows(bucket.real_name):
            if not await self._world.storage.has_bucket(bucket.real_name):
                return "the store's bucket is gone already"  # or an earlier turn took it away
            return "the store's bucket stays: it was there before"
        return ""

    async def _emptied(self, found: Manifest, bucket: Bucket, *, stays: bool) -> bool:
        """Remove what is to go along; whether nothing of it is left.

        That is all data where it is asked for, and of the platform's bucket the services' own notes. These go
        also where it stays: who made it could not take it away with them in it. That the platform made it is
        noted there until the last moment.
        """
        is_platforms, is_lost = self._platform.is_it(found), bucket.spec.on_delete is OnBucketDelete.DELETE
        within = ("",) if is_lost else NOTED if is_platforms else ()
        kept = bucket_key(bucket.real_name) if is_platforms and not stays else ""
        return not within or await self._swept(bucket.real_name, within, kept)

    async def _swept(self, real: str, within: Sequence[str], but: str) -> bool:
        before: Sequence[Version] = ()
        for _ in range(CHUNKS):
            found = await some_versions(self._world.storage, real, within=within, but=but)
            if not found:
                return True
            if found == before:
                raise ConfigurationError(
                    f"bucket {real}: found {found[0].key!r} in it although it was deleted, allowed nothing; "
                    "see what keeps it, and delete it by hand"
                )
            await self._world.hands.remove_versions(real, found)
            before = found
        return False

    async def _release(self, found: Manifest, what: str) -> None:
        await self._world.hands.release(BUCKETS, found)
        name = "/".join(key_of(found))
        _log.info("deleted; %s", what, extra={"action": "controller.bucket_deleted", "bucket": name})


def _misnamed(bucket: Bucket, tenant: Tenant) -> str:
    """Why a tenant must not give a bucket its name in the store, for people; empty: it is the stack's."""
    real, said = tenant.buckets[bucket.name], bucket.spec.name
    if said in (None, real):
        return ""
    return (
        f"spec.name: found {said!r}, allowed {real!r}, as the stack names it; drop it, or have that changed"
    )


def _taken(bucket: Bucket, whose: str, allowed: str) -> Verdict:
    message = f"spec.name: found {bucket.real_name!r}, {whose}, allowed {allowed}; change it"
    return Verdict.no(statuses.NAME_TAKEN, message)

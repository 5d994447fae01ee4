"""The platform's own bucket: the first to go when the platform goes, and only after all that needs it.

While anything stands against its deletion all else is left as it is; once it is to go, what is left of
functions and their buckets goes before it, as nobody would see to their end later.
"""

from headrace.catalog.deployed import known_as
from headrace.controller.contents import Contents, told_contents
from headrace.controller.seen import Seen
from headrace.controller.world import World
from headrace.kube.kinds import BUCKETS, FUNCTIONS, Kind
from headrace.kube.mirrors import told_left_out
from headrace.kube.port import Manifest
from headrace.model.bucket import Bucket, OnBucketDelete
from headrace.model.errors import ConfigurationError
from headrace.model.status import BucketStatus, told

_HELP = "delete the functions and empty the buckets, or set spec.onDelete: delete and lose the data"


class PlatformBucket:
    """Knows which one it is, and what stands against its deletion."""

    def __init__(self, world: World, seen: Seen) -> None:
        self._world = world
        self._seen = seen

    def is_it(self, found: Manifest) -> bool:
        """Whether an object is the platform's own bucket."""
        metadata, spec = found["metadata"], found.get("spec") or {}
        real = spec.get("name") or metadata["name"]
        return bool(
            metadata.get("namespace") == self._seen.platform_namespace
            and real == self._world.settings.platform_bucket
        )

    def hindrance(self, bucket: Bucket, own: Contents) -> str:
        """Why it is not deleted now, for people; names every function that is there and bucket with data."""
        if bucket.spec.on_delete is OnBucketDelete.DELETE:
            return ""
        reasons = [unseen] if (unseen := self._unseen()) else []
        if names := sorted(map(self._told, self._seen.functions.items.values())):
            reasons.append(f"functions are there: {', '.join(names)}")
        holding = [own.told(bucket.real_name)] if own else []
        for other in self._others():
            status, name = told(other, BucketStatus), self._told(other)
            if not status.conditions:
                holding.append(f"{name} (not looked at yet)")
            elif contents := told_contents(status):
                holding.append(contents.told(name))
        if holding:
            reasons.append(f"buckets hold data: {', '.join(holding)}")
        return f"the platform can't be deleted: {'; '.join(reasons)}; {_HELP}" if reasons else ""

    async def end_others(self, bucket: Bucket) -> str:
        """Order the end of what is left of functions and buckets; what is waited for, empty when all is gone.

        With `onDelete: delete` their data goes too; otherwise they go when they are empty.
        """
        lose = bucket.spec.on_delete is OnBucketDelete.DELETE
        functions, buckets = list(self._seen.functions.items.values()), self._others()
        refusals = [await self._delete(FUNCTIONS, each) for each in functions if lose]
        refusals += [await self._delete_bucket(each, lose=lose) for each in buckets if not functions]
        named = [self._told(each) for each in (*functions, *buckets)]
        waits = f"it goes after {', '.join(named)}; {_HELP}" if named else self._unseen()
        return "; ".join(filter(None, (waits, *refusals)))

    async def _delete_bucket(self, found: Manifest, *, lose: bool) -> str:
        if lose and (found.get("spec") or {}).get("onDelete") != OnBucketDelete.DELETE:
            await self._world.hands.let_data_go(BUCKETS, found)
            return ""  # deleted in the next turn, once the mirror has the new version
        return await self._delete(BUCKETS, found)

    async def _delete(self, kind: Kind, found: Manifest) -> str:
        """Order a deletion; why it was refused, empty when it was not."""
        try:
            await self._world.hands.delete(kind, found)
        except ConfigurationError as error:
            return str(error)
        return ""

    def _unseen(self) -> str:
        """Of which tenants it is not known what they have, and what to do; empty: of none."""
        told = told_left_out(self._seen.left_out)
        return f"{told}; deploy the stack again, or take the tenant out of it first" if told else ""

    def _told(self, found: Manifest) -> str:
        """An object for people: with its tenant's name before its own."""
        is_platforms = found["metadata"]["namespace"] == self._seen.platform_namespace
        return str(found["metadata"]["name"]) if is_platforms else known_as(found, self._world.kubernetes)

    def _others(self) -> list[Manifest]:
        return [each for each in self._seen.all_buckets() if not self.is_it(each)]

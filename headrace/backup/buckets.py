"""The data buckets of a backup, put back: made where they are missing, filled, and looked at afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headrace.backup.copying import Amount
from headrace.backup.entry import Entry, Place
from headrace.backup.flowing import flow
from headrace.backup.manifest import BucketState
from headrace.backup.naming import Naming
from headrace.backup.putting import Putter
from headrace.backup.repository import Repository
from headrace.backup.site import MOST_AT_ONCE, Site, Telling
from headrace.backup.translating import Identities
from headrace.model.errors import RejectedError
from headrace.model.keys import bucket_key
from headrace.storage.port import ObjectInfo

MOST_NAMED = 5


@dataclass(slots=True)
class Buckets:
    """Restores buckets one by one. `entries`: every object of the backup so far; the rest as in Putter."""

    site: Site
    repository: Repository
    naming: Naming
    telling: Telling
    entries: list[Entry] = field(default_factory=list)
    put: Amount = field(default_factory=Amount)
    kept: Amount = field(default_factory=Amount)
    left: set[Place] = field(default_factory=set)
    reduced: dict[Place, frozenset[str]] = field(default_factory=dict)

    async def restore(self, state: BucketState) -> None:
        """One bucket. Raises RejectedError for a content that is damaged."""
        bucket = self.naming.real(state.name)
        await self._ensure(bucket, made=state.made)
        entries = await self.repository.entries(state.parts)
        there = {info.key: info for info in await self.site.listed(bucket)}
        putter = Putter(
            self.site, self.repository, self.telling, bucket, there,
            self.put, self.kept, self.left, self.reduced,
        )  # fmt: skip
        self.telling.stage(bucket, len(entries))
        await flow(putter.restore, entries, most=MOST_AT_ONCE)
        self.entries += entries

    async def _ensure(self, bucket: str, *, made: bool) -> None:
        """Make a bucket that is missing, noted as the controller does it, so that it goes with its object."""
        storage, platform = self.site.storage, self.site.platform_bucket
        if await storage.has_bucket(bucket):
            return
        if made:
            await storage.create(platform, bucket_key(bucket), b"")
        await storage.ensure_bucket(bucket)

    async def look(self, states: Sequence[BucketState]) -> tuple[Identities, float]:
        """What restored objects are called now, and the newest date among them (seconds since the epoch).

        Raises RejectedError when one is not there.
        """
        now: dict[Place, ObjectInfo] = {}
        for state in states:
            bucket = self.naming.real(state.name)
            now.update({(bucket, info.key): info for info in await self.site.listed(bucket)})
        self._check(now)
        places = [(self.naming.real(entry.bucket), entry.key) for entry in self.entries]
        until = max((now[each].modified for each in places if each in now), default=0.0)
        return Identities.of(self.entries, now, self.naming.real), until

    def _check(self, now: Mapping[Place, ObjectInfo]) -> None:
        missing = []
        for entry in self.entries:
            at = self.naming.real(entry.bucket), entry.key
            if at not in self.left and (at not in now or now[at].size != entry.size):
                missing.append(f"s3://{at[0]}/{at[1]}")
        if missing:
            raise RejectedError(
                f"{len(missing)} objects are not there after they were put, among them "
                f"{', '.join(missing[:MOST_NAMED])}; does anybody else write into these buckets?"
            )

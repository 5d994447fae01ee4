"""What a backup reads of the store, in the order that its promises rest on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from headrace.backup import areas
from headrace.backup.copying import Copier
from headrace.backup.entry import Entry, Place
from headrace.backup.flowing import flow
from headrace.backup.ordering import Order
from headrace.backup.site import MOST_AT_ONCE, Site, Telling
from headrace.model.keys import BUCKETS, HISTORY, RECORDS, STAGING
from headrace.storage.port import ObjectInfo


@dataclass(frozen=True)
class Platform:
    """What was read of the platform bucket, by area, and what lay in staging after that, by key.

    `moving`: tasks of which something was staged before the objects were read; `settled`: those that had a
    record then, too.
    """

    areas: Mapping[str, Sequence[Entry]]
    staged: Mapping[str, ObjectInfo]
    moving: frozenset[str]
    settled: frozenset[str]

    @property
    def entries(self) -> list[Entry]:
        return [entry for found in self.areas.values() for entry in found]

    @cached_property
    def records(self) -> Mapping[str, Entry]:
        """By the task's id."""
        return {areas.task_of(entry.key): entry for entry in self.areas[RECORDS]}

    @property
    def doubtful(self) -> list[Entry]:
        """Records whose results may not have been published yet when these were read.

        Staging is swept only once it is published: what had a record and nothing staged was published.
        """
        staged = self.moving | {areas.staged_task_of(key) for key in self.staged}
        sure = self.settled - staged
        return [entry for task_id, entry in self.records.items() if task_id not in sure]

    @property
    def newest_history(self) -> Mapping[str, Entry]:
        """The last ending that was taken back, by the task's id."""
        return {areas.task_of(e.key): e for e in sorted(self.areas[HISTORY], key=lambda e: e.key)}

    @property
    def made(self) -> frozenset[str]:
        """Real names of the buckets that the platform made."""
        return frozenset(areas.bucket_of(entry.key) for entry in self.areas[BUCKETS])

    def without(self, tasks: Iterable[str]) -> "Platform":
        """The same without the records of these tasks."""
        gone = set(tasks)
        stay = [entry for task_id, entry in self.records.items() if task_id not in gone]
        return replace(self, areas={**self.areas, RECORDS: stay})


class Reader:
    """Copies what is there, area by area and bucket by bucket."""

    def __init__(self, site: Site, copier: Copier, telling: Telling) -> None:
        self._site = site
        self._copier = copier
        self._telling = telling

    async def read(self, buckets: Collection[str]) -> tuple[Platform, dict[Place, Entry]]:
        """Objects before records, so that no result is without its record: workers write the record first."""
        settled = frozenset(areas.task_of(info.key) for info in await self._area(RECORDS))
        moving = frozenset(areas.staged_task_of(info.key) for info in await self._area(STAGING))
        objects = await self._objects(buckets)
        found = {area: await self._copied(area, await self._area(area)) for area in areas.READ}
        staged = {info.key: info for info in await self._area(STAGING)}
        return Platform(found, staged, moving, settled), objects

    async def _area(self, area: str) -> list[ObjectInfo]:
        return await self._site.listed(self._site.platform_bucket, f"{area}/")

    async def _objects(self, buckets: Collection[str]) -> dict[Place, Entry]:
        """Every object of these buckets, results before what they were made of."""
        order = Order(self._site.functions, buckets, self._site.real_bucket)
        found: dict[Place, Entry] = {}
        for each in order.passes:
            infos = [i for i in await self._site.listed(each.bucket) if order.belongs(i.key, each)]
            found.update({entry.place: entry for entry in await self._copied(each.bucket, infos)})
        return found

    async def _copied(self, what: str, infos: Sequence[ObjectInfo]) -> list[Entry]:
        self._telling.stage(what, len(infos))
        entries = await flow(self._copier.copy, infos, most=MOST_AT_ONCE)
        return [entry for entry in entries if entry is not None]

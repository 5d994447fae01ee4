"""A backup, from its first look to its manifest.

The order of what is read is what it promises: the queue, then results before what they were made of, then
records, then their history, then what is staged. docs/backup.md says what follows from it; ordering.py,
pending.py and completing.py say why.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from headrace.backup.choosing import chosen_buckets, function_names
from headrace.backup.completing import Completion
from headrace.backup.copying import Amount, Copier
from headrace.backup.entry import Entry, Place
from headrace.backup.manifest import BucketState, Manifest, QueueState
from headrace.backup.pending import pending
from headrace.backup.queues import Queued, read_queues
from headrace.backup.reading import Platform, Reader
from headrace.backup.repository import Repository
from headrace.backup.site import Silent, Site, Telling
from headrace.backup.stock import Stock
from headrace.model.backed import LastBackup
from headrace.model.errors import HeadraceError
from headrace.model.keys import last_backup_key
from headrace.model.task import Task
from headrace.model.tenancy import tenant_of


@dataclass(frozen=True, slots=True)
class BackupWish:
    """What to take. `buckets`: logical or real names; None: all that are known.

    `objects` are those of Kubernetes, read already; `version` of Headrace. `period_seconds`: how often one is
    to be taken.
    """

    version: str
    buckets: Sequence[str] | None = None
    objects: Sequence[Mapping[str, Any]] = ()
    period_seconds: float = 86400.0


@dataclass(frozen=True, slots=True)
class BucketCount:
    """A bucket in a backup; `size` in bytes."""

    name: str
    objects: int
    size: int


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds, and what of it was copied this time; `waiting` by function.

    `snapshot` is its name; None in a dry run, which tells what would be copied. `unnoted`: why its stack does
    not know of it, and so tells of an older one; empty: it does, or some buckets alone were taken.
    """

    target: str
    snapshot: str | None
    records: int
    waiting: Mapping[str, int]
    buckets: tuple[BucketCount, ...]
    copied: Amount
    unchanged: Amount
    seconds: float
    dry_run: bool = False
    unnoted: str = ""


class Backup:
    """One backup of a site."""

    def __init__(
        self, site: Site, repository: Repository, wish: BackupWish, *, telling: Telling | None = None
    ) -> None:
        self._site = site
        self._repository = repository
        self._wish = wish
        self._telling = telling or Silent()

    async def run(self) -> BackupReport:
        """Take it. Call it while the place is held. What was copied is kept if it does not come to its end.

        Raises ConfigurationError, TransientError.
        """
        began = self._site.now()
        await self._repository.begin()
        copier = Copier(self._site, self._repository, await Stock.of(self._repository), self._telling)
        try:
            buckets = await chosen_buckets(self._site, self._wish.buckets)
            queues = await read_queues(self._site, await function_names(self._site))
            reader = Reader(self._site, copier, self._telling)
            platform, objects = await reader.read(buckets)
            completion = Completion(copier, objects, frozenset(buckets))
            lost = await completion.complete(platform.doubtful, platform.staged)
            platform = platform.without(task.id for task in lost)
            waiting = await self._waiting(queues, lost, platform, objects)
        finally:
            await copier.notes.write()
        manifest = await self._manifest(began, waiting, platform, _by_bucket(objects, buckets))
        snapshot = await self._repository.finish(manifest, _moment(began))
        await self._repository.forget_progress()
        report = self._report(manifest, snapshot, len(platform.records), copier)
        return replace(report, unnoted=await self._note(snapshot, began))

    async def _note(self, snapshot: str, began: float) -> str:
        """Let the stack know of a whole backup; why that was not to be had. The backup is there anyhow."""
        if self._wish.buckets is not None:
            return ""
        note = LastBackup(snapshot=snapshot, began=began, period_seconds=self._wish.period_seconds)
        site = self._site
        try:
            await site.patiently(
                lambda: site.storage.put(site.platform_bucket, last_backup_key(), note.to_json())
            )
        except HeadraceError as error:
            return str(error)
        return ""

    async def _waiting(
        self,
        queues: Sequence[Queued],
        lost: Sequence[Task],
        platform: Platform,
        objects: Mapping[Place, Entry],
    ) -> tuple[QueueState, ...]:
        records = platform.records
        waiting = [task.id for queued in queues for task in queued.tasks]
        endings = {i: await self._repository.ending(records[i]) for i in waiting if i in records}
        moved = [*lost, *await self._moved(platform, {*waiting, *records})]
        found = {queued.function: queued for queued in queues}
        for task in moved:
            found.setdefault(task.function, Queued(task.function, paused=False, tasks=()))
        states = []
        for name in sorted(found):
            own = [task for task in moved if task.function == name]
            states.append(
                await self._queue_state(found[name], pending(found[name].tasks, own, endings, objects))
            )
        return tuple(states)

    async def _moved(self, platform: Platform, known: Collection[str]) -> list[Task]:
        """Tasks whose former ending is in the history, and which are in neither queue nor records."""
        newest = platform.newest_history
        found = [await self._repository.ending(newest[i]) for i in sorted(newest) if i not in known]
        return [ending.task for ending in found if ending is not None]

    async def _queue_state(self, queued: Queued, tasks: Sequence[Task]) -> QueueState:
        parts = await self._repository.write_lines(task.to_json() for task in tasks)
        return QueueState(function=queued.function, paused=queued.paused, tasks=len(tasks), parts=parts)

    async def _manifest(
        self,
        began: float,
        queues: tuple[QueueState, ...],
        platform: Platform,
        data: Mapping[str, Sequence[Entry]],
    ) -> Manifest:
        made = platform.made
        owners = tuple(tenant_of(each.name) for each in self._site.functions)
        return Manifest(
            version=self._wish.version,
            began=began,
            ended=self._site.now(),
            buckets=dict(self._site.buckets),
            functions=tuple(json.loads(each.to_json()) for each in self._site.functions),
            objects=tuple(self._wish.objects),
            owners=owners if any(owners) else None,
            queues=queues,
            platform=await self._state(self._site.platform_bucket, platform.entries, made),
            data=tuple([await self._state(name, entries, made) for name, entries in data.items()]),
        )

    async def _state(self, name: str, entries: Iterable[Entry], made: frozenset[str]) -> BucketState:
        ordered = sorted(entries, key=lambda entry: entry.key)
        return BucketState(
            name=name,
            objects=len(ordered),
            size=sum(entry.size for entry in ordered),
            made=name in made,
            parts=await self._repository.write_lines(entry.to_json() for entry in ordered),
        )

    def _report(self, manifest: Manifest, snapshot: str, records: int, copier: Copier) -> BackupReport:
        return BackupReport(
            target=str(self._repository),
            snapshot=snapshot,
            records=records,
            waiting={each.function: each.tasks for each in manifest.queues},
            buckets=tuple(BucketCount(each.name, each.objects, each.size) for each in manifest.data),
            copied=copier.copied,
            unchanged=copier.unchanged,
            seconds=manifest.ended - manifest.began,
        )


def _by_bucket(objects: Mapping[Place, Entry], buckets: Iterable[str]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {name: [] for name in buckets}
    for entry in objects.values():
        found[entry.bucket].append(entry)
    return found


def _moment(seconds: float) -> str:
    """A backup's name begins with its moment, so that names sort by it: 20260301T020000.123Z."""
    told = datetime.fromtimestamp(seconds, UTC)
    return f"{told:%Y%m%dT%H%M%S}.{told.microsecond // 1000:03d}Z"

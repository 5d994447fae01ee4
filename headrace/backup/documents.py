"""The platform bucket of a backup, put back. What is there already stays as it is."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import orjson

from headrace.backup import areas
from headrace.backup.entry import Entry
from headrace.backup.flowing import flow
from headrace.backup.repository import Repository
from headrace.backup.site import MOST_AT_ONCE, Site, Telling
from headrace.backup.translating import Identities, document_of, rekeyed
from headrace.model.errors import RejectedError
from headrace.model.keys import (
    BUCKETS,
    FUNCTIONS,
    HISTORY,
    IGNORED,
    LOGS,
    NOTES,
    RECORDS,
    RUNS,
    failure_key,
    ignored_key,
)
from headrace.model.restoration import IgnoredTasks

IDS = 10_000  # of a list of ignored tasks; some 350 KB
# What becomes of each area; BUCKETS and IGNORED are made anew from what they say.
VERBATIM = (FUNCTIONS, RUNS)
WITH_TASKS = (HISTORY, RECORDS)
BY_TASK = (NOTES, LOGS)
MADE_ANEW = (BUCKETS, IGNORED)


@dataclass(slots=True)
class Documents:
    """Puts documents into the platform bucket.

    `ids`: present ids of tasks by former ones, where they differ. `done`: present ids of tasks whose record
    a restore has put, by function; with `merging`, records that were there may be of workers.
    """

    site: Site
    repository: Repository
    telling: Telling
    entries: Mapping[str, Sequence[Entry]]  # by area
    there: frozenset[str]
    merging: bool = False
    ids: dict[str, str] = field(default_factory=dict)
    done: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    async def functions(self) -> None:
        """When functions were first seen, and the numbers of their reruns: before any object comes."""
        for area in VERBATIM:
            await self._each(area, self._verbatim)

    async def endings(self, identities: Identities) -> None:
        """Records, those that were taken back, and what else is kept of tasks."""
        for area in WITH_TASKS:
            await self._each(area, partial(self._ending, identities))
        for area in BY_TASK:
            await self._each(area, self._of_task)

    @property
    def seen(self) -> frozenset[str]:
        """Every function that the backup's stack had seen, also those that it has no document of."""
        return frozenset(areas.function_of(entry.key) for entry in self.entries[FUNCTIONS])

    async def first_seen(self) -> dict[str, float]:
        """By function, seconds since the epoch, at the backup's time or, where it knew none, here.

        Raises RejectedError.
        """
        found = {}
        for key in self.there:
            if areas.area_of(key) == FUNCTIONS:
                body = await self.site.storage.read(self.site.platform_bucket, key)
                found[areas.function_of(key)] = _first_seen(key, body)
        for entry in self.entries[FUNCTIONS]:
            body = await self.repository.content(entry.sha256)
            found[areas.function_of(entry.key)] = _first_seen(entry.key, body)
        return found

    async def ignored(self) -> dict[str, dict[str, float]]:
        """By function the tasks that an earlier restore had ignored, and until which date of their file."""
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for entry in self.entries[IGNORED]:
            lists = IgnoredTasks.from_json(await self.repository.content(entry.sha256))
            function = areas.function_of(entry.key)
            found[function].update(dict.fromkeys(lists.tasks, lists.until))
        return found

    async def ignore(self, snapshot: str, function: str, tasks: Sequence[str], *, until: float) -> None:
        """Have the listing leave tasks alone while their file is no newer than `until`."""
        for number, start in enumerate(range(0, len(tasks), IDS)):
            part = IgnoredTasks(until=until, tasks=tuple(tasks[start : start + IDS]))
            key = ignored_key(function, f"{snapshot}-{number}")
            put = partial(self.site.storage.put, self.site.platform_bucket, key, part.to_json())
            await self.site.patiently(put)

    async def _each(self, area: str, step: Callable[[Entry], Awaitable[None]]) -> None:
        self.telling.stage(area, len(self.entries[area]))

        async def one(entry: Entry) -> None:
            await self.site.patiently(partial(step, entry))
            self.telling.step(entry.size)

        await flow(one, self.entries[area], most=MOST_AT_ONCE)

    async def _verbatim(self, entry: Entry) -> None:
        await self._create(entry.key, await self.repository.content(entry.sha256))

    async def _of_task(self, entry: Entry) -> None:
        await self._create(rekeyed(entry.key, self.ids), await self.repository.content(entry.sha256))

    async def _ending(self, identities: Identities, entry: Entry) -> None:
        """A failure's index comes before its record, as workers write it: the backup has none."""
        content = await self.repository.content(entry.sha256)
        document = document_of(entry.key, content, identities)
        area, function = areas.area_of(entry.key), areas.function_of(entry.key)
        if document.ids is not None and document.ids[0] != document.ids[1]:
            self.ids.update([document.ids])
        if document.failure is not None:
            index = failure_key(function, document.failure.task.id)
            await self._create(index, document.failure.index())
        is_new = await self._create(document.key, document.content)
        if document.ids is not None and area == RECORDS and (is_new or not self.merging):
            self.done[function].add(document.ids[1])

    async def _create(self, key: str, content: bytes) -> bool:
        if key in self.there:
            return False
        return await self.site.storage.create(self.site.platform_bucket, key, content)


def _first_seen(key: str, body: bytes) -> float:
    try:
        return float(orjson.loads(body)["firstSeen"])
    except (ValueError, KeyError, TypeError) as error:
        raise RejectedError(f"{key} holds {body[:80]!r}, wanted firstSeen") from error

"""A restore, from the look whether there is room to the moment when files are handed out.

Whatever is put can be put again, so a restore that was cut short is begun anew and goes on. Until it is
finished every queue is paused: a half-restored stack works nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from headrace.backup import areas, place
from headrace.backup.buckets import Buckets
from headrace.backup.copying import Amount
from headrace.backup.documents import Documents
from headrace.backup.entry import Entry, Place
from headrace.backup.flowing import flow
from headrace.backup.gate import Gate
from headrace.backup.ignoring import Ignoring, tasks_of_unknown
from headrace.backup.manifest import Manifest
from headrace.backup.naming import Naming
from headrace.backup.repository import Repository
from headrace.backup.site import MOST_AT_ONCE, Silent, Site, Telling
from headrace.backup.translating import Identities
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.model.keys import RECORDS, record_key
from headrace.model.task import Task


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore did, or would do in a dry run: `found` is what is in its way then.

    `left` are objects under whose key something else lies, which stays; `reduced` those that are back without
    metadata that are not ASCII, with the names of these. `waiting` are tasks in the queue, by
    function; `renamed` tasks whose id is another one in this store; `ignored` tasks on files that stay older
    than their function.
    """

    source: str
    snapshot: str
    put: Amount
    kept: Amount
    left: tuple[str, ...]
    records: int
    waiting: Mapping[str, int]
    renamed: int = 0
    ignored: int = 0
    paused: tuple[str, ...] = ()
    seconds: float = 0.0
    found: tuple[str, ...] = ()
    reduced: tuple[str, ...] = ()
    dry_run: bool = False


def told_reduced(at: Place, names: Iterable[str]) -> str:
    """An object without some of its metadata, for people."""
    return f"s3://{at[0]}/{at[1]}: {', '.join(sorted(names))}"


@dataclass(frozen=True, slots=True)
class _Done:
    """What waits, and the tasks on files that stay older than their function, by its name."""

    waiting: Mapping[str, Sequence[str]]
    ignored: Mapping[str, Sequence[str]]

    def needless(self, ended: Mapping[str, Collection[str]], function: str) -> set[str]:
        """Tasks that need no work: those that have ended are `ended`."""
        known = {*ended.get(function, ()), *self.ignored.get(function, ())}
        return known - set(self.waiting.get(function, ()))


class Restore:
    """One restore of a backup into a site. With `merge` the site need not be empty."""

    def __init__(
        self,
        site: Site,
        repository: Repository,
        snapshot: str,
        *,
        merge: bool = False,
        telling: Telling | None = None,
    ) -> None:
        self._site = site
        self._repository = repository
        self._snapshot = snapshot
        self._merge = merge
        self._telling = telling or Silent()

    async def run(self) -> RestoreReport:
        """Do it. Raises ConfigurationError when the site is not empty, RejectedError for a damaged backup.

        Tenants that the site lacks are a ConfigurationError, too.
        """
        began = self._site.now()
        manifest = await self._repository.manifest(self._snapshot)
        place.check_tenants(self._site, manifest)
        naming, gate = Naming(manifest, self._site.real_bucket), self._gate(manifest)
        if not self._merge and await gate.unfinished() is None:
            place.refuse(await place.found_in(self._site, manifest, naming))
        await self._site.storage.ensure_bucket(self._site.platform_bucket)
        restoration = await gate.shut(queue.function for queue in manifest.queues if queue.paused)
        documents = await self._documents(manifest)
        await documents.functions()
        buckets = Buckets(self._site, self._repository, naming, self._telling)
        for state in manifest.data:
            await buckets.restore(state)
        done = await self._finish(manifest, documents, buckets)
        await gate.tidy({name: done.needless(documents.done, name) for name in gate.functions})
        await gate.open(restoration)
        report = self._report(buckets, documents, done)
        return replace(report, paused=restoration.paused, seconds=self._site.now() - began)

    def _report(self, buckets: Buckets, documents: Documents, done: _Done) -> RestoreReport:
        return RestoreReport(
            source=str(self._repository),
            snapshot=self._snapshot,
            put=buckets.put,
            kept=buckets.kept,
            left=tuple(sorted(f"s3://{bucket}/{key}" for bucket, key in buckets.left)),
            records=len(documents.entries[RECORDS]),
            waiting={name: len(tasks) for name, tasks in done.waiting.items()},
            renamed=len(documents.ids),
            ignored=sum(map(len, done.ignored.values())),
            reduced=tuple(sorted(told_reduced(at, names) for at, names in buckets.reduced.items())),
        )

    def _gate(self, manifest: Manifest) -> Gate:
        specs = {each.name: each for each in manifest.read_functions()}
        names = {*specs, *(queue.function for queue in manifest.queues)}
        return Gate(self._site, self._snapshot, tuple(sorted(names)), specs)

    async def _documents(self, manifest: Manifest) -> Documents:
        found: dict[str, list[Entry]] = {area: [] for area in areas.READ}
        for entry in await self._repository.entries(manifest.platform.parts):
            if areas.area_of(entry.key) not in found:
                raise ConfigurationError(
                    f"backup {self._snapshot} holds {entry.key}, which this version of headrace does not "
                    f"know; use {manifest.version}, which wrote it, or a newer one"
                )
            found[areas.area_of(entry.key)].append(entry)
        there = frozenset(await place.keys_in(self._site, self._site.platform_bucket))
        return Documents(self._site, self._repository, self._telling, found, there, self._merge)

    async def _finish(self, manifest: Manifest, documents: Documents, buckets: Buckets) -> _Done:
        """What rests on how the store calls the objects by now."""
        identities, until = await buckets.look(manifest.data)
        tasks = await self._tasks(manifest, identities, documents.ids)
        await documents.endings(identities)
        ignored = {}
        seen, before = await documents.first_seen(), await documents.ignored()
        for function in self._functions(manifest):
            name = function.name
            former = Ignoring(
                function, seen.get(name, manifest.began), before.get(name, {}), buckets.naming.former
            )
            ignored[name] = sorted(set(former.tasks(buckets.entries, identities)))
            await documents.ignore(self._snapshot, name, ignored[name], until=until)
        for name in sorted(documents.seen - ignored.keys()):
            unknown = tasks_of_unknown(
                name, buckets.entries, identities, first_seen=seen[name], before=before.get(name, {})
            )
            await documents.ignore(self._snapshot, name, list(unknown), until=until)
        return _Done(await self._queue(tasks, documents), ignored)

    def _functions(self, manifest: Manifest) -> list[Function]:
        """Those of the backup, and those that only this stack has."""
        found = {each.name: each for each in (*self._site.functions, *manifest.read_functions())}
        return [found[name] for name in sorted(found)]

    async def _tasks(self, manifest: Manifest, identities: Identities, ids: dict[str, str]) -> list[Task]:
        """The tasks that wait, as they are called now; `ids` learns of those that were called otherwise."""
        former = [task for queue in manifest.queues for task in await self._repository.tasks(queue.parts)]
        tasks = [identities.task(task) for task in former]
        ids.update({old.id: new.id for old, new in zip(former, tasks, strict=True) if old.id != new.id})
        return tasks

    async def _queue(self, tasks: Sequence[Task], documents: Documents) -> dict[str, list[str]]:
        """Put what waits, in its order; with `merge` not what has ended here meanwhile."""
        waiting: dict[str, list[str]] = defaultdict(list)
        self._telling.stage("queue", len(tasks))

        async def one(task: Task) -> None:
            if not (self._merge and record_key(task.function, task.id) in documents.there):
                await self._site.patiently(partial(self._site.queue.put, task))
                waiting[task.function].append(task.id)
            self._telling.step()

        await flow(one, tasks, most=MOST_AT_ONCE)
        return dict(waiting)

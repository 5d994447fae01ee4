"""The gate of a restore: no function is handed a file until all is back, whatever comes up meanwhile."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from headrace.backup.site import Site
from headrace.model.errors import NotFoundError
from headrace.model.function import Function
from headrace.model.keys import restore_key
from headrace.model.restoration import Restoration


@dataclass(frozen=True, slots=True)
class Gate:
    """The queues of `functions`; `specs` are those that the backup has a document of, by name."""

    site: Site
    snapshot: str
    functions: tuple[str, ...]
    specs: Mapping[str, Function]

    async def unfinished(self) -> Restoration | None:
        """This backup's restore that was cut short here; None where there is none."""
        try:
            body = await self.site.storage.read(self.site.platform_bucket, restore_key(self.snapshot))
        except NotFoundError:
            return None
        found = Restoration.from_json(body)
        return found if found.ended is None else None

    async def shut(self, paused: Iterable[str]) -> Restoration:
        """Note that the restore begins, and pause every queue. `paused`: functions that are to stay so."""
        found = await self.unfinished()
        if found is None:
            stay = {*paused, *[name for name in self.functions if await self._is_paused(name)]}
            found = Restoration(snapshot=self.snapshot, begun=self.site.now(), paused=tuple(sorted(stay)))
            await self._note(found)
        for name in self.functions:
            await self.site.patiently(partial(self._shut, name))
        return found

    async def _shut(self, function: str) -> None:
        settings, spec = self.site.queue_settings, self.specs.get(function)
        most = settings.max_leased if spec is None else settings.most_leased(spec)
        await self.site.queue.ensure(function, lease_seconds=settings.lease_seconds, max_leased=most)
        await self.site.queue.pause(function)

    async def _is_paused(self, function: str) -> bool:
        try:
            return (await self.site.queue.backlog(function)).paused
        except NotFoundError:
            return False

    async def tidy(self, done: Mapping[str, Collection[str]]) -> None:
        """Take tasks out of the queue that need no work, by function: a listing may have put some."""
        for name in self.functions:
            queued = await self.site.queue.ids(name)
            for task_id in sorted(queued & set(done.get(name, ()))):
                await self.site.queue.remove(name, task_id)

    async def open(self, restoration: Restoration) -> None:
        """Let files be handed out, and note that the restore is finished."""
        for name in self.functions:
            if name not in restoration.paused:
                await self.site.queue.resume(name)
        await self._note(restoration.model_copy(update={"ended": self.site.now()}))

    async def _note(self, restoration: Restoration) -> None:
        key = restore_key(self.snapshot)
        await self.site.storage.put(self.site.platform_bucket, key, restoration.to_json())

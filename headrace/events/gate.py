"""How many files of a tenant may wait: what is more is held back, until the listing finds room for it.

All that its account of the queue holds counts, files of functions that were deleted or refused too: no tenant
gets more by functions of other names.

Receivers that run at once count each for itself, and a count is a second old at most: beyond the bound there
may be as many files as come within that second.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from headrace.model.errors import HeadraceError
from headrace.model.settings import KubernetesSettings
from headrace.model.task import Task
from headrace.model.tenancy import tenant_of
from headrace.model.tenant import Tenant, admit
from headrace.queue.port import Queue

NEVER = float("-inf")
FRESH_SECONDS = 1.0  # for so long a count is taken for true, with what was let in since

Put = Callable[[Sequence[Task]], Awaitable[None]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A task that was not put, and why, for people. Its file is where it was."""

    task: Task
    reason: str


class Gate:
    """Judges the files that arrive. `now` gives seconds on any clock."""

    def __init__(self, queue: Queue, place: KubernetesSettings | None, now: Callable[[], float]) -> None:
        bound = [each for each in place.tenants if each.quota.files_waiting is not None] if place else []
        self._doors = {each.name: _Door(each, queue, now) for each in bound}

    async def pass_on(self, tasks: Sequence[Task], put: Put) -> Sequence[Held]:
        """Put what is let in; what is held back comes back. Raises what `put` and the queue raise."""
        held: list[Held] = []
        free = [each for each in tasks if tenant_of(each.function) not in self._doors]
        if free:
            await put(free)
        for tenant, door in self._doors.items():
            if own := [each for each in tasks if tenant_of(each.function) == tenant]:
                held += await door.pass_on(own, put)
        return held

    async def returning(self) -> frozenset[str]:
        """Functions of which files were held back, and whose tenant has room by now: look for them again.

        Those of a tenant whose account can't be counted are told another time.
        """
        found: set[str] = set()
        for tenant, door in self._doors.items():
            try:
                found |= await door.returning()
            except HeadraceError as error:
                _log.warning("tenant %s: %s", tenant, error, extra={"action": "events.loop_failed"})
        return frozenset(found)


class _Door:
    """Of one tenant: one delivery after another, so that two do not both take the last place."""

    def __init__(self, tenant: Tenant, queue: Queue, now: Callable[[], float]) -> None:
        self._tenant = tenant
        self._queue = queue
        self._now = now
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._counted_at = NEVER
        self._held: set[str] = set()  # functions of which files were held back

    async def pass_on(self, tasks: Sequence[Task], put: Put) -> Sequence[Held]:
        async with self._lock:
            if self._now() - self._counted_at > FRESH_SECONDS:
                await self._count()
            found = admit(self._tenant, self._waiting, len(tasks))
            if found.files < len(tasks):  # some may have been done meanwhile
                await self._count()
                found = admit(self._tenant, self._waiting, len(tasks))
            if found.files:
                counted_at, self._counted_at = self._counted_at, NEVER  # unless all are stored, some may be
                await put(tasks[: found.files])
                self._waiting, self._counted_at = self._waiting + found.files, counted_at
        rest = tasks[found.files :]
        self._held |= {each.function for each in rest}
        return [Held(each, found.reason) for each in rest]

    async def returning(self) -> set[str]:
        if not self._held:
            return set()
        async with self._lock:
            await self._count()
        if not admit(self._tenant, self._waiting, 1).files:
            return set()
        held, self._held = self._held, set()
        return held

    async def _count(self) -> None:
        self._waiting = await self._queue.total(self._tenant.name)
        self._counted_at = self._now()

"""It looks at all sources, brings out an edition for everybody, and keeps a history that outlives it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.keys import status_history_key
from headrace.status.answers import NodeShown
from headrace.status.edition import Edition, edition_of
from headrace.status.failures import without_names
from headrace.status.gathering import Gathering
from headrace.status.history import Followed, History, after
from headrace.status.nodes import node_shown
from headrace.status.writing import Head, written
from headrace.storage.port import Storage

KEEP_SECONDS = 60.0  # between two writings of the history
RECALL_SECONDS = 5.0  # between two tries to read that of the last time

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class World:
    """What the service is connected to. `now`: seconds since the epoch; `hides`: strangers see no names."""

    gathering: Gathering
    storage: Storage
    platform_bucket: str
    head: Head
    hides: bool
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


class Newsroom:
    """Brings out an edition after each look; all readers share it. It belongs to one event loop."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known = Followed(History())
        self._recalled = False
        self._kept: History | None = None
        self._kept_at = world.now()
        self._whole: Edition | None = None
        self._nameless: Edition | None = None
        self._news = asyncio.Event()

    def edition(self, *, with_names: bool) -> Edition | None:
        """The newest one, as somebody may see it who may see names, or may not; None before the first."""
        return self._whole if with_names or not self._world.hides else self._nameless

    def node(self, name: str) -> NodeShown | None:
        """One node with all that is remembered of it; None: there is none of that name."""
        return node_shown(self._world.gathering.sight.plan, self._known.history.runs, name)

    async def next(self, seen: Edition | None, seconds: float) -> None:
        """Return once there is another edition than this, after so many seconds at the latest."""
        try:
            async with asyncio.timeout(seconds):
                while seen is self._whole or seen is self._nameless:
                    await self._news.wait()
        except TimeoutError:
            pass

    def bring_out(self) -> None:
        """Bring out one from what is known now."""
        now, sight = self._world.now(), self._world.gathering.sight
        self._known = after(self._known, sight, now)
        document = written(self._world.head, sight, self._known, now)
        self._whole = edition_of(document, self._whole)
        if self._world.hides:
            self._nameless = edition_of(without_names(document), self._nameless)
        self._news.set()
        self._news = asyncio.Event()

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Look, bring out and keep while the block runs."""
        works = (self._recall_once(), self._run())
        tasks = [asyncio.create_task(each, name="newsroom") for each in works]
        try:
            async with self._world.gathering.going_on():
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.keep()

    async def _run(self) -> None:
        while True:
            try:
                self.bring_out()
            except Exception:  # noqa: BLE001  (the loop's top: it must outlive every fault)
                _log.exception("unexpected", extra={"action": "status.defect"})
            if self._world.now() - self._kept_at >= KEEP_SECONDS:
                await self.keep()
            await self._world.sleep(self._world.head.refresh_seconds)

    async def _recall_once(self) -> None:
        while not await self.recall():
            await self._world.sleep(RECALL_SECONDS)

    async def recall(self) -> bool:
        """Go on with the history of the last time, if there is one; False: the store is away, try again.

        Nothing is kept before that: it would take the place of what was.
        """
        try:
            data = await self._world.storage.read(self._world.platform_bucket, status_history_key())
        except NotFoundError:
            self._recalled = True
            return True
        except HeadraceError as error:
            _log.warning("history is not known yet: %s", error, extra={"action": "status.history_unread"})
            return False
        self._recalled = True
        if (found := History.of_kept(data)) is None:
            why = "%s is not what this version writes; history begins anew"
            _log.warning(why, status_history_key(), extra={"action": "status.history_unread"})
        else:
            self._known = replace(self._known, history=found)
            self._kept = found
        return True

    async def keep(self) -> None:
        """Write the history down; a fault is logged, and it is tried again later."""
        self._kept_at, history = self._world.now(), self._known.history
        if history == self._kept or not self._recalled:
            return
        try:
            await self._world.storage.put(self._world.platform_bucket, status_history_key(), history.kept())
        except HeadraceError as error:
            _log.warning("history is not kept: %s", error, extra={"action": "status.history_unkept"})
        else:
            self._kept = history

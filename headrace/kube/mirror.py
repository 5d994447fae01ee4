"""A view of objects that lasts: listed once, kept by a watch that goes on where it was cut."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self

from headrace.kube.kinds import Kind
from headrace.kube.naming import Key, key_of, uid_of, version_of
from headrace.kube.port import EVERYTHING, Change, Event, Kube, Manifest, Selection
from headrace.model.errors import ChangedError, ConfigurationError, HeadraceError

LOG = logging.getLogger(__name__)
Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait before a call that follows others without success; in seconds."""

    first: float = 0.2  # client-go waits 0.8 s; a scaler that sees nothing should not wait so long
    most: float = 10.0

    def after(self, failures: int, chance: Random) -> float:
        """Doubles from failure to failure, less up to a half, so that many clients come apart."""
        whole: float = min(self.most, self.first * 2.0 ** min(failures - 1, 30)) if failures else 0.0
        return whole * (0.5 + chance.random() / 2)


PAUSES = Pauses()


@dataclass(slots=True)
class Contacts:
    """What a mirror has asked of the API server so far."""

    lists: int = 0
    watches: int = 0
    events: int = 0
    failures: int = 0


class Mirror:
    """Objects of one kind as they are, some milliseconds late: a context manager, or start and stop.

    `items` is never half a list: it changes by whole events, and only after the first list is complete.
    It belongs to one event loop.
    """

    def __init__(
        self,
        kube: Kube,
        kind: Kind,
        selection: Selection = EVERYTHING,
        *,
        pauses: Pauses = PAUSES,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Random | None = None,
    ) -> None:
        self.contacts = Contacts()
        self.revision = 0  # how many events and lists have come, refusals that began or ended among them
        self.refused = (
            ""  # why the server does not show these objects, for people; empty: it does, or is away
        )
        self._kube = kube
        self._kind = kind
        self._selection = selection
        self._pauses = pauses
        self._sleep = sleep
        self._monotonic = monotonic
        self._chance = chance or Random()  # noqa: S311  (spreads repeated calls; guards nothing)
        self._items: dict[Key, Manifest] = {}
        self._listeners: list[Listener] = []
        self._version = ""  # where the watch goes on; empty: list first
        self._lost_at: float | None = None
        self._synced = asyncio.Event()
        self._news = asyncio.Event()
        self._waited_for = 0  # the revision that `changed` last came back with
        self._task: asyncio.Task[None] | None = None

    @property
    def namespace(self) -> str:
        """Of what it shows; empty: of all of them, or the kind has none."""
        return self._selection.namespace or ""

    @property
    def left_out(self) -> Mapping[str, str]:
        """By namespace that nothing is known of, why; one mirror alone leaves none out."""
        return {}

    @property
    def items(self) -> Mapping[Key, Manifest]:
        """Every object by namespace and name; a live view, to be read without an await in between."""
        return self._items

    @property
    def synced(self) -> bool:
        """Whether the first list has come."""
        return self._synced.is_set()

    @property
    def silent_seconds(self) -> float:
        """How long the API server has been out of reach; 0 while a watch is open."""
        return 0.0 if self._lost_at is None else self._monotonic() - self._lost_at

    def get(self, name: str, namespace: str = "") -> Manifest | None:
        """One object, if it is there."""
        return self._items.get((namespace, name))

    def listen(self, listener: Listener) -> None:
        """Call this for every change from now on, the first list included; it must not wait or raise."""
        self._listeners.append(listener)

    async def changed(self, timeout_seconds: float, *, since: int | None = None) -> bool:
        """Wait until `revision` is another than `since`, or the time is over; whether it is another.

        Without `since`: than it was when this call last came back, so that one caller misses nothing.
        """
        before = self._waited_for if since is None else since
        try:
            async with asyncio.timeout(timeout_seconds):
                while self.revision == before:
                    await self._news.wait()
        except TimeoutError:
            pass
        self._waited_for = self.revision
        return self.revision != before

    async def sync(self, timeout_seconds: float) -> bool:
        """Wait for the first list; whether it has come in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._synced.wait()
        except TimeoutError:
            return False
        return True

    def start(self) -> None:
        """Begin to list and watch, in a task of this event loop."""
        self._task = self._task or asyncio.create_task(self._follow(), name=f"mirror of {self._kind.plural}")

    async def stop(self) -> None:
        """End the watch; what has come stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _follow(self) -> None:
        """List when there is no version to go on from, watch from there, again and again.

        A watch that ends without having brought anything counts like a failure, so that a server that ends
        each at once is not asked in a tight loop.
        """
        vain = 0
        while True:
            events = self.contacts.events
            try:
                await self._list_and_watch()
            except ChangedError:
                self._version = ""
            except HeadraceError as error:
                self._lose(error)
            except Exception:
                LOG.exception("a defect in who watches %s", self._kind.plural, extra={"action": "defect"})
                self._version = ""
            vain = 0 if self.contacts.events > events else vain + 1
            await self._sleep(self._pauses.after(vain, self._chance))

    async def _list_and_watch(self) -> None:
        if not self._version:
            self.contacts.lists += 1
            listing = await self._kube.list(self._kind, self._selection)
            self._take_all({key_of(each): each for each in listing.items})
            self._version = listing.version
        self.contacts.watches += 1
        async with aclosing(self._kube.watch(self._kind, self._selection, self._version)) as events:
            await anext(events)  # the watch stands
            self._lost_at = None
            if self.refused:
                self._take_refusal("")
            async for event in events:
                self.contacts.events += 1
                self._take(event)

    def _take_all(self, listed: dict[Key, Manifest]) -> None:
        """Take a list as the sum of what happened since the last event; an object replaced is gone first."""
        gone = [
            each for key, each in self._items.items() if key not in listed or _replaced(each, listed[key])
        ]
        known = {key: version_of(each) for key, each in self._items.items()}
        new = [each for key, each in listed.items() if known.get(key) != version_of(each)]
        self._items = listed
        self._synced.set()
        for change, manifests in ((Change.GONE, gone), (Change.PUT, new)):
            for manifest in manifests:
                self._tell(Event(change, manifest))
        self._wake()

    def _take(self, event: Event) -> None:
        self._version = version_of(event.manifest)
        if event.change is Change.BOOKMARK:
            return
        key = key_of(event.manifest)
        if event.change is Change.PUT:
            self._items[key] = event.manifest
        else:
            self._items.pop(key, None)
        self._tell(event)
        self._wake()

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def _wake(self) -> None:
        self.revision += 1
        self._news.set()
        self._news = asyncio.Event()

    def _lose(self, error: HeadraceError) -> None:
        self.contacts.failures += 1
        self._lost_at = self._monotonic() if self._lost_at is None else self._lost_at
        if isinstance(error, ConfigurationError) and not self.refused:
            self._take_refusal(str(error))
        extra = {
            "action": "mirror-failed",
            "plural": self._kind.plural,
            "space": self.namespace,
            "reason": str(error),
        }
        LOG.warning("the API server gave no %s; trying again", self._kind.plural, extra=extra)

    def _take_refusal(self, why: str) -> None:
        """It begins, or with an empty reason it ends: whoever waits looks again."""
        self.refused = why
        what = f"{self._kind.plural} of namespace {self.namespace or 'any'}"
        if why:
            LOG.error("%s are not seen: %s", what, why, extra={"action": "mirror-refused"})
        else:
            LOG.info("%s are seen again", what, extra={"action": "mirror-allowed"})
        self._wake()


def _replaced(before: Manifest, after: Manifest) -> bool:
    """Whether another object bears the name."""
    return uid_of(before) != uid_of(after)

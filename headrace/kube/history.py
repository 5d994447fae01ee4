"""What happened in an API server in memory, in order, and the watches that follow it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from headrace.kube.kinds import Kind
from headrace.kube.naming import is_selected
from headrace.kube.port import Change, Event, Manifest, Selection
from headrace.model.errors import ChangedError, TransientError


@dataclass(frozen=True, slots=True)
class Step:
    """One write: an object before and after it, None where there was or is none. Neither: a bookmark."""

    kind: Kind | None
    before: Manifest | None = None
    after: Manifest | None = None


class History:
    """Versions count writes; at least the last `most` are remembered. It belongs to one event loop."""

    def __init__(self, most: int) -> None:
        self.version = 0
        self._most = most
        self._steps: list[Step] = []
        self._forgotten = 0  # the version before that of the first step remembered
        self._news = asyncio.Event()
        self._cuts = 0
        self._breaks = 0

    def add(self, step: Step) -> None:
        """Write down what has just got the next version."""
        self.version += 1
        self._steps.append(step)
        if len(self._steps) > 2 * self._most:
            self.forget(self.version - self._most)
        self._wake()

    def forget(self, version: int) -> None:
        """No watch goes on from before this version any more."""
        del self._steps[: max(0, version - self._forgotten)]
        self._forgotten = max(self._forgotten, version)
        self._wake()

    def cut(self, *, quietly: bool) -> None:
        """End every watch, as a server's time-out (quietly) or a broken connection does."""
        self._cuts += quietly
        self._breaks += not quietly
        self._wake()

    async def follow(self, kind: Kind, selection: Selection, version: int) -> AsyncGenerator[Event, None]:
        """See Kube.watch."""
        cuts, breaks = self._cuts, self._breaks
        if version >= self._forgotten:
            yield _bookmark(kind, version)
        while (cuts, breaks) == (self._cuts, self._breaks):
            if version < self._forgotten:
                raise ChangedError(f"{kind.plural}: version {version} is forgotten; list them anew")
            if version < self.version:
                event = _seen(self._steps[version - self._forgotten], kind, selection, version + 1)
                version += 1
                if event is not None:
                    yield event
            else:
                await self._news.wait()
        if breaks != self._breaks:
            raise TransientError(f"the watch of {kind.plural} was cut; go on at version {version}")

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _seen(step: Step, kind: Kind, selection: Selection, version: int) -> Event | None:
    """A step as a watch sees it: what it no longer selects is gone for it."""
    if step.kind is None:
        return _bookmark(kind, version)
    if step.kind != kind:
        return None
    if step.after is not None and is_selected(step.after, selection):
        return Event(Change.PUT, step.after)
    if step.before is None or not is_selected(step.before, selection):
        return None
    metadata = {**step.before["metadata"], "resourceVersion": str(version)}
    return Event(Change.GONE, {**step.before, "metadata": metadata})


def _bookmark(kind: Kind, version: int) -> Event:
    bare = {"apiVersion": kind.api_version, "kind": kind.name}
    return Event(Change.BOOKMARK, {**bare, "metadata": {"resourceVersion": str(version)}})

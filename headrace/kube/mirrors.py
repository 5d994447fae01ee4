"""Several views as one. Rights are given a namespace at a time: so each has a mirror of its own.

A namespace whose objects the API server refuses to show, as its role is gone or the namespace itself, is
left out while it does: neither what is known of the others nor whether the server is there is judged by it.
What was seen of it last stays. Whoever looks must take nothing there for gone, and do nothing there.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol, Self

from headrace.kube.kinds import Kind
from headrace.kube.mirror import Listener, Mirror
from headrace.kube.naming import Key
from headrace.kube.port import Kube, Manifest, Selection


class Watched(Protocol):
    """What comes and changes, whatever kinds it is of; see headrace.kube.mirror.Mirror for each of these."""

    @property
    def revision(self) -> int: ...

    @property
    def synced(self) -> bool: ...

    @property
    def silent_seconds(self) -> float: ...

    @property
    def left_out(self) -> Mapping[str, str]: ...

    async def changed(self, timeout_seconds: float, *, since: int | None = None) -> bool: ...

    async def sync(self, timeout_seconds: float) -> bool: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class View(Watched, Protocol):
    """Objects of one kind as they are, some milliseconds late."""

    @property
    def items(self) -> Mapping[Key, Manifest]: ...

    def get(self, name: str, namespace: str = "") -> Manifest | None: ...

    def listen(self, listener: Listener) -> None: ...


class Together:
    """See Watched. Views of any kinds."""

    def __init__(self, views: Sequence[Watched]) -> None:
        self._views = views
        self._stack = AsyncExitStack()
        self._waited_for = 0

    @property
    def revision(self) -> int:
        """Grows with that of each."""
        return sum(each.revision for each in self._views)

    @property
    def synced(self) -> bool:
        """Whether every first list has come, but of namespaces that are left out."""
        return all(each.synced for each in self._counted)

    @property
    def silent_seconds(self) -> float:
        """How long the API server has been out of reach, for whatever is not left out."""
        return max(each.silent_seconds for each in self._counted)

    @property
    def left_out(self) -> Mapping[str, str]:
        """By namespace of which something is not shown, why, for people."""
        return {space: why for each in self._views for space, why in each.left_out.items()}

    @property
    def _counted(self) -> Sequence[Watched]:
        """Those by which it is judged."""
        return self._views

    async def changed(self, timeout_seconds: float, *, since: int | None = None) -> bool:
        """See Mirror.changed."""
        before = self._waited_for if since is None else since
        if self.revision == before:
            waits = [
                asyncio.create_task(each.changed(timeout_seconds, since=each.revision))
                for each in self._views
            ]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
        self._waited_for = self.revision
        return self.revision != before

    async def sync(self, timeout_seconds: float) -> bool:
        """Wait until it has synced; whether it has in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self.synced:
                    await self.changed(timeout_seconds, since=self.revision)
        except TimeoutError:
            return False
        return True

    async def __aenter__(self) -> Self:
        for each in self._views:
            await self._stack.enter_async_context(each)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()


class Mirrors(Together):
    """See View. Mirrors of one kind, no two of the same namespace; those of `needed` are never left out."""

    def __init__(self, mirrors: Sequence[Mirror], *, needed: Collection[str]) -> None:
        super().__init__(mirrors)
        self._mirrors = mirrors
        self._spared = [each for each in mirrors if each.namespace not in needed]

    @property
    def left_out(self) -> Mapping[str, str]:
        """By namespace that is refused, why."""
        return {each.namespace: each.refused for each in self._spared if each.refused}

    @property
    def _counted(self) -> Sequence[Watched]:
        left_out = self.left_out
        return [each for each in self._mirrors if each.namespace not in left_out]

    @property
    def items(self) -> Mapping[Key, Manifest]:
        """Every object; a new mapping at each call."""
        return {key: item for each in self._mirrors for key, item in each.items.items()}

    def get(self, name: str, namespace: str = "") -> Manifest | None:
        """One object, if it is there."""
        found = (each.get(name, namespace) for each in self._mirrors)
        return next((each for each in found if each is not None), None)

    def listen(self, listener: Listener) -> None:
        """Call this for every change from now on."""
        for each in self._mirrors:
            each.listen(listener)


def mirror_of(
    kube: Kube,
    kind: Kind,
    namespaces: Sequence[str],
    labels: Mapping[str, str] | None = None,
    *,
    needed: Iterable[str] = (),
) -> View:
    """Of the objects of a kind in each of these namespaces that have all of the labels.

    The first namespace, and those that are `needed`, always count; of the others each is left out while it
    is refused.
    """
    mirrors = [Mirror(kube, kind, Selection(each, labels or {})) for each in namespaces]
    return mirrors[0] if len(mirrors) == 1 else Mirrors(mirrors, needed={namespaces[0], *needed})


def told_left_out(left_out: Mapping[str, str]) -> str:
    """For people: which namespaces can't be seen, and why; empty: all can."""
    return "; ".join(f"namespace {space} is left out: {why}" for space, why in sorted(left_out.items()))

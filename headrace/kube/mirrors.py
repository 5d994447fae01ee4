"""One view of several namespaces, each with a mirror of its own: rights are given a namespace at a time."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol, Self

from headrace.kube.kinds import Kind
from headrace.kube.mirror import Listener, Mirror
from headrace.kube.naming import Key
from headrace.kube.port import Kube, Manifest, Selection


class View(Protocol):
    """Objects as they are, some milliseconds late; see headrace.kube.mirror.Mirror for each of these."""

    @property
    def revision(self) -> int: ...

    @property
    def items(self) -> Mapping[Key, Manifest]: ...

    @property
    def synced(self) -> bool: ...

    @property
    def silent_seconds(self) -> float: ...

    def get(self, name: str, namespace: str = "") -> Manifest | None: ...

    def listen(self, listener: Listener) -> None: ...

    async def changed(self, timeout_seconds: float, *, since: int | None = None) -> bool: ...

    async def sync(self, timeout_seconds: float) -> bool: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Mirrors:
    """See View. Of several mirrors, no two of which show the same object: all of them together."""

    def __init__(self, mirrors: Sequence[Mirror]) -> None:
        self._mirrors = mirrors
        self._stack = AsyncExitStack()
        self._waited_for = 0

    @property
    def revision(self) -> int:
        return sum(each.revision for each in self._mirrors)

    @property
    def items(self) -> Mapping[Key, Manifest]:
        return {key: item for each in self._mirrors for key, item in each.items.items()}

    @property
    def synced(self) -> bool:
        return all(each.synced for each in self._mirrors)

    @property
    def silent_seconds(self) -> float:
        return max(each.silent_seconds for each in self._mirrors)

    def get(self, name: str, namespace: str = "") -> Manifest | None:
        found = (each.get(name, namespace) for each in self._mirrors)
        return next((each for each in found if each is not None), None)

    def listen(self, listener: Listener) -> None:
        for each in self._mirrors:
            each.listen(listener)

    async def changed(self, timeout_seconds: float, *, since: int | None = None) -> bool:
        before = self._waited_for if since is None else since
        if self.revision == before:
            waits = [asyncio.create_task(each.changed(timeout_seconds, since=each.revision))
                     for each in self._mirrors]  # fmt: skip
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
        self._waited_for = self.revision
        return self.revision != before

    async def sync(self, timeout_seconds: float) -> bool:
        return all(await asyncio.gather(*(each.sync(timeout_seconds) for each in self._mirrors)))

    async def __aenter__(self) -> Self:
        for each in self._mirrors:
            await self._stack.enter_async_context(each)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()


def mirror_of(
    kube: Kube, kind: Kind, namespaces: Iterable[str], labels: Mapping[str, str] | None = None
) -> View:
    """Of the objects of a kind in each of these namespaces that have all of the labels."""
    mirrors = [Mirror(kube, kind, Selection(each, labels or {})) for each in namespaces]
    return mirrors[0] if len(mirrors) == 1 else Mirrors(mirrors)

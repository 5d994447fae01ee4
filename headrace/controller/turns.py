"""Whose turn it is: keys that are due, each in one hand at a time, and later after each failure."""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_SECONDS = 0.5
MOST_SECONDS = 60.0


def pause(failures: int) -> float:
    """How long to wait after so many failures in a row, in seconds; doubles with each."""
    whole: float = FIRST_SECONDS * 2.0 ** min(failures - 1, 16)
    return min(MOST_SECONDS, whole) if failures else 0.0


class Turns(Generic[K]):
    """Keys that are due. `now` gives seconds by any steady clock. Belongs to one event loop."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._due: dict[K, float] = {}
        self._in_hand: set[K] = set()
        self._failures: Counter[K] = Counter()
        self._news = asyncio.Event()

    def add(self, key: K, *, after_seconds: float = 0.0) -> None:
        """Make a key due by then; one that is due earlier stays so."""
        due = self._now() + after_seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            self._wake()

    def take(self) -> K | None:
        """The key that is due the longest, for the caller alone until `done`; None: none is due."""
        now = self._now()
        ready = ((due, key) for key, due in self._due.items() if due <= now and key not in self._in_hand)
        found = min(ready, key=lambda each: each[0], default=None)
        if found is None:
            return None
        del self._due[found[1]]
        self._in_hand.add(found[1])
        return found[1]

    async def next(self) -> K:
        """Wait for one."""
        while (key := self.take()) is None:
            await self._wait()
        return key

    def done(self, key: K, again_seconds: float | None) -> None:
        """Give a key back after success; None: it is due again only when somebody adds it."""
        self._failures.pop(key, None)
        self._give_back(key, again_seconds)

    def failed(self, key: K) -> int:
        """Give a key back after a failure, to be due after a pause; how many there were in a row."""
        self._failures[key] += 1
        self._give_back(key, pause(self._failures[key]))
        return self._failures[key]

    def failures(self, key: K) -> int:
        """How often its last turns failed in a row."""
        return self._failures[key]

    @property
    def failing(self) -> tuple[K, ...]:
        """Keys whose last turn failed."""
        return tuple(key for key, failures in self._failures.items() if failures)

    def _give_back(self, key: K, again_seconds: float | None) -> None:
        self._in_hand.discard(key)
        if again_seconds is not None:
            self.add(key, after_seconds=again_seconds)
        self._wake()

    async def _wait(self) -> None:
        """Until something changes or a key may have become due."""
        news, now = self._news, self._now()
        waits = [due - now for key, due in self._due.items() if key not in self._in_hand]
        try:
            async with asyncio.timeout(max(0.0, min(waits)) if waits else None):
                await news.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

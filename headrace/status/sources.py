"""One source of the document: asked again and again, apart from all others; it may be away, and come back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from headrace.model.errors import HeadraceError
from headrace.status.document import Source
from headrace.status.words import bounded

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a source gave. `remark`: what of it is missing or old, and why; `at`: its moment, None: now."""

    value: T
    remark: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """How a source is asked. Seconds: between two looks, for one look at most, until an answer is stale."""

    name: str
    feeds: tuple[str, ...]
    every_seconds: float
    limit_seconds: float
    fresh_seconds: float


def of_functions(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Fields of the document's functions, as `feeds` names them."""
    return tuple(f"functions.{each}" for each in fields)


class Asked(Generic[T]):
    """A source and its last answer, which stays while the source is away. `now`: seconds since the epoch."""

    def __init__(
        self, terms: Terms, read: Callable[[], Awaitable[Answer[T]]], now: Callable[[], float]
    ) -> None:
        self.terms = terms
        self.value: T | None = None
        self._read = read
        self._now = now
        self._at: float | None = None
        self._error = ""
        self._error_since: float | None = None
        self._hurry = asyncio.Event()

    @property
    def state(self) -> Source:
        """How it stands."""
        return Source(
            name=self.terms.name,
            at=None if self._at is None else round(self._at),
            error=bounded(self._error) or None,
            error_since=None if self._error_since is None else round(self._error_since),
            fresh_seconds=self.terms.fresh_seconds,
            feeds=self.terms.feeds,
        )

    @property
    def is_fresh(self) -> bool:
        """Whether its answer is of late."""
        return self._at is not None and self._now() - self._at <= self.terms.fresh_seconds

    @property
    def has_answered(self) -> bool:
        """Whether it ever has."""
        return self._at is not None

    def hurry(self) -> None:
        """Ask it again at once: something was changed there."""
        self._hurry.set()

    async def run(self) -> None:
        """Ask it for ever; no fault of it ends that."""
        while True:
            self._hurry.clear()
            await self.look()
            try:
                async with asyncio.timeout(self.terms.every_seconds):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        """Ask it once."""
        try:
            async with asyncio.timeout(self.terms.limit_seconds):
                answer = await self._read()
        except TimeoutError:
            self._failed(f"no answer within {self.terms.limit_seconds:g} s")
        except HeadraceError as error:
            self._failed(str(error))
        except Exception:  # noqa: BLE001  (the loop's top: one source's defect must leave the others alive)
            extra = {"action": "status.source_defect", "source": self.terms.name}
            _log.exception("unexpected", extra=extra)
            self._failed("an unexpected fault; the log of this service has it")
        else:
            self._take(answer)

    def _take(self, answer: Answer[T]) -> None:
        self.value = answer.value
        self._at = self._now() if answer.at is None else answer.at
        if answer.remark:
            self._failed(answer.remark)
        elif self._error:
            _log.info("%s is told again", self.terms.name, extra={"action": "status.source_back"})
            self._error, self._error_since = "", None

    def _failed(self, why: str) -> None:
        if not self._error:
            self._error_since = self._now()
            extra = {"action": "status.source_away", "source": self.terms.name}
            _log.warning("%s: %s", self.terms.name, why, extra=extra)
        self._error = why

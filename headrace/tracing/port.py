"""Whoever takes spans."""

from collections.abc import Iterable
from typing import Protocol

from headrace.tracing.span import Span


class Tracer(Protocol):
    """Takes spans of finished steps. No call but `close` waits, and none raises."""

    @property
    def dropped(self) -> int:
        """Spans that were given up so far."""
        ...

    def wants(self, task_id: str) -> bool:
        """Whether spans of a task are taken: ask before any is made."""
        ...

    def tell(self, spans: Iterable[Span]) -> None:
        """Take spans; what can't be kept or sent is dropped."""
        ...

    async def close(self) -> None:
        """Send what is left, for a moment at most."""
        ...


class Untraced:
    """Takes nothing: where no collector is set."""

    dropped = 0

    def wants(self, task_id: str) -> bool:  # noqa: ARG002  (the port passes it)
        """See the port."""
        return False

    def tell(self, spans: Iterable[Span]) -> None:
        """See the port."""

    async def close(self) -> None:
        """See the port."""


UNTRACED = Untraced()

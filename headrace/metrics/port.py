"""Where a service counts what happens in it."""

from typing import Protocol

from headrace.metrics.family import Family


class Meter(Protocol):
    """Takes counts and durations. No call waits or raises, but for a family that is not the service's own."""

    def count(self, family: Family, *labels: str, by: float = 1.0) -> None:
        """Add to a counter; the values of its labels in their order."""
        ...

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """Add an observation to a histogram, in the unit of its name."""
        ...


class Silent:
    """Counts nothing: for tests, and where nobody asks."""

    def count(self, family: Family, *labels: str, by: float = 1.0) -> None:
        """See the port."""

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """See the port."""


SILENT = Silent()

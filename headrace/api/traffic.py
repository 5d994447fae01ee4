"""What the API counts of its calls, and what its state says to Prometheus."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from headrace.api.spool import Spool
from headrace.metrics import catalogue
from headrace.metrics.family import Figure
from headrace.metrics.port import SILENT, Meter

OTHER = "other"  # what no route takes: a path is whatever its caller makes up, and so no label
_UNANSWERED = 500  # of a call that was cut off before its answer


class Traffic:
    """Calls, by route. `timer` gives seconds on a steady clock."""

    def __init__(self, meter: Meter = SILENT, timer: Callable[[], float] = time.perf_counter) -> None:
        self._meter = meter
        self._timer = timer
        self._under_way = 0

    @contextmanager
    def call(self, method: str, route: str) -> Iterator[Callable[[int], None]]:
        """One call; give what comes out the answer's status."""
        began, status = self._timer(), _UNANSWERED

        def answered(code: int) -> None:
            nonlocal status
            status = code

        self._under_way += 1
        try:
            yield answered
        finally:
            self._under_way -= 1
            self._meter.count(catalogue.CALLS, method, route, str(status))
            self._meter.observe(catalogue.CALL_SECONDS, self._timer() - began, method, route)

    def stray(self, status: int) -> None:
        """A call that no route takes."""
        self._meter.count(catalogue.CALLS, OTHER, OTHER, str(status))

    def figures(self, spool: Spool) -> Sequence[Figure]:
        """How things stand."""
        return (
            Figure(catalogue.CALLS_UNDER_WAY, self._under_way),
            Figure(catalogue.SPOOL_BYTES, spool.used_bytes),
            Figure(catalogue.SPOOL_LIMIT, spool.room_bytes),
        )

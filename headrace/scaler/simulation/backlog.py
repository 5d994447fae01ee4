"""The files of one function that wait: oldest first, and in groups as a snapshot tells them."""

import heapq
from typing import NamedTuple

from headrace.scaler.learning import GROUP_SECONDS
from headrace.scaler.simulation.trace import Arrival
from headrace.scaler.snapshot import Files


class Queued(NamedTuple):
    """A file of the trace; in order of arrival, then of `number`, which is unique."""

    arrived: float
    number: int
    file: Arrival


class Backlog:
    """A queue with groups of GROUP_SECONDS of arrival, kept from one snapshot to the next."""

    def __init__(self) -> None:
        self._heap: list[Queued] = []
        self._groups: dict[int, Files] = {}
        self._view: tuple[Files, ...] | None = ()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def oldest(self) -> Queued:
        """The next to be worked. Raises IndexError when none waits."""
        return self._heap[0]

    def put(self, queued: Queued) -> None:
        """A file that arrived, or that comes back because its node died."""
        heapq.heappush(self._heap, queued)
        key = _group(queued.arrived)
        group = self._groups.get(key, Files(queued.arrived, 0))
        size = group.bytes + queued.file.size_bytes
        self._groups[key] = Files(min(group.arrived, queued.arrived), group.count + 1, size)
        self._view = None

    def take(self) -> Queued:
        """The oldest, out of the queue. Raises IndexError when none waits."""
        queued = heapq.heappop(self._heap)
        key = _group(queued.arrived)
        group = self._groups.pop(key)
        if group.count > 1:
            size = group.bytes - queued.file.size_bytes
            self._groups[key] = Files(self.oldest.arrived, group.count - 1, size)
        self._view = None
        return queued

    @property
    def view(self) -> tuple[Files, ...]:
        """The groups, oldest first."""
        if self._view is None:
            self._view = tuple(self._groups[key] for key in sorted(self._groups))
        return self._view


def _group(arrived: float) -> int:
    return int(arrived // GROUP_SECONDS)

"""What is left of the servers' GPUs as workers that need them are given out.

Workers with a file keep what they hold. What idle ones hold counts as free: they end where others need it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from headrace.placement.packing import RemoteRooms
from headrace.placement.ways import GpuClaim, Way
from headrace.scaler.snapshot import FunctionView, Snapshot

NO_LIMIT = 10**9


class Remote:
    """The GPUs of all servers, in one decision."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._rooms = RemoteRooms(snapshot.remote)
        claims = {each.name: each.way.claim for each in snapshot.functions}
        for worker in snapshot.workers:
            claim = claims.get(worker.function)
            if worker.busy and claim is not None:
                self._rooms.hold(worker.places, claim)

    @property
    def hosts(self) -> Collection[str]:
        """Hosts of servers of which something is given out."""
        return self._rooms.taken

    def of(self, function: FunctionView) -> "Share":
        """What one function may take of it."""
        return self.by(function.way)

    def by(self, way: Way) -> "Share":
        """What workers that go this way may take of it."""
        return Share(self._rooms, way.claim, way.servers)


@dataclass(frozen=True, slots=True)
class Share:
    """`claim` None: a worker needs none of it."""

    rooms: RemoteRooms
    claim: GpuClaim | None
    servers: Sequence[str]

    def allowed(self, workers: int) -> int:
        """How many of so many more find room."""
        return workers if self.claim is None else self.rooms.fitting(self.claim, self.servers, workers)

    def take(self, workers: int) -> None:
        """So many more have room."""
        if self.claim is not None:
            self.rooms.take(self.claim, self.servers, workers)

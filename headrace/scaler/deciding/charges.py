"""What a worker counts for with its tenant: what it asks of its node, and all else that quotas bound."""

from collections.abc import Mapping

from headrace.model.resources import ResourceList
from headrace.model.tenant import REMOTE_MEMORY, REMOTE_SESSIONS, SHARED, WORKERS, share_name
from headrace.placement.ways import Way
from headrace.scaler.snapshot import FunctionView, Snapshot


class Charges:
    """Of the functions of one snapshot, each kind reckoned once.

    A worker that wants whole GPUs of servers counts as if each were the largest of its servers: which it will
    get is known only once it has them, and a quota is not to be exceeded by it.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._largest: dict[str, int] = {}  # bytes of a server's largest GPU
        for room in (*snapshot.remote, *snapshot.standby):
            self._largest[room.server] = max(room.memory_bytes, self._largest.get(room.server, 0))
        self._known: dict[tuple[ResourceList, Way], ResourceList] = {}

    def of(self, function: FunctionView) -> ResourceList:
        """One worker of a function."""
        return self.by(function.request, function.way)

    def by(self, request: ResourceList, way: Way) -> ResourceList:
        """One worker that asks so much of its node and comes to GPUs by this way."""
        key = (request, way)
        if key not in self._known:
            self._known[key] = charged(request, self._gpus(way))
        return self._known[key]

    def _gpus(self, way: Way) -> Mapping[str, int]:
        if way.claim is not None:
            largest = max((self._largest.get(server, 0) for server in way.servers), default=0)
            each = largest if way.claim.memory_bytes is None else way.claim.memory_bytes
            return {REMOTE_SESSIONS: way.claim.count, REMOTE_MEMORY: way.claim.count * each}
        return shares(way.access or "", way.count)


def charged(request: ResourceList, gpus: Mapping[str, int]) -> ResourceList:
    """One worker that takes so much of its node, and this of GPUs as they are counted."""
    return request.plus(ResourceList.of({WORKERS: 1, **gpus}))


def shares(access: str, count: int) -> Mapping[str, int]:
    """So many of a node's GPUs, as they are counted: by kind where they are shares, else not at all."""
    return {share_name(kind): count for kind in SHARED if kind == access}

"""Whether the servers that this node's claims use answer; the kubelet tells it in the status of pods."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from headrace.gpu.backends.port import RemoteBackend, Seat
from headrace.gpu.kubelet import health_pb2
from headrace.gpu.plugin.plan import Preparation
from headrace.manifests.gpu_slices import device_name
from headrace.model.errors import HeadraceError
from headrace.model.gpu_server import Backend

LOOK_SECONDS = 10.0
PROBE_SECONDS = 3.0
VALID_SECONDS = 60  # after so long without a word the kubelet calls the health unknown

Place = tuple[Backend, str, int]


class Health:
    """Looks at servers while somebody listens."""

    def __init__(
        self,
        prepared: Callable[[], Sequence[Preparation]],
        backends: Mapping[Backend, RemoteBackend],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._prepared = prepared
        self._backends = backends
        self._now = now

    async def watch(
        self, _: health_pb2.NodeWatchResourcesRequest, __: object
    ) -> AsyncIterator[health_pb2.NodeWatchResourcesResponse]:
        """NodeWatchResources: how all devices in use are, again and again."""
        while True:
            yield await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> health_pb2.NodeWatchResourcesResponse:
        """How they are now."""
        prepared = self._prepared()
        places = {_place(each.backend, seat) for each in prepared for seat in each.seats}
        faults = dict(await asyncio.gather(*(self._fault(place) for place in sorted(places))))
        seats = {(s.server, s.number): (each.backend, s) for each in prepared for s in each.seats}
        return health_pb2.NodeWatchResourcesResponse(
            devices=[self._told(seat, faults[_place(kind, seat)]) for kind, seat in seats.values()]
        )

    async def _fault(self, place: Place) -> tuple[Place, str]:
        kind, address, port = place
        try:
            await self._backends[kind].probe(address, port, seconds=PROBE_SECONDS)
        except HeadraceError as error:
            return place, str(error)
        return place, ""

    def _told(self, seat: Seat, fault: str) -> health_pb2.DeviceHealth:
        device = health_pb2.DeviceIdentifier(pool_name=seat.server, device_name=device_name(seat.number))
        return health_pb2.DeviceHealth(
            device=device,
            health=health_pb2.UNHEALTHY if fault else health_pb2.HEALTHY,
            last_updated_time=int(self._now()),
            health_check_timeout_seconds=VALID_SECONDS,
            message=fault,
        )


def _place(kind: Backend, seat: Seat) -> Place:
    return kind, seat.address, seat.port

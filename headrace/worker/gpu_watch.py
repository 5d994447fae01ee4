"""Whether the GPU servers that a container uses still answer: sessions die with their server.

Who has lost one works on nothing more: no later call could succeed, whatever the application makes of it.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence

from headrace.health.connecting import connects
from headrace.model.errors import TransientError

LOOK_SECONDS = 3.0  # between two looks
PROBE_SECONDS = 2.0
LEASE_SECONDS = 15.0  # without an answer, after which a server is lost; as the publisher has it
MOST_SERVERS = 64
_PLACE = re.compile(r"\[?([A-Za-z0-9](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?)\]?:([0-9]{1,5})")

Place = tuple[str, int]
Probe = Callable[[str, int], Awaitable[None]]


def servers_of(text: object) -> Sequence[Place]:
    """`host:port,…` as the container says it; what is none of that is no server: anybody may say anything."""
    parts = text.split(",") if isinstance(text, str) and text else []
    found = [match for part in parts[:MOST_SERVERS] if (match := _PLACE.fullmatch(part))]
    return [(match[1], int(match[2])) for match in found]


async def connected(address: str, port: int) -> None:
    """Raises TransientError where it takes no connection."""
    await connects(address, port, seconds=PROBE_SECONDS)


class GpuWatch:
    """Looks at servers. `monotonic` gives seconds."""

    def __init__(
        self,
        servers: Sequence[Place],
        *,
        probe: Probe = connected,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._servers = servers
        self._probe = probe
        self._monotonic = monotonic
        self._sleep = sleep
        self._heard = dict.fromkeys(servers, monotonic())

    async def lost(self) -> str:
        """Waits until a server has not answered for a lease; which, for people. For ever without servers."""
        while True:
            await self._look()
            now = self._monotonic()
            for (address, port), heard in self._heard.items():
                if now - heard >= LEASE_SECONDS:
                    return f"GPU server {address}:{port} has not answered for {now - heard:.0f} s"
            await self._sleep(LOOK_SECONDS)

    async def silent(self) -> str:
        """Which server does not answer now, for people; empty: all do."""
        faults = await self._look()
        return f"GPU server {faults[0]}" if faults else ""

    async def _look(self) -> Sequence[str]:
        """What is wrong with whom."""
        return [fault for fault in await asyncio.gather(*map(self._fault, self._servers)) if fault]

    async def _fault(self, place: Place) -> str:
        try:
            await self._probe(*place)
        except TransientError as error:
            return str(error)
        self._heard[place] = self._monotonic()
        return ""

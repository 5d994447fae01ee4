"""Backends whose servers make a session with a client's first connection, and end it with the last."""

from collections.abc import Mapping

from headrace.gpu.backends.port import Seat
from headrace.health.connecting import connects


class ByConnection:
    """Their part of the port. A probe is a connection; nothing is made before the container starts."""

    async def probe(self, address: str, port: int, *, seconds: float) -> None:
        """See the port: whether the server takes a connection."""
        await connects(address, port, seconds=seconds)

    async def open(self, seat: Seat, *, seconds: float) -> None:
        """See the port: the application's first call makes it."""
        await connects(seat.address, seat.port, seconds=seconds)

    async def close(self, seat: Seat, *, seconds: float) -> None:
        """See the port: it has gone with the container's connections."""

    async def sessions(self, address: str, port: int, *, seconds: float) -> Mapping[str, float] | None:  # noqa: ARG002  (the port's)
        """See the port: the server does not tell."""
        return None

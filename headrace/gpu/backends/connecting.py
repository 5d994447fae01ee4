"""Backends whose servers make a session with a client's first connection, and end it with the last."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from headrace.gpu.backends.port import Seat
from headrace.model.errors import TransientError


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

    async def sessions(self, address: str, port: int, *, seconds: float) -> Sequence[str] | None:  # noqa: ARG002  (the port's)
        """See the port: the server does not tell."""
        return None


async def connects(address: str, port: int, *, seconds: float) -> None:
    """Raises TransientError where nobody takes a connection in time."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError) as error:
        reason = str(error) or f"no answer within {seconds:g} s"
        raise TransientError(
            f"GPU server {address}:{port} does not answer ({reason}); see whether it runs and is reached"
        ) from error
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()

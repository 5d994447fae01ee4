"""Whether a server takes connections: all that is known of one whose protocol is another program's."""

import asyncio
from contextlib import suppress

from headrace.model.errors import TransientError


async def connects(address: str, port: int, *, seconds: float) -> None:
    """Raises TransientError where nobody takes a connection in time."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError) as error:
        reason = str(error) or f"no answer within {seconds:g} s"
        raise TransientError(
            f"{address}:{port} does not answer ({reason}); see whether it runs and is reached"
        ) from error
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()

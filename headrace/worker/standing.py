"""Tells how many tasks the worker holds: at each change, though not too often, and every few seconds."""

import asyncio
from collections.abc import Awaitable, Callable

from headrace.model.observation import Standing
from headrace.worker.identity import Identity
from headrace.worker.leases import Leases

EVERY_SECONDS = 5.0
APART_SECONDS = 0.1  # changes that come sooner are told together


class Posture:
    """How the worker stands. `tell` is the queue's, which waits for nothing."""

    def __init__(
        self,
        identity: Identity,
        leases: Leases,
        tell: Callable[[Standing], Awaitable[None]],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._identity = identity
        self._leases = leases
        self._tell = tell
        self._sleep = sleep
        self._busy = False
        self._since = identity.now()

    async def keep_telling(self) -> None:
        """For ever; the last word is `tell`'s, once the worker has ended."""
        while True:
            await self.tell()
            await self._sleep(APART_SECONDS)
            await self._change_or(EVERY_SECONDS)

    async def _change_or(self, seconds: float) -> None:
        waits = [
            asyncio.ensure_future(self._leases.changed.wait()),
            asyncio.ensure_future(self._sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def tell(self) -> None:
        """Tell how it stands now."""
        self._leases.changed.clear()
        held = len(self._leases)
        if (held > 0) != self._busy:
            self._busy, self._since = held > 0, self._identity.now()
        await self._tell(
            Standing(
                function=self._identity.function.name,
                worker=self._identity.worker,
                held=held,
                since=self._since,
            )
        )

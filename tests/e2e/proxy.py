"""`python -m tests.e2e.proxy PORT SEED TARGET ...`: stands between the store's webhook and the receivers.

It drops, doubles and delays notifications by a seeded draw and hands the rest on, to each target in turn. A
dropped one is answered with success, so that the store never sends it again. `GET /counts` tells what was
done.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

import aiohttp
from aiohttp import web

DROPPED, DOUBLED, DELAYED = 0.05, 0.05, 0.2  # shares of the notifications
MOST_DELAY_SECONDS = 1.0
HEADERS = ("Authorization", "Content-Type")


class Proxy:
    """Forwards to its targets what it does not lose."""

    def __init__(self, targets: Sequence[str], seed: int) -> None:
        self._targets = targets
        self._rng = random.Random(f"proxy {seed}")
        self._arrived = 0
        self._newest_forwarded = 0
        self._later: set[asyncio.Task[int]] = set()
        self.counts: Counter[str] = Counter(
            dict.fromkeys(("received", "dropped", "doubled", "reordered", "forwarded", "refused"), 0)
        )

    def application(self) -> web.Application:
        """The proxy as an aiohttp application."""
        application = web.Application(client_max_size=2**22)
        application.cleanup_ctx.append(self._connected)
        application.router.add_get("/counts", self._show)
        application.router.add_post("/{path:.*}", self._take)
        return application

    async def _connected(self, _: web.Application):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as self._session:
            yield
            for task in self._later:
                task.cancel()

    async def _show(self, _: web.Request) -> web.Response:
        return web.json_response(self.counts)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: request.headers[name] for name in HEADERS if name in request.headers}
        self._arrived += 1
        number = self._arrived
        self.counts["received"] += 1
        draw, delay = self._rng.random(), self._rng.random()
        if draw < DROPPED:
            self.counts["dropped"] += 1
            return web.Response(status=200)
        if delay < DELAYED:
            await asyncio.sleep(MOST_DELAY_SECONDS * delay / DELAYED)
        status = await self._forward(request.path, body, headers, number)
        if draw < DROPPED + DOUBLED and status < 300:
            self.counts["doubled"] += 1
            self._send_later(request.path, body, headers, number, seconds=3 * delay)
        return web.Response(status=status)

    def _send_later(
        self, path: str, body: bytes, headers: Mapping[str, str], number: int, *, seconds: float
    ) -> None:
        async def send() -> int:
            await asyncio.sleep(seconds)
            return await self._forward(path, body, headers, number)

        task = asyncio.create_task(send())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _forward(self, path: str, body: bytes, headers: Mapping[str, str], number: int) -> int:
        if number < self._newest_forwarded:
            self.counts["reordered"] += 1
        self._newest_forwarded = max(number, self._newest_forwarded)
        target = self._targets[number % len(self._targets)]
        try:
            async with self._session.post(target + path, data=body, headers=headers) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            status = 502
        self.counts["forwarded" if status < 300 else "refused"] += 1
        return status


if __name__ == "__main__":
    web.run_app(
        Proxy(sys.argv[3:], int(sys.argv[2])).application(),
        host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None,
    )  # fmt: skip

"""(b) From an upload to the start of a handler in a warm worker, beside the bare webhook's own delay."""

import asyncio
import json
import os
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from headrace.local.process import free_ports
from headrace.model.errors import NotFoundError
from headrace.storage.s3 import S3Storage
from tests.bench.seaweed import seaweed_with_webhook
from tests.stack import Stack, running, write_function

FILES, WARM_FILES, BODY_BYTES, PAUSE_SECONDS = 400, 20, 50_000, 0.03
SPEC = """\
  run: {handler: "clock:Clock"}
  input: [{bucket: bench-in, prefix: clock/}]
  output: [{bucket: bench-out, prefix: clock/}]
"""
HANDLER = """\
import time

class Clock:
    def __call__(self, files):
        now = time.time()
        for file in files:
            (file.output / file.input.name).write_text(repr(now))
"""


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds of each file, from the moment its PUT was answered; negative: it came before the answer."""

    handler: tuple[float, ...]  # to the start of the handler
    webhook: tuple[float, ...]  # to the arrival of the bare webhook
    upload: tuple[float, ...]  # from the start of the PUT to its answer


async def measure(base: Path) -> Delays:
    """One upload at a time, in turn to the stack and to a second store whose webhook only takes the time."""
    write_function(base / "functions", "clock", SPEC, {"clock.py": HANDLER})
    async with (
        running(base / "state", base / "functions", workers=1) as stack,
        _bare(base / "bare") as (storage, arrivals),
    ):
        answered, sent, uploads = {}, {}, []
        for number in range(-WARM_FILES, FILES):
            key = f"clock/{number}"
            began = time.time()
            await stack.storage.put("bench-in", key, os.urandom(BODY_BYTES))
            answered[key] = time.time()
            uploads.append(answered[key] - began)
            await asyncio.sleep(PAUSE_SECONDS)
            await storage.put("bare", key, os.urandom(BODY_BYTES))
            sent[key] = time.time()
            await asyncio.sleep(PAUSE_SECONDS)
        keys = [f"clock/{number}" for number in range(FILES)]
        handler = [await _started(stack, key) - answered[key] for key in keys]
        webhook = [arrivals[key] - sent[key] for key in keys]
        return Delays(tuple(handler), tuple(webhook), tuple(uploads[WARM_FILES:]))


async def _started(stack: Stack, key: str) -> float:
    while True:
        try:
            return float(await stack.storage.read("bench-out", key))
        except NotFoundError:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _bare(base: Path):
    """A second store, and when its webhook was called for each key."""
    arrivals: dict[str, float] = {}

    async def arrived(request: web.Request) -> web.Response:
        now = time.time()
        key = json.loads(await request.read())["key"]
        arrivals.setdefault(key.removeprefix("/buckets/bare/"), now)
        return web.Response()

    (port,) = free_ports(1)
    application = web.Application()
    application.router.add_post("/", arrived)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    process, settings = seaweed_with_webhook(base, f"http://127.0.0.1:{port}/")
    storage = S3Storage(settings)
    try:
        await storage.ensure_bucket("bare")
        yield storage, arrivals
    finally:
        await storage.close()
        process.kill()
        await runner.cleanup()

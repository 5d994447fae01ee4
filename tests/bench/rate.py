"""(a) A function that copies its input: files a second end to end, against the bare S3 calls it needs."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from headrace.storage.port import ObjectInfo
from headrace.storage.s3 import S3Storage
from tests.bench.drain import drained
from tests.bench.figures import Spread
from tests.stack import Stack, running, write_function

FILES, ROUNDS, CONCURRENCY = 2000, 5, 16  # many: that workers get under way is not what is measured
LOOK_SECONDS = 0.5  # between two looks at memory
BODY_BYTES = 50_000
RECORD = b"x" * 1024
SPEC = """\
  run: {handler: "copies:Copies"}
  input: [{bucket: bench-in, prefix: copy/}]
  output: [{bucket: bench-out, prefix: copy/}]
  batch: {maxFiles: 8}
"""
HANDLER = """\
import shutil

class Copies:
    def __call__(self, files):
        for file in files:
            shutil.copyfile(file.input, file.output / file.input.name)
"""


@dataclass(frozen=True, slots=True)
class Rates:
    """Files a second of each round, in the order they were taken in turn."""

    headrace: tuple[float, ...]
    bare: tuple[float, ...]
    get_put: tuple[float, ...]
    idle: dict[str, float]  # resident MiB of worker and receiver
    loaded: dict[str, float]  # the same, with files coming in and going out

    def ratio(self, other: tuple[float, ...]) -> Spread:
        return Spread.of([ours / theirs for ours, theirs in zip(self.headrace, other, strict=True)])


async def measure(base: Path, *, workers: int) -> Rates:
    """Each round: the bare sequence, GET and PUT alone, then Headrace on as many files of its own."""
    write_function(base / "functions", "copy", SPEC, {"copies.py": HANDLER})
    async with running(base / "state", base / "functions", workers=workers) as stack:
        await stack.storage.ensure_bucket("bench-bare")
        await _drained(stack, "warm", 50)
        idle = _memory(stack)
        rounds = [await _round(stack, base, number) for number in range(ROUNDS)]
        loaded = await _loaded_memory(stack)
    ours, bare, get_put = zip(*rounds, strict=True)
    return Rates(ours, bare, get_put, idle, loaded)


async def _loaded_memory(stack: Stack) -> dict[str, float]:
    """The greatest while files come in and go out, in a round that is not timed."""
    draining = asyncio.create_task(_drained(stack, "memory", FILES))
    greatest = _memory(stack)
    while not draining.done():
        await asyncio.sleep(LOOK_SECONDS)
        greatest = {name: max(greatest[name], now) for name, now in _memory(stack).items()}
    await draining
    return greatest


def _memory(stack: Stack) -> dict[str, float]:
    """Resident MiB of the largest process of each service."""
    return {
        name: max([0, *stack.resident_bytes(word)]) / 2**20
        for name, word in (("worker", "headrace.worker"), ("receiver", "headrace.events"))
    }


async def _round(stack: Stack, base: Path, number: int) -> tuple[float, float, float]:
    sources = [await _put(stack.storage, "bench-bare", f"in/{number}/{i}") for i in range(FILES)]
    began = time.perf_counter()
    await _concurrently([_chain(stack.storage, base, info) for info in sources])
    bare = FILES / (time.perf_counter() - began)
    began = time.perf_counter()
    await _concurrently([_get_put(stack.storage, base, info) for info in sources])
    get_put = FILES / (time.perf_counter() - began)
    return await _drained(stack, str(number), FILES), bare, get_put


async def _concurrently(steps: list) -> None:
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(step):
        async with gate:
            await step

    await asyncio.gather(*(one(step) for step in steps))


async def _put(storage: S3Storage, bucket: str, key: str) -> ObjectInfo:
    await storage.put(bucket, key, os.urandom(BODY_BYTES))
    return await storage.head(bucket, key)


async def _chain(storage: S3Storage, base: Path, info: ObjectInfo) -> None:
    """What a file needs: GET, staged PUT, create-only PUT of 1 KB, copy."""
    path = base / info.key.replace("/", "-")
    await storage.download("bench-bare", info.key, path, version=None, etag=info.etag)
    await storage.put("bench-bare", f"staging/{info.key}", path, metadata={"headrace-attempt": "x/y"})
    await storage.create("bench-bare", f"records/{info.key}", RECORD)
    await storage.copy(("bench-bare", f"staging/{info.key}"), ("bench-out", f"bare/{info.key}"))
    path.unlink()


async def _get_put(storage: S3Storage, base: Path, info: ObjectInfo) -> None:
    path = base / info.key.replace("/", "-")
    await storage.download("bench-bare", info.key, path, version=None, etag=info.etag)
    await storage.put("bench-bare", f"plain/{info.key}", path)
    path.unlink()


async def _drained(stack: Stack, prefix: str, files: int) -> float:
    async def put() -> list[ObjectInfo]:
        infos: list[ObjectInfo] = []

        async def one(number: int) -> None:
            infos.append(await _put(stack.storage, "bench-in", f"copy/{prefix}/{number}"))

        await _concurrently([one(number) for number in range(files)])
        return infos

    return await drained(stack, "copy", put)

"""How fast a stack is backed up, again, verified and restored; real servers, a folder as the place."""

import asyncio
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.backup.backing import Backup, BackupReport, BackupWish
from headrace.backup.repository import Repository
from headrace.backup.restoring import Restore
from headrace.backup.shelf import FolderShelf
from headrace.backup.site import Site
from headrace.backup.verifying import verify
from headrace.local.nats import start_nats
from headrace.local.process import Process, free_ports
from headrace.local.seaweedfs import SeaweedOptions, start_seaweedfs
from headrace.model.function import Function
from headrace.model.keys import record_key
from headrace.model.marks import marks
from headrace.model.record import Output, Record, Times
from headrace.model.settings import QueueSettings
from headrace.model.task import Task, task_id
from headrace.queue.jetstream import JetStreamQueue
from headrace.storage.s3 import S3Storage
from tests.bench.figures import Spread, table

ROUNDS = 3
FILES, WAITING = 2000, 500  # done files, each with a result and a record; and files that wait
BODY_BYTES, RESULT_BYTES = 50_000, 1_000
LARGE_BYTES = 200_000_000
AT_ONCE = 16
PLATFORM = "headrace"
FUNCTION = Function.from_json(
    '{"apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": "bench"}, "spec": {'
    '"run": {"script": "s.sh"}, "input": [{"bucket": "uploads"}], "output": [{"bucket": "results"}]}}'
)


@dataclass
class Measured:
    """Seconds of each step, a figure a round; objects in all, and bytes that a place needs."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    objects: int = 0
    size: int = 0
    place: int = 0

    async def time(self, step: str, work: Callable[[], Awaitable[Any]]) -> Any:
        began = time.monotonic()
        done = await work()
        self.seconds.setdefault(step, []).append(time.monotonic() - began)
        return done


class Servers:
    """A store and a queue of their own."""

    def __init__(self, base: Path) -> None:
        store, queue = free_ports(2)
        options = SeaweedOptions(base / "store", store, access_key="bench", secret_key="bench")
        nats = start_nats(base / "queue", port=queue, token="t")
        self.processes: list[Process] = [start_seaweedfs(options), nats]
        self.settings = QueueSettings(url=f"nats://127.0.0.1:{queue}", token="t")
        self.storage, self.queue = S3Storage(options.storage), JetStreamQueue.of(self.settings)

    def site(self, *functions: Function) -> Site:
        """As backup and restore see it."""
        now, settings = time.time, self.settings
        return Site(
            self.storage, self.queue, functions, PLATFORM, now, asyncio.sleep, queue_settings=settings
        )

    async def close(self) -> None:
        await self.queue.close()
        await self.storage.close()
        for process in self.processes:
            process.kill()


async def measure(base: Path) -> Measured:
    """A new stack, place and new stack in each round."""
    found = Measured()
    for number in range(ROUNDS):
        folder = base / str(number)
        await _round(folder, found)
        shutil.rmtree(folder)
    return found


async def _round(folder: Path, found: Measured) -> None:
    old, new = Servers(folder / "old"), Servers(folder / "new")
    await _fill(old)
    shelf = FolderShelf(folder / "place")
    place = Repository(shelf)

    async def back_up() -> BackupReport:
        return await Backup(old.site(FUNCTION), place, BackupWish("bench")).run()

    async with shelf.held():
        report = await found.time("first backup", back_up)
        snapshot = report.snapshot or ""
        found.objects, found.size = report.copied.objects, report.copied.size
        found.place = sum(path.stat().st_size for path in shelf.path.rglob("*") if path.is_file())
        await found.time("second backup, nothing new", back_up)
        await found.time("verify", lambda: verify(place, snapshot))
        await new.storage.ensure_bucket(PLATFORM)
        await found.time("restore", lambda: Restore(new.site(), place, snapshot).run())
    for each in (old, new):
        await each.close()


async def _fill(servers: Servers) -> None:
    for bucket in (PLATFORM, "uploads", "results"):
        await servers.storage.ensure_bucket(bucket)
    await servers.queue.ensure(FUNCTION.name, lease_seconds=30.0, max_leased=1024)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with room:
            await _file(servers, number)

    await asyncio.gather(*map(one, range(FILES + WAITING)))
    large = secrets.token_bytes(LARGE_BYTES)
    await servers.storage.put("results", "large", large)


async def _file(servers: Servers, number: int) -> None:
    key, body = f"{number:06d}.bin", number.to_bytes(8, "big") * (BODY_BYTES // 8)
    etag = await servers.storage.put("uploads", key, body)
    task = Task(
        id=task_id(FUNCTION.name, "uploads", key, etag), function=FUNCTION.name, bucket="uploads", key=key,
        etag=etag, size=len(body), received=time.time(),
    )  # fmt: skip
    if number >= FILES:
        await servers.queue.put(task)
        return
    result = body[:RESULT_BYTES]
    told = await servers.storage.put("results", key, result, metadata=marks(task, "attempt"))
    output = Output(
        name=key, bucket="results", key=key, staging_key=f"staging/{key}", etag=told, size=len(result)
    )
    record = Record(
        task=task, attempt="attempt", attempt_number=1, outputs=(output,), function_digest="d" * 64,
        worker="w", log="a line\n" * 20,
        times=Times(received=1, pulled=1, staged=1, started=1, finished=1, committed=1),
    )  # fmt: skip
    await servers.storage.create(PLATFORM, record_key(FUNCTION.name, task.id), record.to_json())


async def page(base: Path) -> str:
    """The section of docs/benchmarks.md."""
    found = await measure(base)
    rows = [
        [step, Spread.of(seconds).told(1), Spread.of([found.objects / each for each in seconds]).told(0)]
        for step, seconds in found.seconds.items()
    ]
    return (
        "## Backup and restore\n\n"
        f"{FILES:,} done files of {BODY_BYTES:,} bytes with a result of {RESULT_BYTES:,} and a record each, "
        f"{WAITING} that wait, and one object of {LARGE_BYTES / 1e6:,.0f} MB: {found.objects:,} objects, "
        f"{found.size / 1e6:,.0f} MB; {ROUNDS} rounds. The place is a folder on the stores' own disk, and "
        f"takes {found.place / 1e6:,.0f} MB.\n\n" + table(["step", "seconds", "objects a second"], rows)
    )

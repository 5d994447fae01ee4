"""What metrics and traces cost a worker: the same files by one that nobody watches, and by watched ones."""

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

from headrace.catalog.folder import load_function
from headrace.events.routing import task_of
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Service
from headrace.metrics.port import SILENT, Meter
from headrace.model.keys import record_key
from headrace.model.record import Record
from headrace.model.task import Task
from headrace.model.trace import TraceSettings
from headrace.tracing.choosing import tracer_of
from headrace.tracing.port import UNTRACED, Tracer
from headrace.worker.build import build_worker
from headrace.worker.held import Held
from headrace.worker.watched import watch_of
from tests.bench.figures import Spread, table
from tests.bench.rate import BODY_BYTES, HANDLER, SPEC
from tests.stack import Stack, running, write_function

FILES, ROUNDS, WARM_FILES = 300, 5, 50


@dataclass(frozen=True, slots=True)
class Round:
    """Files a second, and the supervisor's own processor time a file, in microseconds."""

    rate: float
    microseconds: float


@dataclass(frozen=True, slots=True)
class Way:
    """How a worker is watched."""

    name: str
    meter: Meter
    tracer: Tracer


async def page(base: Path) -> str:
    """The section of docs/benchmarks.md."""
    rounds = await measure(base)
    plain = rounds["nobody watches"]
    rows = []
    for name, found in rounds.items():
        rates = [ours.rate / theirs.rate for ours, theirs in zip(found, plain, strict=True)]
        times = [ours.microseconds - theirs.microseconds for ours, theirs in zip(found, plain, strict=True)]
        rows.append(
            [
                name,
                Spread.of([each.rate for each in found]).told(0),
                Spread.of(rates).told(3),
                Spread.of([each.microseconds for each in found]).told(0),
                Spread.of(times).told(0),
            ]
        )
    heads = ["", "files a second", "ratio", "processor time a file, µs", "more of it, µs"]
    return (
        "## What metrics and traces cost a worker\n\n"
        f"{FILES} files of {BODY_BYTES:,} bytes that wait, one worker whose function copies them, {ROUNDS} "
        "rounds in turn; the processor time is the supervisor's alone. Every file is traced, to a collector "
        "that is a process of its own on the same cores; the page of metrics is read once a round.\n\n"
    ) + table(heads, rows)


async def measure(base: Path) -> dict[str, list[Round]]:
    """Each round: every way in turn, on files of its own."""
    write_function(base / "watched", "copy", SPEC, {"copies.py": HANDLER})
    (base / "functions").mkdir()
    with _collector() as port:
        settings = TraceSettings(endpoint=f"http://127.0.0.1:{port}")
        async with running(base / "state", base / "functions", workers=1) as stack:
            tracer = tracer_of(settings, "worker", "bench")
            meter = Exposition(Service.WORKER)
            ways = (
                Way("nobody watches", SILENT, UNTRACED),
                Way("metrics", meter, UNTRACED),
                Way("metrics and traces", meter, tracer),
            )
            for bucket in ("bench-in", "bench-out"):
                await stack.storage.ensure_bucket(bucket)
            await _round(stack, base, ways[0], WARM_FILES, "warm")
            found: dict[str, list[Round]] = {way.name: [] for way in ways}
            for number in range(ROUNDS):
                turn = ways[number % len(ways) :] + ways[: number % len(ways)]
                for way in turn:
                    found[way.name].append(await _round(stack, base, way, FILES, f"{number}/{way.name}"))
            await tracer.close()
            if tracer.dropped:
                raise RuntimeError(f"{tracer.dropped} spans were dropped: that is not what is measured")
    return found


async def _round(stack: Stack, base: Path, way: Way, files: int, prefix: str) -> Round:
    await stack.queue.ensure("copy", lease_seconds=30.0, max_leased=1024)
    tasks = [await _put(stack, f"copy/{prefix}/{number}") for number in range(files)]
    folder = base / "work" / prefix.replace("/", "-")
    folder.mkdir(parents=True)
    watch, left = watch_of(way.meter, way.tracer, "bench"), files

    def until_the_last(held: Held) -> None:
        nonlocal left
        watch(held)
        left -= 1
        if not left:
            worker.stop()

    worker = build_worker(
        load_function(base / "watched" / "copy"), stack.settings, stack.storage, stack.queue,
        folder=folder, secrets={}, now=time.time, sole_parent=False, watch=until_the_last,
    )  # fmt: skip
    began = time.process_time()
    await worker.run()
    if isinstance(way.meter, Exposition):
        way.meter.page()
    spent = time.process_time() - began
    return Round(await _rate(stack, tasks), spent / files * 1e6)


async def _put(stack: Stack, key: str) -> Task:
    await stack.storage.put("bench-in", key, os.urandom(BODY_BYTES))
    task = task_of("copy", await stack.storage.head("bench-in", key), received=time.time())
    await stack.queue.put(task)
    return task


async def _rate(stack: Stack, tasks: Sequence[Task]) -> float:
    """Files a second, from the first pull to the last commit."""
    bucket = stack.settings.platform_bucket
    records = [
        Record.from_json(await stack.storage.read(bucket, record_key("copy", task.id))) for task in tasks
    ]
    return len(tasks) / (max(r.times.committed for r in records) - min(r.times.pulled for r in records))


@contextmanager
def _collector() -> Iterator[int]:
    """A process that takes whatever is posted; its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_collect, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _collect(told: Connection) -> None:
    class Taking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    told.send(server.server_address[1])
    server.serve_forever()

"""`events` on an SQS queue that is full: messages a second, beside a client that only receives and deletes.

The store is SeaweedFS, the queue the emulator's: what it takes itself is why only the ratio and the processor
time of `events` mean anything elsewhere.
"""

import asyncio
import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from headrace.local.process import Process, answers, free_ports
from headrace.local.seaweedfs import stop_seaweedfs
from headrace.model.settings import ReceiverSettings, Settings, SqsSettings, WorkerSettings
from headrace.queue.jetstream import JetStreamQueue
from headrace.storage.s3 import S3Storage
from tests.bench.figures import Spread, table
from tests.fixtures.aws import Aws
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer, _start
from tests.unit.test_roster import install

MESSAGES, ROUNDS, RECEIVERS = 2000, 5, 4
AT_ONCE = 10
NAME = "echo"


@dataclass(frozen=True, slots=True)
class Rates:
    """Of each round: messages a second, and milliseconds of processor time that `events` took for one."""

    events: tuple[float, ...]
    bare: tuple[float, ...]
    processor: tuple[float, ...]


@dataclass
class Bench:
    """The servers, `events` among them, and a second queue that only the bare client reads."""

    aws: Aws
    settings: SqsSettings
    bare_url: str
    queue: JetStreamQueue
    events: Process

    def send(self, url: str, number: int) -> None:
        """Fill a queue with what EventBridge would tell of this round's objects."""
        client = self.aws.client("sqs")
        batches = [_batch(url, number, start) for start in range(0, MESSAGES, AT_ONCE)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda batch: client.send_message_batch(**batch), batches))

    async def round(self, number: int) -> tuple[float, float, float]:
        await asyncio.to_thread(self.send, self.bare_url, number)
        bare = await asyncio.to_thread(self._bare)
        self.events.child.send_signal(signal.SIGSTOP)
        await asyncio.to_thread(self.send, self.settings.queue_url, number)
        before = _processor_seconds(self.events)
        began = time.perf_counter()
        self.events.child.send_signal(signal.SIGCONT)
        while (await self.queue.backlog(NAME)).tasks < (number + 1) * MESSAGES:
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
        await asyncio.sleep(1)  # for its last deletes
        return MESSAGES / took, bare, 1000 * (_processor_seconds(self.events) - before) / MESSAGES

    def _bare(self) -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(RECEIVERS) as threads:
            list(threads.map(lambda _: self._drain(), range(RECEIVERS)))
        return MESSAGES / (time.perf_counter() - began)

    def _drain(self) -> None:
        client = self.aws.client("sqs")
        while messages := client.receive_message(QueueUrl=self.bare_url, MaxNumberOfMessages=AT_ONCE).get(
            "Messages"
        ):
            entries = [
                {"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)
            ]
            client.delete_message_batch(QueueUrl=self.bare_url, Entries=entries)


async def measure(base: Path) -> Rates:
    """Rounds of as many objects, whose messages wait: the bare client's, then those of `events`."""
    async with AsyncExitStack() as closing:
        bench = await _started(base, closing)
        rounds = [await bench.round(number) for number in range(ROUNDS)]
    return Rates(*zip(*rounds, strict=True))


async def page(base: Path) -> str:
    """The section of docs/benchmarks.md."""
    found = await measure(base)
    ratio = Spread.of([ours / theirs for ours, theirs in zip(found.events, found.bare, strict=True)])
    row = [Spread.of(found.events).told(0), Spread.of(found.bare).told(0), ratio.told()]
    return (
        "## events on an SQS queue\n\n"
        f"{MESSAGES:,} messages that wait at an emulator of AWS on the same cores, {ROUNDS} rounds, "
        f"{RECEIVERS} polls at once. `events` looks at each object in the store and puts its task into NATS; "
        "the bare client only receives and deletes. Messages a second.\n\n"
        + table(
            ["events", "bare client", "ratio", "processor time of `events`, ms a message"],
            [[*row, Spread.of(found.processor).told()]],
        )
    )


async def _started(base: Path, closing: AsyncExitStack) -> Bench:
    aws, nats = Aws(base / "aws"), NatsServer(base / "nats")
    for server in (aws, nats):
        server.start()
        closing.callback(server.kill)
    seaweed: SeaweedServer = _start(base / "seaweedfs")
    closing.callback(stop_seaweedfs, seaweed.process, seaweed.options)
    storage, queue = S3Storage(seaweed.options.storage), JetStreamQueue.of(nats.settings)
    closing.push_async_callback(storage.close)
    closing.push_async_callback(queue.close)
    for bucket in ("headrace", "uploads"):
        await storage.ensure_bucket(bucket)
    for number in range(ROUNDS):
        await asyncio.gather(*(storage.put("uploads", _key(number, n), b"x") for n in range(MESSAGES)))
    await asyncio.sleep(2)  # stores tell whole seconds: so that no listing takes what the messages tell of
    install(base / "functions", NAME)
    sqs = aws.sqs("full", receivers=RECEIVERS)
    settings = Settings(
        storage=seaweed.options.storage,
        queue=nats.settings,
        receiver=ReceiverSettings(port=free_ports(1)[0], token="token-of-nobody", listing_seconds=3600.0),
        worker=WorkerSettings(work_directory="unused", secrets_directory="unused"),
        sqs=sqs,
        functions_directory=str(base / "functions"),
    )
    events = await asyncio.to_thread(_events, base, settings, aws)
    closing.callback(events.kill)
    return Bench(aws, sqs, aws.queue("bare"), queue, events)


def _events(base: Path, settings: Settings, aws: Aws) -> Process:
    file = base / "settings.json"
    file.write_bytes(settings.to_json())
    command = [sys.executable, "-m", "headrace.events", "--settings", str(file)]
    process = Process.start("events", command, log=base / "events.log", environment=aws.keys)
    process.wait_until(lambda: answers(settings.receiver.port), seconds=60)
    process.wait_until(lambda: '"events.ready"' in process.log.read_text(), seconds=120)
    return process


def _key(number: int, n: int) -> str:
    return f"{number}/{n}"


def _batch(url: str, number: int, start: int) -> dict[str, Any]:
    entries = [{"Id": str(n), "MessageBody": _body(_key(number, n))} for n in range(start, start + AT_ONCE)]
    return {"QueueUrl": url, "Entries": entries}


def _body(key: str) -> str:
    detail = {"bucket": {"name": "uploads"}, "object": {"key": key, "size": 1}}
    return json.dumps({"detail-type": "Object Created", "source": "aws.s3", "detail": detail})


def _processor_seconds(process: Process) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)

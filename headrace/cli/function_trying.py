"""One local file through a function by the very worker code, without any server."""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.catalog.folder import Installed
from headrace.model.errors import NotFoundError
from headrace.model.function import Function
from headrace.model.keys import record_key
from headrace.model.record import FailureRecord, Record, read_record
from headrace.model.settings import (
    QueueSettings,
    ReceiverSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)
from headrace.model.task import Task, task_id
from headrace.queue.memory import MemoryQueue
from headrace.storage.memory import MemoryStorage
from headrace.worker.build import build_worker
from headrace.worker.folders import worker_folder
from headrace.worker.secrets import read_secrets

LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Tried:
    """How the file ended, and what it wrote: the name below the output's prefix, and the bytes."""

    record: Record | FailureRecord
    outputs: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a file, by worker or server. `reason` is empty where it is done; times in seconds."""

    state: str
    outputs: Mapping[str, bytes]
    reason: str = ""
    log: str = ""
    seconds: float | None = None
    load_seconds: float | None = None

    @property
    def ran(self) -> bool:
        """Whether it is done."""
        return not self.reason

    @classmethod
    def of(cls, tried: Tried) -> "Result":
        """Of a worker's record."""
        record = tried.record
        if isinstance(record, FailureRecord):
            return cls(record.state, {}, record.reason or record.state, record.log)
        seconds = record.times.finished - record.times.started
        return cls(record.state, tried.outputs, "", record.log, seconds, record.load_seconds)


async def try_file(installed: Installed, file: Path, key: str, secrets: Path) -> Tried:
    """Put the file into a store in memory, work it once, and return its ending.

    Raises ConfigurationError for a function that can't run on a host, or whose secrets are missing.
    """
    once = installed.function.spec.delivery.model_copy(update={"attempts": 1})
    spec = installed.function.spec.model_copy(update={"delivery": once})
    function = installed.function.model_copy(update={"spec": spec})
    storage, queue = MemoryStorage(now=time.time), MemoryQueue(now=time.time)
    with tempfile.TemporaryDirectory(prefix="headrace-") as base:
        settings = _settings(Path(base))
        task = await _upload(storage, settings.platform_bucket, function, file=file, key=key)
        await queue.ensure(function.name, lease_seconds=3600.0, max_leased=1)
        await queue.put(task)
        with worker_folder(Path(settings.worker.work_directory), f"{function.name}-test") as folder:
            worker = build_worker(
                Installed(function, installed.folder, installed.digest), settings, storage, queue,
                folder=folder, secrets=read_secrets(secrets, spec.secrets), now=time.time, sole_parent=False,
            )  # fmt: skip
            working = asyncio.create_task(worker.run())
            try:
                record = await _ending(storage, settings, task, working)
            finally:
                worker.stop()
                await working
    return Tried(record, await _outputs(storage, record))


def _settings(base: Path) -> Settings:
    """Those of a stack without servers; nothing reads the addresses."""
    return Settings(
        storage=StorageSettings(endpoint="memory:", access_key="", secret_key=""),
        queue=QueueSettings(url="memory:", lease_seconds=3600.0),
        receiver=ReceiverSettings(port=0, token=""),
        worker=WorkerSettings(work_directory=str(base / "work"), secrets_directory=str(base)),
        functions_directory=str(base),
    )


async def _upload(
    storage: MemoryStorage, platform_bucket: str, function: Function, *, file: Path, key: str
) -> Task:
    bucket = function.spec.input[0].bucket
    for each in {bucket, platform_bucket, *(output.bucket for output in function.spec.output)}:
        await storage.ensure_bucket(each)
    await storage.put(bucket, key, file)
    info = await storage.head(bucket, key)
    return Task(
        id=task_id(function.name, bucket, key, info.identity),
        function=function.name, bucket=bucket, key=key, version=info.version, etag=info.etag, size=info.size,
        received=time.time(),
    )  # fmt: skip


async def _ending(
    storage: MemoryStorage, settings: Settings, task: Task, working: asyncio.Task[None]
) -> Record | FailureRecord:
    key = record_key(task.function, task.id)
    while True:
        try:
            record = read_record(await storage.read(settings.platform_bucket, key))
        except NotFoundError:
            if working.done():
                await working
            await asyncio.sleep(LOOK_SECONDS)
            continue
        if isinstance(record, FailureRecord) or await _published(storage, record):
            return record
        await asyncio.sleep(LOOK_SECONDS)


async def _published(storage: MemoryStorage, record: Record) -> bool:
    try:
        for output in record.outputs:
            await storage.head(output.bucket, output.key)
    except NotFoundError:
        return False
    return True


async def _outputs(storage: MemoryStorage, record: Record | FailureRecord) -> dict[str, bytes]:
    if isinstance(record, FailureRecord):
        return {}
    return {output.name: await storage.read(output.bucket, output.key) for output in record.outputs}

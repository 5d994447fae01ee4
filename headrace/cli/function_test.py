"""`headrace function test`: one local file through the very worker code, without any server."""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from headrace.catalog.folder import Installed, load_function
from headrace.model.errors import ConfigurationError, NotFoundError
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
from headrace.model.troubles import Trouble
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


def test(
    folder: Annotated[Path, typer.Argument(help="The function's folder.")],
    file: Annotated[Path, typer.Option(help="A local file to give it.", exists=True, dir_okay=False)],
    output: Annotated[Path, typer.Option(help="Where the results go.")] = Path("out"),
    key: Annotated[str | None, typer.Option(help="The key to pretend; by default prefix and name.")] = None,
    secrets: Annotated[Path, typer.Option(help="Folder of NAME.env files.")] = Path(".headrace/secrets"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Run one local file through a function, as a worker would. Exit 1 if it fails."""
    installed = load_function(folder)
    tried = asyncio.run(try_file(installed, file, key or _key(installed, file), secrets))
    for name, body in tried.outputs.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    if as_json:
        typer.echo(orjson.dumps(_document(tried, output)))
    else:
        _show(tried, output)
    raise typer.Exit(0 if isinstance(tried.record, Record) else 1)


def _key(installed: Installed, file: Path) -> str:
    source = installed.function.spec.input[0]
    key = source.prefix + file.name
    if not source.takes(key):
        raise ConfigurationError(
            f"function {installed.function.name!r} does not take {key!r}: found the suffix {file.suffix!r}, "
            f"allowed {', '.join(source.suffix)}; rename the file or give --key",
            trouble=Trouble.FILE_NOT_TAKEN,
        )
    return key


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


def _document(tried: Tried, output: Path) -> dict[str, object]:
    record = tried.record
    document: dict[str, object] = {
        "state": record.state,
        "files": [str(output / name) for name in tried.outputs],
        "log": record.log,
    }
    if isinstance(record, Record):
        document["seconds"] = record.times.finished - record.times.started
        document["loadSeconds"] = record.load_seconds
    else:
        document["reason"] = record.reason
    return document


def _show(tried: Tried, output: Path) -> None:
    console, record = Console(), tried.record
    if isinstance(record, FailureRecord):
        Console(stderr=True).print(f"[red]{record.state}[/]: {record.reason}", highlight=False)
    else:
        table = Table(
            "result", "bytes", title=f"done in {record.times.finished - record.times.started:.2f} s"
        )
        for name, body in tried.outputs.items():
            table.add_row(str(output / name), f"{len(body):,}")
        console.print(table)
    if record.log:
        console.print("[dim]printed:[/]")
        console.print(record.log, markup=False, highlight=False)

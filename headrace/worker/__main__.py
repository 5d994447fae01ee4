"""`python -m headrace.worker --settings FILE --function NAME`: one worker process of one function."""

import asyncio
import logging
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from headrace.catalog.folder import Installed, load_function
from headrace.logs.json_lines import configure_logging
from headrace.model.errors import HeadraceError
from headrace.model.settings import RunnerKind, Settings
from headrace.queue.jetstream import JetStreamQueue
from headrace.queue.port import Queue
from headrace.storage.port import Storage
from headrace.storage.s3 import S3Storage
from headrace.worker import guard
from headrace.worker.build import build_worker, name_in_pod, worker_name
from headrace.worker.container.pod import Pod
from headrace.worker.deployed import load_deployed
from headrace.worker.folders import worker_folder
from headrace.worker.secrets import mounted_secrets, read_secrets
from headrace.worker.sweep import sweep
from headrace.worker.watched import watched
from headrace.worker.worker import Worker

log = logging.getLogger("headrace.worker")

LOOK_SECONDS = 2.0  # between two looks whether the function has changed
SWEEP_SECONDS = 600.0


async def _stop_when_changed(worker: Worker, installed: Installed) -> None:
    """A worker belongs to a function's digest: it ends when that changes or the function is gone."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            digest = (await asyncio.to_thread(load_function, installed.folder)).digest
        except HeadraceError:
            digest = ""
        if digest != installed.digest:
            log.info("the function has changed", extra={"action": "worker.function_changed"})
            worker.stop()
            return


async def _sweep_often(storage: Storage, settings: Settings, function: str) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            swept = await sweep(storage, settings.platform_bucket, function, now=time.time())
            log.info("%d staging objects removed", swept, extra={"action": "worker.swept"})
        except HeadraceError as error:
            log.warning("sweep failed: %s", error, extra={"action": "worker.sweep_failed"})


async def serve_in_pod(settings: Settings, name: str, storage: Storage, queue: Queue) -> None:
    """Work beside the user's container until SIGTERM; who starts workers sees to changes of the function."""
    installed = load_deployed(Path(settings.functions_directory) / name, settings.tenant)
    secrets = mounted_secrets(Path(settings.worker.secrets_directory), installed.function.spec.secrets)
    configure_logging((*settings.secrets, *secrets.values()))
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    sweeping = asyncio.create_task(_sweep_often(storage, settings, installed.function.name))
    worker = name_in_pod(settings.tenant, os.environ)
    try:
        async with watched(settings, installed.function, worker) as watch:
            await Pod(worker, installed, settings, storage, queue, secrets, watch).serve(ended)
    finally:
        sweeping.cancel()


async def serve(settings: Settings, name: str, storage: Storage, queue: Queue) -> None:
    """Work on this machine until SIGTERM or SIGINT, or until the function changes."""
    installed = load_function(Path(settings.functions_directory) / name)
    secrets = read_secrets(Path(settings.worker.secrets_directory), installed.function.spec.secrets)
    configure_logging((*settings.secrets, *secrets.values()))
    own = worker_name(name)
    async with AsyncExitStack() as closing:
        folder = closing.enter_context(worker_folder(Path(settings.worker.work_directory), own))
        watch = await closing.enter_async_context(watched(settings, installed.function, own))
        worker = build_worker(
            installed, settings, storage, queue,
            folder=folder, secrets=secrets, now=time.time, sole_parent=True, watch=watch,
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        beside = [
            asyncio.create_task(_stop_when_changed(worker, installed)),
            asyncio.create_task(_sweep_often(storage, settings, name)),
        ]
        try:
            await worker.run()
        finally:
            for task in beside:
                task.cancel()


async def _main(settings: Settings, name: str) -> None:
    storage = S3Storage(settings.storage)
    queue = JetStreamQueue.of(settings.queue)
    in_pod = settings.worker.runner is RunnerKind.CONTAINER
    try:
        await (serve_in_pod if in_pod else serve)(settings, name, storage, queue)
    finally:
        await queue.close()
        await storage.close()


def main(settings: Annotated[Path, typer.Option()], function: Annotated[str, typer.Option()]) -> None:
    """Work one function."""
    guard.become_subreaper()
    try:
        asyncio.run(_main(Settings.from_json(settings.read_bytes()), function))
    except HeadraceError as error:
        sys.exit(f"worker of {function}: {error}")


if __name__ == "__main__":
    typer.run(main)

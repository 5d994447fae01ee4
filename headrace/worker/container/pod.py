"""A worker in a pod, as the sidecar: from its start to the TERM by which Kubernetes ends it.

The kubelet starts the user's container only once the runner's files lie where that one finds them, and ends
this one only after that one. So this process does not end by itself: it would only be started again.
"""

import asyncio
import logging
import os
import secrets as random_ids
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.catalog.folder import Installed
from headrace.model.errors import ConfigurationError
from headrace.model.settings import Settings
from headrace.queue.port import Queue
from headrace.storage.port import Storage
from headrace.worker.build import build_pod_worker
from headrace.worker.container.folders import UMASK
from headrace.worker.container.link import Container
from headrace.worker.gpu_watch import GpuWatch
from headrace.worker.runner_port import RunnerGoneError

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
LOOK_SECONDS = 1.0  # between two looks whether the pod has to go
FILES = (HERE / "init.py", HERE / "init.sh", HERE.parent / "runner.py")


@dataclass(frozen=True, slots=True)
class Volume:
    """The volume that both containers share, laid out as headrace.manifests.worker_pod mounts it."""

    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def pipes(self) -> Path:
        return self.work / "pipes"

    def prepare(self, installed: Installed) -> None:
        """Lay out the runner's files, and whatever an earlier start of this container left is gone."""
        os.umask(UMASK)
        runner = self.folder / "runner"
        for folder in (self.work, runner):
            folder.mkdir(exist_ok=True)  # kept, should the user's container have it mounted already
            for left in folder.iterdir():
                shutil.rmtree(left, ignore_errors=True)
        for file in FILES:
            shutil.copyfile(file, runner / file.name)
        if installed.function.spec.run.source is not None:
            (runner / "script").write_text(installed.function.spec.run.source)

    @property
    def leaves(self) -> bool:
        """Whether the pod has to go: the kubelet notes it here before this container gets its TERM."""
        return (self.folder / "leaving").exists()

    def allow_start(self) -> None:
        """Let the kubelet see that the user's container may start."""
        (self.folder / "started").touch()

    @contextmanager
    def life(self) -> Iterator[Path]:
        """A folder for one life of the user's container, whatever another one left."""
        folder = self.work / random_ids.token_hex(4)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Pod:
    """What a worker in a pod is made of; `name` is the worker's."""

    name: str
    installed: Installed
    settings: Settings
    storage: Storage
    queue: Queue
    secrets: Mapping[str, str]

    async def serve(self, ended: asyncio.Event) -> None:
        """Work whenever the user's container is there, until `ended`, which TERM sets.

        TERM must be listened to by now.
        """
        run = self.installed.function.spec.run
        if run.http is not None:
            raise ConfigurationError(
                f"function {self.installed.function.name!r} has run.http, allowed handler or script for now; "
                "write a handler that calls what the image serves"
            )
        volume = Volume(Path(self.settings.worker.work_directory))
        volume.prepare(self.installed)
        if volume.leaves:
            return  # TERM may have come before anybody listened
        while not ended.is_set():
            container = Container(volume.pipes)
            await container.open()
            volume.allow_start()
            try:
                await _first(container.appeared, container.gone, ended)
                if container.here:
                    await self._work(container, volume, ended)
            finally:
                await container.close()
                log.info("the user's container has ended", extra={"action": "worker.container_ended"})

    async def _work(self, container: Container, volume: Volume, ended: asyncio.Event) -> None:
        with volume.life() as folder:
            worker = build_pod_worker(
                self.installed, self.settings, self.storage, self.queue,
                name=self.name, container=container, folder=folder, secrets=self.secrets, now=time.time,
            )  # fmt: skip

            async def leave() -> None:
                # The user's process 1 may have missed its TERM, and then tells of no departure.
                while not (container.departed.is_set() or ended.is_set() or volume.leaves):
                    await _first(container.departed, ended, seconds=LOOK_SECONDS)
                worker.stop()

            beside = [asyncio.create_task(each) for each in (leave(), _watch(container))]
            try:
                with suppress(RunnerGoneError):
                    await worker.run()
            finally:
                for task in beside:
                    task.cancel()


async def _watch(container: Container) -> None:
    """Have the container end once its GPUs can't be used any more."""
    if container.servers:
        container.lose(await GpuWatch(container.servers).lost())
        log.warning("the worker ends: %s", container.lost, extra={"action": "worker.gpu_lost"})


async def _first(*events: asyncio.Event, seconds: float | None = None) -> None:
    """Until one of them is set, and no longer than so many seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()

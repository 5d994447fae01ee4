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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.catalog.folder import Installed
from headrace.manifests.worker_pod import drained_port
from headrace.model.settings import Settings
from headrace.queue.port import Queue
from headrace.storage.port import Storage
from headrace.worker.build import build_pod_worker
from headrace.worker.container.drained import answered_when
from headrace.worker.container.folders import UMASK
from headrace.worker.container.link import Container
from headrace.worker.container.runner import ContainerRunner
from headrace.worker.container.served import ServedRunner, Server
from headrace.worker.gpu_watch import GpuWatch, Place
from headrace.worker.held import Watch, unwatched
from headrace.worker.runner_port import Runner, RunnerGoneError
from headrace.worker.worker import Worker

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
    watch: Watch = unwatched

    async def serve(self, ended: asyncio.Event) -> None:
        """Work whenever the user's container is there, until `ended`, which TERM sets.

        TERM must be listened to by now.
        """
        volume = Volume(Path(self.settings.worker.work_directory))
        http = self.installed.function.spec.run.http
        volume.prepare(self.installed)
        if volume.leaves:
            return  # TERM may have come before anybody listened
        if http is not None:
            await self._serve_beside(Server(http), volume, ended)
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

    async def _serve_beside(self, server: Server, volume: Volume, ended: asyncio.Event) -> None:
        """Work beside an image that serves: Kubernetes ends it after this worker, and this one after it."""
        finished = asyncio.Event()

        async def leave() -> None:
            while not (ended.is_set() or volume.leaves):
                await _first(ended, seconds=LOOK_SECONDS)
            server.told_to_leave = not ended.is_set()
            worker.stop()
            await ended.wait()
            server.gone.set()

        with volume.life() as folder:
            worker = self._worker(folder, lambda: ServedRunner(server))
            async with answered_when(finished.wait, drained_port(server.http)):
                volume.allow_start()
                leaving = asyncio.create_task(leave())
                try:
                    await worker.run()
                    finished.set()
                    await ended.wait()
                finally:
                    leaving.cancel()

    def _worker(
        self, folder: Path, new_runner: Callable[[], Runner], servers: Sequence[Place] = ()
    ) -> Worker:
        return build_pod_worker(
            self.installed, self.settings, self.storage, self.queue,
            name=self.name, new_runner=new_runner, servers=servers, folder=folder,
            secrets=self.secrets, now=time.time, watch=self.watch,
        )  # fmt: skip

    async def _work(self, container: Container, volume: Volume, ended: asyncio.Event) -> None:
        run = self.installed.function.spec.run
        with volume.life() as folder:
            worker = self._worker(folder, lambda: ContainerRunner(container, run), container.servers)

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

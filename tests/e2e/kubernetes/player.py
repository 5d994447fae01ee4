"""Plays the work of pods whose kubelet kwok plays: `python -m tests.e2e.kubernetes.player --settings FILE …`.

SIMULATED, in this much: the pods have no containers. What is real: for each pod of the function that is said
to run, this one process has a worker of Headrace that pulls from the real queue, stages from the real store,
commits and publishes; only the handler is a sleep that writes an output and two lines of journal, or fails on
a file that is meant to fail (see tests.e2e.functions). A pod that is told to go ends as a kubelet ends it:
its worker finishes what it has in hand, then the pod is deleted. One that vanishes takes its worker along
without a word.
"""

import asyncio
import hashlib
import json
import logging
import os
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from headrace.catalog.folder import Installed
from headrace.kube.kinds import PODS
from headrace.kube.lightkube import LightKube
from headrace.kube.mirror import Mirror
from headrace.kube.naming import Key, is_ending, key_of, uid_of
from headrace.kube.port import Manifest, Selection
from headrace.logs.json_lines import configure_logging
from headrace.model import labels
from headrace.model.errors import HeadraceError
from headrace.model.function import Function, digest_of
from headrace.model.settings import KubernetesSettings, Settings
from headrace.queue.jetstream import JetStreamQueue
from headrace.storage.s3 import S3Storage
from headrace.worker.attempt import RETURNED, Cause, Outcome, Staged
from headrace.worker.build import assembled, identity_of
from headrace.worker.limits import Limits
from headrace.worker.worker import Worker
from tests.e2e.oracle import MEANT

FUNCTION = "played"  # kwok leaves the deletion of this function's pods to this process
CONNECTIONS = 8  # to the queue and the store each, shared by all workers
SUFFIX = ".json"
SPREAD = 0.2  # how much longer or shorter than usual a file may take
LOOK_SECONDS = 0.2  # between two looks at the pods, or at the gate
FAILS = b'"fail": true'

_log = logging.getLogger("tests.player")


@dataclass(slots=True)
class PlayedRunner:
    """See headrace.worker.runner_port.Runner. Takes `seconds` a file, counted once `gate` is there."""

    journal: int
    seconds: float
    gate: Path
    usable: bool = True
    load_seconds: float | None = None
    files: int = 0
    computed_seconds: float = 0.0

    async def start(self) -> None:
        """See the port."""

    async def run(self, batch: Sequence[Staged], limits: Limits) -> Outcome:
        """See the port."""
        self.load_seconds, began = 0.001, time.monotonic()
        for staged in batch:
            self.files += 1
            if not await self._work(staged):
                return Outcome(Cause.EXCEPTION, MEANT)
        self.computed_seconds = time.monotonic() - began
        return RETURNED

    async def _work(self, staged: Staged) -> bool:
        data = staged.file.read_bytes()
        entry = {
            "task": staged.task.id,
            "attempt": str(staged.number),
            "nonce": uuid.uuid4().hex,
            "pid": os.getpid(),
            "input": hashlib.md5(data).hexdigest(),
        }
        self._note("start", entry)
        while not self.gate.exists():
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(self.seconds * random.uniform(1 - SPREAD, 1 + SPREAD))
        if FAILS in data[:100]:
            return False
        name = staged.file.name + SUFFIX
        content = json.dumps({**entry, "name": name}).encode()
        (staged.folder.output / name).write_bytes(content)
        self._note("finish", {**entry, "outputs": {name: hashlib.sha256(content).hexdigest()}})
        return True

    def _note(self, what: str, entry: dict[str, Any]) -> None:
        os.write(self.journal, json.dumps({"what": what, **entry}).encode() + b"\n")

    def log_tail(self) -> bytes:
        """See the port."""
        return b""

    async def kill(self) -> None:
        """See the port."""
        self.usable = False


@dataclass(slots=True)
class Played:
    """One pod's worker."""

    worker: Worker
    task: asyncio.Task[None]
    leaving: bool = False


@dataclass
class Player:
    """Keeps one worker a running pod."""

    settings: Settings
    kube: LightKube
    installed: Installed
    seconds: float
    gate: Path
    journal: int
    folder: Path
    queues: list[JetStreamQueue] = field(default_factory=list)
    storages: list[S3Storage] = field(default_factory=list)
    playing: dict[str, Played] = field(default_factory=dict)  # by the pod's uid
    made: int = 0

    async def play(self, pods: Mirror) -> None:
        """For ever."""
        while True:
            self._take(dict(pods.items))
            await asyncio.sleep(LOOK_SECONDS)  # changes that come together are looked at together
            await pods.changed(1.0)

    def _take(self, pods: dict[Key, Manifest]) -> None:
        there = {uid_of(each): each for each in pods.values()}
        for uid, played in list(self.playing.items()):
            if uid not in there:
                played.task.cancel()  # killed with its pod
                del self.playing[uid]
        for uid, pod in there.items():
            gone = is_ending(pod)
            runs = pod.get("status", {}).get("phase") == "Running"
            if uid not in self.playing and (gone or runs):
                self.playing[uid] = self._begin(pod)
            if gone and not self.playing[uid].leaving:
                self.playing[uid].leaving = True
                self.playing[uid].worker.stop()

    def _begin(self, pod: Manifest) -> Played:
        name, share = pod["metadata"]["name"], self.made % CONNECTIONS
        self.made += 1
        folder = self.folder / f"{name}-{self.made}"
        folder.mkdir()
        worker = assembled(
            identity_of(self.installed, name, time.time, runtime="kubernetes"),
            self.settings,
            self.storages[share],
            self.queues[share],
            folder=folder,
            secrets={},
            new_runner=lambda _: PlayedRunner(self.journal, self.seconds, self.gate),
            grace_seconds=60.0,
        )
        return Played(worker, asyncio.create_task(self._live(worker, pod)))

    async def _live(self, worker: Worker, pod: Manifest) -> None:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001  (one pod's end is not the others')
            _log.exception("worker %s", pod["metadata"]["name"])
        namespace, name = key_of(pod)
        while True:
            try:
                await self.kube.delete(PODS, name, namespace=namespace, uid=uid_of(pod), grace_seconds=0)
            except HeadraceError:
                await asyncio.sleep(0.5)
            else:
                return


async def _main(
    settings: Settings, function: Function, *, seconds: float, gate: Path, journal: Path, work: Path
) -> None:
    place = settings.kubernetes or KubernetesSettings(namespace="", platform_namespace="")
    kube = LightKube.of(place)
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    player = Player(
        settings, kube, Installed(function, work, digest_of(function, {})), seconds, gate, descriptor, work
    )
    player.queues = [JetStreamQueue.of(settings.queue) for _ in range(CONNECTIONS)]
    player.storages = [S3Storage(settings.storage) for _ in range(CONNECTIONS)]
    async with Mirror(kube, PODS, Selection(place.namespace, {labels.FUNCTION: FUNCTION})) as pods:
        await player.play(pods)


def main(
    settings: Annotated[Path, typer.Option()],
    function: Annotated[Path, typer.Option(help="JSON of the Function object")],
    journal: Annotated[Path, typer.Option()],
    work: Annotated[Path, typer.Option()],
    seconds: Annotated[float, typer.Option(help="what a file takes")],
    gate: Annotated[Path, typer.Option(help="no file is worked to its end before this one is there")],
) -> None:
    """Play until killed."""
    configure_logging(())
    asyncio.run(
        _main(
            Settings.from_json(settings.read_bytes()),
            Function.from_json(function.read_bytes()),
            seconds=seconds,
            gate=gate,
            journal=journal,
            work=work,
        )
    )


if __name__ == "__main__":
    typer.run(main)

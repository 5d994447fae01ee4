"""A real stack for tests and measurements: `headrace up` as a user starts it, with functions of their own."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from headrace.model.settings import Settings
from headrace.queue.jetstream import JetStreamQueue
from headrace.storage.s3 import S3Storage

START_SECONDS = 60.0
STOP_SECONDS = 40.0


@dataclass(frozen=True)
class Stack:
    """Adapters to a running stack, and the process tree behind it."""

    settings: Settings
    storage: S3Storage
    queue: JetStreamQueue
    process: psutil.Process

    def resident_bytes(self, word: str) -> list[int]:
        """Resident memory of each process whose command line has a word."""
        found = []
        for process in self.process.children(recursive=True):
            with suppress(psutil.Error):  # it has ended meanwhile
                if word in " ".join(process.cmdline()):
                    found.append(process.memory_info().rss)
        return found


def write_function(functions: Path, name: str, spec: str, files: Mapping[str, str]) -> None:
    """A function's folder; `spec` is the YAML below `spec:`, indented by two."""
    folder = functions / name
    folder.mkdir(parents=True)
    head = f"apiVersion: headrace.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec:\n"
    (folder / "function.yaml").write_text(head + spec)
    for file, content in files.items():
        (folder / file).write_text(content)


@asynccontextmanager
async def running(
    state: Path, functions: Path, *, workers: int, options: Sequence[str] = ()
) -> AsyncIterator[Stack]:
    """Start, wait until the receiver is ready, and stop at the end. `options` are more of `headrace up`."""
    with started(state, functions, workers=workers, options=options) as (up, settings):
        storage = S3Storage(settings.storage)
        queue = JetStreamQueue.of(settings.queue)
        yield Stack(settings, storage, queue, psutil.Process(up.pid))
        await queue.close()
        await storage.close()


@contextmanager
def started(
    state: Path, functions: Path, *, workers: int, options: Sequence[str] = ()
) -> "Iterator[tuple[subprocess.Popen[bytes], Settings]]":
    """The same for who has no event loop."""
    with (state.parent / "up.log").open("ab") as log:
        up = subprocess.Popen(
            [Path(sys.executable).parent / "headrace", "up", "--state", state, "--functions", functions,
             "--workers", str(workers), *options],
            stdout=log, stderr=log, env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip
    try:
        yield up, _wait(up, state)
    finally:
        up.terminate()
        up.wait(STOP_SECONDS)


def _wait(up: "subprocess.Popen[bytes]", state: Path) -> Settings:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and up.poll() is None:
        if (state / "stack.json").exists() and (state / "settings.json").exists():
            return Settings.from_json((state / "settings.json").read_bytes())
        time.sleep(0.1)
    raise RuntimeError(f"the stack did not come up:\n{(state.parent / 'up.log').read_text()}")

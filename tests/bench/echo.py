"""(c) functions/echo: files a second with the model kept loaded, against one process a file as OSCAR does.

Twice: end to end on one store, a worker beside OSCAR's supervisor; and the function's process alone.
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from headrace.catalog.folder import Installed, load_function
from headrace.model.task import Task
from headrace.storage.port import ObjectInfo
from headrace.worker.attempt import Folder, Staged
from headrace.worker.build import runner_environment
from headrace.worker.limits import Limits
from headrace.worker.runner_process import Program, RunnerProcess
from tests.bench.drain import drained
from tests.bench.figures import Spread
from tests.bench.oscar import Oscar, echo_script, install_supervisor
from tests.stack import Stack, running

ROUNDS, KEPT_FILES, SINGLE_FILES = 5, 24, 4
ECHO = Path(__file__).parents[2] / "functions" / "echo"
LIMITS = Limits(seconds=120.0, memory_bytes=2**32, disk_bytes=2**32)


@dataclass(frozen=True, slots=True)
class Pair:
    """Files a second of each round: the model kept, and loaded for each file."""

    kept: tuple[float, ...]
    single: tuple[float, ...]

    @property
    def ratio(self) -> Spread:
        return Spread.of([kept / single for kept, single in zip(self.kept, self.single, strict=True)])


@dataclass(frozen=True, slots=True)
class Echo:
    """Rates with the store and without, seconds to load, and seconds a part of one file (medians)."""

    whole: Pair
    process: Pair
    load_seconds: Spread
    parts: dict[str, float]


async def measure(base: Path) -> Echo:
    """Each round in turn: a warm worker, OSCAR's supervisor; one runner for many files, one for each file."""
    base.mkdir()
    subprocess.run([sys.executable, ECHO / "derive.py", "--count", "100", base / "clips"], check=True)
    paths = sorted((base / "clips").glob("*.dcm"))
    (base / "functions").mkdir()
    (base / "functions" / "echo").symlink_to(ECHO)
    bench = _Bench(base, load_function(ECHO), itertools.cycle(paths))
    python = install_supervisor(base / "oscar")
    async with running(base / "state", base / "functions", workers=1) as stack:
        script, store = echo_script(ECHO), stack.settings.storage
        whole = _Whole(stack, Oscar(python, script, store, "uploads", "results/oscar"), paths)
        await whole.kept(0)
        rounds = [
            (await whole.kept(number), await whole.single(number), await bench.kept(), await bench.single())
            for number in range(1, ROUNDS + 1)
        ]
    columns = tuple(zip(*rounds, strict=True))
    return Echo(Pair(*columns[:2]), Pair(*columns[2:]), Spread.of(bench.loads), bench.parts())


@dataclass(frozen=True, slots=True)
class _Whole:
    """From the bucket to the bucket: pull or event, download, work, commit or upload."""

    stack: Stack
    oscar: Oscar
    clips: list[Path]

    async def kept(self, number: int) -> float:
        async def upload() -> list[ObjectInfo]:
            return [await self._put(f"echo/{number}-{clip.name}", clip) for clip in self.clips[:KEPT_FILES]]

        return await drained(self.stack, "echo", upload)

    async def single(self, number: int) -> float:
        clips = self.clips[number * SINGLE_FILES :][:SINGLE_FILES]
        infos = [await self._put(f"oscar/{number}-{clip.name}", clip) for clip in clips]
        began = time.perf_counter()
        for info in infos:
            await asyncio.to_thread(self.oscar.work, info.key)
        rate = len(infos) / (time.perf_counter() - began)
        for info in infos:
            await self.stack.storage.head("results", f"{info.key}.json")  # it has really worked
        return rate

    async def _put(self, key: str, clip: Path) -> ObjectInfo:
        await self.stack.storage.put("uploads", key, clip)
        return await self.stack.storage.head("uploads", key)


class _Bench:
    def __init__(self, base: Path, installed: Installed, clips: Iterator[Path]) -> None:
        environment = runner_environment(installed, os.environ, {}, base)
        self._program = Program(installed.function.spec.run, installed.folder, environment)
        self._base, self._clips, self._numbers = base, clips, itertools.count()
        self.loads: list[float] = []

    async def kept(self) -> float:
        runner = await self._start()
        await self._run(runner, 1)
        began = time.perf_counter()
        for _ in range(KEPT_FILES):
            await self._run(runner, 1)
        rate = KEPT_FILES / (time.perf_counter() - began)
        await runner.kill()
        return rate

    async def single(self) -> float:
        began = time.perf_counter()
        for _ in range(SINGLE_FILES):
            runner = await self._start()
            await self._run(runner, 1)
            await runner.kill()
        return SINGLE_FILES / (time.perf_counter() - began)

    async def _start(self) -> RunnerProcess:
        runner = RunnerProcess(self._program, self._base / f"runner-{next(self._numbers)}")
        await runner.start()
        return runner

    async def _run(self, runner: RunnerProcess, files: int) -> None:
        outcome = await runner.run([self._staged() for _ in range(files)], LIMITS)
        if not outcome.good:
            raise RuntimeError(outcome.reason)
        self.loads.append(runner.load_seconds or 0.0)

    def _staged(self) -> Staged:
        clip, number = next(self._clips), next(self._numbers)
        folder = Folder(self._base / "tasks" / str(number))
        folder.input.mkdir(parents=True)
        folder.output.mkdir()
        file = folder.input / clip.name
        file.symlink_to(clip)
        task = Task(
            id=str(number), function="echo", bucket="b", key=clip.name, etag="e", size=1, received=0.0
        )
        return Staged(task, folder, file, 1)

    def parts(self) -> dict[str, float]:
        """Medians over all results, from what the function itself reports."""
        found = [json.loads(path.read_text())["seconds"] for path in self._base.glob("tasks/*/output/*.json")]
        return {name: median(each[name] for each in found) for name in found[0]}

"""(c) functions/echo: files a second with the model kept loaded, against one process a file as OSCAR does."""

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
from headrace.worker.attempt import Folder, Staged
from headrace.worker.build import runner_environment
from headrace.worker.limits import Limits
from headrace.worker.runner_process import Program, RunnerProcess
from tests.bench.figures import Spread

ROUNDS, KEPT_FILES, SINGLE_FILES = 5, 24, 4
ECHO = Path(__file__).parents[2] / "functions" / "echo"
LIMITS = Limits(seconds=120.0, memory_bytes=2**32, disk_bytes=2**32)


@dataclass(frozen=True, slots=True)
class Echo:
    """Files a second of each round, seconds to load, and seconds a part of one file (medians)."""

    kept: tuple[float, ...]
    single: tuple[float, ...]
    load_seconds: Spread
    parts: dict[str, float]

    @property
    def ratio(self) -> Spread:
        return Spread.of([kept / single for kept, single in zip(self.kept, self.single, strict=True)])


async def measure(base: Path) -> Echo:
    """In turn: one runner for many files, one runner for each file."""
    base.mkdir()
    subprocess.run([sys.executable, ECHO / "derive.py", "--count", "100", base / "clips"], check=True)
    clips = itertools.cycle(sorted((base / "clips").glob("*.dcm")))
    bench = _Bench(base, load_function(ECHO), clips)
    rounds = [(await bench.kept(), await bench.single()) for _ in range(ROUNDS)]
    kept, single = zip(*rounds, strict=True)
    return Echo(kept, single, Spread.of(bench.loads), bench.parts())


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

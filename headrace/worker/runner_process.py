"""The runner as a child process below its guard: start, hand a batch over, watch its limits, kill."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.model.errors import FatalError
from headrace.model.function import Run
from headrace.worker import guard
from headrace.worker.attempt import (
    RETURNED,
    Cause,
    Outcome,
    Staged,
    shell_environment,
    task_environment,
)
from headrace.worker.limits import Limits, Usage, exceeded, folder_bytes, resident_bytes
from headrace.worker.runner_port import answered, request_of, vanished

HERE = Path(__file__).parent
WATCH_SECONDS = 0.2
REPLY_BYTES = 2**20  # an exception's text may be long


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: the function's `run`, its folder and the environment of its process."""

    run: Run
    folder: Path
    environment: Mapping[str, str]


def command_of(program: Program, requests: Path, replies: Path) -> list[str]:
    """The runner's command line."""
    pipes = (requests, replies)
    parts: tuple[object, ...]
    if program.run.handler is not None:
        parts = (sys.executable, HERE / "runner.py", *pipes, program.folder, program.run.handler)
    else:
        parts = ("/bin/sh", HERE / "runner.sh", *pipes, program.folder / str(program.run.script))
    return [str(part) for part in parts]


class RunnerProcess:
    """One runner. After a limit, or when it vanished, it is dead and a new one is to be made.

    `sole_parent`: every child of this process descends from this runner, so that what a killed guard
    left behind, inherited by this process, may be killed too.
    """

    def __init__(self, program: Program, folder: Path, *, sole_parent: bool = False) -> None:
        self._program = program
        self._folder = folder
        self._sole_parent = sole_parent
        self._process: asyncio.subprocess.Process | None = None
        self._requests: asyncio.WriteTransport | None = None
        self._reading: int | None = None
        self._replies: asyncio.StreamReader | None = None
        self._transport: asyncio.ReadTransport | None = None
        self.load_seconds: float | None = None
        self.files = 0  # handed over to this runner so far
        self.computed_seconds = 0.0  # the newest batch: from its hand-over, once loaded, to its answer

    @property
    def usable(self) -> bool:
        """Whether it is started and not known to be dead."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start guard and runner; the handler loads while this returns."""
        self._folder.mkdir(parents=True)
        requests, replies = self._folder / "requests", self._folder / "replies"
        os.mkfifo(requests, 0o600)
        os.mkfifo(replies, 0o600)
        await self._connect(requests, replies)
        command = command_of(self._program, requests, replies)
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(HERE / "guard.py"), *command,
                stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log,
                env=dict(self._program.environment), cwd=self._folder, start_new_session=True,
            )  # fmt: skip

    async def _connect(self, requests: Path, replies: Path) -> None:
        self._replies = asyncio.StreamReader(limit=REPLY_BYTES)
        protocol = asyncio.StreamReaderProtocol(self._replies)
        loop = asyncio.get_running_loop()
        # This process keeps both ends of both pipes, so that neither side waits for the other to open;
        # the other end of `requests` by a descriptor of its own, as asyncio takes what it can read on
        # a pipe that it writes to for the reader's end.
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        self._reading = os.open(requests, os.O_RDONLY | flags)
        writing = os.fdopen(os.open(requests, os.O_WRONLY | flags), "wb", buffering=0)
        reading = os.fdopen(os.open(replies, os.O_RDWR | flags), "rb", buffering=0)
        self._transport, _ = await loop.connect_read_pipe(lambda: protocol, reading)
        self._requests, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, writing)

    async def run(self, batch: Sequence[Staged], limits: Limits) -> Outcome:
        """Hand a batch over and wait for its end; the time limit starts when the handler is loaded."""
        if self.load_seconds is None:
            outcome = await self._watched(self._loaded(), [], limits)
            if not outcome.good:
                await self.kill()
                return outcome
        if self._requests is None:
            raise FatalError("the runner was used before it was started")
        self.files += len(batch)
        for staged in batch:
            self._prepare(staged)
        began = time.monotonic()
        self._requests.write(self._request(batch))
        outcome = await self._watched(self._answered(), batch, limits)
        self.computed_seconds = time.monotonic() - began
        self._sweep()
        return outcome

    def _prepare(self, staged: Staged) -> None:
        if self._program.run.script is not None:
            staged.folder.environment.write_text(shell_environment(task_environment(staged)))

    def _request(self, batch: Sequence[Staged]) -> bytes:
        if self._program.run.script is not None:
            return f"{batch[0].folder.path}\n".encode()
        return request_of(batch).encode() + b"\n"

    async def _loaded(self) -> Outcome:
        answer = await self._line()
        if "ready" in answer:
            self.load_seconds = float(answer["ready"])  # type: ignore[arg-type]  # our own runner's number
            return RETURNED
        return Outcome(Cause.NOT_LOADED, f"the handler could not be loaded: {answer.get('broken')}")

    async def _answered(self) -> Outcome:
        return answered(await self._line())

    async def _line(self) -> dict[str, object]:
        if self._replies is None:
            raise FatalError("the runner was used before it was started")
        document: dict[str, object] = json.loads(await self._replies.readline())
        return document

    async def _watched(
        self, reply: Coroutine[Any, Any, Outcome], batch: Sequence[Staged], limits: Limits
    ) -> Outcome:
        if self._process is None:
            raise FatalError("the runner was used before it was started")
        answer = asyncio.ensure_future(reply)
        ended = asyncio.ensure_future(self._process.wait())
        began = time.monotonic()
        try:
            while True:
                done, _ = await asyncio.wait(
                    {answer, ended}, timeout=WATCH_SECONDS, return_when="FIRST_COMPLETED"
                )
                if answer in done:
                    return answer.result()
                outcome = self._vanished(limits) if ended in done else self._exceeded(batch, began, limits)
                if outcome is not None:
                    await self.kill()
                    return outcome
        finally:
            for task in (answer, ended):
                task.cancel()

    def _vanished(self, limits: Limits) -> Outcome:
        code = self._process.returncode if self._process else None
        return vanished(limits, f"the runner ended with {code}")

    def _exceeded(self, batch: Sequence[Staged], began: float, limits: Limits) -> Outcome | None:
        usage = Usage(
            seconds=time.monotonic() - began,
            memory_bytes=resident_bytes(self._process.pid) if self._process else 0,
            disk_bytes=folder_bytes(staged.folder.output for staged in batch),
            log_bytes=sum(s.folder.log.stat().st_size for s in batch if s.folder.log.exists()),
        )
        return exceeded(usage, limits)

    def _sweep(self) -> None:
        """Kill what a finished file left running: a handler's own children may stay, orphans may not."""
        if self._process is None:
            return
        while leftovers := self._leftovers(self._process.pid):
            guard.kill_all(iter(leftovers))

    def _leftovers(self, pid: int) -> list[int]:
        first, *orphans = guard.children(pid) or [0]
        if self._program.run.script is not None:
            orphans += guard.children(first)
        return [each for orphan in orphans for each in (orphan, *guard.descendants(orphan))]

    def log_tail(self) -> bytes:
        """What the runner printed outside of any file: its loading."""
        path = self._folder / "log"
        return path.read_bytes()[-4096:] if path.exists() else b""

    async def kill(self) -> None:
        """End the runner and all below it, and close the pipes."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()  # the guard kills all below it when this pipe closes
            with contextlib.suppress(ProcessLookupError):
                await self._process.wait()
        for pipe in (self._transport, self._requests):
            if pipe is not None:
                pipe.close()
        if self._reading is not None:
            os.close(self._reading)
        self._transport = self._requests = self._process = self._reading = None
        if self._sole_parent:
            guard.end_adopted()

"""Keeps processes running, whoever ends them, and ends them at random moments by a seeded draw."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from headrace.local.process import Process
from headrace.model.errors import HeadraceError

SOON_SECONDS = 0.5  # before what ended by itself, or did not come up, is started again


class Keeper(threading.Thread):
    """One process, started again whenever it ends. The thread is the parent that the kernel watches.

    `exits` are ends that nobody here asked for; `failed_starts` says why it did not come up.
    """

    def __init__(self, name: str, start: Callable[[], Process], rng: random.Random) -> None:
        super().__init__(name=f"keeper of {name}", daemon=True)
        self.process_name = name
        self.exits: list[str] = []
        self.failed_starts: list[str] = []
        self._start_process = start
        self._rng = rng
        self._process: Process | None = None
        self._pause = 0.0
        self._up = threading.Event()
        self._stopping = threading.Event()
        self._in_use = threading.Lock()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._process = self._start_process()
            except HeadraceError as error:
                self.failed_starts.append(str(error))
                self._stopping.wait(SOON_SECONDS)
                continue
            self._up.set()
            status = self._process.child.wait()
            self._up.clear()
            if not self._pause and not self._stopping.is_set():
                self.exits.append(f"{self.process_name} ended with {status}: {self._process.log_tail()}")
            self._stopping.wait(self._pause or SOON_SECONDS)
            self._pause = 0.0

    def wait_up(self, seconds: float) -> bool:
        """Whether it runs within so many seconds."""
        return self._up.wait(seconds)

    def kill(self) -> bool:
        """SIGKILL to the process alone, so that what it leaves behind is its own matter."""
        with self._in_use:
            if self._process is None or not self._up.is_set():
                return False
            self._pause = self._rng.uniform(0.1, 1.0)
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.child.wait()
            return True

    def stand_still(self, seconds: float) -> bool:
        """SIGSTOP, and SIGCONT after so many seconds. False: it was not there for all of them."""
        with self._in_use:
            if self._process is None or not self._up.is_set():
                return False
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGSTOP)
                time.sleep(seconds)
                os.kill(self._process.pid, signal.SIGCONT)
            return self._process.alive

    def stop(self, *, seconds: float) -> None:
        """Ask it to end; kill it and all of its group after so many seconds."""
        self._stopping.set()
        if self._process is not None:
            self._process.stop(seconds=seconds)
        self.join()

    def log_tail(self) -> str:
        """The end of its log."""
        return self._process.log_tail() if self._process else "never started"


@dataclass(frozen=True, slots=True)
class Harm:
    """What is done to one kind of process: kill -9 so often, each after some seconds of life."""

    kind: str
    times: int
    after_seconds: tuple[float, float]
    still_seconds: float = 0.0  # above 0: SIGSTOP for so long instead of SIGKILL


class Harmer(threading.Thread):
    """Does one kind of harm at random moments; `done` counts it."""

    def __init__(self, harm: Harm, keepers: Sequence[Keeper], seed: int) -> None:
        super().__init__(name=f"harmer of {harm.kind}", daemon=True)
        self.harm = harm
        self.done = 0
        self._keepers = keepers
        self._rng = random.Random(f"{harm.kind} {seed}")
        self._stopping = threading.Event()

    def run(self) -> None:
        while self.done < self.harm.times and not self._stopping.is_set():
            keeper = self._rng.choice(self._keepers)
            moment = self._rng.uniform(*self.harm.after_seconds)
            if keeper.wait_up(1.0) and not self._stopping.wait(moment):
                self.done += self._do(keeper)

    def _do(self, keeper: Keeper) -> bool:
        if self.harm.still_seconds:
            return keeper.stand_still(self.harm.still_seconds)
        return keeper.kill()

    def stop(self) -> None:
        """Do no more harm."""
        self._stopping.set()
        self.join()

"""Keeps a box's programs running: starts each when what it needs is ready, and again when one ends."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from tests.toolchain.cluster.place import Place
from tests.toolchain.cluster.probing import Prober
from tests.toolchain.cluster.programs import Program
from tests.toolchain.running import ToolchainError

TICK_SECONDS = 0.05
STARTS_SECONDS = 120.0
AGAIN_SECONDS = 0.5  # between the end of a program and its next start
ENDS_ALLOWED = 5  # within ENDS_SECONDS
ENDS_SECONDS = 60.0
TAIL_BYTES = 2000
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_keeper() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Kept:
    """A program and how it goes. Times are of the monotonic clock."""

    program: Program
    child: subprocess.Popen[bytes] | None = None
    ready: bool = False
    ends: list[float] = field(default_factory=list)
    last_end: int | None = None

    def note_end(self, status: int) -> None:
        """A task that ended well is done; every other end counts."""
        self.child = None
        if self.program.task and status == 0:
            self.ready = True
        else:
            self.last_end = status
            self.ends.append(time.monotonic())


@dataclass
class Keeper:
    """Runs in one thread and reaps whatever it is given: in the full box it is process 1."""

    place: Place
    prober: Prober
    kept: dict[str, Kept]
    environ: Mapping[str, str]
    tell: Callable[[dict[str, int]], None]
    stopping: bool = False

    @classmethod
    def of(
        cls,
        place: Place,
        prober: Prober,
        programs: Sequence[Program],
        environ: Mapping[str, str],
        tell: Callable[[dict[str, int]], None],
    ) -> "Keeper":
        """`tell` is given how often each program has ended, whenever one does."""
        return cls(place, prober, {each.name: Kept(each) for each in programs}, environ, tell)

    def start_all(self) -> None:
        """Returns when every program is ready. Raises ToolchainError that names the one that isn't."""
        deadline = time.monotonic() + STARTS_SECONDS
        while not all(kept.ready for kept in self.kept.values()):
            self._reap()
            self._refuse_ended()
            self._start_next()
            if self.stopping:
                raise ToolchainError("the box was told to stop before it was up")
            if time.monotonic() > deadline:
                raise ToolchainError(self._late())
            time.sleep(TICK_SECONDS)

    def keep(self) -> None:
        """Until told to stop. Raises ToolchainError for a program that ends again and again."""
        while not self.stopping:
            if self._reap():
                self.tell({name: len(kept.ends) for name, kept in self.kept.items() if kept.ends})
            now = time.monotonic()
            for kept in self.kept.values():
                if kept.child is None and kept.ends and now - kept.ends[-1] >= AGAIN_SECONDS:
                    self._refuse_restless(kept, now)
                    self._start(kept)
            time.sleep(TICK_SECONDS)

    def kill_all(self) -> None:
        """What it started, the last first; returns when they are gone."""
        for kept in reversed(self.kept.values()):
            if kept.child is not None:
                kept.child.kill()
                kept.child.wait()

    def _start_next(self) -> None:
        for kept in self.kept.values():
            if kept.ready:
                continue
            if kept.child is None and all(self.kept[name].ready for name in kept.program.needs):
                self._start(kept)
            elif kept.child is not None and not kept.program.task:
                kept.ready = kept.program.probe is None or self.prober.is_ready(kept.program.probe)

    def _start(self, kept: Kept) -> None:
        with self._log(kept.program) as output:
            kept.child = subprocess.Popen(
                kept.program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environ,
                start_new_session=True,
                preexec_fn=_die_with_keeper,  # noqa: PLW1509  (only a system call; no other way to set it)
            )

    def _log(self, program: Program) -> BinaryIO:
        self.place.logs.mkdir(parents=True, exist_ok=True)
        return self.place.log(program.name).open("ab")

    def _reap(self) -> bool:
        """Collect every ended child, adopted ones too; whether one of the programs was among them."""
        found = False
        while (ended := _next_ended()) is not None:
            for kept in self.kept.values():
                if kept.child is not None and kept.child.pid == ended[0]:
                    kept.child.returncode = ended[1]  # reaped here, not by Popen
                    kept.note_end(ended[1])
                    found = True
        return found

    def _refuse_ended(self) -> None:
        for kept in self.kept.values():
            if kept.ends:
                raise ToolchainError(
                    f"{kept.program.name} ended with {kept.last_end} at its start:\n{self._tail(kept)}"
                )

    def _refuse_restless(self, kept: Kept, now: float) -> None:
        lately = [end for end in kept.ends if now - end < ENDS_SECONDS]
        if len(lately) > ENDS_ALLOWED:
            raise ToolchainError(
                f"{kept.program.name} ended {len(lately)} times within {ENDS_SECONDS:g} s, "
                f"the last time with {kept.last_end}:\n{self._tail(kept)}"
            )

    def _late(self) -> str:
        waiting = [kept for kept in self.kept.values() if kept.child is not None and not kept.ready]
        told = "\n".join(f"{kept.program.name}:\n{self._tail(kept)}" for kept in waiting)
        names = ", ".join(kept.program.name for kept in waiting)
        return f"not ready after {STARTS_SECONDS:g} s: {names}\n{told}"

    def _tail(self, kept: Kept) -> str:
        log = self.place.log(kept.program.name)
        with log.open("rb") as output:
            output.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return f"{output.read().decode(errors='replace')}\n(all of it: {log})"


def _next_ended() -> tuple[int, int] | None:
    """Process and exit status (negative: the signal) of a child that has ended."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, os.waitstatus_to_exitcode(status)) if pid else None

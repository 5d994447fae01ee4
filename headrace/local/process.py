"""A server or service of this machine as a child process: started, waited for, stopped without leavings."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.model.errors import ConfigurationError, FatalError
from headrace.model.troubles import Trouble

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)
LOG_TAIL_BYTES = 2000
MOST_HELD = 256  # ports; far more than a stack has
_held: dict[int, socket.socket] = {}  # by port, the oldest first


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def find_program(name: str) -> str:
    """Where a server's program is: beside this Python, or on PATH. Raises ConfigurationError."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise ConfigurationError(
            f"the program {name} is neither beside {sys.executable} nor on PATH; "
            "install it with: pip install 'headrace[local]'",
            trouble=Trouble.PROGRAM_MISSING,
        )
    return found


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on, all different, for servers that this process starts.

    While this process runs, no connection and no other program that asks for just any port gets them: their
    sockets stay bound and never listen. A server may take one that sets SO_REUSEADDR, as those of Go and
    asyncio do (ip(7), socket(7)).
    """
    return [hold_port(0) for _ in range(count)]


def hold_port(port: int) -> int:
    """The same for one port; 0: any that is free. Raises OSError (EADDRINUSE) where something listens."""
    holder = socket.socket()
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        raise
    port = int(holder.getsockname()[1])
    if former := _held.pop(port, None):
        former.close()
    _held[port] = holder
    if len(_held) > MOST_HELD:
        _held.pop(next(iter(_held))).close()
    return port


@dataclass
class Process:
    """A running child whose output goes to a log file; killed by the kernel when its parent's thread dies."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> "Process":
        """Start a command in a session of its own. Call it from a thread that outlives the child."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=directory,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  (only a system call; no other way to set it)
            )
        return cls(name, child, log)

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def alive(self) -> bool:
        return self.child.poll() is None

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self.child.poll()

    def terminate(self) -> None:
        """SIGTERM; returns at once."""
        self.child.terminate()

    def log_tail(self) -> str:
        """The end of what it printed, for error messages."""
        with self.log.open("rb") as output:
            output.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            return output.read().decode(errors="replace")

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Poll `ready`. Raises FatalError with the log's end when the process dies or time runs out."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.alive:
                raise FatalError(
                    f"{self.name} ended with {self.child.returncode} at its start:\n{self.log_tail()}",
                    trouble=Trouble.START_FAILED,
                )
            if time.monotonic() > deadline:
                raise FatalError(
                    f"{self.name} was not ready after {seconds:g} s:\n{self.log_tail()}",
                    trouble=Trouble.START_FAILED,
                )
            time.sleep(0.05)

    def once(self, ready: Callable[[], bool], *, seconds: float) -> "Process":
        """This process, once it is ready. Raises as `wait_until`; it is killed then."""
        try:
            self.wait_until(ready, seconds=seconds)
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self, *, seconds: float) -> None:
        """SIGTERM, then SIGKILL to its whole group after `seconds`."""
        if self.alive:
            self.child.terminate()
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self.kill()

    def kill(self) -> None:
        """SIGKILL to its whole group; also to what it left behind in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()


def answers(port: int) -> bool:
    """Whether something accepts connections on 127.0.0.1:port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False

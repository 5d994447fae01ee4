"""Stands between a worker and its runner, so that nothing a function starts outlives the worker.

Run by path with the standard library alone: `python -I -S guard.py COMMAND [ARG ...]`. Standard input is a
pipe whose other end only the worker holds: when the worker dies, however it dies, the pipe closes and the
guard kills all that descends from it. As a child subreaper (prctl(2)) it also inherits those that left
their parents or their session. Should the guard itself be killed, the kernel kills the runner
(PR_SET_PDEATHSIG) and the worker, a subreaper as well, kills the rest. The exit status is the runner's,
or 128 + its signal.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
from collections.abc import Iterator

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """From now on, orphaned descendants become children of this process."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants(pid: int) -> Iterator[int]:
    """Every process below `pid` at this moment, parents first (/proc/PID/task/TID/children)."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def children(pid: int) -> list[int]:
    """The direct children of a process, those of all its threads; empty when it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  (pathlib's import costs more than the guard)
            with open(f"/proc/{pid}/task/{thread}/children") as file:  # noqa: PTH123  (as above)
                found += [int(child) for child in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def kill_all(pids: Iterator[int]) -> bool:
    """SIGKILL each; whether there was any."""
    any_left = False
    for pid in list(pids):
        any_left = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return any_left


def end_adopted() -> None:
    """Kill and collect every child of this process, and all below them."""
    while kill_all(descendants(os.getpid())):
        _reap(0)
        select.select([], [], [], 0.005)


def _start(command: list[str]) -> int:
    guard = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:  # died before the line above
            os._exit(1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.setsid()
        os.execvp(command[0], command)  # noqa: S606  (no shell is the point)
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _reap(runner: int) -> int | None:
    """Collect every ended child; the runner's exit status once it is among them."""
    status = None
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == runner:
            status = os.waitstatus_to_exitcode(raw)


def _watch(runner: int, wake: int) -> int:
    while True:
        status = _reap(runner)
        if status is not None:
            return status
        ready, _, _ = select.select([0, wake], [], [])
        if 0 in ready and not os.read(0, 4096):
            return 1
        if wake in ready:
            os.read(wake, 4096)


def main(command: list[str]) -> int:
    """Run the command, wait for it or for the worker's end, and leave nothing behind."""
    become_subreaper()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    status = _watch(_start(command), wake)
    end_adopted()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

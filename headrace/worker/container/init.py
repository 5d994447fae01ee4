"""Process 1 of the user's container, for a handler: stands between the supervisor and the runner.

Run by path with the standard library alone, Python 3.8 or later:

    python3 -I -S init.py REQUESTS REPLIES RUNNER HANDLER

REQUESTS and REPLIES are named pipes that the supervisor has opened; beside them lies `log`, which takes what
the runner prints outside of any batch. In come lines `ID WORD [BATCH]`:

    start       the runner is started (again); it answers as runner.py does
    run BATCH   handed to the runner, whose answer comes once what it left behind was killed
    kill        all but this process is killed, then {"killed": true}
    end         everything ends

ID is what this process said of itself in its {"hello": ID, "gpus": SERVERS}: a line for one before it counts
for nothing. SERVERS are those whose GPUs the container has. A
runner that ends by itself is told as {"ended": STATUS}, of a signal its negative number. TERM is told at once
as {"leaving": true}; the handler goes on, and the supervisor says when to end. Should the supervisor die,
everything ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import stat
import sys
from typing import List, Optional  # noqa: UP035  (Python 3.8 evaluates the annotations of variables)

BLOCK = 65536
SUPERVISOR_DIED = 70  # EX_SOFTWARE of sysexits.h


def say(replies: int, **words: object) -> None:
    """Tell the supervisor; while it stands still, wait for it."""
    tell(replies, json.dumps(words).encode() + b"\n")


def tell(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(descriptor, data) :]


def kill_all() -> None:
    """Kill and collect every process of this container but this one, which is its first."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def parents() -> dict[int, int]:
    """The parent of every process of this container (proc(5): its number is the field behind the state)."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  (pathlib's import costs more than the rest)
        if name.isdigit():
            # It may have ended by now.
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123  (as above)
                found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    return found


def strays(parent: dict[int, int], runner: int) -> list[int]:
    """The processes below process 1 that are not below the runner.

    What a person started by `kubectl exec` has another origin, 0, and is spared.
    """
    found = []
    for pid in parent:
        line = [pid]
        while parent.get(line[-1], 0) > 0:
            line.append(parent[line[-1]])
        if pid != 1 and line[-1] == 1 and runner not in line:
            found.append(pid)
    return found


def sweep(runner: int) -> None:
    """Kill what a finished batch left behind; the runner's own children may stay."""
    while True:
        found = strays(parents(), runner)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in found:
            with contextlib.suppress(ChildProcessError):  # another's child, and this one's by the next turn
                os.waitpid(pid, 0)


def open_up(folders: list[str]) -> None:
    """Let the supervisor read and remove what was written with a mode of its own."""
    for folder in folders:
        for base, _, names in os.walk(folder):
            _permit(base, 0o070)
            for name in names:
                _permit(f"{base}/{name}", 0o060)


def _permit(path: str, group: int) -> None:
    with contextlib.suppress(OSError):  # gone, or not this user's: then it is the supervisor's own
        mode = os.lstat(path).st_mode
        if mode & group != group and not stat.S_ISLNK(mode):
            os.chmod(path, stat.S_IMODE(mode) | group)  # noqa: PTH101  (as above)


class Runner:
    """The runner's process, and the pipes to it and from it."""

    def __init__(self, program: str, handler: str, log: str) -> None:
        requests, self.requests = os.pipe()
        self.replies, replies = os.pipe()
        os.set_blocking(self.requests, False)
        self.unsent = self.heard = b""
        pipes = [f"/proc/self/fd/{requests}", f"/proc/self/fd/{replies}"]
        self.pid = os.fork()
        if self.pid == 0:
            os.set_inheritable(requests, True)  # noqa: FBT003  (its only form)
            os.set_inheritable(replies, True)  # noqa: FBT003  (its only form)
            folder = os.getcwd()  # noqa: PTH109  (pathlib's import costs more than the rest)
            self._become([sys.executable, program, *pipes, folder, handler], log)
        os.close(requests)
        os.close(replies)

    @staticmethod
    def _become(command: list[str], log: str) -> None:
        """Turn this process into the runner."""
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            printed = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_TRUNC)
            os.dup2(printed, 1)
            os.dup2(printed, 2)
            os.execv(command[0], command)  # noqa: S606  (no shell is the point)
        except OSError as error:
            os.write(2, f"{command[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def send(self, data: bytes = b"") -> None:
        """Hand on as much as it takes now."""
        self.unsent += data
        try:
            while self.unsent:
                self.unsent = self.unsent[os.write(self.requests, self.unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it has ended, which is told when it is collected
            self.unsent = b""

    def hear(self) -> list[bytes] | None:
        """Whole lines of what it says now; None when it has closed its end."""
        data = os.read(self.replies, BLOCK)
        *lines, self.heard = (self.heard + data).split(b"\n")
        return lines if data else None

    def close(self) -> None:
        """Close the pipes."""
        os.close(self.requests)
        os.close(self.replies)


class Init:
    """The life of this process. `wake` gives the numbers of signals."""

    def __init__(self, requests: int, replies: int, wake: int, command: tuple[str, str, str]) -> None:
        self.requests, self.replies, self.wake = requests, replies, wake
        self.command = command
        self.id = os.urandom(16).hex().encode()
        self.heard = b""
        self.runner: Optional[Runner] = None  # noqa: UP045  (as above)
        self.folders: List[str] = []  # noqa: UP006  (as above)

    def serve(self) -> int:
        """Work until the supervisor says so, or is gone; the exit status."""
        say(self.replies, hello=self.id.decode(), gpus=os.environ.get("HEADRACE_GPU_SERVERS", ""))
        while True:
            ready = self._ready()
            if self.runner and self.runner.replies in ready:
                self._pass_on(self.runner)
            if self.wake in ready:
                self._signalled(os.read(self.wake, BLOCK))
            if self.requests in ready:
                data = os.read(self.requests, BLOCK)
                *lines, self.heard = (self.heard + data).split(b"\n")
                if not data or not all(self._obey(line) for line in lines):
                    kill_all()
                    return 0 if data else SUPERVISOR_DIED

    def _ready(self) -> list[int]:
        runner = self.runner
        reading = [self.requests, self.wake, *([runner.replies] if runner else [])]
        writing = [runner.requests] if runner and runner.unsent else []
        ready, free, _ = select.select(reading, writing, [])
        if runner and free:
            runner.send()
        return ready

    def _obey(self, line: bytes) -> bool:
        """Do what a line says; False when that is the end."""
        who, _, rest = line.partition(b" ")
        word, _, batch = rest.partition(b" ")
        if who != self.id:
            return True
        if word == b"start":
            self._drop()
            self.runner = Runner(*self.command)
        elif word == b"run" and self.runner:
            self.folders = [file["output"] for file in json.loads(batch.decode())["files"]]
            self.runner.send(batch + b"\n")
        elif word == b"kill":
            self._drop()
            say(self.replies, killed=True)
        return word != b"end"

    def _pass_on(self, runner: Runner) -> None:
        """Pass on what the runner says, once all is still behind it."""
        lines = runner.hear()
        if lines:
            sweep(runner.pid)
            open_up(self.folders)
        for line in lines or []:
            tell(self.replies, line + b"\n")
        if lines is None:  # it ends, or can't be talked to any more
            with contextlib.suppress(ProcessLookupError):
                os.kill(runner.pid, signal.SIGKILL)
            self._ended(runner, os.waitpid(runner.pid, 0)[1])

    def _signalled(self, numbers: bytes) -> None:
        if signal.SIGTERM in numbers:
            say(self.replies, leaving=True)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if self.runner and pid == self.runner.pid:
                    self._ended(self.runner, status)

    def _ended(self, runner: Runner, status: int) -> None:
        """Pass on the runner's last words and tell of its end."""
        while select.select([runner.replies], [], [], 0)[0]:
            lines = runner.hear()
            for line in lines or []:
                tell(self.replies, line + b"\n")
            if lines is None:
                break
        self._drop()
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        say(self.replies, ended=code)

    def _drop(self) -> None:
        """Leave no runner, nor anything else."""
        kill_all()
        open_up(self.folders)
        self.folders = []
        if self.runner:
            self.runner.close()
            self.runner = None


def main(requests: str, replies: str, program: str, handler: str) -> int:
    """Serve the supervisor behind the two pipes."""
    if os.getpid() != 1:
        os.write(
            2, b"init.py: found another process, allowed process 1 of a container: it kills all others\n"
        )
        return 1
    os.umask(0o002)
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    log = os.path.join(os.path.dirname(requests), "log")  # noqa: PTH118, PTH120  (as above)
    reading, writing = os.open(requests, os.O_RDONLY), os.open(replies, os.O_WRONLY)
    try:
        return Init(reading, writing, wake, (program, handler, log)).serve()
    except BrokenPipeError:  # nobody hears any more
        return SUPERVISOR_DIED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))

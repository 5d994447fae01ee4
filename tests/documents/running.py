"""Runs the blocks of a page that are marked `run`, in order, in one shell and one folder.

- `sh run`: what it prints is compared with a block `text output` behind it.
- `sh run box`, `sh run lab`, `sh run long`: only where there is a cluster in a box, hosts of a lab, or time.
  There the page's plain ones are run too, as the others build on them.
- `sh run stays`: one command that goes on until the page has ended; what follows waits for its output.
- `sh run fails`: it ends with a status other than 0.
- `python run`: a file of that text is run.

In outputs … stands for anything within a line, and alone on a line for any lines.
"""

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.documents.reading import Block
from tests.documents.surroundings import Surroundings
from tests.documents.survey import FAILS, OUTPUT, SHELL, STAYS

STOP_SECONDS = 40.0
STAYING = "staying"  # a file with the ids of processes


class PageError(AssertionError):
    """A block did not do what its page says."""


def run_page(blocks: Sequence[Block], surroundings: Surroundings, notes: Path) -> int:
    """How many blocks were run. `notes`, an empty folder, gets what each printed. Raises PageError."""
    count = 0
    with _shell(surroundings, notes) as shell:
        for block, behind in zip(blocks, [*blocks[1:], None], strict=True):
            if surroundings.take(block):
                count += 1
                output = behind if behind and OUTPUT in behind.words else None
                _Step(block, output, notes / f"{count}", surroundings.seconds).take(shell)
    return count


def matches(told: str, wanted: str) -> bool:
    """Whether an output is what the page shows; how many blanks there are counts for nothing."""
    parts = [r"(?:.*\n)*?" if line == "…" else _line(line) for line in _lines(wanted)]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in _lines(told))) is not None


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def _line(line: str) -> str:
    return ".*".join(map(re.escape, line.split("…"))) + r"\n"


@contextmanager
def _shell(surroundings: Surroundings, notes: Path) -> Iterator["subprocess.Popen[str]"]:
    """bash, which ends at the first command that fails; whatever was left running in it ends with it."""
    shell = subprocess.Popen(
        surroundings.shell,
        cwd=surroundings.checkout,
        stdin=subprocess.PIPE,
        text=True,
        env=dict(surroundings.environ),
    )
    assert shell.stdin is not None
    try:
        shell.stdin.write("set -euo pipefail\n")
        yield shell
    finally:
        _stop(notes / STAYING)
        for each in psutil.Process(shell.pid).children(recursive=True) if shell.poll() is None else ():
            each.kill()  # a block that hangs
        shell.kill()
        shell.wait()
        with suppress(BrokenPipeError):
            shell.stdin.close()


def _stop(file: Path) -> None:
    """End what stays as a service manager would, and wait for it."""
    pids = [int(line) for line in file.read_text().split()] if file.exists() else []
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    for each in processes:
        each.terminate()
    _, alive = psutil.wait_procs(processes, STOP_SECONDS)
    for each in alive:
        each.kill()


class _Step:
    """One block on its way; what it prints is in `base`.out."""

    def __init__(self, block: Block, output: Block | None, base: Path, seconds: float) -> None:
        self._block, self._output, self._seconds = block, output, seconds
        self._told, self._done, self._base = base.with_suffix(".out"), base.with_suffix(".done"), base

    def take(self, shell: "subprocess.Popen[str]") -> None:
        """Raises PageError."""
        assert shell.stdin is not None
        shell.stdin.write(self._script())
        shell.stdin.flush()
        if STAYS in self._block.words:
            self._until(shell, lambda: self._output is None or matches(self._said(), self._output.text))
            return
        self._until(shell, self._done.exists)
        if self._output and not matches(self._said(), self._output.text):
            raise PageError(f"{self._output.place} shows\n{self._output.text}\nbut found\n{self._said()}")

    def _script(self) -> str:
        text, into = self._text(), f">{shlex.quote(str(self._told))} 2>&1 </dev/null"
        done = f": >{shlex.quote(str(self._done))}\n"
        if STAYS in self._block.words:
            ids = shlex.quote(str(self._base.parent / STAYING))
            return f"(\nexec {text.strip()}\n) {into} &\necho $! >>{ids}\n"
        if FAILS in self._block.words:
            return f"if (\n{text}\n) {into}; then exit 99; fi\n{done}"
        # What ends a list (a && b) does not end the shell, where another than its last command fails.
        return f"{{\n{text}\n}} {into}\nended=$?; [ $ended = 0 ] || exit $ended\n{done}"

    def _text(self) -> str:
        if self._block.language == SHELL:
            return self._block.text
        file = self._base.with_suffix(".py")
        file.write_text(self._block.text)
        return f"python {shlex.quote(str(file))}"

    def _said(self) -> str:
        return self._told.read_text(errors="replace") if self._told.exists() else ""

    def _until(self, shell: "subprocess.Popen[str]", ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._seconds
        while not ready():
            told = f"{self._block.text}\n{self._said()}"
            if shell.poll() is not None and not ready():
                raise PageError(f"{self._block.place} ended with {shell.returncode}:\n{told}")
            if time.monotonic() > deadline:
                raise PageError(f"{self._block.place} was not done after {self._seconds:g} s:\n{told}")
            time.sleep(0.05)

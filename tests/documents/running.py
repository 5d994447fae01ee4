"""Runs the blocks of a page that are marked `run`, in order, in one shell and one folder.

- `sh run`: what it prints is compared with a block `text output` behind it.
- `sh run stays`: one command that goes on until the page has ended; what follows waits for its output.
- `sh run fails`: it ends with a status other than 0.
- `python run`: a file of that text is run.

In outputs … stands for anything within a line, and alone on a line for any lines.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.documents.reading import ROOT, Block
from tests.documents.survey import FAILS, OUTPUT, RUN, SHELL, STAYS

BLOCK_SECONDS = 240.0  # only for who hangs: on a busy machine a start takes long
STOP_SECONDS = 40.0
STAYING = "staying"  # a file with the ids of processes
# What a page finds where its reader is: the checkout. It may write into what is copied.
LINKED = (".venv", "docs", "README.md")
COPIED = ("functions/echo", "functions/thumbnail")


class PageError(AssertionError):
    """A block did not do what its page says."""


def run_page(blocks: Sequence[Block], folder: Path, files: Mapping[str, bytes]) -> int:
    """How many blocks were run. `folder` is empty; `files` are there before. Raises PageError."""
    place = folder / "checkout"
    _furnish(place, files)
    count = 0
    with _shell(place) as shell:
        for block, behind in zip(blocks, [*blocks[1:], None], strict=True):
            if RUN in block.words:
                count += 1
                output = behind if behind and OUTPUT in behind.words else None
                _Step(block, output, folder / f"{count}").take(shell)
    return count


def matches(told: str, wanted: str) -> bool:
    """Whether an output is what the page shows; how many blanks there are counts for nothing."""
    parts = [r"(?:.*\n)*?" if line == "…" else _line(line) for line in _lines(wanted)]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in _lines(told))) is not None


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def _line(line: str) -> str:
    return ".*".join(map(re.escape, line.split("…"))) + r"\n"


def _furnish(place: Path, files: Mapping[str, bytes]) -> None:
    for name in COPIED:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "training"))
    for name in LINKED:
        (place / name).symlink_to(ROOT / name)
    for name, content in files.items():
        (place / name).write_bytes(content)


@contextmanager
def _shell(place: Path) -> Iterator["subprocess.Popen[str]"]:
    """bash, which ends at the first command that fails; whatever was left running in it ends with it."""
    surroundings = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    surroundings["PATH"] = f"{Path(sys.executable).parent}:{surroundings['PATH']}"
    surroundings.pop("HEADRACE_STATE", None)
    shell = subprocess.Popen(["bash"], cwd=place, stdin=subprocess.PIPE, text=True, env=surroundings)
    assert shell.stdin is not None
    try:
        shell.stdin.write("set -euo pipefail\n")
        yield shell
    finally:
        _stop(place.parent / STAYING)
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

    def __init__(self, block: Block, output: Block | None, base: Path) -> None:
        self._block, self._output = block, output
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
        return f"{{\n{text}\n}} {into}\n{done}"

    def _text(self) -> str:
        if self._block.language == SHELL:
            return self._block.text
        file = self._base.with_suffix(".py")
        file.write_text(self._block.text)
        return f"python {shlex.quote(str(file))}"

    def _said(self) -> str:
        return self._told.read_text(errors="replace") if self._told.exists() else ""

    def _until(self, shell: "subprocess.Popen[str]", ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BLOCK_SECONDS
        while not ready():
            told = f"{self._block.text}\n{self._said()}"
            if shell.poll() is not None and not ready():
                raise PageError(f"{self._block.place} ended with {shell.returncode}:\n{told}")
            if time.monotonic() > deadline:
                raise PageError(f"{self._block.place} was not done after {BLOCK_SECONDS:g} s:\n{told}")
            time.sleep(0.05)

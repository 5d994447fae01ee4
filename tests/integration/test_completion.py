"""Completion in real shells on a terminal: what Tab makes of a line, also when no stack runs."""

import os
import pty
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from headrace.model.settings import (
    QueueSettings,
    ReceiverSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
ECHOED = "\x01echo got-\n"  # to the line's beginning, and print what it has become
AWAY = Settings(
    storage=StorageSettings(endpoint="http://127.0.0.1:9", access_key="x", secret_key="y"),
    queue=QueueSettings(url="nats://127.0.0.1:9"),
    receiver=ReceiverSettings(port=9, token="x"),
    worker=WorkerSettings(work_directory="x", secrets_directory="x"),
)
SHELLS = [each for each in ("bash", "zsh", "fish") if shutil.which(each)]
READY = "\x1b[?2004h"  # zsh edits a line from here on; what comes before is the terminal's own
INSTALL = "headrace --install-completion"


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str, *, after: str = "") -> None:
        """Until it is shown, behind the other text. Fails with all that was shown."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.shown[self.shown.find(after) :] or after not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} was not shown: {self.shown!r}"
            if select.select([self._descriptor], [], [], 0.5)[0]:
                read = os.read(self._descriptor, 65536).decode(errors="replace")
                self.shown += read
                if "\x1b[c" in read or "\x1b[0c" in read:  # fish asks what kind of terminal this is
                    self.type("\x1b[?62;c")


def environment(folder: Path) -> dict[str, str]:
    """Of a person whose home is the folder."""
    return {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(folder),
        "TERM": "xterm",
        "COLUMNS": "200",
        "PYTHONPATH": str(ROOT),
        "HEADRACE_STATE": str(folder / "none"),
    }


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Terminal]:
    """An interactive shell that reads its files in the folder, as at a person's log-in."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(name, [name, "-i"], environment(folder))
    try:
        terminal = Terminal(descriptor)
        terminal.type("echo beg''un\n")
        terminal.wait_for("begun")
        yield terminal
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(descriptor)


@contextmanager
def shell(name: str, folder: Path) -> Iterator[Terminal]:
    """A shell in which a person has installed the completion before."""
    (folder / ".zshrc").touch()  # else zsh asks a new user what to do
    # Else fish reads all manual pages of the machine for a new user, for minutes, and beyond its own end.
    (folder / ".local/share/fish/generated_completions").mkdir(parents=True)
    with opened(name, folder) as terminal:
        terminal.type(f"{INSTALL}\n")
        terminal.wait_for(f"{name} completion installed in")
    with opened(name, folder) as terminal:
        if name == "zsh":  # which only loads a completion at the first Tab, as typer installs it
            terminal.wait_for(READY, after="\nbegun")
            terminal.type("headrace pau\t\x15")
        yield terminal


@pytest.mark.parametrize("name", SHELLS)
def test_tab_completes_commands_and_names_of_functions(tmp_path: Path, name: str) -> None:
    function = tmp_path / "functions" / "histogram"
    function.mkdir(parents=True)
    (function / "function.yaml").touch()
    with shell(name, tmp_path) as terminal:
        terminal.type("headrace pau\this\t" + ECHOED)
        terminal.wait_for("got-headrace pause histogram")


@pytest.mark.parametrize("name", SHELLS)
def test_tab_completes_options_of_commands_within_groups(tmp_path: Path, name: str) -> None:
    with shell(name, tmp_path) as terminal:
        terminal.type("headrace func\tne\t--han\t" + ECHOED)
        terminal.wait_for("got-headrace function new --handler")


def test_tab_offers_failed_tasks_of_a_store_that_is_away_within_a_moment(tmp_path: Path) -> None:
    """The words of a line whose task can't be told stay as they are, and the shell goes on."""
    state = tmp_path / "none"
    state.mkdir()
    (state / "settings.json").write_bytes(AWAY.to_json())
    with shell("bash", tmp_path) as terminal:
        terminal.type("headrace replay echo --task \t" + ECHOED)
        terminal.wait_for("got-headrace replay echo --task")

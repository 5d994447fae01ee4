"""Runs commands: output into a log, the end of it told when one fails."""

import shlex
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.images.faults import ImagesError

TAIL_LINES = 20
PROBE_SECONDS = 30.0


def run(
    command: Sequence[str], log: Path, *, folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> None:
    """Run to its end; appends to the log. Raises ImagesError with the command and the log's end.

    `environ` is the command's whole environment; without it, this process's own.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        sink.write(f"$ {shlex.join(command)}\n".encode())
        sink.flush()
        try:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                cwd=folder, env=environ, check=False,
            ).returncode  # fmt: skip
        except OSError as fault:
            raise ImagesError(f"{command[0]} can't be run: {fault}") from fault
    if code:
        raise ImagesError(
            f"this command failed with code {code}:\n  {shlex.join(command)}\n"
            f"the end of its output (all of it: {log}):\n{_tail(log)}"
        )


def fault_of(command: Sequence[str]) -> str:
    """Why a program does not answer; nothing where it does."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=PROBE_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as fault:
        return str(fault)
    lines = done.stderr.strip().splitlines()
    return (lines[0] if lines else f"code {done.returncode}") if done.returncode else ""


def _tail(log: Path) -> str:
    with log.open(errors="replace") as lines:
        return "".join(f"  {line}" for line in deque(lines, TAIL_LINES)).rstrip()

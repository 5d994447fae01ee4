"""Runs commands: output into a log, the end of it told when one fails."""

import resource
import shlex
import subprocess
import time
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.images import running as logged
from tools.images.faults import ImagesError


class ToolchainError(Exception):
    """A part of the toolchain can't be made; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock and of the processors."""

    clock: float
    processor: float


def spent_since(start: Spent | None = None) -> Spent:
    """What this process's children took, from `start` on."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    now = Spent(time.monotonic(), used.ru_utime + used.ru_stime)
    return Spent(now.clock - start.clock, now.processor - start.processor) if start else now


def run(
    command: Sequence[str], log: Path, *, folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> None:
    """Run to its end; appends to the log. Raises ToolchainError with the command and the log's end."""
    try:
        logged.run(command, log, folder=folder, environ=environ)
    except ImagesError as fault:
        raise ToolchainError(str(fault)) from fault


def output_of(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    limit: float = 60,
    codes: Container[int] = (0,),
) -> str:
    """What a command prints. Raises ToolchainError where it fails or takes more than `limit` seconds."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=folder,
            env=environ,
            timeout=limit,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise ToolchainError(f"{shlex.join(command)}: {fault}") from fault
    if done.returncode not in codes:
        end = "\n".join(done.stderr.splitlines()[-logged.TAIL_LINES :])
        raise ToolchainError(
            f"this command failed with code {done.returncode}:\n  {shlex.join(command)}\n{end}"
        )
    return done.stdout


def told_by(path: Path, ask: Sequence[str]) -> str:
    """What a program says about itself; nothing where it can't be asked."""
    with suppress(ToolchainError):
        return output_of([str(path), *ask], limit=10)
    return ""

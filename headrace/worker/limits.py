"""What a run may use: time, memory, disk, log. Measured from outside, so memory and disk are soft limits."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from headrace.worker.attempt import Cause, Outcome
from headrace.worker.guard import descendants

LOG_BYTES = 64 * 2**20  # printed by one attempt; more is a runaway loop
MEBI = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run: seconds, bytes of resident memory, bytes written to the output folder and the log."""

    seconds: float
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run uses at a moment."""

    seconds: float
    memory_bytes: int
    disk_bytes: int
    log_bytes: int


def exceeded(usage: Usage, limits: Limits) -> Outcome | None:
    """The first limit that is passed, as the outcome of the run."""
    if usage.seconds > limits.seconds:
        return timed_out(limits)
    if usage.memory_bytes > limits.memory_bytes:
        return Outcome(
            Cause.MEMORY,
            f"out of memory: {usage.memory_bytes / MEBI:.0f} MiB resident, "
            f"limit {limits.memory_bytes / MEBI:.0f} MiB (soft, resources.memory)",
        )
    if usage.disk_bytes > limits.disk_bytes:
        return Outcome(
            Cause.DISK,
            f"out of disk: wrote {usage.disk_bytes / MEBI:.0f} MiB, "
            f"limit {limits.disk_bytes / MEBI:.0f} MiB (soft, resources.ephemeralStorage)",
        )
    if usage.log_bytes > LOG_BYTES:
        return Outcome(Cause.DISK, f"printed more than {LOG_BYTES / MEBI:.0f} MiB")
    return None


def timed_out(limits: Limits) -> Outcome:
    """The outcome of a run that took too long."""
    return Outcome(Cause.TIME_OUT, f"time-out: ran longer than {limits.seconds:g} s")


def resident_bytes(guard: int) -> int:
    """Resident memory of all that runs below a guard; pages shared between them count once each."""
    total = 0
    for pid in descendants(guard):
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.Error:
            continue
    return total


def folder_bytes(folders: Iterable[Path]) -> int:
    """Bytes of all regular files below some folders; files that vanish meanwhile count nothing."""
    total = 0
    for folder in folders:
        for base, _, names in os.walk(folder):
            for name in names:
                try:
                    total += Path(base, name).lstat().st_size
                except FileNotFoundError:
                    continue
    return total

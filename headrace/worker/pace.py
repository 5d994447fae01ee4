"""How far a worker looks ahead, and which files go together. Pure."""

from collections import deque
from collections.abc import Callable
from math import ceil
from typing import TypeVar

MOST_AHEAD = 128  # files; bounds the disk and the leases that a killed worker leaves to others
WEIGHT = 0.2  # of the newest file in the moving average

T = TypeVar("T")


def files_ahead(seconds_per_file: float | None, *, prefetch_seconds: float, batch_files: int) -> int:
    """How many files to hold beyond those that run: enough for `prefetch_seconds`, one batch at least."""
    if seconds_per_file is None:
        return batch_files
    wanted = ceil(prefetch_seconds / max(seconds_per_file, 1e-6))
    return max(batch_files, min(wanted, MOST_AHEAD))


def moving_average(average: float | None, newest: float) -> float:
    """An exponentially weighted mean."""
    return newest if average is None else average + WEIGHT * (newest - average)


def take_batch(ready: "deque[T]", most: int, alone: Callable[[T], bool]) -> list[T]:
    """Take the next batch from the left: one file that must be alone, or up to `most` that need not."""
    batch = [ready.popleft()]
    while ready and len(batch) < most and not alone(batch[0]) and not alone(ready[0]):
        batch.append(ready.popleft())
    return batch

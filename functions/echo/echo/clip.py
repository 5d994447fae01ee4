"""A clip as the pipeline sees it: pictures and two facts about them, and nothing that names a person."""

from dataclasses import dataclass

import numpy as np

from echo.errors import InputError

LARGEST_BYTES = 512 * 2**20  # of decoded frames held at once


@dataclass(frozen=True, slots=True)
class Clip:
    """Chosen frames of a file.

    `frames` is uint8 of n x height x width x 3 (RGB); `indices` says where in the file each was.
    `frame_seconds` is the time from one frame of the file to the next and `spacing_mm` a pixel's
    (width, height) in millimetres; both are None where the file does not say, or says what can't be.
    """

    frames: np.ndarray
    indices: tuple[int, ...]
    total_frames: int
    frame_seconds: float | None = None
    spacing_mm: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return self.frames.shape[1]

    @property
    def width(self) -> int:
        return self.frames.shape[2]


def spread(total: int, wanted: int | None) -> tuple[int, ...]:
    """Indices of `wanted` frames (None: all), one from the middle of each equal part of the clip."""
    count = total if wanted is None else min(wanted, total)
    return tuple((2 * i + 1) * total // (2 * count) for i in range(count))


def check_size(name: str, count: int, width: int, height: int) -> None:
    """Raises InputError where `count` decoded frames would not fit the memory that a worker has."""
    needed = count * width * height * 3
    if needed > LARGEST_BYTES:
        raise InputError(
            f"{name}: {count} frames of {width} x {height} need {needed >> 20} MiB, at most "
            f"{LARGEST_BYTES >> 20} MiB are held: set ECHO_FRAMES lower"
        )

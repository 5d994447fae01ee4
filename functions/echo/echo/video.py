"""AVI and MP4 to a clip, by the ffmpeg that imageio-ffmpeg brings. Nothing but pictures is taken over."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from imageio_ffmpeg import count_frames_and_secs, get_ffmpeg_exe

from echo.clip import Clip, check_size, spread
from echo.errors import InputError

LONGEST_SECONDS = 600  # of a clip; an echo is seconds, and a film would fill the memory
NO_SPACING = "no pixel spacing: this kind of video carries none"


def read_video(path: Path, wanted: int | None) -> Clip:
    """`wanted` frames (None: all) of a video. Raises InputError."""
    _check_kind(path)
    try:
        total, seconds = count_frames_and_secs(str(path))
        if total < 1:
            raise InputError(f"{path.name}: a video without frames")
        if seconds > LONGEST_SECONDS:
            raise InputError(f"{path.name}: {seconds:.0f} s long; at most {LONGEST_SECONDS} s are read")
        indices = spread(total, wanted)
        frames, last = _chosen(_frames(path, len(indices)), set(indices))
    except (OSError, RuntimeError, ValueError):
        size = path.stat().st_size  # no cause: with its errors ffmpeg prints a file's title and comment
        raise InputError(f"{path.name}: no video that ffmpeg can read ({size} bytes)") from None
    if not frames:
        raise InputError(f"{path.name}: a video without frames")
    return Clip(
        frames=np.stack(frames),
        indices=indices[: len(frames)],
        total_frames=max(total, last),
        frame_seconds=seconds / total if seconds else None,
        warnings=(NO_SPACING,),
    )


def _check_kind(path: Path) -> None:
    """ffmpeg goes by content, and some of its formats are lists of other files: only two are let in."""
    with path.open("rb") as file:
        start = file.read(12)
    is_avi = start[:4] == b"RIFF" and start[8:] == b"AVI "
    is_mp4 = start[4:8] == b"ftyp"
    if not (is_avi or is_mp4):
        raise InputError(f"{path.name}: neither an AVI nor an MP4 file ({path.stat().st_size} bytes)")


def _frames(path: Path, wanted: int) -> Iterator[np.ndarray]:
    """Every frame as ffmpeg decodes it, a stream of PPM pictures; its own words go nowhere."""
    command = [get_ffmpeg_exe(), "-v", "quiet", "-nostdin", "-protocol_whitelist", "file", "-threads", "1"]
    command += [
        "-i",
        f"file:{path}",
        "-an",
        "-fps_mode",
        "passthrough",
        "-f",
        "image2pipe",
        "-c:v",
        "ppm",
        "-",
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        try:
            while child.stdout.readline() == b"P6\n":
                width, height = map(int, child.stdout.readline().split())
                child.stdout.readline()  # the largest value, 255
                check_size(path.name, wanted, width, height)
                pixels = child.stdout.read(width * height * 3)
                yield np.frombuffer(pixels, dtype=np.uint8).reshape(height, width, 3)
        finally:
            child.kill()


def _chosen(source: Iterator[np.ndarray], wanted: set[int]) -> tuple[list[np.ndarray], int]:
    """The wanted frames, one at a time in memory but for those, and how many were read."""
    chosen, count = [], 0
    for index, frame in enumerate(source):
        count = index + 1
        if index in wanted:
            chosen.append(frame.copy())
    return chosen, count

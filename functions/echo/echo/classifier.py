"""The handler: loads the network once, then works batches of staged files."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from echo.animation import MOST_FRAMES, write_animation
from echo.clip import Clip
from echo.dicom import read_dicom
from echo.doppler import find_doppler
from echo.errors import InputError
from echo.frame import grey
from echo.options import read_options
from echo.picture import annotated
from echo.png import write_png
from echo.result import Finding, document
from echo.sector import find_sector
from echo.video import read_video
from echo.views import Network

VIDEOS = (".avi", ".mp4")


class StagedFile(Protocol):
    """What the worker hands over for each file; `output` is an empty folder."""

    input: Path
    output: Path


class Stopwatch:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times what runs inside; a name used twice adds up."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


class Classifier:
    """View and colour Doppler of echocardiograms; see the README for its outputs and options."""

    def __init__(self) -> None:
        self._options = read_options(os.environ)
        self._network = Network()

    def __call__(self, files: Sequence[StagedFile]) -> None:
        """Work each file. Raises InputError, whose message begins with the file's name."""
        for file in files:
            self.work(file.input, file.output)

    def work(self, path: Path, folder: Path) -> Finding:
        """Write the results of one file into a folder and return what was found."""
        watch, options = Stopwatch(), self._options
        with watch.step("decode"):
            clip = read_clip(path, options.frames)
        finding = self._found(clip, watch, path.name)
        with watch.step("draw"):
            write_png(folder / f"{path.name}.png", annotated(finding))
        if options.animation and clip.total_frames > 1:
            with watch.step("animation"):
                write_animation(folder / f"{path.name}.webp", read_clip(path, MOST_FRAMES), finding)
        result = document(finding, digest=self._network.digest, seconds=watch.seconds)
        (folder / f"{path.name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        return finding

    def _found(self, clip: Clip, watch: Stopwatch, name: str) -> Finding:
        with watch.step("sector"):
            shades = grey(clip.frames)
            sector = find_sector(shades)
        if sector is None:
            raise InputError(f"{name}: no ultrasound picture found in {clip.width} x {clip.height} pixels")
        with watch.step("doppler"):
            doppler = find_doppler(clip.frames, sector.mask, self._options.doppler_fraction)
        with watch.step("inference"):
            vote = self._network.classify(shades, sector.mask) if sector.is_cardiac else None
        return Finding(clip, sector, doppler, vote)


def read_clip(path: Path, wanted: int | None) -> Clip:
    """`wanted` frames (None: all) of a file, by its suffix. Raises InputError."""
    if path.stat().st_size == 0:
        raise InputError(f"{path.name}: no pixel data (0 bytes)")
    return (read_video if path.suffix.lower() in VIDEOS else read_dicom)(path, wanted)

"""The files that the demo uploads: real echocardiograms, clips derived from one of them, and drawn stills."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from headrace.local.gallery import drawn_still
from headrace.local.report import Source
from headrace.model.errors import ConfigurationError, FatalError

REAL_CLIP = "examples_ybr_color.dcm"  # pydicom's examples call it an apical four-chamber view
REAL_VIEW = "four-chamber"


@dataclass(frozen=True, slots=True)
class Sample:
    """One file to upload, and what a person knows about it."""

    function: str
    path: Path
    source: Source
    description: str
    expected: str | None = None


class _Entry(BaseModel):
    """One entry of the index that derive.py writes; what is not needed here is left aside."""

    name: str
    kind: Source
    origin: str = Field(default="", alias="from")
    what: str = ""
    start: int = 0
    frames: int = 0
    mirrored: bool = False
    gain: float = 1.0
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)

    def description(self) -> str:
        """What the file is, for people."""
        if self.kind is Source.REAL:
            return self.what
        parts = [f"frames {self.start} to {self.start + self.frames - 1}", f"gain {self.gain:g}"]
        parts += ["mirrored"] if self.mirrored else []
        return ", ".join([*parts, "cropped by " + "/".join(map(str, self.crop))])


class _Index(BaseModel):
    files: list[_Entry]


def read_index(folder: Path) -> tuple[Sample, ...]:
    """The clips that derive.py wrote into a folder. Raises FatalError for an index that is none."""
    path = folder / "index.json"
    try:
        index = _Index.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise FatalError(f"{path} is not the index that functions/echo/derive.py writes: {error}") from error
    return tuple(
        Sample(
            "echo", folder / entry.name, entry.kind, entry.description(),
            REAL_VIEW if entry.origin == REAL_CLIP else None,
        )
        for entry in index.files
    )  # fmt: skip


async def derive_clips(functions: Path, folder: Path, *, count: int) -> tuple[Sample, ...]:
    """Derive `count` clips from the real one, beside copies of the real files.

    Raises ConfigurationError when the echo function is not there, FatalError when deriving fails.
    """
    script = functions / "echo" / "derive.py"
    if not script.is_file():
        raise ConfigurationError(
            f"{script} is missing: the demo needs functions/echo of Headrace's repository; "
            "run it there, or name the folder with --functions"
        )
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), "--count", str(count), str(folder),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise FatalError(f"{script} ended with {process.returncode}:\n{complaint.decode(errors='replace')}")
    return read_index(folder)


def draw_stills(folder: Path, *, count: int) -> tuple[Sample, ...]:
    """Write `count` pictures for the thumbnail function."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for number in range(1, count + 1):
        path = folder / f"drawn-{number:02d}.png"
        path.write_bytes(drawn_still(number))
        samples.append(Sample("thumbnail", path, Source.DRAWN, "drawn by the demo"))
    return tuple(samples)

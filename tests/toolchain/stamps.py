"""Stamps: what an engine was made from and what it left, so that a second call can tell it is whole."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.toolchain.engines import Engine


@dataclass(frozen=True, slots=True)
class Stamp:
    """`marks` tells each output by its path below the toolchain's root, as `mark` saw it."""

    digest: str
    marks: Mapping[str, str]
    seconds: float
    processor_seconds: float


def digest(engine: Engine, sources: Mapping[str, bytes], *, go: str, flags: tuple[str, ...]) -> str:
    """Changes with whatever changes the binaries: sources, table row, flags, Go's major and minor version.

    A patch release of Go is left out on purpose: half an hour of building for no difference to a test.
    """
    row = asdict(engine)
    for binary in row["binaries"]:
        del binary["ask"], binary["fits"]  # they decide about PATH, not about a build
    told = {
        "engine": row,
        "sources": {name: hashlib.sha256(body).hexdigest() for name, body in sources.items()},
        "go": go,
        "flags": flags,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def sources_in(folder: Path) -> dict[str, bytes]:
    """The files of an engine's folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def mark(path: Path) -> str | None:
    """Size and time of a file, and a link's target; of a folder, of all its files; None: not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if path.is_dir():
        parts = [f"{each.name}={mark(each)}" for each in sorted(path.iterdir())]
        return " ".join(parts) if parts else None
    target = f"{path.readlink()}:" if path.is_symlink() else ""
    return f"{target}{found.st_size}:{found.st_mtime_ns}"


def read(path: Path) -> Stamp | None:
    """The stamp in a file; one that can't be read counts as none, and the engine is made anew."""
    try:
        found = json.loads(path.read_bytes())
        return Stamp(
            digest=str(found["digest"]),
            marks={str(name): str(each) for name, each in found["marks"].items()},
            seconds=float(found["seconds"]),
            processor_seconds=float(found["processor_seconds"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(path: Path, stamp: Stamp) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(stamp), indent=1) + "\n")
    new.replace(path)

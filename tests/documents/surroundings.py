"""Where pages are run: a folder like a checkout, and what a shell there knows."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.documents.reading import ROOT, Block
from tests.documents.survey import RUN, where

BLOCK_SECONDS = 240.0  # only for who hangs: on a busy machine a start takes long
# What a page finds where its reader is: the checkout. It may write into what is copied.
LINKED = (".venv", "docs", "Makefile", "README.md")
COPIED = ("functions/echo", "functions/thumbnail")
# `make` takes .venv for ready: it is another folder's, and would be made anew, from a package registry.
READY = {"MAKEFLAGS": "e", "READY": "@:"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a page is given. `place` is the word of the blocks that can be run there beside the plain ones;
    `seconds` bounds a block.
    """

    checkout: Path
    environ: Mapping[str, str]
    place: str = ""
    seconds: float = BLOCK_SECONDS

    def take(self, block: Block) -> bool:
        """Whether a block is to be run here."""
        return RUN in block.words and where(block) in ("", self.place)


def plain(folder: Path, files: Mapping[str, bytes]) -> Surroundings:
    """As much of a checkout as pages for one machine need, in an empty folder; `files` are there before."""
    place = folder / "checkout"
    for name in COPIED:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "training"))
    for name in LINKED:
        (place / name).symlink_to(ROOT / name)
    for name, content in files.items():
        (place / name).write_bytes(content)
    return Surroundings(place, {**variables(Path(sys.executable).parent, ROOT), **READY})


def variables(bin_: Path, sources: Path) -> Mapping[str, str]:
    """This process's variables, with `bin_` first on PATH and this project's `sources`, for plain text."""
    kept = {name: value for name, value in os.environ.items() if name != "HEADRACE_STATE"}
    path = f"{bin_}:{kept.get('PATH', os.defpath)}"
    ours = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return {**kept, **ours, "PATH": path, "PYTHONPATH": str(sources)}

"""Where pages are run: a folder like a checkout, and what a shell there knows."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.documents import checkout
from tests.documents.reading import ROOT, Block
from tests.documents.survey import BOX, LONG, RUN, where
from tests.toolchain.places import VARIABLE, Places

# Only for who hangs: on a busy machine a start takes long, and images are built anew.
BLOCK_SECONDS, LONG_SECONDS = 240.0, 1200.0
# What a page finds where its reader is: the checkout. It may write into what is copied.
LINKED = (".venv", "docs", "README.md")
COPIED = ("functions/echo", "functions/thumbnail")
# A state, a cluster, and what a `make` that runs the tests was given.
_LEFT_OUT = ("HEADRACE_STATE", "KUBECONFIG", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a page is given. `place` is the word of the blocks that can be run there beside the plain ones;
    `seconds` bounds a block; `shell` is a command that becomes bash.
    """

    checkout: Path
    environ: Mapping[str, str]
    place: str = ""
    seconds: float = BLOCK_SECONDS
    shell: Sequence[str] = ("bash",)

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
    put_files(place, files)
    return Surroundings(place, variables(Path(sys.executable).parent, ROOT))


def whole(folder: Path, files: Mapping[str, bytes]) -> Surroundings:
    """A whole checkout in an empty folder, for who has time, with a Python that is ready."""
    place = checkout.make(folder)
    put_files(place, files)
    return Surroundings(place, variables(place / ".venv" / "bin", place), LONG, LONG_SECONDS)


def boxed(folder: Path) -> Surroundings:
    """A whole checkout and a home in an empty folder, for `make cluster` and whatever is deployed on it."""
    home, place = folder / "home", checkout.make(folder)
    home.mkdir()
    (editor := home / "editor").write_text("#!/bin/sh\necho 'as rendered' >\"$1\"\n")  # of a commit's message
    editor.chmod(0o755)
    (home / ".gitconfig").write_text("[user]\nname = reader\nemail = reader@localhost\n")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    ours = {
        "HOME": str(home),
        "GIT_EDITOR": str(editor),
        "XDG_CACHE_HOME": cache,  # uv's
        VARIABLE: str(Places.of(os.environ).root),
        "PULUMI_HOME": str(home / ".pulumi"),  # it does not ask HOME
        "PULUMI_SKIP_CONFIRMATIONS": "true",  # nobody is there to say yes
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    return Surroundings(place, {**variables(place / ".venv" / "bin", place), **ours}, BOX, LONG_SECONDS)


def put_files(place: Path, files: Mapping[str, bytes]) -> None:
    """Into a checkout."""
    for name, content in files.items():
        (place / name).write_bytes(content)


def variables(bin_: Path, sources: Path) -> Mapping[str, str]:
    """This process's variables, with `bin_` first on PATH and this project's `sources`, for plain text."""
    kept = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    path = f"{bin_}:{kept.get('PATH', os.defpath)}"
    ours = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return {**kept, **ours, "PATH": path, "PYTHONPATH": str(sources)}

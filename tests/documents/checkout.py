"""A checkout of a reader's own, whole: pages for clusters build images and change stacks' files in it."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.documents.reading import ROOT

_KNOWN = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
_AS = ("-c", "user.name=docs", "-c", "user.email=docs@localhost")
# What tools/bootstrap.sh looks for: it has nothing to do where this is in .venv/.headrace-dev.
_STAMP = "cat requirements-dev.txt pyproject.toml tools/build.txt | cksum; pwd"


def make(folder: Path) -> Path:
    """A clone of this checkout as it stands, with what is not committed, and a Python that is ready."""
    origin, place = folder / "origin", folder / "checkout"
    listed = subprocess.run(_KNOWN, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (origin / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, origin / name)
    _git(origin, "init", "--quiet", "--initial-branch=main")
    _git(origin, "add", "--all")
    _git(origin, "commit", "--quiet", "--message=as it stands")
    _git(folder, "clone", "--quiet", str(origin), str(place))
    _lend_python(place)
    return place


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *_AS, *words], cwd=folder, check=True)


def _lend_python(place: Path) -> None:
    """The one that runs here, and uv where it was fetched; nothing is installed anew."""
    venv = place / ".venv"
    venv.mkdir()
    for each in Path(sys.prefix).iterdir():
        if not each.name.startswith(".headrace-"):
            (venv / each.name).symlink_to(each)
    stamp = subprocess.run(["sh", "-c", _STAMP], cwd=place, check=True, capture_output=True, text=True)
    (venv / ".headrace-dev").write_text(stamp.stdout)
    if (fetched := ROOT / ".cache" / "uv").is_dir():
        (place / ".cache").mkdir()
        (place / ".cache" / "uv").symlink_to(fetched)

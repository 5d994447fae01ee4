"""A checkout of a reader's own, whole: in it images are built and stacks' files changed."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.documents.reading import ROOT

_KNOWN = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
_AS = ("-c", "user.name=docs", "-c", "user.email=docs@localhost")
# What tools/bootstrap.sh looks for: it has nothing to do where this is in .venv/.headrace-NAME. Else it would
# install, through a link, into the Python that runs here.
_STAMP = 'cat "$0" pyproject.toml tools/build.txt | cksum; pwd'
_LOCKS = {"demo": "requirements.txt", "dev": "requirements-dev.txt"}


def make(folder: Path) -> Path:
    """A clone of this checkout as it stands, with what is not committed, and a Python that is ready."""
    origin, place = folder / "origin", folder / "checkout"
    publish(origin)
    _git(folder, "clone", "--quiet", str(origin), str(place))
    _lend_python(place)
    return place


def publish(origin: Path) -> None:
    """Make a repository of this checkout as it stands, to clone."""
    listed = subprocess.run(_KNOWN, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (origin / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, origin / name)
    _git(origin, "init", "--quiet", "--initial-branch=main")
    _git(origin, "add", "--all")
    _git(origin, "commit", "--quiet", "--message=as it stands")


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *_AS, *words], cwd=folder, check=True)


def _lend_python(place: Path) -> None:
    """The one that runs here, and uv where it was fetched; nothing is installed anew."""
    venv = place / ".venv"
    venv.mkdir()
    for each in Path(sys.prefix).iterdir():
        if not each.name.startswith(".headrace-"):
            (venv / each.name).symlink_to(each)
    for name, lock in _LOCKS.items():
        call = ["sh", "-c", _STAMP, lock]
        stamp = subprocess.run(call, cwd=place, check=True, capture_output=True, text=True)
        (venv / f".headrace-{name}").write_text(stamp.stdout)
    if (fetched := ROOT / ".cache" / "uv").is_dir():
        (place / ".cache").mkdir()
        (place / ".cache" / "uv").symlink_to(fetched)

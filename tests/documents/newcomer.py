"""Who has nothing yet but git, make, a Python and uv, and a repository to clone."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.documents import checkout
from tests.documents.reading import ROOT
from tests.documents.surroundings import LONG_SECONDS, Surroundings
from tests.documents.survey import LONG

ADDRESS = "ADDRESS"  # of the repository, as pages write it
# What belongs to the Python that runs here, or to a make above it.
_OURS = ("PYTHONPATH", "VIRTUAL_ENV", "HEADRACE_STATE", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL")
_LOCKS = ("requirements.txt", "tools/build.txt")
# No registry is asked: what is installed was fetched before.
_PLAIN = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "UV_OFFLINE": "true"}


def lacking(folder: Path) -> str:
    """Why nobody can begin here without a network; empty: uv has all that is locked. `folder` is empty."""
    uv = _uv()
    if uv is None:
        return "uv is not here"
    where = ("--target", str(folder), "--python", _python())
    locks = [word for name in _LOCKS for word in ("-r", str(ROOT / name))]
    call = [str(uv), "pip", "install", "--dry-run", "--no-deps", "--require-hashes", *where, *locks]
    told = subprocess.run(call, env=_environ(), check=False, capture_output=True, text=True)
    has_all = told.returncode == 0 and "Would download" not in told.stderr
    return "" if has_all else f"uv has not fetched all that is locked: {told.stderr.strip()}"


def newcomer(folder: Path) -> Surroundings:
    """In an empty folder; the repository is this checkout as it stands."""
    uv, place = _uv(), folder / "place"
    assert uv is not None
    checkout.publish(place / ADDRESS)
    (folder / "bin").mkdir()
    (folder / "bin" / "uv").symlink_to(uv)
    path = f"{folder / 'bin'}:{os.environ.get('PATH', os.defpath)}"
    return Surroundings(place, {**_environ(), "PATH": path, "PYTHON": _python()}, LONG, LONG_SECONDS)


def _uv() -> Path | None:
    fetched = ROOT / ".cache" / "uv" / "bin" / "uv"  # by tools/bootstrap.sh
    found = shutil.which("uv")
    return Path(found) if found else fetched if fetched.exists() else None


def _python() -> str:
    """The one that this one was made of."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))


def _environ() -> Mapping[str, str]:
    return {**{name: value for name, value in os.environ.items() if name not in _OURS}, **_PLAIN}

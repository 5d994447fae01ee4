"""The bases: Debian by debootstrap from the mirror that this machine itself uses, trimmed."""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.toolchain.running import ToolchainError, output_of, run

FORMAT = 2  # goes up when this module makes something else
# What a container does not need, what tells of this machine, and what is another at each build.
TRIMMED = (
    "usr/share/man/*", "usr/share/locale/*", "usr/share/info/*", "usr/share/lintian/*",
    "var/cache/*", "var/log/*", "var/lib/apt/lists/*", "var/lib/dpkg/*-old", "var/backups/*",
    "dev/*", "tmp/*",
    "etc/apt/sources.list", "etc/hostname", "etc/resolv.conf", "etc/machine-id", "etc/*-", "debootstrap",
)  # fmt: skip
# What it mounts and starts goes with it, and it goes with this process: a /proc that stayed in a root folder
# could neither be removed nor mounted again.
APART = (
    "setpriv", "--pdeathsig=KILL",
    "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip
COPYRIGHT = "copyright"  # of usr/share/doc nothing else stays, as in Debian's own slim images


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from, and which release."""

    mirror: str
    suite: str


def source_of(told: str) -> Source:
    """The first whole release in what apt tells: lines of address, code name, component."""
    for line in told.splitlines():
        mirror, codename, component = line.split("|")
        if component == "main" and "-" not in codename and mirror.startswith(("http:", "https:")):
            return Source(mirror, codename)
    raise ToolchainError(
        "apt knows no mirror of a Debian release with the component main: apt-get update, then again"
    )


def source_here() -> Source:
    """Raises ToolchainError where apt can't be asked or knows none."""
    form = "$(REPO_URI)|$(CODENAME)|$(COMPONENT)"
    return source_of(output_of(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]))


def bootstrap(root: Path, source: Source, include: Sequence[str], debs: Path, log: Path) -> None:
    """A trimmed root folder, made anew. Raises ToolchainError."""
    debs.mkdir(parents=True, exist_ok=True)
    debootstrap(root, source, include, log, f"--cache-dir={debs}")
    trim(root)


def debootstrap(root: Path, source: Source, include: Sequence[str], log: Path, *options: str) -> None:
    """A root folder of a minimal Debian with these packages, made anew. Raises ToolchainError."""
    shutil.rmtree(root, ignore_errors=True)
    included = [f"--include={','.join(include)}"] if include else []
    wanted = ["--variant=minbase", *included, *options]
    run([*APART, "debootstrap", *wanted, source.suite, str(root), source.mirror], log)


def trim(root: Path) -> None:
    """Takes out what no container needs.

    Compiled modules too: they go by their sources' times, and those are all the same in an image.
    """
    _remove(list(root.glob("usr/**/__pycache__")))
    for pattern in TRIMMED:
        _remove(root.glob(pattern))
    for top, _, names in os.walk(root / "usr/share/doc"):
        _remove(Path(top, name) for name in names if name != COPYRIGHT and not Path(top, name).is_symlink())


def python_of(root: Path) -> str:
    """The version of the Python in it, such as 3.11; empty without one."""
    link = root / "usr/bin/python3"
    return link.readlink().name.removeprefix("python") if link.is_symlink() else ""


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

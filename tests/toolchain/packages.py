"""Debian packages that the cluster in a box needs: which are missing, and their installation by root."""

import os
import shutil

from tests.toolchain.places import SOURCES, Places
from tests.toolchain.running import Spent, ToolchainError, output_of, run, spent_since

LIST = SOURCES / "debian.txt"


def wanted(text: str) -> tuple[str, ...]:
    """The names in the list. Raises ToolchainError for a line without a reason."""
    names = []
    for line in text.splitlines():
        name, mark, reason = (part.strip() for part in line.partition("#"))
        if not name:
            continue
        if not (mark and reason):
            raise ToolchainError(f"{LIST.name}: {name} needs its reason behind a #")
        names.append(name)
    return tuple(names)


def missing(names: tuple[str, ...], told: str) -> tuple[str, ...]:
    """Those that dpkg-query does not tell as installed; `told` holds lines of package and status."""
    states = dict(line.split(maxsplit=1) for line in told.splitlines() if " " in line)
    return tuple(name for name in names if states.get(name, "").strip() != "ii")


def missing_here() -> tuple[str, ...]:
    """Raises ToolchainError where the system has no dpkg: what to look for is told instead."""
    names = wanted(LIST.read_text())
    if shutil.which("dpkg-query") is None:
        raise ToolchainError(
            "this system has no dpkg, so that nothing is known about the cluster's programs; "
            f"install what these Debian packages hold: {', '.join(names)}"
        )
    query = ["dpkg-query", "-W", "-f=${Package} ${db:Status-Abbrev}\\n", *names]
    return missing(names, output_of(query, codes=(0, 1)))  # 1: one is unknown; the rest is told


def install(names: tuple[str, ...], places: Places) -> Spent:
    """By apt-get; the lists of packages are fetched only when it fails without. Raises ToolchainError."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolchainError(
            f"these packages are missing: {', '.join(names)}; as root: apt-get install {' '.join(names)}"
        )
    log, start = places.logs / "packages.log", spent_since()
    log.unlink(missing_ok=True)
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    command = [*apt, "install", "--no-install-recommends", *names]
    try:
        run(command, log, environ=environ)
    except ToolchainError:
        run([*apt, "update"], log, environ=environ)
        run(command, log, environ=environ)
    return spent_since(start)

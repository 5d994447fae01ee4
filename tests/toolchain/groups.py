"""Control groups of this machine by a name, one in each of its hierarchies."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def hierarchies() -> Iterator[Path]:
    """Version 2 has one, version 1 one for each controller and one of systemd."""
    if (CGROUPS / "cgroup.controllers").exists():
        yield CGROUPS
        return
    yield from (path for path in sorted(CGROUPS.iterdir()) if (path / "cgroup.procs").exists())


def make(name: str) -> list[Path]:
    """One in each hierarchy, ready to take processes."""
    made = [parent / name for parent in hierarchies()]
    for group in made:
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # version 1 lets nobody in before they are said
            if (group / setting).exists() and not (group / setting).read_text().strip():
                (group / setting).write_text((group.parent / setting).read_text())
    return made


def below(name: str) -> list[Path]:
    """Those of this name and all in them, the innermost first."""
    tops = [top for parent in hierarchies() if (top := parent / name).is_dir()]
    return [Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False)]


def sweep(name: str) -> None:
    """Remove those that hold no process any more."""
    for group in below(name):
        with suppress(OSError):  # its last process is still ending
            group.rmdir()

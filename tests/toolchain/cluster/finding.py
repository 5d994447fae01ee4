"""Finds a box's processes by its state folder: also where whoever started them is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.toolchain.cluster.place import Place

MODULE = "tests.toolchain.cluster"
_PROC = Path("/proc")


def keeper_arguments(place: Place, kind: str) -> tuple[str, ...]:
    """What a keeper's command line ends with; nothing else on a machine does."""
    return ("-m", MODULE, "keep", "--state", str(place.root), "--kind", kind)


def is_keeper(command: Sequence[str], root: Path) -> bool:
    """Whether this command line is of a keeper of the box there, or of what holds its namespaces."""
    return tuple(command[-7:-1]) == keeper_arguments(Place(root), "")[:-1]


def keepers(place: Place) -> list[int]:
    """The keeper, and before it the process that made its namespaces."""
    return [pid for pid in _all() if is_keeper(_command(pid), place.root)]


@dataclass(frozen=True, slots=True)
class Process:
    """`started` is in the kernel's ticks: with it a number that is used again is another process."""

    pid: int
    started: int


def family(place: Place) -> list[Process]:
    """The keepers and all that comes from them, containers too."""
    parents = {pid: found[0] for pid in _all() if (found := _parent_and_start(pid)) is not None}
    members = set(keepers(place))
    while more := {pid for pid, parent in parents.items() if parent in members} - members:
        members |= more
    return [Process(pid, found[1]) for pid in members if (found := _parent_and_start(pid)) is not None]


def lives(process: Process) -> bool:
    """Not one that has ended and waits for its parent to notice."""
    found = _parent_and_start(process.pid)
    return found is not None and found[1] == process.started and _command(process.pid) != [""]


def children(place: Place, program: str) -> list[int]:
    """The programs of this name that the box's keeper has started."""
    parents = set(keepers(place))
    found = [pid for pid in _all() if (stat := _parent_and_start(pid)) is not None and stat[0] in parents]
    return [pid for pid in found if Path(_command(pid)[0]).name == program]


def _all() -> list[int]:
    return sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _command(pid: int) -> list[str]:
    """Its arguments; of one that has ended, one empty text."""
    try:
        return (_PROC / str(pid) / "cmdline").read_text(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return [""]


def _parent_and_start(pid: int) -> tuple[int, int] | None:
    try:
        after_name = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(after_name[1]), int(after_name[19])

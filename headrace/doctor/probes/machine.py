"""What this machine has."""

import asyncio
import importlib.util
import os
import re
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from headrace.doctor.machine import FolderFacts, MachineFacts
from headrace.local import nats, seaweedfs
from headrace.local.process import find_program
from headrace.model.errors import ConfigurationError

VERSION_SECONDS = 5.0
_NUMBER = re.compile(r"\d+\.\d+(\.\d+)?")
PROGRAMS: Mapping[str, Sequence[str]] = {seaweedfs.PROGRAM: ("version",), nats.PROGRAM: ("--version",)}
TOOLS: Mapping[str, Sequence[str]] = {
    "kubectl": ("version", "--client"),
    "podman": ("--version",),
    "docker": ("--version",),
}
# The modules by which the package's extras show.
EXTRAS: Mapping[str, Sequence[str]] = {
    "local": ("jinja2", "matplotlib"),
    "echo": ("imageio_ffmpeg", "onnxruntime", "PIL", "pydicom"),
    "simulate": ("highspy", "matplotlib"),
    "infra": ("pulumi", "ansible_runner", "cryptography"),
}


async def machine_facts(state: Path) -> MachineFacts:
    """The state folder's disk is that of the folder in which it would be made."""
    programs, tools = await asyncio.gather(_versions(PROGRAMS, _program), _versions(TOOLS, shutil.which))
    place = existing(state)
    return MachineFacts(
        programs=programs,
        lacking={
            extra: [each for each in modules if not _is_there(each)] for extra, modules in EXTRAS.items()
        },
        tools=tools,
        disk_free=shutil.disk_usage(place).free,
        disk_path=str(place),
        memory_free=psutil.virtual_memory().available,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        folder=_folder(state, place),
    )


def existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())


def _folder(state: Path, place: Path) -> FolderFacts:
    found = place.stat()
    return FolderFacts(
        path=str(state),
        exists=place == state,
        owner=found.st_uid,
        user=os.geteuid(),
        mode=stat.S_IMODE(found.st_mode),
        writable=place.is_dir() and os.access(place, os.W_OK | os.X_OK) and not _is_read_only(place),
    )


def _is_read_only(place: Path) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _program(name: str) -> str | None:
    try:
        return find_program(name)
    except ConfigurationError:
        return None


async def _versions(
    programs: Mapping[str, Sequence[str]], find: Callable[[str], str | None]
) -> Mapping[str, str | None]:
    found = await asyncio.gather(
        *(asyncio.to_thread(_version, find(name), arguments) for name, arguments in programs.items())
    )
    return dict(zip(programs, found, strict=True))


def _version(program: str | None, arguments: Sequence[str]) -> str | None:
    """The number in what it prints; of one that is there and prints none, its path."""
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, timeout=VERSION_SECONDS, check=False, text=True
        )
    except (OSError, subprocess.SubprocessError):
        return program
    found = _NUMBER.search(done.stdout)
    return found[0] if found else program


def python_told() -> str:
    """For versions: which Python runs, and where."""
    return f"{sys.version.split()[0]} ({sys.executable})"

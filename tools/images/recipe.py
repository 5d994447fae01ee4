"""What an image is made from, as a value: read from the checkout once, and told apart by a digest."""

import hashlib
import json
import os
import platform
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.images.faults import ImagesError

EPOCH_SECONDS = 315532800  # 1980: the earliest time that zip files know, so that no tool stumbles over it
FORMAT = 1  # goes up when this tool makes something else of the same inputs
# headrace.hosts, which the scaler plays, and where Ansible looks for it.
COLLECTION = ("meta", "playbooks", "plugins", "roles")
HOSTS = "collections/ansible_collections/headrace/hosts"
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the context: 0755 or 0644, whatever the checkout's umask was."""

    body: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Base:
    """An image by reference and the version of its Python, such as 3.13."""

    reference: str
    python: str

    @property
    def is_pinned(self) -> bool:
        return "@sha256:" in self.reference


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image. `files` by their path in the context; `lock` names packages that go into packages/."""

    name: str
    version: str
    containerfile: str
    files: Mapping[str, File] = field(default_factory=dict)
    lock: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What is the same for all images of a call. `epoch` is the time of all files, in seconds since 1970."""

    base: Base
    epoch: int = EPOCH_SECONDS
    wheels: str = ""  # uv's name of the platform whose wheels are taken

    @classmethod
    def of(cls, base: Base, environ: Mapping[str, str], machine: str | None = None) -> "Settings":
        """SOURCE_DATE_EPOCH sets the time. Raises ImagesError for one that is no number."""
        told = environ.get("SOURCE_DATE_EPOCH") or str(EPOCH_SECONDS)
        if not told.isdigit():
            raise ImagesError(f"SOURCE_DATE_EPOCH: found {told!r}, allowed are whole seconds since 1970")
        return cls(base, int(told), wheels_of(machine or platform.machine()))


def wheels_of(machine: str) -> str:
    """Wheels for glibc 2.28, which slim Debian images exceed. Raises ImagesError for another processor."""
    if machine not in ARCHITECTURES:
        known = ", ".join(sorted(set(ARCHITECTURES.values())))
        raise ImagesError(
            f"images are built for the processor they are built on; {machine} is none of {known}"
        )
    return f"{ARCHITECTURES[machine]}-manylinux_2_28"


def inputs(recipe: Recipe, settings: Settings, engine: str) -> str:
    """Changes with whatever changes the image; where it goes and what it's called is not among that."""
    told = {
        "format": FORMAT,
        "engine": engine,  # engines compress differently
        "base": [settings.base.reference, settings.base.python],
        "epoch": settings.epoch,
        "wheels": settings.wheels,
        "image": [recipe.name, recipe.version, recipe.containerfile, recipe.lock],
        "files": {
            path: [hashlib.sha256(file.body).hexdigest(), file.executable]
            for path, file in recipe.files.items()
        },
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def packages_key(lock: str | None, settings: Settings) -> str:
    """Changes with whatever changes packages/."""
    return hashlib.sha256(f"{lock}\n{settings}".encode()).hexdigest()


def base_in(checkout: Path) -> Base:
    """images/base.toml. Raises ImagesError where it can't be read or holds something else."""
    path = checkout / "images" / "base.toml"
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise ImagesError(f"{path} can't be read: {fault}") from fault
    if set(found) != {"reference", "python"} or not all(isinstance(each, str) for each in found.values()):
        raise ImagesError(f"{path}: found {sorted(found)}, wanted are reference and python, both text")
    return Base(found["reference"], found["python"])


def recipes_in(checkout: Path) -> dict[str, Recipe]:
    """The services' image, and one for each folder of functions/ that has a Containerfile; by name."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    functions = sorted(path.parent for path in (checkout / "functions").glob("*/Containerfile"))
    return {
        "headrace": services(checkout, project),
        **{folder.name: function_in(folder, project["version"]) for folder in functions},
    }


def services(checkout: Path, project: Mapping[str, str]) -> Recipe:
    """headrace as its wheel holds it, without infra/, which runs nowhere in a cluster."""
    folder = checkout / "images" / "headrace"
    metadata = f"app/headrace-{project['version']}.dist-info"
    files = {
        **files_in(checkout / "headrace", "app/headrace"),
        **{
            name: each
            for folder in COLLECTION
            for name, each in files_in(checkout / "ansible" / folder, f"{HOSTS}/{folder}").items()
        },
        f"{HOSTS}/galaxy.yml": File((checkout / "ansible" / "galaxy.yml").read_bytes()),
        f"{metadata}/METADATA": File(metadata_of(project).encode()),
        f"{metadata}/licenses/LICENSE": File((checkout / "LICENSE").read_bytes()),
    }
    return Recipe(
        "headrace", project["version"], (folder / "Containerfile").read_text(), files,
        (folder / "requirements.txt").read_text(),
    )  # fmt: skip


def function_in(folder: Path, version: str) -> Recipe:
    """A function's folder: its files go to function/, what requirements.txt locks to packages/."""
    lock = folder / "requirements.txt"
    return Recipe(
        folder.name, version, (folder / "Containerfile").read_text(), files_in(folder, "function"),
        lock.read_text() if lock.exists() else None,
    )  # fmt: skip


def metadata_of(project: Mapping[str, str]) -> str:
    """By which importlib.metadata and the bill of materials know headrace; no README: that changes often."""
    fields = {
        "Metadata-Version": "2.4",
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "License-Expression": project["license"],
        "Requires-Python": project["requires-python"],
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def files_in(folder: Path, target: str) -> dict[str, File]:
    """What a person wrote: no caches, nothing hidden; links are followed."""
    return {
        f"{target}/{path.relative_to(folder).as_posix()}": File(
            path.read_bytes(), executable=bool(path.stat().st_mode & 0o100)
        )
        for path in _walk(folder)
    }


def _walk(folder: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and name[0] != ".")
        yield from (Path(top, name) for name in sorted(names) if name[0] != "." and not name.endswith(".pyc"))

"""Stand-ins for the operator's archives of rCUDA and Lupine: their layout, with Headrace's stub as daemon."""

import hashlib
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import headrace

STAND_IN = Path(__file__).parent / "stand_in"
# What the stub imports; a host's Python has none of it.
PACKAGES = (
    "annotated_types", "numpy", "orjson", "pydantic", "pydantic_core", "typing_extensions",
    "typing_inspection",
)  # fmt: skip
RCUDA, LUPINE = "rCUDAd", "lupine_driver_server"
LIBRARIES = {
    RCUDA: ("libcudart.so.9.0", "rCUDAcommTCP.so", "rCUDAcommIB.so", "cudnn/libcudnn.so.7"),
    LUPINE: (),
}
BROKEN = b'#!/bin/sh\necho "$0: Error: cuInit failed" >&2\nexit 1\n'


@dataclass(frozen=True)
class Archive:
    """One, and its SHA-256."""

    path: Path
    sha256: str


def made(path: Path, *, program: str = RCUDA, works: bool = True, models: bool = False) -> Archive:
    """An archive whose top folder is its name. A broken one's daemon ends at once.

    With `models` its daemon runs models, too, and the archive is large.
    """
    top = path.name.partition(".tgz")[0]
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for library in LIBRARIES[program]:
            archive.addfile(tarfile.TarInfo(f"{top}/lib/{library}"))
        if works:
            archive.add(STAND_IN / "bin" / program, f"{top}/bin/{program}", filter=_executable)
            _add_stub(archive, f"{top}/lib/stub", (*PACKAGES, *(["onnxruntime"] if models else ())))
        else:
            path.with_suffix(".sh").write_bytes(BROKEN)
            archive.add(path.with_suffix(".sh"), f"{top}/bin/{program}", filter=_executable)
    return Archive(path, hashlib.sha256(path.read_bytes()).hexdigest())


def _add_stub(archive: tarfile.TarFile, top: str, packages: Sequence[str]) -> None:
    archive.add(Path(headrace.__file__).parent, f"{top}/headrace", filter=_sources)
    for name in packages:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise LookupError(f"package {name} is not installed")
        origin = Path(spec.origin)
        found = origin.parent if origin.name == "__init__.py" else origin
        archive.add(found, f"{top}/{found.name}", filter=_sources)
        libraries = origin.parents[1] / f"{name}.libs"  # shared libraries that a wheel brings along
        if libraries.is_dir():
            archive.add(libraries, f"{top}/{libraries.name}")


def _sources(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name or "/tests/" in member.name else member


def _executable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode = 0o755
    return member

"""What an attempt wrote: the regular files of its output folder, and where each is to be published."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.model.errors import RejectedError
from headrace.model.function import Function
from headrace.model.task import Task
from headrace.worker.names import final_key


@dataclass(frozen=True, slots=True)
class Written:
    """A file in the output folder: its name below it (with `/`), its path and its size in bytes."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Publication:
    """One file to be published in one place."""

    written: Written
    bucket: str  # the store's name
    key: str


def written_files(folder: Path) -> Iterator[Written]:
    """Every regular file below a folder, by name. Links, devices and pipes are not results: left out.

    Raises RejectedError when the folder itself has become a link, and for a name that is no UTF-8, as no
    object store could keep it.
    """
    if folder.is_symlink():
        raise RejectedError("the output folder was replaced by a link; write into it instead")
    for path in sorted(_walk(folder)):
        name = path.relative_to(folder).as_posix()
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise RejectedError(
                f"output {name!r} has a name that is not UTF-8; rename it in the function"
            ) from error
        yield Written(name, path, path.stat().st_size)


def _walk(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder, followlinks=False):
        for name in names:
            path = Path(base, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def publications(
    function: Function, task: Task, files: Iterator[Written], buckets: Mapping[str, str]
) -> tuple[Publication, ...]:
    """Each file at each destination that takes its name; `buckets` maps logical to real names."""
    logical = {real: name for name, real in buckets.items()}.get(task.bucket, task.bucket)
    sources = function.inputs_for(logical, task.key) or function.spec.input[:1]
    return tuple(
        Publication(
            file,
            buckets.get(destination.bucket, destination.bucket),
            final_key(destination, sources[0], task.key, file.name),
        )
        for file in files
        for destination in function.spec.output
        if destination.takes(file.name)
    )

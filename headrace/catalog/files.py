"""The files of a function's folder that its digest covers, read within bounds."""

import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

IGNORE_FILE = ".headraceignore"
MAX_FILES = 2_000
MAX_BYTES = 256 * 2**20
_LEFT_OUT = ("__pycache__", "training")


class FolderError(ValueError):
    """The folder holds what can't be a part of a function; the message names the file."""


def read_files(folder: Path) -> dict[str, bytes]:
    """Relative name (with `/`) -> content, in order of names.

    Left out: hidden files, `__pycache__`, `training` and what a line of `.headraceignore` matches, a glob
    of a name or of a path from the folder. Raises FolderError and OSError.
    """
    patterns = _ignored(folder)
    files: dict[str, bytes] = {}
    size = 0
    for path in _walk(folder, folder, patterns):
        size += path.stat().st_size
        if len(files) >= MAX_FILES or size > MAX_BYTES:
            raise FolderError(
                f"holds more than {MAX_FILES} files or {MAX_BYTES} bytes, allowed less; "
                f"put large data into the image, or name what is no part of it in {IGNORE_FILE}"
            )
        files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return dict(sorted(files.items()))


def _ignored(folder: Path) -> tuple[str, ...]:
    path = folder / IGNORE_FILE
    if not path.is_file():
        return ()
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return tuple(line.strip("/") for line in lines if line and not line.startswith("#"))


def _walk(top: Path, folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if _is_left_out(entry.name, path.relative_to(top).as_posix(), patterns):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(top, path, patterns)
        elif path.is_file() and path.resolve().is_relative_to(top.resolve()):
            yield path
        else:
            name = path.relative_to(top).as_posix()
            raise FolderError(
                f"holds {name!r}, no regular file of the folder; copy it in, or name it in {IGNORE_FILE}"
            )


def _is_left_out(name: str, relative: str, patterns: Sequence[str]) -> bool:
    if name.startswith(".") or name in _LEFT_OUT:
        return True
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns for text in (name, relative))

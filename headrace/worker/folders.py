"""A worker's folders: its own, in use while a lock says so; and those of its tasks, used again and again."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.worker.attempt import Folder


@contextmanager
def worker_folder(base: Path, name: str) -> Iterator[Path]:
    """A fresh folder below `base`, removed at the end; what dead workers left beside it goes too."""
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_abandoned(base)
    folder = base / name
    folder.mkdir(mode=0o700)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(base: Path) -> None:
    for folder in base.iterdir():
        if _abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except OSError:
        return False  # being made at this moment, or no worker's folder
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


class TaskFolders:
    """Task folders below `base`, emptied and used again.

    Making and removing directories costs milliseconds on a busy disk, removing files does not.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._free: list[Folder] = []
        self._made = 0

    def take(self) -> Folder:
        """A folder with an empty input and an empty output folder in it."""
        if self._free:
            return self._free.pop()
        folder = Folder(self._base / str(self._made))
        self._made += 1
        folder.input.mkdir(parents=True)
        folder.output.mkdir()
        return folder

    def give_back(self, folder: Folder) -> None:
        """Empty a folder for the next task; one that a function has bent out of shape is thrown away."""
        try:
            # The outermost first: where a function put a link in place of a folder, only the link goes.
            for part in (folder.path, folder.input, folder.output):
                _empty(part, keep=(folder.input, folder.output))
        except OSError:
            shutil.rmtree(folder.path, ignore_errors=True)
        else:
            self._free.append(folder)


def _empty(path: Path, keep: tuple[Path, ...]) -> None:
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)  # noqa: PTH108  (a Path an entry is most of the cost)
            elif Path(entry.path) not in keep:
                shutil.rmtree(entry.path)

"""Files that are whole or not there; private ones are never readable by others, not even for a moment."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Replace a file of mode 0600 in one step; readers see the old content or the new."""
    write_whole(path, content, mode=0o600)


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Replace a file in one step; readers see the old content or the new."""
    partial = partial_of(path)
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def partial_of(path: Path) -> Path:
    """Where the new content of a file is while it is written."""
    return path.with_name(f"{path.name}.partial")

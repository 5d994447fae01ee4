"""Files that pictures are drawn into: the suffix names the kind."""

from enum import StrEnum
from pathlib import Path

from headrace.model.errors import ConfigurationError


class Picture(StrEnum):
    """What is written."""

    SVG = "svg"
    PNG = "png"


def kind_of(path: Path) -> Picture:
    """The kind that a file's suffix names. Raises ConfigurationError for another."""
    kinds = {f".{kind}": kind for kind in Picture}
    found = kinds.get(path.suffix.lower())
    if found is None:
        raise ConfigurationError(
            f"--plot {path}: found the suffix {path.suffix!r}, allowed {', '.join(kinds)}; rename it"
        )
    return found


def write_picture(path: Path, content: bytes) -> None:
    """Raises ConfigurationError where that can't be done."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(
            f"--plot {path}: can't be written ({error.strerror}); name a file in a folder that is there"
        ) from error

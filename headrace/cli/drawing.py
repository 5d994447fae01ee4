"""What `--plot` does: a picture into a file, by packages of the extra `simulate`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from headrace.files.picture import Picture, kind_of, write_picture
from headrace.model.errors import ConfigurationError
from headrace.model.troubles import Trouble

Subject = TypeVar("Subject")


@contextmanager
def needed_extra(command: str) -> Iterator[None]:
    """What is imported within needs the extra `simulate`. Raises ConfigurationError where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "headrace":
            raise
        raise ConfigurationError(
            f"`headrace {command}` needs the package {error.name!r}, which is not installed; "
            "install headrace[simulate]",
            trouble=Trouble.PACKAGE_MISSING,
        ) from error


def drawing(path: Path, picture: Callable[[Subject, Picture], bytes]) -> Callable[[Subject], None]:
    """Draws into the file. Raises ConfigurationError at once for a file of no such kind."""
    kind = kind_of(path)
    return lambda subject: write_picture(path, picture(subject, kind))

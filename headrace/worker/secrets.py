"""A function's secrets, from env files of mode 0600 or mounted folders, and kept out of every log."""

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from headrace.model.errors import ConfigurationError
from headrace.model.troubles import Trouble

SHORTEST = 4  # characters; shorter values can't be told from ordinary text
HIDDEN = "***"


def read_secrets(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The variables of `<name>.env` for each name: lines NAME=value, `#` starts a comment line.

    Raises ConfigurationError for a file that is missing, readable by others or malformed.
    """
    variables: dict[str, str] = {}
    for name in names:
        path = folder / f"{name}.env"
        _check(path)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                variables.update([_variable(path, number, line)])
    return variables


def _check(path: Path) -> None:
    if not path.is_file():
        raise ConfigurationError(
            f"secret {path.stem!r}: no file {path}; write lines NAME=value into it, mode 0600",
            trouble=Trouble.SECRET_MISSING,
        )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigurationError(
            f"secret {path.stem!r}: {path} has mode {mode:04o}, allowed 0600; run chmod 0600",
            trouble=Trouble.SECRET_MISSING,
        )


def _variable(path: Path, number: int, line: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ConfigurationError(
            f"secret {path.stem!r}: line {number} of {path} is not NAME=value", trouble=Trouble.SECRET_MISSING
        )
    return name.strip(), value


def mounted_secrets(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The entries of `<name>/` for each name: a file is a variable, its content the value.

    Raises ConfigurationError for a secret that is not mounted.
    """
    variables: dict[str, str] = {}
    for name in names:
        try:
            # Kubernetes mounts links to files below `..data`.
            files = [path for path in sorted((folder / name).iterdir()) if not path.name.startswith("..")]
        except OSError as error:
            raise ConfigurationError(
                f"secret {name!r}: {folder / name} can't be read ({error.strerror}); mount the secret there",
                trouble=Trouble.SECRET_MISSING,
            ) from error
        variables.update((path.name, path.read_text(errors="replace")) for path in files)
    return variables


class Redactor:
    """Hides the values of secrets in what a function printed."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._values = sorted((v for v in secrets.values() if len(v) >= SHORTEST), key=len, reverse=True)

    def hide(self, text: str) -> str:
        """The text with every secret value replaced."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return text

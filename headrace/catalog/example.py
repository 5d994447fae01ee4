"""The files of a small working function, to begin with: of our own templates, or of a folder."""

import os
import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from headrace.catalog import templates
from headrace.catalog.files import FolderError, read_files
from headrace.model.errors import ConfigurationError
from headrace.model.function import Metadata
from headrace.model.troubles import Trouble

NAME = "{{name}}"  # in a template's texts and in its files' names: the function's name
FOLDER = "{{folder}}"  # the function's folder, as the command calls it


class Kind(StrEnum):
    """How the example works a file."""

    SCRIPT = "script"
    HANDLER = "handler"
    HTTP = "http"


def example(name: str, kind: Kind, *, folder: str) -> dict[str, str]:
    """File name -> content; `folder` is how its README calls the function's folder.

    Raises ConfigurationError where `name` can't be a function's name.
    """
    found = {file: content.encode() for file, content in templates.FILES[kind].items()}
    return {file: content.decode() for file, content in filled(found, name, folder=folder).items()}


def filled(template: Mapping[str, bytes], name: str, *, folder: str) -> dict[str, bytes]:
    """A template's files with name and folder in their places; what is no text stays as it is.

    Raises ConfigurationError where `name` can't be a function's name.
    """
    check_name(name)
    return {file.replace(NAME, name): _filled(content, name, folder) for file, content in template.items()}


def check_name(name: str) -> None:
    """Raises ConfigurationError where it can't be a function's."""
    try:
        Metadata(name=name)
    except ValidationError as error:
        raise ConfigurationError(
            f"function name: found {name!r}, allowed at most 39 lower-case letters, digits and -, with no - "
            "at either end; choose such a name",
            trouble=Trouble.FUNCTION_NAME,
        ) from error


def read_template(folder: Path) -> dict[str, bytes]:
    """The files of a template of one's own, with what its `.headraceignore` leaves out of a function.

    Raises ConfigurationError for a folder that holds no function.yaml, or can't be read.
    """
    try:
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts and ".git" not in path.parts
        }
        read_files(folder)  # its bounds
    except (FolderError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"template {folder}: {reason}; name another folder with --from") from error
    if "function.yaml" not in files:
        raise ConfigurationError(
            f"template {folder}: found no function.yaml, allowed a function's folder; its texts may hold "
            f"{NAME} for the name"
        )
    return files


def _filled(content: bytes, name: str, folder: str) -> bytes:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content
    return text.replace(NAME, name).replace(FOLDER, folder).encode()


def write_function(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder, whole or not at all. Raises ConfigurationError where that can't be done."""
    made = folder.with_name(f".{folder.name}.new-{os.getpid()}")
    try:
        for file, content in files.items():
            path = made / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if content.startswith(b"#!"):
                path.chmod(0o755)
        made.rename(folder)
    except OSError as error:
        _remove(made)
        reason = error.strerror or error
        raise ConfigurationError(
            f"{folder} can't be written ({reason}); choose another --directory"
        ) from error


def _remove(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder, ignore_errors=True)

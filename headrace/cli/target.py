"""Where uploaded files go: S3 addresses, and the keys of files. Pure, but for looking at local folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.model.errors import ConfigurationError
from headrace.model.troubles import Trouble
from headrace.operations.reasons import closest_miss, takes
from headrace.operations.stack import Stack

SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket's real name, and a key or prefix."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A local file and the object it becomes."""

    path: Path
    bucket: str
    key: str


def parse_location(text: str) -> Location:
    """`s3://BUCKET/KEY`; the key may be empty. Raises ConfigurationError."""
    bucket, _, key = text.removeprefix(SCHEME).partition("/")
    if not text.startswith(SCHEME) or not bucket:
        raise ConfigurationError(
            f"found {text!r}, allowed s3://BUCKET/KEY; write the bucket's name after s3://"
        )
    return Location(bucket, key)


def parse_object(text: str) -> Location:
    """`s3://BUCKET/KEY` with a key. Raises ConfigurationError."""
    found = parse_location(text)
    if not found.key:
        raise ConfigurationError(f"found {text!r}, allowed s3://BUCKET/KEY; write the object's key too")
    return found


def uploads_to(paths: Sequence[Path], target: Location) -> tuple[Upload, ...]:
    """Files and, of folders, the files below them.

    A single file goes to the very key, unless that is empty or ends with `/`: then, and with several
    files, the file's name (in a folder: its path in it) is put behind it.
    """
    if len(paths) == 1 and paths[0].is_file() and target.key and not target.key.endswith("/"):
        return (Upload(paths[0], target.bucket, target.key),)
    folder = target.key if not target.key or target.key.endswith("/") else f"{target.key}/"
    return tuple(Upload(path, target.bucket, folder + name) for path, name in files_of(paths))


def uploads_for(
    paths: Sequence[Path], stack: Stack, function: str, *, folder: str = ""
) -> tuple[Upload, ...]:
    """Files below the function's first input that takes them, in a folder of their own where one is given.

    Raises ConfigurationError for a file that no input of the function takes.
    """
    sources = stack.inputs(stack.find(function))
    found = []
    for path, name in files_of(paths):
        places = [(bucket, source, source.prefix + folder + name) for bucket, source in sources]
        fitting = [
            Upload(path, bucket, key)
            for bucket, source, key in places
            if takes((bucket, source), bucket, key)
        ]
        if not fitting:
            bucket, _, key = places[0]
            raise ConfigurationError(
                f"function {function!r} does not take {path}: {closest_miss(sources, bucket, key)}",
                trouble=Trouble.FILE_NOT_TAKEN,
            )
        found.append(fitting[0])
    return tuple(found)


def files_of(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Files with their names, those of a folder with their path in it. Raises ConfigurationError."""
    found = [pair for path in paths for pair in _below(path)]
    names: dict[str, Path] = {}
    for path, name in found:
        other = names.setdefault(name, path)
        if other != path:
            raise ConfigurationError(f"{other} and {path} would have the same key; put them one by one")
    return found


def _below(path: Path) -> list[tuple[Path, str]]:
    if path.is_dir():
        return [
            (file, file.relative_to(path).as_posix()) for file in sorted(path.rglob("*")) if file.is_file()
        ]
    if not path.is_file():
        raise ConfigurationError(f"{path} is no file or folder; name one that exists")
    return [(path, path.name)]

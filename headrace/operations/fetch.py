"""Saves what records name in a local folder, each output under the name that its function gave it."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from headrace.model.errors import ChangedError, ConfigurationError, NotFoundError, RejectedError
from headrace.model.keys import MARK, mark_of
from headrace.model.record import Output, Record
from headrace.operations.concurrently import concurrently
from headrace.operations.stack import Stack
from headrace.operations.task_story import find_object
from headrace.storage.port import ObjectInfo

MOST_AT_ONCE = 8


class Fate(StrEnum):
    """What became of an output that was to be saved."""

    SAVED = "saved"
    THERE = "there"  # the local file is that very result already
    DIFFERS = "differs"  # another local file has its name, and was left as it is
    MISSING = "missing"  # nothing lies under its final key
    REPLACED = "replaced"  # its final key holds another version's, run's or function's result
    OLDER = "older"  # a newer one of those that were asked for has its name
    OUTSIDE = "outside"  # its name leads out of the folder

    @property
    def is_there(self) -> bool:
        """Whether the folder has what was asked for."""
        return self in {Fate.SAVED, Fate.THERE, Fate.OLDER}


@dataclass(frozen=True, slots=True)
class Fetched:
    """An output, the file it was made from, and what became of it; `path` is where it is or would be."""

    task_id: str
    bucket: str
    key: str
    output: Output
    fate: Fate
    path: str


@dataclass(frozen=True, slots=True)
class _Part:
    """All places of one output: it may be published in several, and one copy of it is enough."""

    record: Record
    outputs: tuple[Output, ...]

    @property
    def name(self) -> str:
        return self.outputs[0].name

    def ended(self, fate: Fate, folder: Path) -> Fetched:
        task = self.record.task
        return Fetched(task.id, task.bucket, task.key, self.outputs[-1], fate, str(folder / self.name))


async def fetch(stack: Stack, record: Record, folder: Path) -> tuple[Path, ...]:
    """One record's outputs; an older file of the same name is replaced.

    Raises RejectedError for a name that would leave the folder, NotFoundError and ChangedError for an
    output that is removed or overwritten meanwhile.
    """

    async def one(part: _Part) -> Path:
        path = folder / inside(part.name)
        output = part.outputs[-1]
        await _download(stack, await stack.storage.head(output.bucket, output.key), path)
        return path

    return tuple(await concurrently(one, _parts(record), most=MOST_AT_ONCE))


async def fetch_all(
    stack: Stack,
    records: Sequence[Record],
    folder: Path,
    *,
    overwrite: bool = False,
    tell: Callable[[Fetched], None] = lambda _: None,
) -> tuple[Fetched, ...]:
    """The outputs of several records, oldest first; where several have one name, that which is published.

    What lies in the folder already is not loaded again; another file of the same name is left as it is,
    unless it shall be overwritten. Raises ConfigurationError where the folder can't be written.
    """
    names: dict[str, list[_Part]] = {}
    for record in records:
        for part in _parts(record):
            names.setdefault(part.name, []).append(part)

    async def one(parts: Sequence[_Part]) -> list[Fetched]:
        chosen, found = await _published(stack, parts)
        fate = await _save(stack, found, folder, chosen.name, overwrite=overwrite)
        fetched = [part.ended(fate if part is chosen else Fate.OLDER, folder) for part in parts]
        for each in fetched:
            tell(each)
        return fetched

    nested = await concurrently(one, names.values(), most=MOST_AT_ONCE)
    return tuple(each for fetched in nested for each in fetched)


def inside(name: str) -> PurePosixPath:
    """An output's name as a relative path. Raises RejectedError for one that leads out of its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise RejectedError(
            f"output {name!r} has a name that leads out of a folder; fetch it by an S3 client"
        )
    return path


def _parts(record: Record) -> tuple[_Part, ...]:
    names: dict[str, list[Output]] = {}
    for output in record.outputs:
        names.setdefault(output.name, []).append(output)
    return tuple(_Part(record, tuple(outputs)) for outputs in names.values())


async def _published(stack: Stack, parts: Sequence[_Part]) -> tuple[_Part, ObjectInfo | Fate]:
    """That of the parts whose result is under a final key; none: the last one, and what is there instead."""
    places = dict.fromkeys((output.bucket, output.key) for part in parts for output in part.outputs)
    infos = {place: await find_object(stack, *place) for place in places}
    for part in reversed(parts):
        mark = mark_of(part.record.task.id, part.record.attempt)
        for output in part.outputs:
            info = infos[output.bucket, output.key]
            if info is not None and info.metadata.get(MARK) == mark:
                return part, info
    is_replaced = any(infos[output.bucket, output.key] is not None for output in parts[-1].outputs)
    return parts[-1], Fate.REPLACED if is_replaced else Fate.MISSING


async def _save(stack: Stack, found: ObjectInfo | Fate, folder: Path, name: str, *, overwrite: bool) -> Fate:
    if not isinstance(found, ObjectInfo):
        return found
    try:
        path = folder / inside(name)
        if await asyncio.to_thread(_is_same, path, found):
            return Fate.THERE
        if path.exists() and not overwrite:
            return Fate.DIFFERS
        await _download(stack, found, path)
    except RejectedError:
        return Fate.OUTSIDE
    except NotFoundError:
        return Fate.MISSING
    except ChangedError:
        return Fate.REPLACED
    except OSError as error:
        raise ConfigurationError(
            f"{folder / name} can't be written ({error.strerror}); make room, or name another folder"
        ) from error
    return Fate.SAVED


async def _download(stack: Stack, info: ObjectInfo, path: Path) -> None:
    """A copy's ETag may differ from the staged object's, so it is the final key's own that counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    await stack.storage.download(info.bucket, info.key, path, version=info.version, etag=info.etag)
    os.utime(path, (info.modified, info.modified))


def _is_same(path: Path, info: ObjectInfo) -> bool:
    """Whether a file is that object: by its MD5, which most ETags are, or else by the time it was given.

    What an ETag is: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    if not path.is_file() or path.stat().st_size != info.size:
        return False
    if int(path.stat().st_mtime) == int(info.modified):
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest() == info.etag


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)

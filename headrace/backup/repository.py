"""The backups on a shelf: contents by their SHA-256, lists of what they are, one manifest a backup.

A content is stored once, however many backups and objects have it. A manifest is written last, so that a
backup is there as a whole or not at all; what an unfinished one has copied is kept for the next.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from pathlib import Path

import orjson
from pydantic import ValidationError

from headrace.backup.entry import Entry, read_entry
from headrace.backup.manifest import FORMAT, Manifest, Part
from headrace.backup.shelf import LOCK, PARTIAL, Shelf
from headrace.model.errors import ConfigurationError, NotFoundError, RejectedError
from headrace.model.record import Ended, read_record
from headrace.model.task import Task

MARKER = "headrace-backup.json"  # that this is a place of backups, and of which format
CONTENTS, SNAPSHOTS, PROGRESS = "contents/", "snapshots/", "progress/"
DAMAGED = "damaged/"  # contents that were set aside, by their SHA-256 as it should be
LINES = 5000  # of a list; some 1.5 MB
SMALL_BYTES = 8 * 2**20  # up to here contents are held in memory
_OURS = (LOCK, f"{PARTIAL}/")
_DIGITS = 12


class Repository:
    """Backups by name: their moment, and the beginning of their manifest's own SHA-256."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def __str__(self) -> str:
        return str(self.shelf)

    async def begin(self) -> None:
        """Make it a place of backups, if nothing else is there. Raises ConfigurationError."""
        if await self._is_one():
            return
        async for piece in self.shelf.list(""):
            if not piece.name.startswith(_OURS):
                raise ConfigurationError(
                    f"{self} is no place of backups: found {piece.name} there; name an empty one"
                )
        await self.shelf.write(MARKER, orjson.dumps({"format": FORMAT}))

    async def check(self) -> None:
        """Raises NotFoundError for a place without backups, ConfigurationError for a format not known."""
        if not await self._is_one():
            raise NotFoundError(f"{self} is no place of backups; `headrace backup` makes one")

    async def _is_one(self) -> bool:
        try:
            found = orjson.loads(await self.shelf.read(MARKER))
        except NotFoundError:
            return False
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ConfigurationError(
                f"{self}: found backups of format {found!r}, allowed {FORMAT}; "
                "use the version of headrace that wrote them"
            )
        return True

    # Contents

    async def contents(self) -> dict[str, int]:
        """The size of each content that is there, by its SHA-256."""
        return {digest_in(piece.name): piece.size async for piece in self.shelf.list(CONTENTS)}

    async def keep(self, content: bytes) -> str:
        """Store a small content; its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        await self.shelf.write(_name_of(sha256), content)
        return sha256

    async def move_in(self, path: Path, sha256: str) -> None:
        """Store a file of the shelf's scratch folder as a content."""
        await self.shelf.move_in(path, _name_of(sha256))

    async def content(self, sha256: str) -> bytes:
        """A content of at most SMALL_BYTES or so. Raises RejectedError for one that is damaged or missing."""
        try:
            found = await self.shelf.read(_name_of(sha256))
        except NotFoundError as error:
            raise _lacks(sha256) from error
        _check(hashlib.sha256(found).hexdigest(), sha256)
        return found

    async def file(self, sha256: str) -> Path:
        """A content as a file, to be given back by the shelf's `release`. Raises RejectedError."""
        try:
            path = await self.shelf.fetch(_name_of(sha256))
        except NotFoundError as error:
            raise _lacks(sha256) from error
        _check(await digest_of(path, path.stat().st_size), sha256)
        return path

    async def digest(self, sha256: str, size: int) -> str:
        """The SHA-256 that a content has in truth; `size` in bytes. Raises RejectedError for none."""
        try:
            if size <= SMALL_BYTES:
                return hashlib.sha256(await self.shelf.read(_name_of(sha256))).hexdigest()
            path = await self.shelf.fetch(_name_of(sha256))
        except NotFoundError as error:
            raise _lacks(sha256) from error
        try:
            return await digest_of(path, size)
        finally:
            await self.shelf.release(path)

    async def set_aside(self, sha256: str) -> None:
        """Have no backup take a damaged content for a sound one. Raises NotFoundError, ConfigurationError."""
        await self.shelf.rename(_name_of(sha256), f"{DAMAGED}{sha256}")

    # Lists

    async def write_lines(self, lines: Iterable[bytes]) -> tuple[Part, ...]:
        """Store lines, none of which has a line's end in it, as contents of LINES each."""
        parts = []
        waiting = iter(lines)
        while chunk := list(islice(waiting, LINES)):
            body = b"\n".join(chunk)
            parts.append(Part(sha256=await self.keep(body), size=len(body), lines=len(chunk)))
        return tuple(parts)

    async def lines(self, parts: Iterable[Part]) -> AsyncIterator[bytes]:
        """What `write_lines` stored. Raises RejectedError."""
        for part in parts:
            try:
                content = await self.content(part.sha256)
            except RejectedError as error:
                raise RejectedError(
                    f"the list {part.sha256} is damaged or missing, so this backup can't be read; name "
                    "another with --snapshot, or take a new one"
                ) from error
            for line in content.split(b"\n"):
                yield line

    async def entries(self, parts: Iterable[Part]) -> list[Entry]:
        """A list of objects. Raises RejectedError."""
        return [read_entry(line) async for line in self.lines(parts)]

    async def tasks(self, parts: Iterable[Part]) -> list[Task]:
        """A list of tasks. Raises RejectedError."""
        return [_read_task(line) async for line in self.lines(parts)]

    async def ending(self, entry: Entry) -> Ended | None:
        """The record that an object is; None for one that can't be read, which is kept as it is."""
        try:
            return read_record(await self.content(entry.sha256))
        except ValidationError:
            return None

    # Backups

    async def finish(self, manifest: Manifest, moment: str) -> str:
        """Store a backup's manifest, and so the backup; its name."""
        body = manifest.to_json()
        name = f"{moment}-{hashlib.sha256(body).hexdigest()[:_DIGITS]}"
        await self.shelf.settle()
        await self.shelf.write(f"{SNAPSHOTS}{name}.json", body)
        return name

    async def names(self) -> list[str]:
        """Every backup, the oldest first."""
        found = [piece.name async for piece in self.shelf.list(SNAPSHOTS) if piece.name.endswith(".json")]
        return sorted(name.removeprefix(SNAPSHOTS).removesuffix(".json") for name in found)

    async def choose(self, wanted: str | None) -> str:
        """The newest backup, or the one whose name begins so. Raises NotFoundError."""
        names = await self.names()
        fitting = names[-1:] if wanted is None else [name for name in names if name.startswith(wanted)]
        if len(fitting) == 1:
            return fitting[0]
        told = ", ".join(names) or "none"
        raise NotFoundError(f"{self}: found {len(fitting)} backups {wanted or ''}, wanted one of: {told}")

    async def manifest(self, name: str) -> Manifest:
        """A backup's manifest. Raises RejectedError for one that is damaged, ConfigurationError."""
        body = await self.shelf.read(f"{SNAPSHOTS}{name}.json")
        if (found := hashlib.sha256(body).hexdigest()[:_DIGITS]) != (wanted := name.rpartition("-")[2]):
            raise RejectedError(
                f"the manifest of backup {name} is damaged: found a SHA-256 of {found}…, wanted {wanted}…; "
                "name another backup with --snapshot, or take a new one"
            )
        try:
            return Manifest.from_json(body)
        except ValidationError as error:
            raise ConfigurationError(
                f"backup {name} can't be read by this version of headrace: {error.errors()[0]['msg']}"
            ) from error

    async def forget(self, names: Iterable[str]) -> None:
        """Delete backups; their contents stay until nothing needs them."""
        await self.shelf.remove([f"{SNAPSHOTS}{name}.json" for name in names])

    # What an unfinished backup has copied

    async def note_progress(self, name: str, entries: Iterable[Entry]) -> None:
        """Remember copied objects for the next backup, should this one not come to its end."""
        await self.shelf.write(f"{PROGRESS}{name}", b"\n".join(entry.to_json() for entry in entries))

    async def progress(self) -> list[Entry]:
        """What unfinished backups have copied."""
        names = [piece.name async for piece in self.shelf.list(PROGRESS)]
        return [read_entry(line) for name in names for line in (await self.shelf.read(name)).split(b"\n")]

    async def forget_progress(self) -> None:
        """A backup is finished: its manifest tells it all."""
        await self.shelf.remove([piece.name async for piece in self.shelf.list(PROGRESS)])

    async def remove_contents(self, digests: Iterable[str]) -> None:
        """Delete contents that nothing needs."""
        await self.shelf.remove(map(_name_of, digests))


async def digest_of(path: Path, size: int) -> str:
    """The SHA-256 of a file, in bounded memory; a large one in a thread."""
    return _digest_of(path) if size <= SMALL_BYTES else await asyncio.to_thread(_digest_of, path)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_task(line: bytes) -> Task:
    try:
        return Task.from_json(line)
    except ValidationError as error:
        raise RejectedError(f"{line[:80]!r} is no task of a backup") from error


def _name_of(sha256: str) -> str:
    return f"{CONTENTS}{sha256[:2]}/{sha256}"


def digest_in(name: str) -> str:
    """The SHA-256 of a content, from its piece's name."""
    return name.rpartition("/")[2]


def _check(found: str, wanted: str) -> None:
    if found != wanted:
        raise RejectedError(
            f"a content is damaged, for every backup that has it: found SHA-256 {found}, wanted {wanted}; "
            "`headrace backup --verify` sets it aside, and the next backup copies it anew if the stack still "
            "has it"
        )


def _lacks(sha256: str) -> RejectedError:
    return RejectedError(
        f"the content {sha256} is missing; was it deleted by hand, or set aside as damaged? The next backup "
        "copies it anew if the stack still has it"
    )

"""What every place of backups must do, asked of each adapter."""

import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.backup.shelf import FolderShelf, Shelf
from headrace.backup.stored_shelf import StoredShelf
from headrace.model.errors import NotFoundError
from headrace.storage.memory import MemoryStorage
from headrace.storage.s3 import S3Storage

OURS = ("lock", "partial/")  # what the place itself keeps there


@pytest.fixture(params=["folder", "memory", "s3"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    if request.param == "folder":
        folder = FolderShelf(tmp_path / "place")
        async with folder.held():
            yield folder
        return
    if request.param == "memory":
        storage: MemoryStorage | S3Storage = MemoryStorage(now=time.time)
    else:
        storage = S3Storage(request.getfixturevalue("seaweedfs").options.storage)
    bucket = f"t-{secrets.token_hex(6)}"
    await storage.ensure_bucket(bucket)
    await storage.put(bucket, "elsewhere/a", b"of somebody else")
    stored = StoredShelf(storage, bucket, "here/")
    async with stored.held():
        yield stored
    await storage.close()


async def names(shelf: Shelf, prefix: str = "") -> list[str]:
    return sorted([piece.name async for piece in shelf.list(prefix) if not piece.name.startswith(OURS)])


async def test_a_piece_comes_back_as_it_was_written(shelf: Shelf) -> None:
    await shelf.write("a/b/c.json", b"one")
    assert await shelf.read("a/b/c.json") == b"one"
    await shelf.write("a/b/c.json", b"two")
    assert await shelf.read("a/b/c.json") == b"two"


@pytest.mark.parametrize("content", [b"", b"one", b"x" * (9 * 2**20)])
async def test_a_file_is_moved_in_and_fetched_whole(shelf: Shelf, content: bytes) -> None:
    path = shelf.scratch / "new"
    path.write_bytes(content)
    await shelf.move_in(path, "contents/ab/abc")
    assert not path.exists()
    fetched = await shelf.fetch("contents/ab/abc")
    assert fetched.read_bytes() == content
    await shelf.release(fetched)
    assert await shelf.read("contents/ab/abc") == content, "it stays when a reader gives it back"


async def test_pieces_are_listed_by_prefix_with_size_and_date(shelf: Shelf) -> None:
    for name, content in (("a/1", b"x"), ("a/b/2", b"yy"), ("c/3", b""), ("d", b"zzz")):
        await shelf.write(name, content)
    assert await names(shelf) == ["a/1", "a/b/2", "c/3", "d"]
    assert await names(shelf, "a/") == ["a/1", "a/b/2"]
    assert await names(shelf, "nothing/") == []
    found = {piece.name: piece async for piece in shelf.list("a/")}
    assert (found["a/b/2"].size, abs(found["a/b/2"].modified - time.time()) < 60) == (2, True)


async def test_what_is_removed_is_gone_and_the_rest_stays(shelf: Shelf) -> None:
    await shelf.write("a/1", b"x")
    await shelf.write("a/2", b"x")
    await shelf.remove(["a/1", "a/never"])
    await shelf.remove([])
    assert await names(shelf) == ["a/2"]


async def test_a_piece_that_is_renamed_is_there_under_its_new_name_alone(shelf: Shelf) -> None:
    await shelf.write("a/1", b"x")
    await shelf.rename("a/1", "b/c/1")
    assert await names(shelf) == ["b/c/1"]
    assert await shelf.read("b/c/1") == b"x"
    with pytest.raises(NotFoundError, match="a/1"):
        await shelf.rename("a/1", "b/c/1")
    assert await shelf.read("b/c/1") == b"x"


@pytest.mark.parametrize("call", ["read", "fetch"])
async def test_a_piece_that_is_not_there_is_named(shelf: Shelf, call: str) -> None:
    with pytest.raises(NotFoundError, match="a/missing"):
        await getattr(shelf, call)("a/missing")


async def test_settling_is_quiet(shelf: Shelf) -> None:
    await shelf.settle()

"""What every object store must do, asked of each adapter."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.model.errors import ChangedError, NotFoundError, RejectedError
from headrace.storage.memory import MemoryStorage
from headrace.storage.port import ObjectInfo, Storage, Version
from headrace.storage.race import race_check
from headrace.storage.s3 import S3Storage

MD5_OF_ONE = "f97c5d29941bfb1b2fdab0874906ab82"  # md5sum of b"one"


@dataclass
class Store:
    """A store with two empty buckets of the test's own."""

    storage: Storage
    bucket: str
    other: str

    async def keep_versions(self) -> None:
        """Turn versioning on for `bucket`."""
        if isinstance(self.storage, MemoryStorage):
            self.storage.keep_versions(self.bucket)
            return
        wish = {"Bucket": self.bucket, "VersioningConfiguration": {"Status": "Enabled"}}
        await self.storage._client.call(self.bucket, lambda s3: s3.put_bucket_versioning(**wish))

    async def kept(self, prefix: str = "") -> list[Version]:
        """All that is kept, by key."""
        found = [version async for version in self.storage.versions(self.bucket, prefix)]
        return sorted(found, key=lambda each: each.key)

    async def listed(self, prefix: str = "") -> dict[str, ObjectInfo]:
        """What is listed, by key; each key once."""
        found = [info async for info in self.storage.list(self.bucket, prefix)]
        assert len({info.key for info in found}) == len(found), "a key was listed twice"
        return {info.key: info for info in found}

    @property
    def folds_slashes(self) -> bool:
        """Whether it keeps objects as files below folders, so that some keys name the same object."""
        return isinstance(self.storage, S3Storage)


@pytest.fixture(params=["memory", "s3"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        storage: Storage = MemoryStorage(now=time.time)
    else:
        storage = S3Storage(request.getfixturevalue("seaweedfs").options.storage)
    name = f"t-{secrets.token_hex(6)}"
    for bucket in (name, f"{name}-other"):
        await storage.ensure_bucket(bucket)
    yield Store(storage, name, f"{name}-other")
    await storage.close()


async def test_an_object_comes_back_as_it_was_put(store: Store):
    etag = await store.storage.put(store.bucket, "a/b.bin", b"one")
    assert etag == MD5_OF_ONE
    assert await store.storage.read(store.bucket, "a/b.bin") == b"one"


async def test_head_describes_the_newest_object_with_its_metadata_in_lower_case(store: Store):
    before = time.time()
    await store.storage.put(
        store.bucket,
        "k",
        b"one",
        metadata={"Headrace-Attempt": "id/1"},
        headers={"Content-Type": "image/png"},
    )
    info = await store.storage.head(store.bucket, "k")
    assert (info.bucket, info.key, info.etag, info.size) == (store.bucket, "k", MD5_OF_ONE, 3)
    assert info.metadata == {"headrace-attempt": "id/1"}
    assert info.version is None
    assert info.identity == MD5_OF_ONE
    assert before - 2 <= info.modified <= time.time() + 2, "seconds since the epoch"


async def test_an_objects_headers_come_back_from_head_and_download(store: Store, tmp_path: Path):
    headers = {
        "Content-Type": "text/plain",
        "Content-Encoding": "gzip",
        "Content-Disposition": 'attachment; filename="a.txt"',
        "Content-Language": "en-GB",
        "Cache-Control": "no-store",
    }
    for key in ("a", "odd\nkey"):
        etag = await store.storage.put(store.bucket, key, b"one", headers=headers)
        assert (await store.storage.head(store.bucket, key)).headers == headers
        got = await store.storage.download(store.bucket, key, tmp_path / "f", version=None, etag=etag)
        assert got.headers == headers


async def test_a_put_replaces_object_and_metadata(store: Store):
    await store.storage.put(store.bucket, "k", b"two", metadata={"a": "1"})
    await store.storage.put(store.bucket, "k", b"one", metadata={"b": "2"})
    assert (await store.storage.head(store.bucket, "k")).metadata == {"b": "2"}
    assert await store.storage.read(store.bucket, "k") == b"one"


async def test_an_empty_object_is_an_object(store: Store, tmp_path: Path):
    etag = await store.storage.put(store.bucket, "empty", b"")
    assert (await store.storage.head(store.bucket, "empty")).size == 0
    assert await store.storage.read(store.bucket, "empty") == b""
    info = await store.storage.download(store.bucket, "empty", tmp_path / "f", version=None, etag=etag)
    assert (info.etag, (tmp_path / "f").read_bytes()) == (etag, b"")


@pytest.mark.parametrize("size", [0, 1, 8 * 2**20, 8 * 2**20 + 1, 30_000_000])
async def test_a_file_of_any_size_is_put_and_downloaded_whole(store: Store, tmp_path: Path, size: int):
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    (tmp_path / "in").write_bytes(content)
    etag = await store.storage.put(store.bucket, "big", tmp_path / "in", metadata={"m": "v"})
    info = await store.storage.head(store.bucket, "big")
    assert (info.etag, info.size, info.metadata) == (etag, size, {"m": "v"})
    got = await store.storage.download(store.bucket, "big", tmp_path / "out", version=None, etag=etag)
    assert (got.etag, got.size) == (etag, size)
    assert (tmp_path / "out").read_bytes() == content
    assert (await store.listed())["big"].etag == etag


async def test_a_download_of_a_changed_object_fails_and_leaves_no_file(store: Store, tmp_path: Path):
    old = await store.storage.put(store.bucket, "k", b"one")
    await store.storage.put(store.bucket, "k", b"two")
    with pytest.raises(ChangedError):
        await store.storage.download(store.bucket, "k", tmp_path / "f", version=None, etag=old)
    assert list(tmp_path.iterdir()) == []


async def test_a_download_of_what_is_not_there_fails_and_leaves_no_file(store: Store, tmp_path: Path):
    with pytest.raises(NotFoundError):
        await store.storage.download(store.bucket, "k", tmp_path / "f", version=None, etag=MD5_OF_ONE)
    assert list(tmp_path.iterdir()) == []


async def test_a_download_replaces_the_file_that_was_there(store: Store, tmp_path: Path):
    etag = await store.storage.put(store.bucket, "k", b"one")
    (tmp_path / "f").write_bytes(b"older and longer")
    await store.storage.download(store.bucket, "k", tmp_path / "f", version=None, etag=etag)
    assert (tmp_path / "f").read_bytes() == b"one"


async def test_a_download_into_a_missing_folder_is_the_callers_fault(store: Store, tmp_path: Path):
    etag = await store.storage.put(store.bucket, "k", b"one")
    with pytest.raises(FileNotFoundError):
        await store.storage.download(store.bucket, "k", tmp_path / "no" / "f", version=None, etag=etag)


async def test_putting_a_file_that_is_not_there_is_the_callers_fault(store: Store, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        await store.storage.put(store.bucket, "k", tmp_path / "nothing")


async def test_only_the_first_create_stores(store: Store):
    assert await store.storage.create(store.bucket, "k", b"one")
    assert not await store.storage.create(store.bucket, "k", b"two")
    assert await store.storage.read(store.bucket, "k") == b"one"


async def test_a_deleted_key_can_be_created_again(store: Store):
    await store.storage.create(store.bucket, "k", b"one")
    await store.storage.delete(store.bucket, ["k"])
    assert await store.storage.create(store.bucket, "k", b"two")


async def test_racing_creates_have_one_winner(store: Store):
    await race_check(store.storage, store.bucket)
    assert await store.listed() == {}, "the race cleans up"


async def test_a_copy_takes_content_and_metadata_to_another_bucket(store: Store):
    await store.storage.put(
        store.bucket,
        "in/ä b+c%2F",
        b"one",
        metadata={"headrace-attempt": "id/1"},
        headers={"Content-Type": "image/png"},
    )
    await store.storage.put(store.other, "out/é", b"older")
    await store.storage.copy((store.bucket, "in/ä b+c%2F"), (store.other, "out/é"))
    info = await store.storage.head(store.other, "out/é")
    assert (info.etag, info.size, info.metadata) == (MD5_OF_ONE, 3, {"headrace-attempt": "id/1"})
    assert await store.storage.read(store.other, "out/é") == b"one"


async def test_a_copy_within_a_bucket(store: Store):
    await store.storage.put(store.bucket, "a", b"one")
    await store.storage.copy((store.bucket, "a"), (store.bucket, "x/b"))
    assert await store.storage.read(store.bucket, "x/b") == b"one"


async def test_a_copy_of_a_large_file_keeps_its_content(store: Store, tmp_path: Path):
    (tmp_path / "in").write_bytes(b"0123456789abcdef" * 1_250_000)
    await store.storage.put(store.bucket, "big", tmp_path / "in")
    await store.storage.copy((store.bucket, "big"), (store.other, "big"))
    info = await store.storage.head(store.other, "big")
    await store.storage.download(store.other, "big", tmp_path / "out", version=None, etag=info.etag)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


async def test_deleting_is_quiet_about_what_is_not_there(store: Store):
    await store.storage.put(store.bucket, "a", b"")
    await store.storage.put(store.bucket, "b", b"")
    await store.storage.delete(store.bucket, ["a", "nothing", "odd\nnothing"])
    await store.storage.delete(store.bucket, [])
    assert list(await store.listed()) == ["b"]


@pytest.mark.parametrize(
    "call",
    [
        lambda s, b: s.head(b, "k"),
        lambda s, b: s.read(b, "k"),
        lambda s, b: s.head(b, "odd\nkey"),
        lambda s, b: s.read(b, "odd\nkey"),
        lambda s, b: s.copy((b, "k"), (b, "l")),
        lambda s, b: s.copy((b, "odd\nkey"), (b, "l")),
    ],
)
async def test_a_missing_object_is_not_found(store: Store, call):
    with pytest.raises(NotFoundError):
        await call(store.storage, store.bucket)


@pytest.mark.parametrize(
    "call",
    [
        lambda s, b: s.head(b, "k"),
        lambda s, b: s.read(b, "k"),
        lambda s, b: s.put(b, "k", b""),
        lambda s, b: s.put(b, "odd\nkey", b""),
        lambda s, b: s.create(b, "k", b""),
        lambda s, b: s.delete(b, ["k"]),
        lambda s, b: anext(s.list(b)),
        lambda s, b: anext(s.versions(b)),
        lambda s, b: s.delete_versions(b, [Version("k", None, is_object=True)]),
        lambda s, b: s.delete_versions(b, [Version("k", "0" * 32, is_object=False)]),
    ],
)
async def test_a_missing_bucket_is_not_found(store: Store, call):
    with pytest.raises(NotFoundError):
        await call(store.storage, f"{store.bucket}-nowhere")


async def test_a_copy_into_a_missing_bucket_is_not_found(store: Store):
    await store.storage.put(store.bucket, "k", b"")
    with pytest.raises(NotFoundError):
        await store.storage.copy((store.bucket, "k"), (f"{store.bucket}-nowhere", "k"))


async def test_a_folder_is_no_object(store: Store):
    await store.storage.put(store.bucket, "folder/file", b"")
    with pytest.raises(NotFoundError):
        await store.storage.head(store.bucket, "folder")
    assert list(await store.listed()) == ["folder/file"]


async def test_an_object_may_be_named_like_a_folder(store: Store):
    for key in ("x/y", "x", "z", "z/y"):
        await store.storage.put(store.bucket, key, key.encode())
    assert sorted(await store.listed()) == ["x", "x/y", "z", "z/y"]
    assert [await store.storage.read(store.bucket, key) for key in ("x", "x/y", "z")] == [b"x", b"x/y", b"z"]


async def test_a_listing_agrees_with_head(store: Store):
    for key in ("a", "b/c", "é/ +%2F", "line\nbreak"):
        await store.storage.put(store.bucket, key, key.encode(), metadata={"not": "listed"})
    listed = await store.listed()
    for key, info in listed.items():
        head = await store.storage.head(store.bucket, key)
        assert (info.bucket, info.etag, info.size, info.version) == (
            head.bucket, head.etag, head.size, head.version,
        )  # fmt: skip
        assert abs(info.modified - head.modified) <= 1
        assert info.metadata == {}
    assert sorted(listed) == ["a", "b/c", "line\nbreak", "é/ +%2F"]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", ["a/b", "a/c/d", "ab", "b"]),
        ("a", ["a/b", "a/c/d", "ab"]),
        ("a/", ["a/b", "a/c/d"]),
        ("a/c", ["a/c/d"]),
        ("a/b", ["a/b"]),
        ("c", []),
        ("a/x/", []),
    ],
)
async def test_a_listing_takes_any_prefix_of_the_key(store: Store, prefix: str, found: list[str]):
    for key in ("a/b", "a/c/d", "ab", "b"):
        await store.storage.put(store.bucket, key, b"")
    assert sorted(await store.listed(prefix)) == found


async def test_a_listing_goes_beyond_one_page(store: Store):
    folders = ("r/", "r/x.d/", "r/x/", "r/x-")
    keys = [f"{folder}{number:04}" for number in range(650) for folder in folders]
    for start in range(0, len(keys), 50):
        batch = keys[start : start + 50]
        await asyncio.gather(*(store.storage.put(store.bucket, key, b"x") for key in batch))
    assert sorted(await store.listed("r/")) == sorted(keys)
    await store.storage.delete(store.bucket, keys)
    assert await store.listed("r/") == {}


async def test_ensure_bucket_keeps_what_is_in_it(store: Store):
    await store.storage.put(store.bucket, "k", b"one")
    await store.storage.ensure_bucket(store.bucket)
    assert await store.storage.read(store.bucket, "k") == b"one"


async def test_ensure_bucket_tells_whether_it_made_it(store: Store):
    name = f"{store.bucket}-new"
    assert not await store.storage.has_bucket(name)
    assert await store.storage.ensure_bucket(name)
    assert await store.storage.has_bucket(name)
    assert not await store.storage.ensure_bucket(name)


async def test_an_empty_bucket_is_removed_and_may_be_made_again(store: Store):
    for key in ("k", "a/b/c", "odd\nkey"):
        await store.storage.put(store.bucket, key, b"one")
        await store.storage.delete(store.bucket, [key])
    await store.storage.remove_bucket(store.bucket)
    assert not await store.storage.has_bucket(store.bucket)
    with pytest.raises(NotFoundError):
        await store.storage.put(store.bucket, "k", b"one")
    assert await store.storage.ensure_bucket(store.bucket)
    assert await store.listed() == {}
    await store.storage.put(store.bucket, "k", b"two")
    assert await store.storage.read(store.bucket, "k") == b"two"


async def test_removing_a_bucket_is_quiet_when_it_is_not_there(store: Store):
    await store.storage.remove_bucket(f"{store.bucket}-nowhere")


@pytest.mark.parametrize("key", ["k", "a/b/c", "odd\nkey", ".hidden", "folder/"])
async def test_a_bucket_that_holds_an_object_is_never_removed(store: Store, key: str):
    await store.storage.put(store.bucket, key, b"")
    with pytest.raises(ChangedError, match=rf"bucket {store.bucket} is not deleted: found .* empty it first"):
        await store.storage.remove_bucket(store.bucket)
    assert list(await store.listed()) == [key]


@pytest.mark.parametrize("key", ["k", "a/b/c"])
async def test_a_bucket_that_holds_only_old_versions_is_never_removed(store: Store, key: str):
    await store.keep_versions()
    await store.storage.put(store.bucket, key, b"one")
    await store.storage.delete(store.bucket, [key])
    assert await store.listed() == {}
    with pytest.raises(ChangedError, match="old versions included"):
        await store.storage.remove_bucket(store.bucket)
    assert len(await store.kept()) == 2, "the version and the mark that it is deleted"


async def test_what_is_kept_is_told_with_old_versions_and_marks_of_deletion(store: Store):
    await store.storage.put(store.bucket, "before", b"1")
    assert await store.kept() == [Version("before", None, is_object=True)]
    await store.keep_versions()
    for key in ("a/twice", "a/twice", "gone", "marked"):
        await store.storage.put(store.bucket, key, b"1")
    await store.storage.delete(store.bucket, ["gone"])
    found = await store.kept()
    assert sorted((each.key, each.is_object) for each in found) == [
        ("a/twice", False), ("a/twice", True), ("before", True), ("gone", False), ("gone", False),
        ("marked", True),
    ]  # fmt: skip
    assert len({(each.key, each.id) for each in found}) == len(found)
    assert [each.key for each in await store.kept("a/")] == ["a/twice", "a/twice"]


async def test_deleting_an_old_version_leaves_the_newest(store: Store):
    await store.keep_versions()
    await store.storage.put(store.bucket, "k", b"one")
    await store.storage.put(store.bucket, "k", b"two")
    old = [each for each in await store.kept() if not each.is_object]
    await store.storage.delete_versions(store.bucket, old)
    assert [each.is_object for each in await store.kept()] == [True]
    assert await store.storage.read(store.bucket, "k") == b"two"


async def test_deleting_a_mark_brings_the_object_back(store: Store):
    await store.keep_versions()
    await store.storage.put(store.bucket, "k", b"one")
    version = (await store.storage.head(store.bucket, "k")).version
    await store.storage.delete(store.bucket, ["k"])
    mark = [each for each in await store.kept() if each.id != version]
    await store.storage.delete_versions(store.bucket, mark)
    assert await store.storage.read(store.bucket, "k") == b"one"


async def test_once_all_that_is_kept_is_deleted_the_bucket_can_go(store: Store):
    for key in ("before", "before and after", "a/b/c"):
        await store.storage.put(store.bucket, key, b"0")
    await store.keep_versions()
    for key in ("before and after", "a/b/c", "a/b/d", "é/ +%2F", "x", "x/y"):
        for body in (b"1", b"2"):
            await store.storage.put(store.bucket, key, body)
    await store.storage.delete(store.bucket, ["a/b/c", "é/ +%2F"])
    kept = await store.kept()
    assert len(kept) == 3 + 6 * 2 + 2
    await store.storage.delete_versions(store.bucket, kept)
    assert await store.kept() == []
    await store.storage.delete_versions(store.bucket, kept)  # quiet: they are gone
    assert await store.kept() == []
    await store.storage.remove_bucket(store.bucket)
    assert not await store.storage.has_bucket(store.bucket)


async def test_what_is_kept_goes_beyond_one_page(store: Store):
    await store.keep_versions()
    keys = [f"r/{number:04}" for number in range(450)]
    for start in range(0, len(keys), 50):
        for _ in range(2):
            puts = (store.storage.put(store.bucket, key, b"x") for key in keys[start : start + 50])
            await asyncio.gather(*puts)
    await store.storage.delete(store.bucket, keys[:200])
    kept = await store.kept()
    assert len({(each.key, each.id) for each in kept}) == len(kept) == 2 * 450 + 200
    assert sum(each.is_object for each in kept) == 250


async def test_a_bucket_with_versions_tells_them_and_keeps_each(store: Store, tmp_path: Path):
    await store.keep_versions()
    await store.storage.put(store.bucket, "k", b"one")
    first = await store.storage.head(store.bucket, "k")
    await store.storage.put(store.bucket, "k", b"one")
    second = await store.storage.head(store.bucket, "k")
    assert first.version
    assert second.version
    assert first.version != second.version, "equal bytes put again are another version"
    assert second.identity == second.version
    assert (await store.listed())["k"].identity == second.identity

    await store.storage.put(store.bucket, "k", b"two")
    got = await store.storage.download(
        store.bucket, "k", tmp_path / "f", version=first.version, etag=first.etag
    )
    assert ((tmp_path / "f").read_bytes(), got.version) == (b"one", first.version)
    assert await store.storage.read(store.bucket, "k") == b"two"


async def test_a_deleted_object_of_a_bucket_with_versions_is_gone_but_its_version_stays(
    store: Store, tmp_path: Path
):
    await store.keep_versions()
    await store.storage.put(store.bucket, "k", b"one")
    info = await store.storage.head(store.bucket, "k")
    await store.storage.delete(store.bucket, ["k"])
    with pytest.raises(NotFoundError):
        await store.storage.head(store.bucket, "k")
    assert await store.listed() == {}
    await store.storage.download(store.bucket, "k", tmp_path / "f", version=info.version, etag=info.etag)
    assert (tmp_path / "f").read_bytes() == b"one"
    assert await store.storage.create(store.bucket, "k", b"new"), "what is deleted is not there"


async def test_a_missing_version_is_not_found(store: Store, tmp_path: Path):
    await store.keep_versions()
    await store.storage.put(store.bucket, "k", b"one")
    with pytest.raises(NotFoundError):
        await store.storage.download(store.bucket, "k", tmp_path / "f", version="0" * 32, etag=MD5_OF_ONE)


async def test_what_was_put_before_versions_were_kept_is_known_by_its_etag(store: Store, tmp_path: Path):
    for key, body in (("old", b"one"), ("empty", b"")):
        await store.storage.put(store.bucket, key, body)
    await store.keep_versions()
    await store.storage.put(store.bucket, "new", b"new")
    listed = await store.listed()
    assert {key: info.version is None for key, info in listed.items()} == {
        "old": True, "empty": True, "new": False,
    }  # fmt: skip
    for key, info in listed.items():
        assert info.identity == (await store.storage.head(store.bucket, key)).identity
    await store.storage.download(store.bucket, "old", tmp_path / "f", version=None, etag=MD5_OF_ONE)
    assert (tmp_path / "f").read_bytes() == b"one"


ODD = [
    "", ".", "..", "...", ".a", "a", " ", "a ", "%", "%2F", "%zz", "+", "é", "e\u0301", "😀", "\n", "\r\n",
    "\t", "\x01", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffd", "?", "#", "&amp;", "<x>", "'", '"', "*", ":",
    "~", "\\", "y" * 255, "CON", "a=b&c",
]  # fmt: skip
SEGMENT = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join).filter(lambda key: 0 < len(key.encode()) < 900)


@settings(
    max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(odd=KEYS)
async def test_any_key_that_the_store_takes_is_the_same_in_every_call(store: Store, odd: str):
    folder = f"{secrets.token_hex(4)}/"
    key = folder + odd
    marker = store.folds_slashes and key.endswith(("/", "\\"))  # a folder, without content or metadata
    body, metadata = (b"", {}) if marker else (b"body", {"m": "v"})
    try:
        etag = await store.storage.put(store.bucket, key, body, metadata=metadata)
    except RejectedError:
        assert store.folds_slashes, "memory takes any key"
        return
    head = await store.storage.head(store.bucket, key)
    assert (head.key, head.size, head.metadata) == (key, len(body), metadata)
    assert head.etag.partition("-")[0] == etag, "SeaweedFS adds -0 to a folder's"
    assert await store.storage.read(store.bucket, key) == body
    assert not await store.storage.create(store.bucket, key, b"other")
    if not marker:  # SeaweedFS copies no folders
        await store.storage.copy((store.bucket, key), (store.other, key))
        assert await store.storage.read(store.other, key) == body
    assert list(await store.listed(folder)) == [_folded(key) if store.folds_slashes else key]
    await store.storage.delete(store.bucket, [key])
    assert await store.listed(folder) == {}


def _folded(key: str) -> str:
    """How SeaweedFS lists a key: it takes a backslash for a slash, and several slashes for one."""
    parts = key.replace("\\", "/").split("/")
    folded = "/".join(part for part in parts if part)
    return folded + "/" if key.endswith(("/", "\\")) else folded

"""Contents, lists, manifests: whole or refused by name; old ones go, and only what nothing needs."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.backup import repository as module
from headrace.backup.entry import Entry, read_entry
from headrace.backup.manifest import BucketState, Manifest, QueueState
from headrace.backup.pruning import YOUNG_SECONDS, prune
from headrace.backup.repository import MARKER, Repository
from headrace.backup.shelf import FolderShelf
from headrace.backup.stock import Stock
from headrace.backup.stored_shelf import StoredShelf
from headrace.backup.verifying import Verdict, verify
from headrace.model.errors import ConfigurationError, NotFoundError, RejectedError
from headrace.model.task import Task
from headrace.storage.memory import MemoryStorage
from headrace.storage.port import ObjectInfo

NOW = 2_000_000_000.0
TASK = Task(id="5f", function="echo", bucket="uploads", key="a", etag="e", size=1, received=1.0)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Repository]:
    shelf = FolderShelf(tmp_path / "place")
    async with shelf.held():
        found = Repository(shelf)
        await found.begin()
        yield found


def entry_of(key: str, sha256: str, size: int, *, bucket: str = "uploads") -> Entry:
    return Entry(bucket, key, f"etag-{key}", size, 1.0, sha256, None, {"a": "b"}, {"Content-Type": "x/y"})


async def kept(place: Repository, *contents: bytes) -> list[Entry]:
    return [entry_of(f"k{n}", await place.keep(each), len(each)) for n, each in enumerate(contents)]


async def manifest_of(place: Repository, entries: list[Entry], *, began: float = NOW) -> Manifest:
    parts = await place.write_lines(entry.to_json() for entry in entries)
    state = BucketState(name="uploads", objects=len(entries), size=0, made=True, parts=parts)
    nothing = BucketState(name="platform", objects=0, size=0, made=False, parts=())
    tasks = await place.write_lines([TASK.to_json()])
    queue = QueueState(function="echo", paused=False, tasks=1, parts=tasks)
    return Manifest(
        version="1", began=began, ended=began, buckets={}, functions=(), objects=(), queues=(queue,),
        platform=nothing, data=(state,),
    )  # fmt: skip


def damage(place: Repository, sha256: str) -> None:
    path = Path(str(place)) / "contents" / sha256[:2] / sha256
    path.write_bytes(path.read_bytes()[:-1] + b"?")


# Entries and lists


@given(
    st.builds(
        Entry,
        st.text(min_size=1), st.text(), st.text(), st.integers(0), st.floats(0, 1e10), st.text(),
        st.none() | st.text(), st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()),
    )
)  # fmt: skip
def test_an_entry_is_one_line_and_comes_back(entry: Entry) -> None:
    line = entry.to_json()
    assert b"\n" not in line
    assert read_entry(line) == entry


@pytest.mark.parametrize("line", [b"", b"{}", b'{"bucket": 1}', b"not json"])
def test_a_line_that_is_no_entry_is_refused(line: bytes) -> None:
    with pytest.raises(RejectedError, match="no object of a backup"):
        read_entry(line)


@pytest.mark.parametrize("count", [0, 1, module.LINES, module.LINES + 1])
async def test_a_list_of_any_length_comes_back_in_its_order(place: Repository, count: int) -> None:
    entries = [entry_of(f"k{number}", "5f", 1) for number in range(count)]
    parts = await place.write_lines(entry.to_json() for entry in entries)
    assert sum(part.lines for part in parts) == count
    assert await place.entries(parts) == entries


async def test_equal_contents_are_stored_once(place: Repository) -> None:
    first, second = await kept(place, b"same", b"same")
    assert first.sha256 == second.sha256
    assert await place.contents() == {first.sha256: 4}


# Damage


async def test_a_damaged_or_missing_content_is_refused_by_its_digest(place: Repository) -> None:
    (entry,) = await kept(place, b"content")
    damage(place, entry.sha256)
    for call in (place.content, place.file):
        with pytest.raises(RejectedError, match=f"damaged.*{entry.sha256}"):
            await call(entry.sha256)
    await place.remove_contents([entry.sha256])
    for call in (place.content, place.file):
        with pytest.raises(RejectedError, match=f"{entry.sha256} is missing"):
            await call(entry.sha256)


async def test_a_manifest_that_was_changed_is_refused(place: Repository) -> None:
    name = await place.finish(await manifest_of(place, []), "20330518T033320.000Z")
    path = Path(str(place)) / "snapshots" / f"{name}.json"
    path.write_bytes(path.read_bytes().replace(b'"echo"', b'"ecco"'))
    with pytest.raises(RejectedError, match="damaged"):
        await place.manifest(name)


async def test_verify_names_each_object_that_can_not_be_given_back(place: Repository) -> None:
    entries = await kept(place, b"good", b"bad", b"gone")
    name = await place.finish(await manifest_of(place, entries), "a")
    sound = Verdict(str(place), name, objects=3, tasks=1, contents=3, size=11, faults=())
    assert await verify(place, name) == sound
    damage(place, entries[1].sha256)
    await place.remove_contents([entries[2].sha256])
    faults = (await verify(place, name)).faults
    assert [fault.partition(": ")[0] for fault in faults] == ["s3://uploads/k1", "s3://uploads/k2"]


@pytest.mark.parametrize("large", [False, True])
async def test_verify_sets_damaged_contents_aside_so_that_no_backup_takes_them_for_sound(
    place: Repository, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr(module, "SMALL_BYTES", 0)
    good, bad = await kept(place, b"good", b"bad")
    name = await place.finish(await manifest_of(place, [good, bad]), "a")
    damage(place, bad.sha256)
    (fault,) = (await verify(place, name)).faults
    assert fault.endswith("; set aside: the next backup copies it anew if the stack still has it")
    assert await place.shelf.read(f"damaged/{bad.sha256}") == b"ba?"
    stock = await Stock.of(place)
    listed = [ObjectInfo(e.bucket, e.key, e.etag, e.size, e.modified) for e in (good, bad)]
    assert [stock.whole(info) for info in listed] == [good, None]
    (again,) = (await verify(place, name)).faults
    assert again.startswith(f"s3://uploads/k1: the content {bad.sha256} is missing; ")


async def test_what_verify_may_not_set_aside_it_names_nevertheless(place: Repository) -> None:
    entries = await kept(place, b"bad")
    name = await place.finish(await manifest_of(place, entries), "a")
    damage(place, entries[0].sha256)
    (Path(str(place)) / "damaged").write_text("in the way")
    (fault,) = (await verify(place, name)).faults
    assert "is damaged" in fault
    assert "it can't be set aside: " in fault


# Places


async def test_a_folder_of_something_else_is_not_made_a_place_of_backups(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    shelf = FolderShelf(tmp_path)
    async with shelf.held():
        with pytest.raises(ConfigurationError, match=r"found thesis\.tex"):
            await Repository(shelf).begin()
        with pytest.raises(NotFoundError, match="no place of backups"):
            await Repository(shelf).check()


@pytest.mark.parametrize("marker", [b'{"format": 2}', b"{}", b"[]", b"?"])
async def test_a_place_of_another_format_is_refused(place: Repository, marker: bytes) -> None:
    await place.shelf.write(MARKER, marker)
    with pytest.raises(ConfigurationError, match="allowed 1"):
        await place.begin()
    with pytest.raises(ConfigurationError, match="allowed 1"):
        await place.check()


async def test_one_backup_at_a_time_writes_into_a_folder_and_readers_share_it(tmp_path: Path) -> None:
    first, second = FolderShelf(tmp_path / "p"), FolderShelf(tmp_path / "p")
    async with first.held():
        for other in (second.held, second.shared):
            with pytest.raises(ConfigurationError, match="another backup or restore uses"):
                async with other():
                    pass
    async with first.shared(), second.shared():
        with pytest.raises(ConfigurationError, match="another backup or restore uses"):
            async with FolderShelf(tmp_path / "p").held():
                pass


async def test_a_folder_is_closed_to_others_and_what_was_half_written_goes(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "p")
    async with shelf.held():
        await shelf.write("a/b", b"x")
        (shelf.scratch / "half").write_bytes(b"x")
    assert {(tmp_path / "p" / name).stat().st_mode & 0o777 for name in (".", "a", "a/b")} == {0o700, 0o600}
    async with shelf.held():
        assert list(shelf.scratch.iterdir()) == []


async def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be written"):
        async with FolderShelf(tmp_path / "file").held():
            pass


class Closed(MemoryStorage):
    """A store that lets nobody look."""

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        raise ConfigurationError(f"s3://{bucket}/{key}: access denied")


@pytest.mark.parametrize(
    ("stack", "found"), [("same", True), ("other", False), ("empty", False), ("closed", False)]
)
async def test_a_place_in_the_stacks_own_store_is_found_out_by_whatever_address(
    stack: str, found: bool
) -> None:
    store = MemoryStorage(now=lambda: NOW)
    stores = {"same": store, "other": MemoryStorage(now=lambda: NOW), "empty": MemoryStorage(now=lambda: NOW)}
    stores["closed"] = Closed(now=lambda: NOW)
    for name in ("same", "other"):
        await stores[name].ensure_bucket("b")
    shelf = StoredShelf(store, "b", "lab/")
    assert await shelf.lies_in(stores[stack]) is found
    assert [each async for each in shelf.list("")] == [], "the probe is gone again"


# Choosing one, and what is known of the last


@pytest.mark.parametrize(
    ("wanted", "chosen"), [(None, 1), ("2026", None), ("20260301", 0), ("20260302T", 1), ("2025", None)]
)
async def test_a_backup_is_chosen_by_how_its_name_begins(place: Repository, wanted, chosen) -> None:
    names = [
        await place.finish(await manifest_of(place, [], began=NOW + n), moment)
        for n, moment in enumerate(("20260301T000000.000Z", "20260302T000000.000Z"))
    ]
    if chosen is None:
        told = f"found .* backups {wanted}, wanted one of: {', '.join(names)}"
        with pytest.raises(NotFoundError, match=told):
            await place.choose(wanted)
    else:
        assert await place.choose(wanted) == names[chosen]


async def test_the_stock_is_the_newest_backup_and_what_unfinished_ones_have_copied(place: Repository) -> None:
    entries = await kept(place, b"old", b"newer", b"damaged")
    await place.finish(await manifest_of(place, entries[:1]), "a")
    await place.note_progress("run-1", entries[1:])
    damage(place, entries[2].sha256)
    Path(str(place), "contents", entries[2].sha256[:2], entries[2].sha256).write_bytes(b"")  # power was lost
    stock = await Stock.of(place)
    listed = [ObjectInfo(e.bucket, e.key, e.etag, e.size, e.modified) for e in entries]
    assert [stock.whole(info) for info in listed] == [entries[0], entries[1], None]
    rewritten = ObjectInfo("uploads", "k0", "etag-k0", 3, 2.0)
    assert (stock.whole(rewritten), stock.content(rewritten)) == (None, entries[0].sha256)
    other = ObjectInfo("uploads", "k0", "etag-other", 3, 1.0)
    assert (stock.whole(other), stock.content(other)) == (None, None)


async def test_a_newest_backup_that_can_not_be_read_is_no_reason_to_take_none(place: Repository) -> None:
    entries = await kept(place, b"one")
    manifest = await manifest_of(place, entries)
    await place.finish(manifest, "a")
    damage(place, manifest.data[0].parts[0].sha256)
    assert (await Stock.of(place)).entries == {}


# Pruning


async def test_old_backups_go_with_what_no_other_needs_and_the_young_stays(place: Repository) -> None:
    entries = await kept(place, b"first only", b"both", b"second only", b"of an unfinished one", b"of nobody")
    first = await place.finish(await manifest_of(place, entries[:2]), "1")
    second = await place.finish(await manifest_of(place, entries[1:3]), "2")
    await place.note_progress("run-1", [entries[3]])
    young = await prune(place, keep=1, now=time.time())
    assert (young.snapshots, young.contents) == ((first,), 0), "another may just be copying them"
    old = await prune(place, keep=1, now=time.time() + YOUNG_SECONDS + 1)
    assert (old.snapshots, old.contents) == ((), 3), "two contents, and the first one's list"
    assert (await verify(place, second)).faults == ()
    assert entries[3].sha256 in await place.contents()


async def test_nothing_goes_while_a_backup_that_stays_can_not_be_read(place: Repository) -> None:
    manifest = await manifest_of(place, await kept(place, b"one"))
    names = [await place.finish(manifest, "1"), await place.finish(await manifest_of(place, []), "2")]
    damage(place, manifest.data[0].parts[0].sha256)
    with pytest.raises(RejectedError, match="damaged"):
        await prune(place, keep=2, now=time.time() + 2 * YOUNG_SECONDS)
    assert await place.names() == names

"""A stack in memory, backed up and restored: what is kept, what is called otherwise, what is in the way."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from headrace.backup.repository import SMALL_BYTES
from headrace.model.errors import ConfigurationError, RejectedError, TransientError
from headrace.model.keys import bucket_key, log_key, note_key, record_key, run_key
from headrace.model.marks import RESTORED
from headrace.model.record import AttemptNote, Record
from headrace.model.task import task_id
from tests.unit.backup_bench import (
    BUCKETS,
    FAILED,
    FUNCTIONS,
    PLATFORM,
    CrashError,
    Told,
    Town,
    Turns,
    Vault,
    function,
)

ECHO = function("echo", {"bucket": "uploads"}, {"bucket": "results", "prefix": "r/"})


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    """One file done, one failed, one waits; a log, a note and a rerun's number are kept."""
    found = await Town([ECHO]).open("uploads", "results")
    hands = found.hands()
    await hands.come()
    for key in ("done", "failed", "waits"):
        await hands.upload("uploads", key, key.encode())
    await hands.work("echo")
    await hands.work("echo", FAILED)
    waits = (await found.queue.tasks("echo", 10))[0].id
    for key, body in (
        (note_key("echo", waits), AttemptNote(failures=("exit code 1",)).to_json()),
        (log_key("echo", waits, "attempt"), b"a long log"),
        (run_key("echo", 1), b"{}"),
    ):
        await found.storage.put(PLATFORM, key, body)
    yield found
    found.close()


@pytest.fixture
def vault(town: Town) -> Vault:
    return Vault(town.clock)


@pytest.fixture
async def empty(town: Town) -> AsyncIterator[Town]:
    """A new stack, whose functions have not come."""
    found = await Town([ECHO], clock=town.clock).open()
    yield found
    found.close()


async def platform(town: Town) -> dict[str, bytes]:
    """The platform bucket, without what concerns this stack alone."""
    keys = [
        key for key in await town.keys(PLATFORM) if not key.startswith(("staging/", "restores/", "backups/"))
    ]
    return {key: await town.storage.read(PLATFORM, key) for key in keys}


def bare(town: Town) -> Mapping[str, object]:
    """A site without functions, as it is when a restore is due."""
    return town.site(functions=())


async def described(town: Town) -> dict[tuple[str, str], object]:
    """Every object of the data buckets: bytes, metadata but the restore's own, headers."""
    found = {}
    for bucket, key in await town.objects():
        info = await town.storage.head(bucket, key)
        metadata = {name: value for name, value in info.metadata.items() if name != RESTORED}
        found[bucket, key] = (await town.storage.read(bucket, key), metadata, info.headers)
    return found


# A stack that stands still


async def test_all_of_it_comes_back_and_the_rest_is_worked(town: Town, vault: Vault, empty: Town) -> None:
    await town.storage.put("uploads", "typed", b"x", metadata={"who": "me"}, headers={"Content-Type": "a/b"})
    report = await vault.back_up(town.site())
    assert (report.records, report.waiting) == (2, {"echo": 1})
    assert [(each.name, each.objects) for each in report.buckets] == [("results", 1), ("uploads", 4)]
    restored = await vault.restore(bare(empty))
    assert (restored.records, restored.waiting, restored.renamed, restored.left) == (2, {"echo": 1}, 0, ())
    assert await platform(empty) == await platform(town)
    assert await described(empty) == await described(town)
    assert await empty.queue.tasks("echo", 10) == await town.queue.tasks("echo", 10)
    await empty.hands().come()
    await empty.hands().work_all()
    assert len(await empty.records()) == 4
    waits = task_id("echo", "uploads", "waits", (await town.storage.head("uploads", "waits")).etag)
    typed = task_id("echo", "uploads", "typed", (await town.storage.head("uploads", "typed")).etag)
    assert empty.started == [waits, typed], "the listing finds what nobody was told of"


async def test_an_attempt_that_failed_before_the_backup_counts_after_the_restore(
    town: Town, vault: Vault, empty: Town
) -> None:
    await vault.back_up(town.site())
    await vault.restore(bare(empty))
    (waits,) = await empty.queue.tasks("echo", 10)
    note = AttemptNote.from_json(await empty.storage.read(PLATFORM, note_key("echo", waits.id)))
    assert note.failures == ("exit code 1",)


async def test_a_large_object_comes_back_whole(town: Town, vault: Vault, empty: Town) -> None:
    body = b"0123456789abcdef" * (SMALL_BYTES // 16) + b"end"
    await town.storage.put("results", "large", body)
    await vault.back_up(town.site())
    await vault.restore(bare(empty))
    assert await empty.storage.read("results", "large") == body


async def test_a_paused_function_stays_paused_and_the_others_go_on(vault: Vault) -> None:
    town = await Town().open(*BUCKETS)
    await town.hands().come()
    await town.queue.pause("second")
    await vault.back_up(town.site())
    empty = await Town(clock=town.clock).open()
    report = await vault.restore(bare(empty))
    paused = {each.name: (await empty.queue.backlog(each.name)).paused for each in FUNCTIONS}
    assert (paused, report.paused) == ({"first": False, "second": True, "young": False}, ("second",))


async def test_metadata_that_no_request_may_carry_is_left_out_and_named(
    town: Town, vault: Vault, empty: Town
) -> None:
    await town.storage.put("results", "foreign", b"x", metadata={"name": "Zoë", "kept": "yes"})
    await vault.back_up(town.site())
    named = ("s3://results/foreign: name",)
    assert (await vault.preview(bare(empty))).reduced == named
    assert (await vault.restore(bare(empty))).reduced == named
    assert (await vault.restore(bare(empty), merge=True)).reduced == named, "it is still without it"
    assert (await vault.restore(town.site(), merge=True)).reduced == (), "there it has it"
    found = (await empty.storage.head("results", "foreign")).metadata
    assert {name for name in found if name != RESTORED} == {"kept"}


async def test_a_bucket_that_the_platform_made_goes_with_its_object_again(
    town: Town, vault: Vault, empty: Town
) -> None:
    await town.storage.put(PLATFORM, bucket_key("uploads"), b"")
    await vault.back_up(town.site())
    await empty.storage.ensure_bucket("results")
    await vault.restore(bare(empty))
    notes = [key for key in await empty.keys(PLATFORM) if key.startswith("buckets/")]
    assert notes == [bucket_key("uploads")]


async def test_a_key_that_has_another_attempts_result_while_its_file_waits_is_worked_anew(
    town: Town, vault: Vault, empty: Town
) -> None:
    """A file that changed and changed back: its record is there, what lies at its key is another's."""
    hands = town.hands()
    await hands.upload("uploads", "done", b"changed")
    for _ in range(2):
        await hands.work("echo")
    await town.hands().sweep("echo")
    await hands.upload("uploads", "done", b"done")
    await vault.back_up(town.site())
    await vault.restore(bare(empty))
    await empty.hands().come()
    await empty.hands().work_all()
    assert await empty.storage.read("results", "r/done") == b"done by echo"


@pytest.mark.parametrize("was_there", [True, False])
async def test_a_record_whose_result_was_overwritten_meanwhile_is_worked_again(
    vault: Vault, empty: Town, was_there: bool
) -> None:
    """Its result came after results were read, and was swept and overwritten before records were."""
    town = await Town([ECHO], clock=empty.clock).open("uploads", "results")
    hands = town.hands()
    await hands.come()
    if was_there:
        await hands.upload("uploads", "a", b"first")
        await hands.work("echo")

    async def come() -> None:
        await hands.upload("uploads", "a", b"second")

    async def finish() -> None:
        await hands.work("echo")
        await hands.sweep("echo")

    async def overwrite() -> None:
        await hands.upload("uploads", "a", b"third")
        await hands.work("echo")

    after_queue, after_results, before_records = (
        (PLATFORM, "records/", 1), ("uploads", "", 1), (PLATFORM, "functions/", 2),
    )  # fmt: skip
    deeds = {after_queue: come, after_results: finish, before_records: overwrite}
    await vault.back_up(replace(town.site(), storage=Told(town.storage, deeds)))
    await vault.restore(bare(empty))
    await empty.hands().come()
    await empty.hands().work_all()
    assert await empty.storage.read("uploads", "a") == b"second"
    assert await empty.storage.read("results", "r/a") == b"second by echo"


async def test_a_record_that_comes_while_areas_are_read_has_its_log_and_its_reruns_number(
    town: Town, vault: Vault, empty: Town
) -> None:
    hands, logs = town.hands(), []

    async def rerun() -> None:
        before = set(await town.records())
        await hands.rerun("echo")
        while await hands.work("echo"):
            pass
        logs[:] = [log_key("echo", each, "attempt") for each in set(await town.records()) - before]
        for key in logs:
            await town.storage.put(PLATFORM, key, b"a long log")

    before_records = (PLATFORM, "records/", 2)
    await vault.back_up(replace(town.site(), storage=Told(town.storage, {before_records: rerun})))
    await vault.restore(bare(empty))
    found = await empty.keys(PLATFORM)
    runs = {record.task.run for record in await empty.read_records()}
    assert {run_key("echo", run) for run in runs - {0}} == {run_key("echo", 2)} <= set(found)
    assert len(logs) == 4
    assert set(logs) <= set(found)


# Again and again


async def test_the_second_backup_copies_only_what_is_new(town: Town, vault: Vault) -> None:
    first = await vault.back_up(town.site())
    town.clock[0] += 5
    await town.storage.put("uploads", "done", b"done", metadata={"new": "metadata"})
    await town.hands().work("echo")
    second = await vault.back_up(town.site())
    assert first.unchanged.objects == 0
    assert (second.copied.objects, second.unchanged.objects) == (2, first.copied.objects), (
        "a record, a result"
    )
    third = await vault.back_up(town.site())
    assert (third.copied.objects, third.copied.size) == (0, 0)
    entries = await vault.entries("uploads")
    assert {each.key: dict(each.metadata) for each in entries}["done"] == {"new": "metadata"}


async def test_an_older_backup_may_be_restored(town: Town, vault: Vault, empty: Town) -> None:
    first = await vault.back_up(town.site())
    town.clock[0] += 5
    await town.hands().upload("uploads", "later", b"later")
    await vault.back_up(town.site())
    await vault.restore(bare(empty), snapshot=first.snapshot)
    assert ("uploads", "later") not in await empty.objects()


async def test_what_was_restored_may_be_backed_up_and_restored_again(town: Town, vault: Vault) -> None:
    place, former = vault, town
    for _ in range(2):
        await place.back_up(former.site())
        following = await Town([ECHO], clock=town.clock).open()
        await place.restore(bare(following))
        await following.hands().come()
        place, former = Vault(town.clock), following
        town.clock[0] += 100
    assert await platform(former) == await platform(town)
    assert await described(former) == await described(town)


@pytest.mark.parametrize("times", [1, 2])
async def test_a_file_that_is_older_than_its_function_is_never_worked(times: int) -> None:
    """Though a restore gives it a new date, and the next one again."""
    young = function("young", {"bucket": "uploads", "existing": "ignore"})
    town = await Town([young]).open("uploads")
    await town.storage.put("uploads", "old", b"old")
    town.clock[0] += 100
    await town.hands().come()
    await town.hands().upload("uploads", "new", b"new", notify=False)
    for _ in range(times):
        vault = Vault(town.clock)
        await vault.back_up(town.site())
        town.clock[0] += 100
        town = await Town([young], clock=town.clock).open()
        assert (await vault.restore(bare(town))).ignored == 1
        await town.hands().come()
    await town.hands().work_all()
    assert [record.task.key for record in await town.read_records()] == ["new"]
    town.clock[0] += 100
    await town.hands().upload("uploads", "old", b"old", notify=False)
    await town.hands().work_all()
    assert {record.task.key for record in await town.read_records()} == {"new", "old"}, "it was put anew"


@pytest.mark.parametrize(("existing", "worked"), [("ignore", {"new"}), ("process", {"new", "old"})])
async def test_a_function_that_the_backup_has_no_document_of_ignores_the_same_files_when_it_is_back(
    vault: Vault, existing: str, worked: set[str]
) -> None:
    """It was deleted, or could not be read, or came while the backup was taken; but it was seen before."""
    gone = function("gone", {"bucket": "uploads", "existing": existing})
    town = await Town([ECHO, gone]).open("uploads", "results")
    await town.storage.put("uploads", "old", b"old")
    town.clock[0] += 100
    await town.hands().come()
    await town.storage.put("uploads", "new", b"new")
    for _ in range(2):
        await vault.back_up(town.site(functions=[ECHO]))
        town.clock[0] += 100
        town = await Town([ECHO, gone], clock=town.clock).open()
        report = await vault.restore(bare(town))
        vault = Vault(town.clock)
    assert report.ignored == 1, "only of functions that the backup knows can it be told: echo's"
    await town.hands().work_all()
    records = await town.read_records()
    assert {each.task.key for each in records if each.task.function == "gone"} == worked


# Called otherwise


async def test_files_of_a_bucket_with_versions_are_known_by_their_new_ones(vault: Vault) -> None:
    town = await Town([ECHO]).open("uploads", "results")
    town.storage.keep_versions("uploads")
    await town.hands().come()
    for key in ("done", "failed", "waits"):
        await town.hands().upload("uploads", key, key.encode())
    await town.hands().work("echo")
    await town.hands().work("echo", FAILED)
    (waits,) = await town.queue.tasks("echo", 10)
    await town.storage.put(PLATFORM, note_key("echo", waits.id), AttemptNote(started=1).to_json())
    await vault.back_up(town.site())

    empty = await Town([ECHO], clock=town.clock).open("uploads")
    empty.storage.keep_versions("uploads")
    await empty.storage.put("uploads", "gone", b"")  # so that versions are called otherwise here
    await empty.storage.delete_versions("uploads", [v async for v in empty.storage.versions("uploads")])
    report = await vault.restore(bare(empty))
    assert report.renamed == 3
    await empty.hands().come()
    await empty.hands().work_all()
    assert await empty.queued() == set(), "nothing waits under a former id"
    records = {record.task.key: record for record in await empty.read_records()}
    assert {key: record.state for key, record in records.items()} == {
        "done": "done", "failed": "failed", "waits": "done",
    }  # fmt: skip
    for key, record in records.items():
        assert record.task.version == (await empty.storage.head("uploads", key)).version
    assert empty.started == [records["waits"].task.id]
    assert await empty.keys(PLATFORM, "failures/") == [f"failures/echo/{records['failed'].task.id}"]
    assert note_key("echo", records["waits"].task.id) in await empty.keys(PLATFORM)


async def test_a_stack_may_call_its_buckets_otherwise(town: Town, vault: Vault, empty: Town) -> None:
    await vault.back_up(town.site())
    names = {"uploads": "lab-uploads", "results": "lab-results"}
    report = await vault.restore(replace(bare(empty), buckets=names))
    assert report.renamed == 3
    assert await empty.keys("lab-uploads") == ["done", "failed", "waits"]
    (done,) = [record for record in await empty.read_records() if isinstance(record, Record)]
    assert (done.task.bucket, done.outputs[0].bucket) == ("lab-uploads", "lab-results")
    assert done.task.id == task_id("echo", "lab-uploads", "done", done.task.etag)
    (waits,) = await empty.queue.tasks("echo", 10)
    assert (waits.bucket, waits.id) == ("lab-uploads", task_id("echo", "lab-uploads", "waits", waits.etag))


# In the way


async def test_a_stack_that_is_not_empty_is_refused_and_all_that_is_there_is_named(
    town: Town, vault: Vault, empty: Town
) -> None:
    await vault.back_up(town.site())
    await empty.storage.ensure_bucket("uploads")
    for number in range(7):
        await empty.storage.put("uploads", f"k{number}", b"")
    await empty.storage.put(PLATFORM, "records/other/5f.json", b"")
    await empty.storage.put(PLATFORM, bucket_key("uploads"), b"")
    await empty.hands().come()
    before = await empty.objects(), await platform(empty)
    with pytest.raises(ConfigurationError) as refused:
        await vault.restore(bare(empty))
    assert str(refused.value).splitlines()[:-1] == [
        "the stack is not empty:",
        "  functions are known to it: echo",
        "  bucket platform: records/other/5f.json",
        "  the queue of echo is there, with 0 files",
        "  bucket uploads: k0, k1, k2, k3, k4 and 2 more",
    ]
    assert (await empty.objects(), await platform(empty)) == before


async def test_a_restore_is_not_begun_a_second_time(town: Town, vault: Vault, empty: Town) -> None:
    await vault.back_up(town.site())
    await vault.restore(bare(empty))
    with pytest.raises(ConfigurationError, match="the stack is not empty"):
        await vault.restore(bare(empty))


async def test_merge_adds_what_is_missing_and_overwrites_nothing(town: Town, vault: Vault) -> None:
    await vault.back_up(town.site())
    await town.hands().work("echo")
    await town.storage.delete("uploads", ["done"])
    await town.storage.put("uploads", "failed", b"something else")
    done = next(each.task.id for each in await town.read_records() if each.task.key == "done")
    await town.storage.delete(PLATFORM, [record_key("echo", done)])
    before = await town.objects()
    report = await vault.restore(town.site(), merge=True)
    assert (report.put.objects, report.left) == (1, ("s3://uploads/failed",))
    assert await town.objects() == {**before, ("uploads", "done"): b"done"}
    assert len(await town.records()) == 3
    assert await town.queue.ids("echo") == set(), "what has ended meanwhile is not put again"
    assert not (await town.queue.backlog("echo")).paused
    await town.hands().work_all()
    changed = task_id("echo", "uploads", "failed", (await town.storage.head("uploads", "failed")).etag)
    assert town.started[3:] == [changed]


async def test_merge_leaves_a_function_paused_that_was_so(town: Town, vault: Vault) -> None:
    await vault.back_up(town.site())
    await town.queue.pause("echo")
    await vault.restore(town.site(), merge=True)
    assert (await town.queue.backlog("echo")).paused


async def test_a_function_that_only_the_stack_has_takes_no_restored_file_that_is_older(
    town: Town, vault: Vault
) -> None:
    later = function("later", {"bucket": "uploads", "existing": "ignore"})
    await vault.back_up(town.site())
    town.clock[0] += 100
    other = await Town([ECHO, later], clock=town.clock).open()
    await other.hands().come()
    await vault.restore(other.site(), merge=True)
    await other.hands().work_all()
    assert {record.task.function for record in await other.read_records()} == {"echo"}


# Choosing buckets


async def test_only_chosen_buckets_are_taken_by_either_name(town: Town, vault: Vault) -> None:
    site = replace(town.site(), buckets={"input": "uploads"})
    assert [each.name for each in (await vault.back_up(site, buckets=["input"])).buckets] == ["uploads"]
    assert [each.name for each in (await vault.back_up(site, buckets=["results"])).buckets] == ["results"]
    with pytest.raises(ConfigurationError, match="found --buckets other, allowed results, uploads"):
        await vault.back_up(site, buckets=["other", "results"])


async def test_buckets_of_objects_and_notes_are_taken_and_missing_ones_are_not(
    town: Town, vault: Vault
) -> None:
    for name in ("by-object", "by-note"):
        await town.storage.ensure_bucket(name)
    await town.storage.put(PLATFORM, bucket_key("by-note"), b"")
    site = replace(town.site(), bucket_objects=frozenset({"by-object", "never-made"}))
    names = [each.name for each in (await vault.back_up(site)).buckets]
    assert names == ["by-note", "by-object", "results", "uploads"]


# Killed


async def test_a_backup_that_dies_at_any_call_is_taken_by_the_next(town: Town, vault: Vault) -> None:
    """Each try starts in a place of its own; the next one in the same."""
    whole = Vault(town.clock)
    await whole.back_up(town.site())
    crash_at, copied = 0, 0
    while True:
        crash_at += 1
        place, turns = Vault(town.clock), Turns()
        try:
            await turns.play(
                {"it": place.back_up(town.site(town.hands(turns.before("it", crash_at=crash_at))))}
            )
        except CrashError:
            report = await place.back_up(town.site())
            copied = max(copied, report.unchanged.objects)
            assert await place.contents() == await whole.contents()
            continue
        break
    assert crash_at > 20, "there were so many calls"
    assert copied >= 3, "what the dead one had copied was not copied again"


async def test_a_restore_that_dies_at_any_call_goes_on_where_it_was(town: Town, vault: Vault) -> None:
    await vault.back_up(town.site())
    crash_at = 0
    while True:
        crash_at += 1
        copy, turns = await Town([ECHO], clock=town.clock).open(), Turns()
        hands = copy.hands(turns.before("it", crash_at=crash_at))
        try:
            await turns.play({"it": vault.restore(copy.site(hands, functions=()))})
        except CrashError:
            if await copy.keys(PLATFORM, "restores/"):
                await copy.hands().come()  # too early
                assert not await copy.hands().work("echo") or await _is_open(copy), "they get no file yet"
            await vault.restore(bare(copy))
        else:
            break
        await copy.hands().work_all()
        assert {r.task.key: r.state for r in await copy.read_records()} == {
            "done": "done", "failed": "failed", "waits": "done",
        }  # fmt: skip
        assert len(copy.started) == 1, "only what waited was worked"
        copy.close()
    assert crash_at > 20, "there were so many calls"


async def _is_open(town: Town) -> bool:
    return not (await town.queue.backlog("echo")).paused


async def test_a_damaged_content_ends_the_restore_with_the_files_name(
    town: Town, vault: Vault, empty: Town
) -> None:
    await vault.back_up(town.site())
    await vault.damage(b"waits")
    with pytest.raises(RejectedError, match="damaged"):
        await vault.restore(bare(empty))
    assert (await empty.queue.backlog("echo")).paused, "nothing is handed out before all is back"


async def test_a_damaged_content_is_copied_anew_by_the_next_backup_once_it_was_verified(
    town: Town, vault: Vault, empty: Town
) -> None:
    await vault.back_up(town.site())
    await vault.damage(b"waits")
    assert len((await vault.verify()).faults) == 1
    report = await vault.back_up(town.site())
    assert report.copied.objects == 1
    assert (await vault.verify()).faults == ()
    await vault.restore(bare(empty))
    assert await empty.storage.read("uploads", "waits") == b"waits"


async def test_what_is_downloaded_takes_the_place_of_a_content_that_may_be_damaged(
    town: Town, vault: Vault
) -> None:
    await vault.back_up(town.site())
    await vault.damage(b"waits")
    await town.storage.put("uploads", "equal", b"waits")
    await vault.back_up(town.site())
    assert (await vault.verify()).faults == ()


# What may not come


async def test_a_record_that_can_not_be_read_is_kept_as_it_is(town: Town, vault: Vault, empty: Town) -> None:
    await town.storage.put(PLATFORM, "records/echo/5f.json", b"damaged")
    await vault.back_up(town.site())
    await vault.restore(bare(empty))
    assert await empty.storage.read(PLATFORM, "records/echo/5f.json") == b"damaged"


async def test_a_store_that_is_away_for_a_while_is_waited_for(town: Town, vault: Vault) -> None:
    failures = iter(range(3))

    async def before() -> None:
        if next(failures, None) is not None:
            raise TransientError("away")

    began = town.clock[0]
    await vault.back_up(town.site(town.hands(before)))
    assert town.clock[0] > began, "on the clock that is given"


async def test_a_store_that_stays_away_ends_the_command(town: Town, vault: Vault) -> None:
    async def before() -> None:
        raise TransientError("away for good")

    began = town.clock[0]
    with pytest.raises(TransientError, match="away for good"):
        await vault.back_up(town.site(town.hands(before)))
    assert 30 < town.clock[0] - began < 120, "seconds that it was waited for"


async def test_an_area_that_is_not_known_is_not_dropped_in_silence(
    town: Town, vault: Vault, empty: Town
) -> None:
    await vault.back_up(town.site())
    await vault.rename_area("notes", "future")
    with pytest.raises(ConfigurationError, match=r"holds future/echo/.* does not know"):
        await vault.restore(bare(empty))

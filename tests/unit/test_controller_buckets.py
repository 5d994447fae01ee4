"""What the controller makes of a bucket, what it tells of it, and how it lets it go."""

from collections.abc import Sequence

import pytest

from headrace.controller.contents import CHUNK, MOST, Contents
from headrace.controller.made import Made
from headrace.kube.kinds import BUCKETS, FUNCTIONS
from headrace.model.errors import ConfigurationError, NotFoundError, TransientError
from headrace.model.keys import bucket_key, function_key, record_key
from headrace.storage.port import Version
from tests.unit.controller_bench import (
    PLATFORM,
    PLATFORM_BUCKET,
    SPACE,
    Bench,
    a_bucket,
    a_function,
    readiness,
    running,
)


async def objects(bench: Bench, real: str) -> int | None:
    try:
        return len([each async for each in bench.storage.list(real)])
    except NotFoundError:
        return None


async def deleted(bench: Bench, logical: str, namespace: str = SPACE) -> None:
    await bench.kube.delete(BUCKETS, logical, namespace=namespace)
    await bench.settle(5)


async def noted(bench: Bench, real: str) -> bool:
    """Whether the store tells that the platform made the bucket."""
    return [each.key async for each in bench.storage.list(PLATFORM_BUCKET, bucket_key(real))] == [
        bucket_key(real)
    ]


async def made(bench: Bench, logical: str, namespace: str = SPACE, /, **spec: object) -> None:
    await bench.kube.create(BUCKETS, a_bucket(logical, namespace, **spec))
    await bench.settle(1)


async def platform_made(bench: Bench, **spec: object) -> None:
    await made(bench, "headrace-platform", PLATFORM, name=PLATFORM_BUCKET, **spec)


async def hindrance(bench: Bench) -> str:
    return (await bench.bucket_status("headrace-platform", PLATFORM))["message"]


async def test_a_bucket_is_made_in_the_store_under_its_real_name():
    async with running() as bench:
        await made(bench, "uploads", name="clinic-uploads")
        status = await bench.bucket_status("uploads")
        assert readiness(status)[0] == "True"
        assert (status["objects"], status["deletable"]) == (0, True)
        assert await objects(bench, "clinic-uploads") == 0


async def test_an_empty_bucket_that_the_platform_made_goes_with_its_object():
    async with running() as bench:
        await made(bench, "uploads", name="clinic-uploads")
        message = readiness(await bench.bucket_status("uploads"))[2]
        assert message == "bucket clinic-uploads is there; it goes with this object, once it is empty"
        await deleted(bench, "uploads")
        assert await bench.get(BUCKETS, "uploads") is None
        assert not await bench.storage.has_bucket("clinic-uploads")
        assert not await noted(bench, "clinic-uploads")


async def test_a_bucket_that_was_there_before_stays_and_its_end_says_so(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    async with running() as bench:
        await bench.storage.ensure_bucket("uploads")
        await made(bench, "uploads", onDelete="delete")
        message = readiness(await bench.bucket_status("uploads"))[2]
        assert message == "bucket uploads is there; it was there before, and stays when this object goes"
        await bench.storage.put("uploads", "a", b"1")
        await deleted(bench, "uploads")
        assert await bench.get(BUCKETS, "uploads") is None
        assert await objects(bench, "uploads") == 0, "the data was to go, the bucket was not"
        assert "deleted; the store's bucket stays: it was there before" in caplog.messages


async def test_a_turn_that_is_repeated_after_the_stores_bucket_went_says_that_it_is_gone(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level("INFO")
    async with running() as bench:
        await made(bench, "uploads")
        await Made(bench.storage, PLATFORM_BUCKET).remove("uploads")
        await deleted(bench, "uploads")
        assert "deleted; the store's bucket is gone already" in caplog.text


async def test_a_bucket_that_another_makes_in_the_last_instant_is_not_the_platforms():
    async with running() as bench:
        real = bench.storage.ensure_bucket

        async def too_late(bucket: str) -> bool:
            await real(bucket)
            return await real(bucket)

        await bench.storage.ensure_bucket(PLATFORM_BUCKET)
        bench.storage.ensure_bucket = too_late
        await made(bench, "uploads")
        assert not await noted(bench, "uploads")
        await deleted(bench, "uploads")
        assert await bench.storage.has_bucket("uploads")


async def test_a_controller_killed_between_making_a_bucket_and_hearing_of_it_knows_it_later():
    async with running() as bench:
        real = bench.storage.ensure_bucket

        async def unheard(bucket: str) -> bool:
            await real(bucket)
            raise TransientError("the connection was lost")

        await bench.storage.ensure_bucket(PLATFORM_BUCKET)
        bench.storage.ensure_bucket = unheard
        await made(bench, "uploads")
        bench.storage.ensure_bucket = real
        await bench.settle(30)
        assert readiness(await bench.bucket_status("uploads"))[0] == "True"
        await deleted(bench, "uploads")
        assert not await bench.storage.has_bucket("uploads")


async def test_a_bucket_that_a_person_makes_after_the_store_refused_is_the_persons():
    async with running() as bench:
        real = bench.storage.ensure_bucket

        async def refused(bucket: str) -> bool:
            raise ConfigurationError("access denied; give the key more rights")

        await bench.storage.ensure_bucket(PLATFORM_BUCKET)
        bench.storage.ensure_bucket = refused
        await made(bench, "uploads")
        assert readiness(await bench.bucket_status("uploads"))[:2] == ("False", "Refused")
        bench.storage.ensure_bucket = real
        await real("uploads")
        await bench.settle(30)
        assert readiness(await bench.bucket_status("uploads"))[0] == "True"
        await deleted(bench, "uploads")
        assert await bench.storage.has_bucket("uploads")


async def test_a_bucket_that_fills_in_the_last_instant_stays_with_its_data():
    async with running() as bench:
        await made(bench, "uploads")
        real = bench.storage.remove_bucket

        async def just_before(bucket: str) -> None:
            await bench.storage.put(bucket, "a", b"1")
            await real(bucket)

        bench.storage.remove_bucket = just_before
        await deleted(bench, "uploads")
        assert await objects(bench, "uploads") == 1
        await bench.settle(10)
        assert readiness(await bench.bucket_status("uploads"))[:2] == ("False", "HoldsData")
        bench.storage.remove_bucket = real
        await bench.storage.delete("uploads", ["a"])
        await bench.settle(10)
        assert not await bench.storage.has_bucket("uploads")


async def test_a_controller_killed_after_removing_a_bucket_lets_its_object_go_later():
    async with running() as bench:
        await made(bench, "uploads")
        real = bench.storage.remove_bucket

        async def unheard(bucket: str) -> None:
            await real(bucket)
            raise TransientError("the connection was lost")

        bench.storage.remove_bucket = unheard
        await deleted(bench, "uploads")
        bench.storage.remove_bucket = real
        await bench.settle(30)
        assert await bench.get(BUCKETS, "uploads") is None
        assert not await noted(bench, "uploads")


async def test_old_versions_and_marks_of_deletion_are_data():
    async with running() as bench:
        await made(bench, "uploads")
        bench.storage.keep_versions("uploads")
        await bench.storage.put("uploads", "a", b"1")
        await bench.storage.delete("uploads", ["a"])
        await bench.settle(15)
        status = await bench.bucket_status("uploads")
        assert (status["objects"], status["oldVersions"], status["deletable"]) == (0, 2, False)
        assert "uploads (2 old versions) holds data" in status["message"]
        await deleted(bench, "uploads")
        assert readiness(await bench.bucket_status("uploads"))[1] == "HoldsData"
        assert await bench.storage.has_bucket("uploads")


async def test_old_versions_and_marks_of_deletion_go_along_where_that_is_asked_for():
    async with running() as bench:
        await made(bench, "uploads", onDelete="delete")
        await bench.storage.put("uploads", "before", b"1")
        bench.storage.keep_versions("uploads")
        for number in range(150):
            for body in (b"1", b"2"):
                await bench.storage.put("uploads", f"{number}", body)
        await bench.storage.delete("uploads", ["before", "7"])
        await deleted(bench, "uploads")
        assert await bench.get(BUCKETS, "uploads") is None
        assert not await bench.storage.has_bucket("uploads")


async def test_what_the_store_does_not_let_go_is_named():
    async with running() as bench:
        await made(bench, "uploads", onDelete="delete")
        await bench.storage.put("uploads", "locked", b"1")

        async def in_vain(bucket: str, versions: Sequence[Version]) -> None:
            """As a store that names a key otherwise than it takes it."""

        bench.storage.delete_versions = in_vain
        await deleted(bench, "uploads")
        ready, reason, message = readiness(await bench.bucket_status("uploads"))
        assert (ready, reason) == ("False", "Refused")
        assert "found 'locked' in it although it was deleted" in message


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        (Contents(), "b (0 objects)"),
        (Contents(1), "b (1 object)"),
        (Contents(0, 1), "b (1 old version)"),
        (Contents(2, 3), "b (2 objects and 3 old versions)"),
        (Contents(990, 10, is_bound=True), "b (at least 990 objects and 10 old versions)"),
    ],
)
def test_contents_are_told_for_people(contents: Contents, told: str):
    assert contents.told("b") == told
    assert bool(contents) is (told != "b (0 objects)")


async def test_a_bucket_with_data_tells_so_and_stays_until_it_is_empty():
    async with running() as bench:
        await made(bench, "uploads")
        await bench.storage.put("uploads", "a", b"1")
        await bench.settle(15)
        status = await bench.bucket_status("uploads")
        assert (status["objects"], status["isBound"], status["deletable"]) == (1, False, False)
        assert "uploads (1 object)" in status["message"]
        await bench.kube.delete(BUCKETS, "uploads", namespace=SPACE)
        await bench.settle(5)
        assert readiness(await bench.bucket_status("uploads"))[:2] == ("False", "HoldsData")
        assert await objects(bench, "uploads") == 1
        await bench.storage.delete("uploads", ["a"])
        await bench.settle(5)
        assert await bench.get(BUCKETS, "uploads") is None


async def test_data_that_came_just_before_the_deletion_is_not_lost():
    async with running() as bench:
        await made(bench, "uploads")
        assert (await bench.bucket_status("uploads"))["deletable"] is True
        await bench.storage.put("uploads", "a", b"1")
        await bench.kube.delete(BUCKETS, "uploads", namespace=SPACE)
        await bench.settle(5)
        assert await bench.get(BUCKETS, "uploads") is not None
        assert await objects(bench, "uploads") == 1


async def test_data_goes_along_where_that_is_asked_for():
    async with running() as bench:
        await made(bench, "uploads", onDelete="delete")
        for number in range(450):
            await bench.storage.put("uploads", f"{number}", b"1")
        await bench.settle(15)
        assert (await bench.bucket_status("uploads"))["deletable"] is True
        await bench.kube.delete(BUCKETS, "uploads", namespace=SPACE)
        await bench.settle(5)
        assert await bench.get(BUCKETS, "uploads") is None
        assert not await bench.storage.has_bucket("uploads")


async def test_a_full_bucket_is_counted_as_far_as_one_page():
    async with running() as bench:
        await made(bench, "uploads")
        for number in range(MOST + 5):
            await bench.storage.put("uploads", f"{number}", b"1")
        await bench.settle(15)
        status = await bench.bucket_status("uploads")
        assert (status["objects"], status["isBound"]) == (MOST, True)
        assert "at least 1000 objects" in status["message"]


async def test_of_two_buckets_at_one_real_name_the_older_has_it():
    async with running() as bench:
        await made(bench, "uploads")
        await bench.storage.put("uploads", "a", b"1")
        bench.clock.advance(10)
        await made(bench, "second", name="uploads", onDelete="delete")
        ready, reason, message = readiness(await bench.bucket_status("second"))
        assert (ready, reason) == ("False", "NameTaken")
        assert f"{SPACE}/uploads" in message
        await bench.kube.delete(BUCKETS, "second", namespace=SPACE)
        await bench.settle(3)
        assert await bench.get(BUCKETS, "second") is None
        assert await objects(bench, "uploads") == 1  # it was not the second's to empty


async def test_a_bucket_stays_while_another_object_names_it_and_goes_with_the_last():
    async with running() as bench:
        await made(bench, "uploads")
        bench.clock.advance(10)
        await made(bench, "second", name="uploads")
        bench.storage.keep_versions("uploads")  # which a bucket made anew would not
        await deleted(bench, "uploads")
        assert await bench.get(BUCKETS, "uploads") is None
        assert readiness(await bench.bucket_status("second"))[0] == "True"
        await bench.storage.put("uploads", "a", b"1")
        assert (await bench.storage.head("uploads", "a")).version is not None
        await bench.storage.delete_versions(
            "uploads", [each async for each in bench.storage.versions("uploads")]
        )
        await deleted(bench, "second")
        assert not await bench.storage.has_bucket("uploads")


@pytest.mark.parametrize("was_there", [False, True])
async def test_data_that_another_object_names_too_stays_when_its_holder_goes(
    was_there: bool, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    async with running() as bench:
        if was_there:
            await bench.storage.ensure_bucket("uploads")
        await made(bench, "uploads", onDelete="delete")
        await bench.storage.put("uploads", "a", b"1")
        bench.clock.advance(10)
        await made(bench, "second", name="uploads", onDelete="delete")
        await deleted(bench, "uploads")
        assert await bench.get(BUCKETS, "uploads") is None
        assert await objects(bench, "uploads") == 1
        assert f"deleted; the store's bucket stays: {SPACE}/second names it too" in caplog.messages
        assert readiness(await bench.bucket_status("second"))[0] == "True"
        await deleted(bench, "second")
        assert await objects(bench, "uploads") == (0 if was_there else None)


async def test_of_two_objects_that_end_together_the_owner_takes_the_bucket_along():
    async with running() as bench:
        await made(bench, "uploads")
        bench.clock.advance(10)
        await made(bench, "second", name="uploads")
        for each in ("second", "uploads"):
            await bench.kube.delete(BUCKETS, each, namespace=SPACE)
        await bench.settle(5)
        assert (await bench.kube.list(BUCKETS)).items == []
        assert not await bench.storage.has_bucket("uploads")


async def test_nobody_else_gets_the_platforms_bucket():
    async with running() as bench:
        await bench.storage.ensure_bucket(PLATFORM_BUCKET)
        await bench.storage.put(PLATFORM_BUCKET, "a", b"1")
        await made(bench, "mine", name=PLATFORM_BUCKET, onDelete="delete")
        assert readiness(await bench.bucket_status("mine"))[1] == "NameTaken"
        await bench.kube.delete(BUCKETS, "mine", namespace=SPACE)
        await bench.settle(3)
        assert await objects(bench, PLATFORM_BUCKET) == 1


# The platform's own


async def test_the_platforms_bucket_names_every_function_and_every_bucket_with_data():
    async with running() as bench:
        await platform_made(bench)
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(3)
        await bench.storage.put("uploads", "a", b"1")
        await bench.storage.put(PLATFORM_BUCKET, record_key("echo", "1"), b"{}")
        await bench.settle(25)
        message = await hindrance(bench)
        assert "functions are there: echo" in message
        assert "records (1 object), uploads (1 object)" in message
        assert "reports" not in message


async def test_what_services_note_for_themselves_is_no_data():
    async with running() as bench:
        await platform_made(bench)
        await made(bench, "uploads")
        await bench.storage.put(PLATFORM_BUCKET, function_key("echo"), b"{}")
        await bench.settle(15)
        assert await noted(bench, "uploads")
        assert await hindrance(bench) == ""


async def test_empty_buckets_go_before_the_platforms_own():
    async with running() as bench:
        await platform_made(bench)
        await made(bench, "uploads")
        await bench.storage.put(PLATFORM_BUCKET, function_key("echo"), b"{}")
        await bench.settle(15)
        assert await hindrance(bench) == ""
        await deleted(bench, "headrace-platform", PLATFORM)
        await bench.settle(5)
        assert await bench.get(BUCKETS, "uploads") is None
        assert await bench.get(BUCKETS, "headrace-platform", PLATFORM) is None
        assert not await bench.storage.has_bucket("uploads")
        assert not await bench.storage.has_bucket(PLATFORM_BUCKET), "with what services noted in it"


@pytest.mark.parametrize("keeps_versions", [False, True])
async def test_the_platforms_bucket_that_was_made_before_its_object_goes_with_it(keeps_versions: bool):
    async with running() as bench:
        await bench.service.lay_ground()
        if keeps_versions:
            bench.storage.keep_versions(PLATFORM_BUCKET)
        await platform_made(bench)
        await deleted(bench, "headrace-platform", PLATFORM)
        assert not await bench.storage.has_bucket(PLATFORM_BUCKET)


@pytest.mark.parametrize("keeps_versions", [False, True])
async def test_a_platforms_bucket_that_was_there_before_stays_without_the_services_notes(
    keeps_versions: bool,
):
    """Whoever made it, as the stack does on AWS, could not take it away with these in it."""
    async with running() as bench:
        await bench.storage.ensure_bucket(PLATFORM_BUCKET)
        if keeps_versions:
            bench.storage.keep_versions(PLATFORM_BUCKET)
        await bench.service.lay_ground()
        for key in (function_key("echo"), bucket_key("uploads"), "race/1"):
            await bench.storage.put(PLATFORM_BUCKET, key, b"{}")
        await platform_made(bench)
        await deleted(bench, "headrace-platform", PLATFORM)
        assert await bench.get(BUCKETS, "headrace-platform", PLATFORM) is None
        assert await bench.storage.has_bucket(PLATFORM_BUCKET)
        assert [each async for each in bench.storage.versions(PLATFORM_BUCKET)] == []


async def test_a_platforms_bucket_that_was_there_before_stays_whole_while_it_holds_data():
    async with running() as bench:
        await bench.storage.ensure_bucket(PLATFORM_BUCKET)
        for key in (function_key("echo"), record_key("echo", "1")):
            await bench.storage.put(PLATFORM_BUCKET, key, b"{}")
        await platform_made(bench)
        await deleted(bench, "headrace-platform", PLATFORM)
        assert await bench.get(BUCKETS, "headrace-platform", PLATFORM) is not None
        assert await objects(bench, PLATFORM_BUCKET) == 2


async def test_a_record_that_comes_in_the_last_instant_keeps_the_platforms_bucket_its_own():
    async with running() as bench:
        await platform_made(bench)
        real = bench.storage.remove_bucket

        async def just_before(bucket: str) -> None:
            await bench.storage.put(bucket, record_key("echo", "1"), b"{}")
            await real(bucket)

        bench.storage.remove_bucket = just_before
        await deleted(bench, "headrace-platform", PLATFORM)
        assert await bench.storage.read(PLATFORM_BUCKET, record_key("echo", "1")) == b"{}"
        bench.storage.remove_bucket = real
        await bench.storage.delete(PLATFORM_BUCKET, [record_key("echo", "1")])
        await bench.settle(15)
        assert not await bench.storage.has_bucket(PLATFORM_BUCKET), "it is known still who made it"


async def test_a_controller_killed_amid_emptying_the_platforms_bucket_knows_later_who_made_it():
    async with running() as bench:
        await platform_made(bench, onDelete="delete")
        for number in range(CHUNK):
            await bench.storage.put(PLATFORM_BUCKET, record_key("echo", f"{number}"), b"{}")
        real = bench.storage.delete_versions

        async def the_first_and_no_more(bucket: str, versions: Sequence[Version]) -> None:
            await real(bucket, versions[:1])
            raise TransientError("the connection was lost")

        bench.storage.delete_versions = the_first_and_no_more
        await deleted(bench, "headrace-platform", PLATFORM)
        assert await noted(bench, PLATFORM_BUCKET)
        bench.storage.delete_versions = real
        await bench.settle(30)
        assert not await bench.storage.has_bucket(PLATFORM_BUCKET)


async def test_the_platforms_bucket_names_old_versions_that_another_holds():
    async with running() as bench:
        await platform_made(bench)
        await made(bench, "uploads")
        bench.storage.keep_versions("uploads")
        await bench.storage.put("uploads", "a", b"1")
        await bench.storage.delete("uploads", ["a"])
        await bench.settle(25)
        assert "buckets hold data: uploads (2 old versions)" in await hindrance(bench)


async def test_with_the_flag_all_goes_with_its_data():
    async with running() as bench:
        await platform_made(bench, onDelete="delete")
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(3)
        await bench.storage.put("uploads", "a", b"1")
        await bench.storage.put(PLATFORM_BUCKET, record_key("echo", "1"), b"{}")
        await bench.settle(15)
        await bench.kube.delete(BUCKETS, "headrace-platform", namespace=PLATFORM)
        await bench.settle(20)
        assert (await bench.kube.list(FUNCTIONS)).items == []
        assert (await bench.kube.list(BUCKETS)).items == []
        for each in ("uploads", "clinic-reports", PLATFORM_BUCKET):
            assert not await bench.storage.has_bucket(each)


async def test_without_the_flag_data_keeps_the_platforms_bucket_even_when_its_deletion_was_let_through():
    async with running() as bench:
        await platform_made(bench)
        await made(bench, "uploads")
        await bench.storage.put("uploads", "a", b"1")
        await bench.kube.delete(BUCKETS, "headrace-platform", namespace=PLATFORM)
        await bench.settle(10)
        assert await bench.get(BUCKETS, "headrace-platform", PLATFORM) is not None
        assert await objects(bench, "uploads") == 1

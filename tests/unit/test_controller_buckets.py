"""What the controller makes of a bucket, what it tells of it, and how it lets it go."""

from headrace.controller.contents import MOST
from headrace.kube.kinds import BUCKETS, FUNCTIONS
from headrace.model.errors import NotFoundError
from headrace.model.keys import function_key, record_key
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


async def test_an_empty_bucket_goes_and_the_stores_own_stays():
    async with running() as bench:
        await made(bench, "uploads")
        await bench.kube.delete(BUCKETS, "uploads", namespace=SPACE)
        await bench.settle(1)
        assert await bench.get(BUCKETS, "uploads") is None
        assert await objects(bench, "uploads") == 0


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
        assert await objects(bench, "uploads") == 0


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
        await bench.storage.put(PLATFORM_BUCKET, function_key("echo"), b"{}")
        await bench.settle(15)
        assert await hindrance(bench) == ""


async def test_empty_buckets_go_before_the_platforms_own():
    async with running() as bench:
        await platform_made(bench)
        await made(bench, "uploads")
        await bench.settle(15)
        assert await hindrance(bench) == ""
        await bench.kube.delete(BUCKETS, "headrace-platform", namespace=PLATFORM)
        await bench.settle(5)
        assert await bench.get(BUCKETS, "uploads") is None
        assert await bench.get(BUCKETS, "headrace-platform", PLATFORM) is None


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
        assert (await objects(bench, "uploads"), await objects(bench, PLATFORM_BUCKET)) == (0, 0)


async def test_without_the_flag_data_keeps_the_platforms_bucket_even_when_its_deletion_was_let_through():
    async with running() as bench:
        await platform_made(bench)
        await made(bench, "uploads")
        await bench.storage.put("uploads", "a", b"1")
        await bench.kube.delete(BUCKETS, "headrace-platform", namespace=PLATFORM)
        await bench.settle(10)
        assert await bench.get(BUCKETS, "headrace-platform", PLATFORM) is not None
        assert await objects(bench, "uploads") == 1

"""Functions and buckets of tenants: each in its namespace, by the stack's word on images and buckets."""

from typing import Any

import pytest

from headrace.kube.kinds import BUCKETS, CONFIG_MAPS, FUNCTIONS, NETWORK_POLICIES, PODS, SERVICE_ACCOUNTS
from headrace.kube.port import Selection
from headrace.model.errors import NotFoundError
from headrace.model.keys import record_key
from tests.unit.controller_bench import (
    PLATFORM,
    PLATFORM_BUCKET,
    SPACE,
    Bench,
    a_bucket,
    a_function,
    a_task,
    readiness,
    running,
)

LAB = {"name": "lab", "buckets": {"uploads": "lab-uploads", "reports": "lab-reports"}}
OTHER = {"name": "other", "buckets": {"uploads": "other-uploads", "reports": "other-reports"}}
DIGEST = "sha256:" + "0" * 64


def function_in(namespace: str, name: str = "echo", **spec: Any) -> dict[str, Any]:
    found = a_function(name, **spec)
    return {**found, "metadata": {**found["metadata"], "namespace": namespace}}


async def ready_in(bench: Bench, namespace: str, name: str = "echo") -> tuple[str, str, str]:
    return readiness((await bench.get(FUNCTIONS, name, namespace) or {}).get("status", {}))


async def test_functions_of_one_name_get_what_they_need_in_their_own_namespaces():
    async with running(LAB, OTHER) as bench:
        for space in (SPACE, "lab", "other"):
            await bench.kube.create(FUNCTIONS, function_in(space))
        await bench.settle(10.0)
        for space, stream in ((SPACE, "echo"), ("lab", "lab.echo"), ("other", "other.echo")):
            assert (await ready_in(bench, space))[:2] == ("True", "Ready")
            assert (await bench.queue.backlog(stream)).tasks == 0
            for kind in (SERVICE_ACCOUNTS, NETWORK_POLICIES):
                assert await bench.get(kind, "headrace-echo", space)
            assert len((await bench.kube.list(CONFIG_MAPS, Selection(space))).items) == 1
        for real in ("uploads", "clinic-reports", "lab-uploads", "lab-reports", "other-uploads"):
            assert await bench.storage.has_bucket(real)
        found = await bench.get(BUCKETS, "uploads", "lab")
        assert found["spec"]["name"] == "lab-uploads"


async def test_a_status_tells_of_the_tenants_own_files_and_workers():
    async with running(LAB) as bench:
        for space in (SPACE, "lab"):
            await bench.kube.create(FUNCTIONS, function_in(space))
        await bench.settle(5.0)
        await bench.queue.put(a_task(1, "lab.echo"))
        key = record_key("lab.echo", "2" * 32)
        await bench.storage.create(PLATFORM_BUCKET, key, b"{}")
        for _ in range(2):
            await bench.service.count()
        await bench.settle(20.0)
        lab = (await bench.get(FUNCTIONS, "echo", "lab"))["status"]
        own = (await bench.get(FUNCTIONS, "echo", SPACE))["status"]
        assert [(each["waiting"], each["done"]) for each in (lab, own)] == [(1, 1), (0, 0)]
        await bench.start_pod(own["digest"])
        await bench.settle(5.0)
        assert (await bench.get(FUNCTIONS, "echo", "lab"))["status"]["workers"] == 0
        assert (await bench.get(FUNCTIONS, "echo", SPACE))["status"]["workers"] == 1


async def test_the_end_of_a_function_takes_its_own_stream_and_pods_and_no_others():
    async with running(LAB) as bench:
        for space in (SPACE, "lab"):
            await bench.kube.create(FUNCTIONS, function_in(space, onDelete="purge"))
        await bench.settle(5.0)
        pod = await bench.start_pod((await bench.status())["digest"])
        await bench.kube.delete(FUNCTIONS, "echo", namespace="lab")
        await bench.settle(5.0)
        assert await bench.get(FUNCTIONS, "echo", "lab") is None
        with pytest.raises(NotFoundError):
            await bench.queue.backlog("lab.echo")
        assert (await bench.queue.backlog("echo")).tasks == 0
        assert "deletionTimestamp" not in (await bench.get(PODS, pod))["metadata"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"image": "evil.example/x@" + DIGEST}, "tenant lab: image: found evil.example/x"),
        ({"image": "registry.example/lab/x:1"}, "name it by its digest"),
        (
            {"input": [{"bucket": "salaries"}]},
            "bucket: found salaries, allowed reports, uploads; name one of",
        ),
        ({"output": [{"bucket": "other-uploads"}]}, "bucket: found other-uploads, allowed reports, uploads"),
    ],
)
async def test_what_a_tenant_may_not_use_is_told_and_gets_nothing(spec, words):
    rules = [{"repository": "registry.example/lab/"}]
    async with running({**LAB, "images": rules}) as bench:
        allowed = {"image": f"registry.example/lab/x@{DIGEST}"}
        await bench.kube.create(FUNCTIONS, function_in("lab", **{**allowed, **spec}))
        await bench.kube.create(FUNCTIONS, function_in("lab", "good", **allowed))
        await bench.settle(5.0)
        status, reason, message = await ready_in(bench, "lab")
        assert (status, reason) == ("False", "NotAllowed")
        assert words in message
        assert (await bench.get(FUNCTIONS, "echo", "lab"))["status"]["digest"] == ""
        with pytest.raises(NotFoundError):
            await bench.queue.backlog("lab.echo")
        for real in ("salaries", "lab-salaries", "other-uploads", "lab-other-uploads"):
            assert not await bench.storage.has_bucket(real)
        assert (await ready_in(bench, "lab", "good"))[0] == "True"


@pytest.mark.parametrize(
    ("bucket", "reason", "words"),
    [
        (a_bucket("uploads", "lab"), "Ready", "bucket lab-uploads is there"),
        (a_bucket("uploads", "lab", name="lab-uploads"), "Ready", "bucket lab-uploads is there"),
        (
            a_bucket("uploads", "lab", name="other-uploads"),
            "NotAllowed",
            "found 'other-uploads', allowed 'lab-uploads'",
        ),
        (a_bucket("salaries", "lab"), "NotAllowed", "found salaries, allowed reports, uploads"),
        (a_bucket("records", "lab", name=PLATFORM_BUCKET), "NotAllowed", "found records"),
    ],
)
async def test_a_tenants_bucket_is_the_one_that_the_stack_says(bucket, reason, words):
    async with running(LAB, OTHER) as bench:
        await bench.kube.create(BUCKETS, bucket)
        await bench.settle(5.0)
        status = await bench.bucket_status(bucket["metadata"]["name"], "lab")
        assert readiness(status)[1] == reason
        assert words in readiness(status)[2]
        assert not await bench.storage.has_bucket("other-uploads")
        assert not await bench.storage.has_bucket("salaries")


async def test_a_refused_bucket_object_takes_no_data_of_anothers_along():
    async with running(LAB, OTHER) as bench:
        await bench.kube.create(BUCKETS, a_bucket("uploads", "other"))
        await bench.settle(5.0)
        await bench.storage.create("other-uploads", "a", b"x")
        stolen = a_bucket("uploads", "lab", name="other-uploads", onDelete="delete")
        await bench.kube.create(BUCKETS, stolen)
        await bench.settle(5.0)
        await bench.kube.delete(BUCKETS, "uploads", namespace="lab")
        await bench.settle(5.0)
        assert await bench.get(BUCKETS, "uploads", "lab") is None
        assert await bench.storage.read("other-uploads", "a") == b"x"


async def test_a_bucket_that_the_stack_shares_with_a_tenant_is_ready_and_outlives_the_tenants_object():
    sharing = {"name": "lab", "buckets": {"uploads": "lab-uploads", "reports": "clinic-reports"}}
    async with running(sharing) as bench:
        await bench.kube.create(FUNCTIONS, function_in("lab"))
        await bench.settle(5.0)
        assert (await ready_in(bench, "lab"))[0] == "True"
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(15.0)
        assert (await ready_in(bench, SPACE))[0] == "True", (
            "the stack's own object comes first, though younger"
        )
        told = readiness(await bench.bucket_status("reports", "lab"))
        assert (told[0], f"that of {SPACE}/reports" in told[2]) == ("True", True)
        await bench.storage.put("clinic-reports", "a", b"x")
        await bench.kube.patch(BUCKETS, "reports", {"spec": {"onDelete": "delete"}}, namespace="lab")
        await bench.kube.delete(BUCKETS, "reports", namespace="lab")
        await bench.settle(5.0)
        assert await bench.storage.read("clinic-reports", "a") == b"x"


async def test_the_platform_names_the_tenants_functions_and_buckets_that_stand_against_its_end():
    async with running(LAB) as bench:
        await bench.kube.create(BUCKETS, a_bucket("platform", PLATFORM, name=PLATFORM_BUCKET))
        await bench.kube.create(FUNCTIONS, function_in("lab"))
        await bench.settle(5.0)
        await bench.storage.create("lab-uploads", "a", b"x")
        await bench.settle(15.0)
        told = (await bench.bucket_status("platform", PLATFORM))["message"]
        assert "functions are there: lab.echo" in told
        assert "lab.uploads (1 object)" in told


# Namespaces that can't be seen


async def test_a_namespace_that_is_refused_holds_up_no_other_after_a_restart():
    async with running(LAB, OTHER) as bench:
        bench.kube.hidden.add("lab")
        for space in (SPACE, "lab", "other"):
            await bench.kube.create(FUNCTIONS, function_in(space))
        again = bench.controller()
        async with again.seen:
            bench.service = again
            await bench.settle(10.0)
            assert again.unready() == ""
            assert "namespace lab is left out: " in again.remark()
            assert "other" not in again.remark()
            for space in (SPACE, "other"):
                assert (await ready_in(bench, space))[0] == "True"


async def test_nothing_is_done_in_a_namespace_of_which_not_everything_can_be_seen():
    """Its workers may be there though no pod is shown: nothing of the function may be let go."""
    async with running(LAB) as bench:
        for space in (SPACE, "lab"):
            await bench.kube.create(FUNCTIONS, function_in(space, onDelete="purge"))
        await bench.settle(5.0)
        for space in (SPACE, "lab"):
            await bench.kube.delete(FUNCTIONS, "echo", namespace=space)
        bench.kube.hidden.add("lab")
        bench.kube.cut()
        while not bench.service.seen.left_out:
            await bench.service.seen.pods.changed(15.0)
        await bench.settle(10.0)
        assert await bench.get(FUNCTIONS, "echo") is None
        assert (await bench.queue.backlog("lab.echo")).tasks == 0
        assert await bench.get(FUNCTIONS, "echo", "lab") is not None


async def test_the_platform_stays_while_it_is_not_known_what_a_tenant_has():
    async with running(LAB) as bench:
        await bench.kube.create(BUCKETS, a_bucket("platform", PLATFORM, name=PLATFORM_BUCKET))
        await bench.settle(5.0)
        bench.kube.hidden.add("lab")
        bench.kube.cut()
        while not bench.service.seen.left_out:
            await bench.service.seen.pods.changed(15.0)
        await bench.settle(20.0)
        status = await bench.bucket_status("platform", PLATFORM)
        assert "namespace lab is left out: " in str(status)
        await bench.kube.delete(BUCKETS, "platform", namespace=PLATFORM)
        await bench.settle(20.0)
        assert "take the tenant out of it first" in str(await bench.bucket_status("platform", PLATFORM))
        assert await bench.storage.has_bucket(PLATFORM_BUCKET)


async def test_data_stays_that_a_tenant_may_name_whose_objects_can_not_be_seen():
    shared = {"name": "lab", "buckets": {"uploads": "uploads"}}
    async with running(shared) as bench:
        await bench.kube.create(BUCKETS, a_bucket("uploads", onDelete="delete"))
        await bench.settle(5.0)
        await bench.storage.put("uploads", "a", b"1")
        bench.kube.hidden.add("lab")
        bench.kube.cut()
        while not bench.service.seen.left_out:
            await bench.service.seen.pods.changed(15.0)
        await bench.kube.delete(BUCKETS, "uploads", namespace=SPACE)
        await bench.settle(5.0)
        assert await bench.get(BUCKETS, "uploads") is None
        assert [each.key async for each in bench.storage.list("uploads")] == ["a"]

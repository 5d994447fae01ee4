"""/run and /job: files and notifications become tasks; `/run` answers as OSCAR's supervisor does."""

import base64
import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headrace.model.errors import TransientError
from headrace.model.settings import KubernetesSettings
from headrace.model.task import Task
from headrace.model.tenant import Quota, Tenant
from headrace.queue.memory import MemoryQueue
from tests.unit.api_bench import API, Bench, basic, bearer

RUN, JOB = "/run/cowsay", "/job/cowsay"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def stored(bench: Bench, bucket: str = "cowsay") -> dict[str, bytes]:
    """What lies in a bucket, by key."""
    return {i.key: await bench.storage.read(bucket, i.key) async for i in bench.storage.list(bucket)}


async def queued(bench: Bench, function: str = "cowsay") -> list[str]:
    return [task.key for task in await bench.queue.tasks(function, 100)]


def event(*keys: str, bucket: str = "cowsay", name: str = "s3:ObjectCreated:Put") -> dict[str, Any]:
    """A notification of MinIO's: https://min.io/docs/minio/linux/administration/monitoring/bucket-notifications.html"""
    records = [
        {
            "eventVersion": "2.0",
            "eventSource": "minio:s3",
            "eventName": name,
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 3, "eTag": "e"}},
        }
        for key in keys
    ]
    return {"EventName": name, "Key": f"{bucket}/{keys[0]}", "Records": records}


# What is sent


@pytest.mark.parametrize(
    ("body", "headers", "wanted"),
    [
        (base64.b64encode(b"\x89PNG\r\n"), {}, b"\x89PNG\r\n"),
        (base64.encodebytes(bytes(range(256))), {}, bytes(range(256))),
        (b'{"message": "hi"}', {}, b'{"message": "hi"}'),
        (b"\x89PNG as it is", {}, b"\x89PNG as it is"),
        (b"plain words, not base64", {}, b"plain words, not base64"),
        (b"d29yZA==", {"Headrace-Encoding": "raw"}, b"d29yZA=="),
        (b"", {}, b""),
        (b'{"Records": "of the patient"}', {}, b'{"Records": "of the patient"}'),
    ],
)
async def test_a_file_is_stored_below_the_first_input_and_queued(
    bench: Bench, body: bytes, headers: dict[str, str], wanted: bytes
) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post(JOB, content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    (key,) = await queued(bench)
    assert await stored(bench) == {key: wanted}
    assert key.startswith("input/api-")
    (task,) = answer.json()["tasks"]
    assert answer.headers["headrace-task"] == task
    assert answer.json()["jobs"] == [f"cowsay-{task}"]


async def test_a_file_may_be_given_a_name(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        named = await client.post(f"{JOB}?name=scan.dcm", content=b"x")
        unfit = await client.post(f"{JOB}?name=..%2Fx", content=b"x")
    (key,) = await queued(bench)
    assert (named.status_code, key.rpartition("/")[2]) == (201, "scan.dcm")
    assert unfit.status_code == 400


@pytest.mark.parametrize("path", [RUN, JOB])
async def test_the_token_of_a_service_runs_it_and_no_other(bench: Bench, path: str) -> None:
    async with bench.client() as client:
        token = (await bench.cowsay(client))["token"]
        await bench.cowsay(client, name="other")
    async with bench.client(**bearer(token)) as client:
        allowed = await client.post(path, content=b"!")
        other = await client.post(path.replace("cowsay", "other"), content=b"!")
        system = await client.get("/system/services/cowsay")
    assert allowed.is_success
    assert (other.status_code, system.status_code) == (401, 401)


@pytest.mark.parametrize("path", [RUN, JOB])
async def test_nobody_runs_what_is_not_there(bench: Bench, path: str) -> None:
    async with bench.client() as client:
        absent = await client.post(path, content=b"!")
    async with bench.client(authorization="none") as client:
        closed = await client.post(path, content=b"!")
    assert (absent.status_code, closed.status_code) == (404, 401)


@pytest.mark.parametrize("size", [10_001, 1_000_000])
@pytest.mark.parametrize("declared", [True, False])
async def test_an_upload_over_the_limit_leaves_nothing_behind(
    bench: Bench, size: int, declared: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(0, size, 100):
            yield b"!" * 100
        yield b"!"

    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post(JOB, content=b"!" * size if declared else pieces())
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 10_000)
    assert (await stored(bench), await queued(bench), bench.spool.used_bytes) == ({}, [], 0)


async def test_a_cut_upload_leaves_nothing_behind(bench: Bench, tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []
    parts = iter([{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(parts)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async with bench.client() as client:
        await bench.cowsay(client)
        headers = [(b"authorization", basic()["Authorization"].encode())]
        scope = {
            "type": "http", "method": "POST", "path": JOB, "query_string": b"", "headers": headers,
        }  # fmt: skip
        await client._transport.app(scope, receive, send)  # type: ignore[attr-defined]
    assert (await stored(bench), await queued(bench), bench.spool.used_bytes) == ({}, [], 0)
    assert list(tmp_path.iterdir()) == []


async def test_uploads_share_a_bounded_room(tmp_path: Path) -> None:
    bench = Bench(tmp_path, api=API.model_copy(update={"spool_bytes": 10_000}))
    async with bench.client() as client:
        await bench.cowsay(client)
        with bench.spool.room(9_000):
            full = await client.post(JOB, content=b"!" * 2_000)
        free = await client.post(JOB, content=b"!" * 2_000)
    assert (full.status_code, full.headers["retry-after"], free.status_code) == (503, "10", 201)


async def test_what_the_queue_can_not_take_now_is_stored_and_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.client() as client:
        await bench.cowsay(client)
        assert isinstance(bench.queue, MemoryQueue)

        async def away(task: Task) -> bool:
            raise TransientError("the queue is away")

        put, bench.queue.put = bench.queue.put, away  # type: ignore[method-assign]
        answer = await client.post(JOB, content=b"!")
        bench.queue.put = put  # type: ignore[method-assign]
    assert (answer.status_code, len(answer.json()["tasks"])) == (202, 1)
    assert "the queue is away" in answer.json()["held"][0]
    assert len(await stored(bench)) == 1


# Notifications


async def test_a_notification_becomes_the_tasks_of_its_objects(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        for key in ("input/a b.txt", "input/c.txt", "elsewhere/d.txt"):
            await bench.storage.put("cowsay", key, b"abc")
        body = event("input/a%20b.txt", "input/c.txt", "elsewhere/d.txt", "input/gone.txt")
        answer = await client.post(JOB, json=body)
    assert answer.status_code == 201
    assert sorted(await queued(bench)) == ["input/a b.txt", "input/c.txt"]
    ignored = {each["key"]: each["reason"] for each in answer.json()["ignored"]}
    assert ignored == {"elsewhere/d.txt": "no function takes it", "input/gone.txt": "it is gone by now"}


async def test_a_notification_again_is_the_same_task(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        await bench.storage.put("cowsay", "input/a.txt", b"abc")
        answers = [(await client.post(JOB, json=event("input/a.txt"))).json()["tasks"] for _ in range(2)]
    assert answers[0] == answers[1]
    assert await queued(bench) == ["input/a.txt"]


async def test_a_notification_without_a_task_is_accepted_with_the_reason(bench: Bench) -> None:
    body = event("input/a.txt", name="s3:ObjectRemoved:Delete")
    async with bench.client() as client:
        await bench.cowsay(client)
        job = await client.post(JOB, json=body)
        run = await client.post(RUN, json=body)
    assert (job.status_code, job.json()["tasks"], run.status_code) == (202, [], 400)


async def test_a_notification_that_can_not_be_read_is_refused(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post(JOB, json={"Records": [{"eventSource": "minio:s3"}]})
    assert answer.status_code == 400
    assert await stored(bench) == {}


# What is answered


async def test_one_file_is_answered_in_base64(bench: Bench) -> None:
    bench.outputs = {"picture.png": bytes(range(256)) * 10}
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post(RUN, content=b"!")
    assert answer.status_code == 200, answer.text
    assert base64.b64decode(answer.content, validate=True) == bytes(range(256)) * 10
    assert answer.headers["content-type"].startswith("text/plain")


async def test_several_files_are_answered_as_a_zip_in_base64(bench: Bench) -> None:
    bench.outputs = {"a.txt": b"a", "folder/b.txt": b"b"}
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post(RUN, content=b"!")
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(answer.content))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a.txt": b"a",
            "folder/b.txt": b"b",
        }


async def test_without_a_file_the_log_is_answered(bench: Bench, tmp_path: Path) -> None:
    bench.outputs, bench.log = {}, "Hello\n"
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post(RUN, content=b"!")
    assert (answer.status_code, answer.text) == (200, "Hello\n")
    assert (bench.spool.used_bytes, list(tmp_path.iterdir())) == (0, [])


async def test_a_failed_file_is_answered_with_the_reason_and_its_log(bench: Bench) -> None:
    bench.worker, bench.log = bench.failed, "Traceback\n"
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post(RUN, content=b"!")
    document = answer.json()
    assert answer.status_code == 500
    assert (document["error"], document["reason"]) == ("the file has failed", "exit code 3")
    assert (document["log"], document["state"], document["attempts"]) == ("Traceback\n", "failed", 3)


async def test_who_waits_too_long_is_told_the_task_which_goes_on(bench: Bench) -> None:
    async def nobody(task: Task) -> None:
        del task

    bench.worker = nobody
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post(RUN, content=b"!")
        task = answer.json()["task"]
        state = (await client.get(f"/system/tasks/cowsay/{task}")).json()
    assert (answer.status_code, answer.headers["headrace-task"], state["stage"]) == (504, task, "queued")


async def test_an_output_that_finds_no_room_is_not_answered_half(tmp_path: Path) -> None:
    bench = Bench(tmp_path, api=API.model_copy(update={"spool_bytes": 10_000}))
    bench.outputs = {"large": bytes(20_000)}
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post(RUN, content=b"!")
    assert (answer.status_code, answer.json()["error"]) == (503, "no room now")
    assert bench.spool.used_bytes == 0


# Tenants


def lab(tmp_path: Path, **changes: Any) -> Bench:
    tenants = (Tenant(name="lab", buckets={"cowsay": "lab-cowsay"}, **changes),)
    place = KubernetesSettings(namespace="functions", platform_namespace="headrace", tenants=tenants)
    return Bench(tmp_path, place=place)


async def test_a_tenant_s_token_needs_only_the_service_s_own_name(tmp_path: Path) -> None:
    bench = lab(tmp_path)
    async with bench.client(**basic("ann", "ann-secret")) as client:
        token = (await bench.cowsay(client))["token"]
        await bench.storage.ensure_bucket("lab-cowsay")
        answers = [await client.post(JOB, content=b"!", headers=bearer(token))]
        answers.append(await client.post("/job/lab.cowsay", content=b"!", headers=bearer(token)))
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json()["jobs"][0].startswith("cowsay-")
    assert len(await stored(bench, "lab-cowsay")) == 2


async def test_a_tenant_beyond_its_quota_is_told_before_it_sends(tmp_path: Path) -> None:
    bench = lab(tmp_path, quota=Quota(files_waiting=1))
    async with bench.client(**basic("ann", "ann-secret")) as client:
        await bench.cowsay(client)
        await bench.storage.ensure_bucket("lab-cowsay")
        answers = [await client.post(JOB, content=b"!") for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 429]
    assert "retry-after" in answers[1].headers
    assert len(await stored(bench, "lab-cowsay")) == 1


async def test_a_function_that_its_tenant_may_not_have_gets_no_files(tmp_path: Path) -> None:
    bench = lab(tmp_path)
    async with bench.client(**basic("ann", "ann-secret")) as client:
        await bench.cowsay(client, input=[{"storage_provider": "minio", "path": "other/in"}])
        answer = await client.post(JOB, content=b"!")
    assert answer.status_code == 403
    assert "found other" in answer.json()["reason"]


async def test_calls_that_ran_services_are_listed_for_administrators(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        await client.post(JOB, content=b"!")
        await client.post("/job/none", content=b"!")
        logs = json.loads((await client.get("/system/logs")).content)["logs"]
    assert [(each["path"], each["status"], each["user"]) for each in logs] == [
        (JOB, 201, "oscar"),
        ("/job/none", 404, "oscar"),
    ]

"""headrace.client: both clients against the API in memory, and what they make of faults."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headrace.api.app import application
from headrace.client import ApiError, AsyncClient, Client, Login, Outcome, TaskState, UnreachableError
from headrace.model.errors import RejectedError, TransientError
from headrace.model.task import Task
from tests.fixtures.world import PLATFORM
from tests.unit.api_bench import COWSAY, Bench

ROOT = Login("oscar", "secret")


class _Bridge(httpx2.BaseTransport):
    """Lets the client without asyncio speak to an application, from a thread beside its loop."""

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = httpx2.ASGITransport(app)
        self._loop = loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result(30)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        content = request.content
        sent = httpx2.Request(request.method, request.url, headers=request.headers, content=content)
        answer = await self._inner.handle_async_request(sent)
        body = await answer.aread()
        return httpx2.Response(answer.status_code, headers=answer.headers, content=body)


class Threaded:
    """A client without asyncio, each call of it in a thread: with the face of the other client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            return await asyncio.to_thread(getattr(self._client, name), *arguments, **named)

        async def jobs(service: str) -> AsyncIterator[Any]:
            for each in await asyncio.to_thread(lambda: list(self._client.jobs(service))):
                yield each

        return jobs if name == "jobs" else call


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(params=["async", "sync"])
def connect(request: pytest.FixtureRequest, bench: Bench) -> Callable[..., Any]:
    """Opens a client of either kind; what both are asked is the same."""

    @asynccontextmanager
    async def opened(login: Login = ROOT) -> AsyncIterator[Any]:
        await bench.storage.ensure_bucket(PLATFORM)
        app = application(bench.api, bench.site)
        if request.param == "async":
            async with AsyncClient(
                "http://api/", login, transport=httpx2.ASGITransport(app), sleep=bench.sleep
            ) as client:
                yield client
            return
        loop = asyncio.get_running_loop()

        def sleep(seconds: float) -> None:
            asyncio.run_coroutine_threadsafe(bench.sleep(seconds), loop).result(30)

        with Client("http://api", login, transport=_Bridge(app, loop), sleep=sleep) as client:
            yield Threaded(client)

    return opened


async def test_services_are_made_changed_and_deleted(connect: Callable[..., Any]) -> None:
    async with connect() as client:
        made = await client.create(COWSAY)
        await client.update({**COWSAY, "memory": "1Gi"})
        found = await client.service("cowsay")
        listed = await client.services()
        await client.delete("cowsay")
        left = await client.services()
    assert (found.token, found.document["memory"]) == (made.token, "1Gi")
    assert any("registry.example/cowsay" in each for each in made.warnings)
    assert ([each.name for each in listed], left) == (["cowsay"], ())


async def test_an_upload_tells_its_progress_and_is_taken_as_it_is(
    connect: Callable[..., Any], bench: Bench, tmp_path: Path
) -> None:
    content = base64.b64encode(bytes(range(250))) * 20  # looks like base64, and is the file
    (tmp_path / "scan.dcm").write_bytes(content)
    told: list[tuple[int, int]] = []
    async with connect() as client:
        await client.create(COWSAY)
        sent = await client.job(
            "cowsay", tmp_path / "scan.dcm", progress=lambda *progress: told.append(progress)
        )
        nothing = await client.job("cowsay", b"")
    keys = {i.key: await bench.storage.read("cowsay", i.key) async for i in bench.storage.list("cowsay")}
    assert sorted((key.rpartition("/")[2], body) for key, body in keys.items())[1] == ("scan.dcm", content)
    assert told == [(len(content), len(content))]
    assert sent.task != nothing.task


async def test_a_run_gives_files_by_name_or_the_log(
    connect: Callable[..., Any], bench: Bench, tmp_path: Path
) -> None:
    async with connect() as client:
        await client.create(COWSAY)
        bench.outputs = {"größe.txt": b"one"}
        one = await client.run("cowsay", b"!")
        bench.outputs = {"a.txt": b"a", "folder/b.txt": b"b"}
        two = await client.run("cowsay", b"?")
        bench.outputs = {}
        none = await client.run("cowsay", b".")
    assert (dict(one.files), len(one.task)) == ({"größe.txt": b"one"}, 32)
    assert dict(two.files) == {"a.txt": b"a", "folder/b.txt": b"b"}
    assert (dict(none.files), none.log) == ({}, "printed\n")
    assert [path.read_bytes() for path in two.save(tmp_path / "out")] == [b"a", b"b"]


async def test_a_task_is_waited_for_until_it_has_ended(connect: Callable[..., Any], bench: Bench) -> None:
    stages: list[str] = []
    async with connect() as client:
        await client.create(COWSAY)
        task = (await client.job("cowsay", b"!")).task
        state = await client.wait("cowsay", task, tell=lambda each: stages.append(each.stage))
        log = await client.log("cowsay", task)
        jobs = [job.name async for job in client.jobs("cowsay")]
    assert (stages, state.settled, log, jobs) == (["queued", "done"], True, "printed\n", [f"cowsay-{task}"])


async def test_who_waits_no_longer_leaves_the_task_alone(connect: Callable[..., Any], bench: Bench) -> None:
    async def nobody(task: Task) -> None:
        del task

    bench.worker = nobody
    async with connect() as client:
        await client.create(COWSAY)
        task = (await client.job("cowsay", b"!")).task
        with pytest.raises(TransientError, match=task):
            await client.wait("cowsay", task, seconds=0)
        assert (await client.task("cowsay", task)).stage == "queued"


async def test_a_fault_says_what_the_api_said(connect: Callable[..., Any], bench: Bench) -> None:
    async with connect() as client:
        await client.create(COWSAY)
        with pytest.raises(ApiError, match="10000 bytes at most") as large:
            await client.job("cowsay", b"!" * 10_001)
        bench.worker = bench.failed
        with pytest.raises(ApiError, match="exit code 3") as failed:
            await client.run("cowsay", b"!")
        with pytest.raises(ApiError, match="404"):
            await client.service("none")
    assert (large.value.status, large.value.is_transient) == (413, False)
    assert (failed.value.status, failed.value.document["log"], len(failed.value.task)) == (
        500,
        "printed\n",
        32,
    )


async def test_a_token_is_enough_for_one_service(connect: Callable[..., Any]) -> None:
    async with connect() as client:
        token = (await client.create(COWSAY)).token
    async with connect(Login(token=token)) as client:
        task = (await client.job("cowsay", b"!")).task
        assert (await client.task("cowsay", task)).stage == "queued"
        with pytest.raises(ApiError, match="401"):
            await client.services()


async def test_no_answer_is_an_error_of_ours_and_waiting_goes_on(bench: Bench) -> None:
    answers = [httpx2.ConnectError("refused"), httpx2.Response(503, json={"error": "away", "reason": "away"})]
    done = {"task": "t", "stage": "done", "settled": True}

    async def handle(request: httpx2.Request) -> httpx2.Response:
        found = answers.pop(0) if answers else httpx2.Response(200, json=done)
        if isinstance(found, Exception):
            raise found
        return found

    async with AsyncClient(
        "http://api", ROOT, transport=httpx2.MockTransport(handle), sleep=bench.sleep
    ) as client:
        assert await client.wait("cowsay", "t") == TaskState("t", "done", settled=True, document=done)
        answers.append(httpx2.ReadError("cut"))
        with pytest.raises(UnreachableError, match="no answer"):
            await client.services()


@pytest.mark.parametrize("name", ["../x", "/x", ""])
def test_a_file_never_leaves_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(RejectedError, match="leads out"):
        Outcome("t", {name: b""}).save(tmp_path)

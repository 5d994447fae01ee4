"""An image that serves, which a little server on this machine stands for: outcomes, results, its end."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import web

from headrace.catalog.folder import Installed
from headrace.local.process import free_ports
from headrace.manifests.worker_pod import drained_port, worker_settings
from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.function import Function, Http
from headrace.model.keys import note_key, record_key
from headrace.model.record import AttemptNote, FailureRecord, Record, read_record
from headrace.model.settings import QueueSettings, ReceiverSettings, Settings, StorageSettings
from headrace.model.task import Task, task_id
from headrace.queue.memory import MemoryQueue
from headrace.storage.memory import MemoryStorage
from headrace.worker.attempt import Cause, Folder, Outcome, Staged
from headrace.worker.container.drained import answered_when
from headrace.worker.container.pod import Pod
from headrace.worker.container.served import ENDED, LEFT, ServedRunner, Server
from headrace.worker.limits import Limits
from headrace.worker.outputs import written_files

LIMITS = Limits(seconds=30.0, memory_bytes=2**30, disk_bytes=2**30)
SHORT = Limits(seconds=0.3, memory_bytes=2**30, disk_bytes=2**30)
RETURNED = Outcome(Cause.RETURNED)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def upper(request: web.Request) -> web.StreamResponse:
    return web.Response(body=(await request.read()).upper(), content_type="text/plain")


@asynccontextmanager
async def listening(port: int, answer: Answer) -> AsyncIterator[None]:
    application = web.Application(client_max_size=2**30)
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@dataclass
class Bench:
    """A server's port, what was staged, and the runner that posts it there."""

    base: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    tasks: int = 0

    def __post_init__(self) -> None:
        self.server = Server(Http(port=self.port, path="/predict?kind=a"))
        self.runner = ServedRunner(self.server, now=lambda: 0.0)

    def staged(self, content: bytes = b"x") -> Staged:
        self.tasks += 1
        name, folder = f"{self.tasks}.dcm", Folder(self.base / str(self.tasks))
        folder.input.mkdir(parents=True)
        folder.output.mkdir()
        (folder.input / name).write_bytes(content)
        task = Task(id=f"id-{name}", function="f", bucket="in", key=name, etag="e", size=1, received=0.0)
        return Staged(task, folder, folder.input / name, 1)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    await made.runner.start()
    yield made
    await made.runner.kill()


def results(staged: Staged) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in written_files(staged.folder.output)}


async def test_a_file_is_posted_as_it_is_and_the_answer_is_its_result(bench):
    seen = []

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen.append((request.method, request.path_qs, request.headers["ce-id"], request.content_length, body))
        return await upper(request)

    content = os.urandom(3 * 2**20)
    one, two = bench.staged(content), bench.staged(b"abc")
    async with listening(bench.port, answer):
        assert await bench.runner.run([one], LIMITS) == RETURNED
        assert await bench.runner.run([two], LIMITS) == RETURNED
    assert seen[0] == ("POST", "/predict?kind=a", "id-1.dcm", len(content), content)
    assert (results(one), results(two)) == ({"1.dcm.txt": content.upper()}, {"2.dcm.txt": b"ABC"})
    assert (bench.runner.files, bench.runner.usable) == (2, True)


@pytest.mark.parametrize("status", [200, 204])
async def test_an_answer_of_no_bytes_is_no_result(bench, status):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    one = bench.staged()
    async with listening(bench.port, answer):
        assert await bench.runner.run([one], LIMITS) == RETURNED
    assert results(one) == {}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "the server answered 400 Bad Request: no pixel data"),
        (500, "the server answered 500 Internal Server Error: no pixel data"),
        (503, "the server answered 503 Service Unavailable: no pixel data"),
        (304, "the server answered 304 Not Modified"),
    ],
)
async def test_any_other_answer_fails_the_attempt_with_its_words(bench, status, reason):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="no\npixel data" if status != 304 else None)

    one = bench.staged()
    bench.server.answered = True
    async with listening(bench.port, answer):
        assert await bench.runner.run([one], LIMITS) == Outcome(Cause.HTTP_STATUS, reason)
    assert one.folder.log.read_text() == ("no\npixel data" if status != 304 else "")
    assert (results(one), bench.runner.usable) == ({}, True)


async def test_a_redirect_is_not_followed_and_named(bench):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/predict/"})

    async with listening(bench.port, answer):
        outcome = await bench.runner.run([bench.staged()], LIMITS)
    assert (outcome.cause, "to /predict/, which is not followed" in outcome.reason) == (
        Cause.HTTP_STATUS,
        True,
    )


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_says_when_to_come_again_is_asked_again(bench, status):
    answers = [web.Response(status=status, headers={"Retry-After": "0"}) for _ in range(3)]

    async def answer(request: web.Request) -> web.StreamResponse:
        return answers.pop() if answers else await upper(request)

    one = bench.staged(b"a")
    async with listening(bench.port, answer):
        assert await bench.runner.run([one], LIMITS) == RETURNED
    assert (answers, results(one)) == ([], {"1.dcm.txt": b"A"})


async def test_a_server_is_not_waited_for_beyond_the_time_out(bench):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503, headers={"Retry-After": "31"}, text="full")

    async with listening(bench.port, answer):
        outcome = await bench.runner.run([bench.staged()], LIMITS)
    assert outcome == Outcome(
        Cause.HTTP_STATUS,
        "the server answered 503 Service Unavailable and asks to wait 31 s, longer than its time-out leaves: "
        "full",
    )


async def test_a_file_that_hangs_is_a_time_out_and_the_next_one_is_posted(bench):
    async def answer(request: web.Request) -> web.StreamResponse:
        if await request.read() == b"hang":
            await asyncio.sleep(1000)
        return await upper(request)

    async with listening(bench.port, answer):
        assert (await bench.runner.run([bench.staged()], LIMITS)).good
        outcome = await bench.runner.run([bench.staged(b"hang")], SHORT)
        assert outcome == Outcome(Cause.TIME_OUT, "time-out: ran longer than 0.3 s")
        assert (await bench.runner.run([bench.staged(b"a")], LIMITS)).good


async def test_an_answer_that_fills_the_disk_is_cut_off(bench):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 2**22)

    limits = Limits(seconds=30.0, memory_bytes=2**30, disk_bytes=2**20)
    async with listening(bench.port, answer):
        assert (await bench.runner.run([bench.staged()], limits)).cause is Cause.DISK


async def test_an_answer_before_the_whole_file_was_read_is_heard(bench):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=413, text="too large", headers={"Connection": "close"})

    async with listening(bench.port, answer):
        outcome = await bench.runner.run([bench.staged(b"x" * 2**23)], LIMITS)
    assert outcome.reason == f"the server answered 413 {HTTPStatus(413).phrase}: too large"


async def test_the_files_of_a_batch_are_posted_at_once_and_one_failure_is_the_batchs(bench):
    both = asyncio.Barrier(2)

    async def answer(request: web.Request) -> web.StreamResponse:
        async with asyncio.timeout(20):
            await both.wait()
        return web.Response(status=200 if await request.read() == b"good" else 422, text="said")

    batch = [bench.staged(b"good"), bench.staged(b"bad")]
    async with listening(bench.port, answer):
        outcome = await bench.runner.run(batch, LIMITS)
    assert outcome.reason == f"the server answered 422 {HTTPStatus(422).phrase}: said"
    assert (results(batch[0]), results(batch[1])) == ({"1.dcm.txt": b"said"}, {})


# The start of the server


async def test_a_server_that_still_starts_is_waited_for(bench):
    one = bench.staged(b"a")
    running = asyncio.create_task(bench.runner.run([one], LIMITS))
    await asyncio.sleep(0)
    assert bench.runner.load_seconds is None
    async with listening(bench.port, upper):
        assert await running == RETURNED
    assert bench.runner.load_seconds is not None


async def test_a_server_that_listens_while_it_loads_is_asked_again_and_once_loaded_no_more(
    bench, monkeypatch
):
    monkeypatch.setattr("headrace.worker.container.served.LOADING_SECONDS", 0.0)
    answers = [web.Response(status=503, text="loading") for _ in range(3)]

    async def answer(request: web.Request) -> web.StreamResponse:
        if await request.read() == b"busy":
            return web.Response(status=503, text="broken")
        return answers.pop() if answers else await upper(request)

    async with listening(bench.port, answer):
        assert await bench.runner.run([bench.staged(b"a")], LIMITS) == RETURNED
        outcome = await bench.runner.run([bench.staged(b"busy")], LIMITS)
    assert (answers, outcome.reason) == ([], "the server answered 503 Service Unavailable: broken")


async def test_a_server_that_never_is_ready_fails_its_file_in_time(bench):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text="no model")

    async with listening(bench.port, answer):
        outcome = await bench.runner.run([bench.staged()], SHORT)
    assert outcome.reason == "the server answered 503 Service Unavailable: no model"


async def test_a_server_that_never_listens_is_not_loaded(bench):
    outcome = await bench.runner.run([bench.staged()], SHORT)
    assert outcome == Outcome(
        Cause.NOT_LOADED,
        f"within 0.3 s the server took no connections on port {bench.port} (run.http.port); see the "
        "container's own log",
    )
    assert not bench.runner.usable


@pytest.mark.parametrize("told", [False, True], ids=["by itself", "by order"])
async def test_a_server_that_ended_before_it_listened_is_not_loaded_unless_it_had_to_leave(bench, told):
    bench.server.told_to_leave = told
    bench.server.gone.set()
    outcome = await bench.runner.run([bench.staged()], LIMITS)
    assert outcome.cause is (Cause.LEFT if told else Cause.NOT_LOADED)


# Its end


async def broken_off(request: web.Request) -> web.StreamResponse:
    await request.read()
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def test_a_server_that_breaks_off_a_file_is_its_death_and_counts(bench):
    async with listening(bench.port, broken_off):
        outcome = await bench.runner.run([bench.staged()], LIMITS)
    assert outcome.cause is Cause.VANISHED
    assert outcome.reason.startswith("killed, probably out of memory (limit 1024 MiB); the server broke off")
    assert not bench.runner.usable


async def test_who_comes_after_a_servers_death_is_no_attempt(bench):
    async with listening(bench.port, broken_off):
        assert (await bench.runner.run([bench.staged()], LIMITS)).cause is Cause.VANISHED
    after = ServedRunner(bench.server)
    await after.start()
    running = asyncio.create_task(after.run([bench.staged()], LIMITS))
    await asyncio.sleep(0)
    bench.server.gone.set()
    assert await running == ENDED


async def test_a_server_ended_by_order_in_the_middle_of_a_file_is_no_fault_of_the_file(bench):
    async with listening(bench.port, broken_off):
        bench.server.told_to_leave = True
        assert await bench.runner.run([bench.staged()], LIMITS) == LEFT


async def test_a_file_that_no_server_was_there_for_is_no_attempt(bench):
    async with listening(bench.port, upper):
        assert (await bench.runner.run([bench.staged()], LIMITS)).good
    bench.server.gone.set()
    assert await bench.runner.run([bench.staged()], LIMITS) == ENDED


async def test_a_server_that_is_started_anew_in_its_container_is_found_again(bench):
    async with listening(bench.port, upper):
        assert (await bench.runner.run([bench.staged()], LIMITS)).good
    running = asyncio.create_task(bench.runner.run([bench.staged(b"b")], LIMITS))
    await asyncio.sleep(0.1)
    async with listening(bench.port, upper):
        assert await running == RETURNED


# The pod


async def asked(port: int) -> bytes:
    """As the kubelet asks before it ends the user's container."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /drained HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def test_who_asks_whether_the_worker_has_finished_is_answered_when_it_has():
    finished = asyncio.Event()
    async with answered_when(finished.wait, 0, host="127.0.0.1") as port:
        answer = asyncio.create_task(asked(port))
        await asyncio.sleep(0.1)
        assert not answer.done()
        finished.set()
        assert (await answer).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_port_that_is_taken_is_named():
    async with answered_when(asyncio.Event().wait, 0, host="127.0.0.1") as port:
        with pytest.raises(ConfigurationError, match=f"port {port} is taken"):
            async with answered_when(asyncio.Event().wait, port, host="127.0.0.1"):
                pass


def pod_of(folder: Path, port: int, storage: MemoryStorage, queue: MemoryQueue) -> Pod:
    settings = Settings(
        storage=StorageSettings(endpoint="e", access_key="a", secret_key="s"),
        queue=QueueSettings(url="u"),
        receiver=ReceiverSettings(port=1, token=""),
        worker=worker_settings().model_copy(update={"work_directory": str(folder)}),
    )
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "echo"},
        "spec": {
            "image": "i",
            "run": {"http": {"port": port}},
            "input": [{"bucket": "uploads"}],
            "output": [{"bucket": "results"}],
        },
    }
    function = Function.from_json(json.dumps(document))
    return Pod("w", Installed(function, folder, "digest"), settings, storage, queue, {})


async def upload(storage: MemoryStorage, queue: MemoryQueue, key: str) -> Task:
    await storage.put("uploads", key, b"content")
    info = await storage.head("uploads", key)
    task = Task(
        id=task_id("echo", "uploads", key, info.identity), function="echo", bucket="uploads", key=key,
        version=info.version, etag=info.etag, size=info.size, received=0.0,
    )  # fmt: skip
    await queue.put(task)
    return task


@dataclass
class World:
    """A pod of the function, its store and its queue; `ended` is its TERM."""

    pod: Pod
    port: int
    storage: MemoryStorage
    queue: MemoryQueue
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def record(self, task: Task) -> Record | FailureRecord:
        key = record_key("echo", task.id)
        return read_record(await self.storage.read(self.pod.settings.platform_bucket, key))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    before = os.umask(0)
    storage, queue, port = MemoryStorage(now=lambda: 0.0), MemoryQueue(lambda: 0.0), free_ports(1)[0]
    pod = pod_of(tmp_path, port, storage, queue)
    for bucket in ("uploads", "results", pod.settings.platform_bucket):
        await storage.ensure_bucket(bucket)
    await queue.ensure("echo", lease_seconds=60.0, max_leased=10)
    yield World(pod, port, storage, queue)
    os.umask(before)


async def test_a_pod_that_has_to_go_finishes_its_file_before_its_server_may_end(tmp_path, world):
    handed, answered = asyncio.Event(), asyncio.Event()
    task = await upload(world.storage, world.queue, "a.txt")

    async def answer(request: web.Request) -> web.StreamResponse:
        handed.set()
        await answered.wait()
        return await upper(request)

    async with asyncio.timeout(30), listening(world.port, answer):
        serving = asyncio.create_task(world.pod.serve(world.ended))
        await handed.wait()
        await upload(world.storage, world.queue, "later.txt")
        (tmp_path / "leaving").touch()
        may_end = asyncio.create_task(asked(drained_port(Http(port=world.port))))
        await asyncio.sleep(1.5)
        assert not may_end.done(), "its file is still being worked"
        answered.set()
        assert (await may_end).startswith(b"HTTP/1.1 200")
        assert not serving.done(), "it would only be started again"
        world.ended.set()
        await serving
    assert isinstance(await world.record(task), Record)
    assert await world.storage.read("results", "a.txt") == b"CONTENT"
    (lease,) = await world.queue.pull("echo", 10, wait_seconds=0.0)
    assert lease.task.key == "later.txt"


async def test_a_file_that_its_server_dies_of_counts_and_what_waits_behind_it_does_not(world):
    handed = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        handed.set()
        return await broken_off(request)

    deadly = await upload(world.storage, world.queue, "deadly.txt")
    async with asyncio.timeout(30):
        async with listening(world.port, answer):
            serving = asyncio.create_task(world.pod.serve(world.ended))
            await handed.wait()
        behind = await upload(world.storage, world.queue, "behind.txt")
        await asyncio.sleep(0.5)
        world.ended.set()  # the server has ended, and its pod with it
        await serving
    bucket = world.pod.settings.platform_bucket
    note = AttemptNote.from_json(await world.storage.read(bucket, note_key("echo", deadly.id)))
    assert [each.partition(" (")[0] for each in note.failures] == ["killed, probably out of memory"]
    with pytest.raises(NotFoundError):
        await world.storage.read(bucket, note_key("echo", behind.id))

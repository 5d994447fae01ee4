"""The receiver as a process between a real store that notifies and a real queue."""

import asyncio
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import boto3
import pytest

from headrace.local.process import Process, answers, free_ports
from headrace.local.seaweedfs import Webhook
from headrace.model.errors import NotFoundError
from headrace.model.settings import QueueSettings, ReceiverSettings, Settings, WorkerSettings
from headrace.model.task import task_id
from headrace.queue.jetstream import JetStreamQueue
from headrace.storage.s3 import S3Storage
from tests.fixtures import seaweedfs as seaweed_fixtures
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer
from tests.unit.notifications import saved
from tests.unit.test_roster import install

WAIT_SECONDS = 60.0
TOKEN = "hook-token"
ODD_KEYS = ("a+b %25 c.txt", "Zürich/日本 🚀.txt", "%2F.txt", "nl\nx\x01.txt", '"<>&.txt')


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not await reached():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.05)


@dataclass
class Servers:
    """A store that notifies a receiver, a queue, and the receiver's process: one of each for all tests."""

    settings: Settings
    directory: Path
    seaweed: SeaweedServer
    nats: NatsServer
    receiver: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.receiver.port}"

    @property
    def log(self) -> str:
        return (self.directory / "receiver.log").read_text()

    def start_receiver(self) -> None:
        """Start it unless it runs."""
        if self.receiver is not None and self.receiver.alive:
            return
        file = self.directory / "settings.json"
        file.write_bytes(self.settings.to_json())
        command = [sys.executable, "-m", "headrace.events", "--settings", str(file)]
        self.receiver = Process.start("receiver", command, log=self.directory / "receiver.log")
        self.receiver.wait_until(lambda: answers(self.settings.receiver.port), seconds=WAIT_SECONDS)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    directory = tmp_path_factory.mktemp("receiver")
    port = free_ports(1)[0]
    seaweed = seaweed_fixtures._start(
        directory / "seaweedfs", Webhook(f"http://127.0.0.1:{port}/events", TOKEN)
    )
    nats = NatsServer(directory / "nats")
    nats.start()
    (directory / "functions").mkdir()
    settings = Settings(
        storage=seaweed.options.storage,
        queue=QueueSettings(url=nats.url, token=nats.token),
        receiver=ReceiverSettings(port=port, token=TOKEN, listing_seconds=3600.0),
        worker=WorkerSettings(work_directory="unused", secrets_directory="unused"),
        functions_directory=str(directory / "functions"),
    )
    found = Servers(settings, directory, seaweed, nats)
    yield found
    if found.receiver is not None:
        found.receiver.kill()
    nats.kill()
    seaweed.remove()


@dataclass
class Scene:
    """One test's function and the bucket that it reads, both named alike, and clients of both servers."""

    name: str
    servers: Servers
    storage: S3Storage
    queue: JetStreamQueue

    async def put(self, *keys: str) -> None:
        for key in keys:
            await self.storage.put(self.name, key, b"hello")

    async def has(self, *keys: str) -> bool:
        return set(keys) <= {task.key for task in await self.queue.tasks(self.name, 1000)}

    async def is_open(self) -> bool:
        """Whether the receiver has seen the function."""
        try:
            await self.queue.backlog(self.name)
        except NotFoundError:
            return False
        return True

    async def post(self, body: bytes) -> tuple[int, dict[str, object]]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.servers.url}/events", data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json()


@pytest.fixture
async def scene(servers: Servers) -> AsyncIterator[Scene]:
    storage = S3Storage(servers.settings.storage)
    queue = JetStreamQueue.of(servers.settings.queue)
    found = Scene(f"echo-{secrets.token_hex(4)}", servers, storage, queue)
    for bucket in (servers.settings.platform_bucket, found.name):
        await storage.ensure_bucket(bucket)
    install(servers.directory / "functions", found.name, bucket=found.name)
    servers.start_receiver()
    await until(found.is_open)
    yield found
    await queue.close()
    await storage.close()


async def test_every_file_put_becomes_one_task_with_the_identity_that_the_listing_finds(scene: Scene) -> None:
    await scene.put(*ODD_KEYS)
    await until(lambda: scene.has(*ODD_KEYS))
    listed = [info async for info in scene.storage.list(scene.name)]
    ids = {task_id(scene.name, scene.name, info.key, info.identity) for info in listed}
    assert len(ids) == len(ODD_KEYS)
    assert await scene.queue.ids(scene.name) == ids


async def test_each_version_that_stays_the_newest_is_a_task(scene: Scene) -> None:
    keys = scene.servers.settings.storage
    client = boto3.client(
        "s3",
        endpoint_url=keys.endpoint,
        region_name=keys.region,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
    )
    client.put_bucket_versioning(Bucket=scene.name, VersioningConfiguration={"Status": "Enabled"})
    ids = set()
    for body in (b"first", b"second"):
        version = client.put_object(Bucket=scene.name, Key="a.dcm", Body=body)["VersionId"]
        ids.add(task_id(scene.name, scene.name, "a.dcm", version))

        async def is_there() -> bool:
            return ids == await scene.queue.ids(scene.name)

        await until(is_there)
    client.close()


async def test_files_that_came_while_the_receiver_was_dead_are_found_at_its_start(scene: Scene) -> None:
    scene.servers.receiver.kill()
    keys = [f"lost/{number}" for number in range(20)]
    await scene.put(*keys)
    scene.servers.start_receiver()
    await until(lambda: scene.has(*keys))
    assert len(await scene.queue.ids(scene.name)) == len(keys)


async def test_a_stop_ends_with_status_0_and_leaves_no_secret_in_the_log(scene: Scene) -> None:
    await scene.put("a.dcm")
    await until(lambda: scene.has("a.dcm"))
    child = scene.servers.receiver.child
    child.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(child.wait, WAIT_SECONDS) == 0
    settings = scene.servers.settings
    assert '"action":"events.task_stored"' in scene.servers.log
    for secret in (settings.receiver.token, settings.storage.secret_key, settings.queue.token):
        assert secret not in scene.servers.log


async def test_while_the_queue_is_dead_the_answer_is_503_and_afterwards_200(scene: Scene) -> None:
    await scene.put("echo/a.dcm")
    await until(lambda: scene.has("echo/a.dcm"))
    told = saved("seaweedfs/put").replace(b"/buckets/uploads/", f"/buckets/{scene.name}/".encode())
    scene.servers.nats.kill()
    status, document = await scene.post(told)
    assert (status, list(document)) == (503, ["error"])
    scene.servers.nats.start()

    async def is_answered() -> bool:
        status, document = await scene.post(told)
        return (status, document) == (200, {"stored": 0, "queued": 1, "ignored": 0})

    await until(is_answered)


async def test_it_is_ready_once_the_store_has_passed_the_race(scene: Scene) -> None:
    async def is_ready() -> bool:
        async with aiohttp.ClientSession() as session, session.get(f"{scene.servers.url}/readyz") as answer:
            return answer.status == 200

    await until(is_ready)
    assert '"action":"events.ready"' in scene.servers.log


def test_settings_that_cannot_be_read_end_the_process_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("{}")
    command = [sys.executable, "-m", "headrace.events", "--settings", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)
    assert ended.returncode == 1
    assert f"the settings {file} can't be used" in ended.stderr

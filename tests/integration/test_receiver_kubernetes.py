"""Two receivers on a real API server, with a stack's rights and no more, a real queue and a real store."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from headrace.kube.election import holder_of
from headrace.kube.kinds import FUNCTIONS, LEASES
from headrace.kube.lightkube import LightKube
from headrace.local.process import Process, free_ports
from headrace.manifests.definitions import definitions
from headrace.model.errors import NotFoundError
from headrace.model.labels import LISTING_LEASE
from headrace.model.settings import (
    KubernetesSettings,
    QueueSettings,
    ReceiverSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)
from headrace.queue.jetstream import JetStreamQueue
from headrace.storage.s3 import S3Storage
from infra.access import receiver as access
from tests.fixtures.accounts import granted
from tests.fixtures.kube import settings_of, until
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer
from tests.toolchain.cluster.box import Box
from tests.toolchain.running import ToolchainError

PATIENCE_SECONDS = 90.0
LISTING_SECONDS = 1.0
TOKEN = "hook-token"


@dataclass
class Site:
    """Two namespaces, two receivers, and what they work on."""

    box: Box
    settings: Settings
    folder: Path
    receivers: dict[int, Process] = field(default_factory=dict)

    @property
    def place(self) -> KubernetesSettings:
        assert self.settings.kubernetes is not None
        return self.settings.kubernetes

    def start(self) -> None:
        """Bring up what is missing of two receivers."""
        for port in free_ports(2 - len(self.receivers)):
            told = self.settings.receiver.model_copy(update={"port": port})
            path = self.folder / f"{port}.json"
            path.write_bytes(self.settings.model_copy(update={"receiver": told}).to_json())
            command = [sys.executable, "-m", "headrace.events", "--settings", str(path)]
            self.receivers[port] = Process.start("receiver", command, log=self.folder / f"{port}.log")

    def kill(self, port: int) -> None:
        self.receivers.pop(port).kill()

    def log(self, port: int) -> str:
        return (self.folder / f"{port}.log").read_text()


@pytest.fixture(scope="module")
def site(
    control_plane: Box,
    nats_server: NatsServer,
    seaweedfs: SeaweedServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    box, number = control_plane, os.getpid()
    space, platform = f"received-{number}", f"receivers-{number}"
    for each in (space, platform):
        box.kubectl("create", "namespace", each)
    box.apply(*(dict(each) for each in definitions()))
    with granted(box, "receiver", access(), platform=platform, functions=space) as user:
        options = seaweedfs.options
        settings = Settings(
            storage=StorageSettings(
                endpoint=f"http://127.0.0.1:{options.s3_port}",
                access_key=options.access_key,
                secret_key=options.secret_key,
            ),
            queue=QueueSettings(url=nats_server.url, token=nats_server.token),
            receiver=ReceiverSettings(port=1, token=TOKEN, listing_seconds=LISTING_SECONDS),
            worker=WorkerSettings(work_directory="unused", secrets_directory="unused"),
            kubernetes=KubernetesSettings(namespace=space, platform_namespace=platform, kubeconfig=str(user)),
            platform_bucket=f"receivers-{number}",
        )
        found = Site(box, settings, tmp_path_factory.mktemp("receivers"))
        yield found
        for port in list(found.receivers):
            print(found.log(port)[-4000:])
            found.kill(port)


@dataclass(frozen=True)
class Scene:
    """Clients of all that the receivers work on; both receivers are there and ready."""

    site: Site
    kube: LightKube
    queue: JetStreamQueue
    storage: S3Storage

    async def apply(self, name: str) -> None:
        manifest = {
            "apiVersion": FUNCTIONS.api_version,
            "kind": "Function",
            "metadata": {"name": name, "namespace": self.site.place.namespace},
            "spec": {
                "image": "localhost/none:1",
                "run": {"handler": "none:none"},
                "input": [{"bucket": name}],
            },
        }
        await self.storage.ensure_bucket(name)
        await self.kube.apply(FUNCTIONS, manifest, manager="kubectl")

    async def post(self, port: int, bucket: str, key: str) -> dict[str, Any]:
        """What a receiver answers to a notification of an object."""
        told = {"bucket": {"name": bucket}, "object": {"key": key}}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": told}
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
            session.post(
                f"http://127.0.0.1:{port}/events", data=orjson.dumps({"Records": [record]})
            ) as answer,
        ):
            assert answer.status == HTTPStatus.OK, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def is_ready(self, port: int) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/readyz") as answer,
            ):
                return answer.status == HTTPStatus.OK
        except aiohttp.ClientError:
            return False

    async def are_ready(self) -> bool:
        return all([await self.is_ready(port) for port in self.site.receivers])

    async def has(self, function: str, *keys: str) -> bool:
        try:
            return {task.key for task in await self.queue.tasks(function, 100)} == set(keys)
        except NotFoundError:
            return False

    async def leader(self) -> int | None:
        """The port of the receiver that lists, as its log says."""
        try:
            lease = await self.kube.get(LEASES, LISTING_LEASE, namespace=self.site.place.platform_namespace)
        except NotFoundError:
            return None
        who = holder_of(lease)
        return next((p for p in self.site.receivers if who and f'"{who}"' in self.site.log(p)), None)

    async def is_led(self) -> bool:
        return await self.leader() is not None


@pytest.fixture
async def scene(site: Site) -> AsyncIterator[Scene]:
    kube = LightKube.of(settings_of(site.box.kubeconfig))
    queue, storage = JetStreamQueue.of(site.settings.queue), S3Storage(site.settings.storage)
    found = Scene(site, kube, queue, storage)
    await until(lambda: serves(site.box), PATIENCE_SECONDS)
    await storage.ensure_bucket(site.settings.platform_bucket)
    site.start()
    await until(found.are_ready, PATIENCE_SECONDS)
    await until(found.is_led, PATIENCE_SECONDS)
    yield found
    await queue.close()
    await storage.close()
    await kube.close()


async def serves(box: Box) -> bool:
    try:
        await asyncio.to_thread(box.get, "functions", "-A")
    except ToolchainError:
        return False
    return True


def a_name(what: str) -> str:
    return f"{what}-{os.getpid()}"


async def takes(scene: Scene, port: int, name: str, key: str) -> bool:
    """Whether a receiver knows the function by now."""
    await scene.storage.put(name, key, b"hello")
    answer = await scene.post(port, name, key)
    return bool(answer["stored"] or answer["queued"])


async def test_both_take_notifications_of_a_function_that_was_applied_alone(scene: Scene) -> None:
    name = a_name("both")
    await scene.apply(name)
    for number, port in enumerate(scene.site.receivers):
        key = f"{number}.txt"
        await until(lambda port=port, key=key: takes(scene, port, name, key))
    assert await scene.has(name, "0.txt", "1.txt")


async def test_a_file_of_which_nobody_was_told_is_listed_by_one_alone(scene: Scene) -> None:
    name = a_name("lost")
    await scene.apply(name)
    for port in scene.site.receivers:
        await until(lambda port=port: takes(scene, port, name, "known.txt"))
    await scene.storage.put(name, "lost.txt", b"hello")
    await until(lambda: scene.has(name, "known.txt", "lost.txt"))
    leader = await scene.leader()
    for port in scene.site.receivers:
        assert ("events.listed" in scene.site.log(port)) is (port == leader)


async def test_when_the_leader_is_killed_the_other_lists_and_both_are_ready_again(scene: Scene) -> None:
    name = a_name("takeover")
    await scene.apply(name)
    leader = await scene.leader()
    (other,) = scene.site.receivers.keys() - {leader}
    await until(lambda: takes(scene, other, name, "known.txt"))
    scene.site.kill(leader)
    await scene.storage.put(name, "lost.txt", b"hello")
    assert await takes(scene, other, name, "told.txt"), "a standby takes notifications"
    await until(lambda: scene.has(name, "known.txt", "told.txt", "lost.txt"), PATIENCE_SECONDS)
    assert await scene.leader() == other
    scene.site.start()
    await until(scene.are_ready, PATIENCE_SECONDS)


async def test_a_receiver_that_is_told_to_end_gives_the_listing_to_the_other_at_once(scene: Scene) -> None:
    leader = await scene.leader()
    (other,) = scene.site.receivers.keys() - {leader}
    ending = scene.site.receivers.pop(leader)
    await asyncio.to_thread(ending.stop, seconds=20.0)
    assert '"given back"' in scene.site.log(leader)

    async def is_led_by_the_other() -> bool:
        return await scene.leader() == other

    await until(is_led_by_the_other)


async def test_a_function_that_is_deleted_takes_no_more_files(scene: Scene) -> None:
    name = a_name("gone")
    await scene.apply(name)
    for port in scene.site.receivers:
        await until(lambda port=port: takes(scene, port, name, "known.txt"))
    await scene.kube.delete(FUNCTIONS, name, namespace=scene.site.place.namespace)

    async def ignores(port: int) -> bool:
        return not await takes(scene, port, name, "known.txt")

    for port in scene.site.receivers:
        await until(lambda port=port: ignores(port))
    await scene.queue.drop(name)

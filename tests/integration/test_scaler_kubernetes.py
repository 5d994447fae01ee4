"""Two scalers on a real API server with a stack's rights, kwok's nodes and a real queue: from zero and back.

Nobody runs in the pods, as their kubelet is kwok: this process pulls and ends the tasks of each that runs.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from headrace.kube.election import holder_of
from headrace.kube.kinds import CONFIG_MAPS, FUNCTIONS, LEASES, NODE_POOLS, NODES, PODS, SERVICE_ACCOUNTS
from headrace.kube.lightkube import LightKube
from headrace.kube.mirror import Mirror
from headrace.kube.port import Selection
from headrace.local.process import Process, free_ports
from headrace.manifests.definitions import definitions
from headrace.model.errors import NotFoundError
from headrace.model.function import digest_of
from headrace.model.labels import PLAN, POOL, SCALER_LEASE
from headrace.model.observation import Standing
from headrace.model.pool import Driver
from headrace.model.settings import (
    KubernetesSettings,
    QueueSettings,
    ReceiverSettings,
    Settings,
    SidecarSettings,
    StorageSettings,
    WorkerSettings,
)
from headrace.model.task import Task
from headrace.queue.jetstream import JetStreamQueue
from headrace.scaler.explaining import Explanation
from infra.access import scaler as access
from tests.fixtures.accounts import granted
from tests.fixtures.kube import settings_of, until
from tests.fixtures.nats import NatsServer
from tests.toolchain.cluster.box import Box
from tests.toolchain.running import ToolchainError
from tests.unit.scaler_cluster import function_object, pool_object, the_function

PATIENCE_SECONDS = 120.0
MOST_WORKERS, MOST_NODES = 6, 3
TELL_SECONDS = 2.0


@dataclass
class Site:
    """Two namespaces and two scalers."""

    box: Box
    settings: Settings
    folder: Path
    scalers: dict[int, Process] = field(default_factory=dict)

    @property
    def place(self) -> KubernetesSettings:
        assert self.settings.kubernetes is not None
        return self.settings.kubernetes

    @property
    def pool(self) -> str:
        return f"sim{os.getpid()}"

    def start(self) -> None:
        """Bring up what is missing of two scalers."""
        path = self.folder / "settings.json"
        path.write_bytes(self.settings.to_json())
        for port in free_ports(2 - len(self.scalers)):
            command = [sys.executable, "-m", "headrace.scaler", "--settings", str(path), "--port", str(port)]
            self.scalers[port] = Process.start("scaler", command, log=self.folder / f"{port}.log")

    def log(self, port: int) -> str:
        return (self.folder / f"{port}.log").read_text()


@pytest.fixture(scope="module")
def site(
    control_plane: Box, nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    box, number = control_plane, os.getpid()
    space, platform = f"scaled-{number}", f"scalers-{number}"
    for each in (space, platform):
        box.kubectl("create", "namespace", each)
    box.apply(*(dict(each) for each in definitions()))
    with granted(box, "scaler", access([Driver.KWOK]), platform=platform, functions=space) as user:
        settings = Settings(
            storage=StorageSettings(endpoint="http://127.0.0.1:1", access_key="none", secret_key="none"),
            queue=QueueSettings(url=nats_server.url, token=nats_server.token),
            receiver=ReceiverSettings(port=1, token=""),
            worker=WorkerSettings(work_directory="unused", secrets_directory="unused"),
            kubernetes=KubernetesSettings(
                namespace=space,
                platform_namespace=platform,
                kubeconfig=str(user),
                sidecar=SidecarSettings(image="localhost/headrace:1"),
            ),
        )
        found = Site(box, settings, tmp_path_factory.mktemp("scalers"))
        yield found
        for port, scaler in found.scalers.items():
            scaler.stop(seconds=20.0)
            print(found.log(port)[-6000:])


@dataclass
class Workers:
    """Plays what workers do in the pods that run. `faults`: pods that were told to go while they worked."""

    queue: JetStreamQueue
    function: str
    pods: Mirror
    seconds: float = 1.0
    done: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    most: int = 0
    _busy_since: dict[str, float] = field(default_factory=dict)
    _lives: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def play(self) -> None:
        while True:
            there = {each["metadata"]["name"]: each for each in self.pods.items.values()}
            leaving = {name for name, each in there.items() if "deletionTimestamp" in each["metadata"]}
            self.most = max(self.most, len(there) - len(leaving))
            self._judge(set(self._lives) - (there.keys() - leaving))
            for name, pod in there.items():
                runs = pod.get("status", {}).get("phase") == "Running" and name not in leaving
                if runs and name not in self._lives:
                    self._lives[name] = asyncio.create_task(self._live(name))
            await self.pods.changed(1.0)

    def _judge(self, gone: set[str]) -> None:
        """A worker that told long enough ago that it works is not to be taken away."""
        for name in gone:
            since = self._busy_since.get(name)
            if since is not None and time.monotonic() - since > 1.0:
                self.faults.append(name)
            self._lives.pop(name).cancel()
            self._busy_since.pop(name, None)

    async def _live(self, name: str) -> None:
        telling = asyncio.create_task(self._tell_often(name))
        try:
            while True:
                for lease in await self.queue.pull(self.function, 1, wait_seconds=1.0):
                    self._busy_since[name] = time.monotonic()
                    await self._tell(name)
                    await asyncio.shield(self._work(lease))
                    self._busy_since.pop(name, None)
                    await self._tell(name)
        finally:
            telling.cancel()

    async def _work(self, lease: Any) -> None:
        await asyncio.sleep(self.seconds)
        await lease.done()
        self.done.append(lease.task.id)

    async def _tell(self, name: str) -> None:
        held = int(name in self._busy_since)
        await self.queue.tell(Standing(function=self.function, worker=name, held=held, since=time.time()))

    async def _tell_often(self, name: str) -> None:
        while True:
            await self._tell(name)
            await asyncio.sleep(TELL_SECONDS)


@dataclass(frozen=True)
class Scene:
    """Clients of all, a function that is ready, and who plays its workers; both scalers are ready."""

    site: Site
    kube: LightKube
    queue: JetStreamQueue
    workers: Workers
    function: str

    async def put(self, count: int) -> set[str]:
        found = set()
        for number in range(count):
            task = Task(
                id=os.urandom(16).hex(), function=self.function, bucket="uploads", key=f"{number}", etag="e",
                size=1, received=time.time(),
            )  # fmt: skip
            await self.queue.put(task)
            found.add(task.id)
        return found

    async def has_done(self, tasks: set[str]) -> bool:
        return tasks <= set(self.workers.done)

    async def nodes(self) -> list[str]:
        listing = await self.kube.list(NODES, Selection(labels={POOL: self.site.pool}))
        return [each["metadata"]["name"] for each in listing.items]

    async def is_empty(self) -> bool:
        return not await self.nodes() and not self.workers.pods.items

    async def status_of(self, port: int, path: str) -> int:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/{path}") as answer,
            ):
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def are_ready(self) -> bool:
        return all([await self.status_of(port, "readyz") == HTTPStatus.OK for port in self.site.scalers])

    async def leader(self) -> int | None:
        try:
            lease = await self.kube.get(LEASES, SCALER_LEASE, namespace=self.site.place.platform_namespace)
        except NotFoundError:
            return None
        who = holder_of(lease)
        return next((p for p in self.site.scalers if who and f'"{who}"' in self.site.log(p)), None)

    async def is_led(self) -> bool:
        return await self.leader() is not None

    async def plan(self) -> Explanation:
        found = await self.kube.get(CONFIG_MAPS, PLAN, namespace=self.site.place.platform_namespace)
        return Explanation.from_json(found["data"]["plan.json"])


@pytest.fixture
async def scene(site: Site) -> AsyncIterator[Scene]:
    kube, queue = LightKube.of(settings_of(site.box.kubeconfig)), JetStreamQueue.of(site.settings.queue)
    await until(lambda: serves(site.box), PATIENCE_SECONDS)
    name = f"echo{os.urandom(3).hex()}"
    await queue.ensure(name, lease_seconds=60.0, max_leased=100)
    await deploy(kube, site.place.namespace, name)
    await kube.apply(NODE_POOLS, pool_object(site.pool, nodes=MOST_NODES), manager="tests")
    async with Mirror(kube, PODS, Selection(site.place.namespace)) as pods:
        workers = Workers(queue, name, pods)
        playing = asyncio.create_task(workers.play())
        found = Scene(site, kube, queue, workers, name)
        site.start()
        await until(found.are_ready, PATIENCE_SECONDS)
        await until(found.is_led, PATIENCE_SECONDS)
        yield found
        await kube.delete(FUNCTIONS, name, namespace=site.place.namespace)
        await until(found.is_empty, PATIENCE_SECONDS)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
    await queue.drop(name)
    await queue.close()
    await kube.close()


async def deploy(kube: LightKube, namespace: str, name: str) -> None:
    """As a person and the controller do."""
    manifest = function_object(
        name, scale={"maxWaitSeconds": 0, "idleSeconds": 2, "maxWorkers": MOST_WORKERS}
    )
    manifest["metadata"]["namespace"] = namespace
    metadata = {"name": f"headrace-{name}", "namespace": namespace}
    await kube.apply(SERVICE_ACCOUNTS, {"metadata": metadata}, manager="tests")
    await kube.apply(FUNCTIONS, manifest, manager="kubectl")
    told = {"metadata": manifest["metadata"], "status": {"digest": digest_of(the_function(manifest), {})}}
    await kube.apply_status(FUNCTIONS, told, manager="headrace-controller")


async def serves(box: Box) -> bool:
    try:
        await asyncio.to_thread(box.get, "functions,nodepools", "-A")
    except ToolchainError:
        return False
    return True


async def test_files_bring_nodes_and_workers_and_all_of_it_goes_when_they_are_done(scene: Scene) -> None:
    assert await scene.is_empty()
    tasks = await scene.put(30)
    await until(lambda: scene.has_done(tasks), PATIENCE_SECONDS)
    assert 1 < scene.workers.most <= MOST_WORKERS
    assert len(scene.workers.done) == len(tasks)
    await until(scene.is_empty, PATIENCE_SECONDS)
    assert scene.workers.faults == []


async def test_the_plan_is_told_and_both_answer_the_kubelet(scene: Scene) -> None:
    async def is_told() -> bool:
        with suppress(NotFoundError):
            return any(each.name == scene.function for each in (await scene.plan()).functions)
        return False

    await until(is_told, PATIENCE_SECONDS)
    assert [pool.name for pool in (await scene.plan()).pools] == [scene.site.pool]
    for port in scene.site.scalers:
        assert await scene.status_of(port, "healthz") == HTTPStatus.OK


async def test_a_pool_that_nobody_can_switch_is_told_and_the_others_go_on(scene: Scene) -> None:
    cloud = pool_object(f"cloud{os.getpid()}", driver="eks")
    await scene.kube.apply(NODE_POOLS, cloud, manager="tests")

    async def is_told() -> bool:
        return any("driver eks" in pool.left_out for pool in (await scene.plan()).pools)

    await until(is_told, PATIENCE_SECONDS)
    tasks = await scene.put(3)
    await until(lambda: scene.has_done(tasks), PATIENCE_SECONDS)
    await scene.kube.delete(NODE_POOLS, cloud["metadata"]["name"])


async def test_when_the_leader_is_killed_the_other_goes_on_and_takes_no_work_away(scene: Scene) -> None:
    scene.workers.seconds = 4.0
    tasks = await scene.put(40)

    async def all_work() -> bool:
        return len(scene.workers._busy_since) == MOST_WORKERS

    await until(all_work, PATIENCE_SECONDS)
    leader = await scene.leader()
    assert leader is not None
    (other,) = scene.site.scalers.keys() - {leader}
    scene.site.scalers.pop(leader).kill()
    await until(lambda: scene.has_done(tasks), PATIENCE_SECONDS)
    assert await scene.leader() == other
    assert (scene.workers.faults, len(scene.workers.done)) == ([], len(tasks))
    await until(scene.is_empty, PATIENCE_SECONDS)
    scene.site.start()
    await until(scene.are_ready, PATIENCE_SECONDS)


async def test_a_leader_that_is_told_to_end_hands_over_and_tells_what_it_asked(scene: Scene) -> None:
    leader = await scene.leader()
    assert leader is not None
    ending = scene.site.scalers.pop(leader)
    await asyncio.to_thread(ending.stop, seconds=20.0)
    told = [orjson.loads(line) for line in scene.site.log(leader).splitlines() if '"scaler.calls"' in line]
    calls = told[-1]["calls"]
    assert calls["list pods"] == calls["list nodes"] == 1, "nothing is listed again and again"
    await until(scene.is_led, PATIENCE_SECONDS)
    scene.site.start()
    await until(scene.are_ready, PATIENCE_SECONDS)

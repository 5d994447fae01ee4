"""What worker pods need around them: a queue and a store that they reach, settings, and files to work."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.manifests.worker_pod import FUNCTIONS, RUNNER, function_map_name, worker_pod, worker_settings
from headrace.model.errors import NotFoundError
from headrace.model.function import Function, digest_of
from headrace.model.record import FailureRecord, Record
from headrace.model.settings import (
    KubernetesSettings,
    QueueSettings,
    ReceiverSettings,
    Settings,
    SidecarSettings,
    StorageSettings,
)
from headrace.model.task import Task, task_id
from headrace.placement.ways import NO_GPU, Way
from headrace.queue.jetstream import JetStreamQueue
from headrace.storage.s3 import S3Storage
from headrace.worker.publish import Publisher
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer
from tests.toolchain.cluster.box import Box

PATIENCE_SECONDS = 90.0  # for what a node does with a pod
LEASE_SECONDS = 600.0  # what is worked again within a test was handed back
PLATFORM = "platform"


@asynccontextmanager
async def forwarded(host: str, port: int) -> AsyncIterator[int]:
    """A port of the address that pods reach, whose connections go to this machine's own."""

    async def one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(one_way(reader, there_writer), one_way(there_reader, writer))

    server = await asyncio.start_server(carry, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """What the condition gives once that is true; it is asked in a thread."""
    deadline = time.monotonic() + seconds
    while not (found := await asyncio.to_thread(condition)):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        await asyncio.sleep(0.2)
    return found


@dataclass
class Site:
    """One namespace of the box, one function in it, and the servers that its workers use."""

    box: Box
    namespace: str
    function: Function
    sidecar: SidecarSettings
    queue: JetStreamQueue
    storage: S3Storage
    buckets: Mapping[str, str]

    @property
    def digest(self) -> str:
        return digest_of(self.function, {})

    # Files

    async def upload(self, *keys: str, content: bytes = b"x") -> list[Task]:
        """Put objects, and their tasks, as the receiver does."""
        tasks = []
        for key in keys:
            await self.storage.put(self.buckets["uploads"], key, content)
            info = await self.storage.head(self.buckets["uploads"], key)
            task = Task(
                id=task_id(self.function.name, info_bucket := self.buckets["uploads"], key, info.identity),
                function=self.function.name,
                bucket=info_bucket,
                key=key,
                etag=info.etag,
                size=info.size,
                received=time.time(),
            )
            assert await self.queue.put(task)
            tasks.append(task)
        return tasks

    async def ended_yet(self, task: Task) -> Record | FailureRecord | None:
        return await Publisher(self.storage, self.buckets[PLATFORM]).find(task.function, task.id)

    async def ended(self, task: Task, seconds: float = PATIENCE_SECONDS) -> Record | FailureRecord:
        deadline = time.monotonic() + seconds
        while (found := await self.ended_yet(task)) is None:
            assert time.monotonic() < deadline, f"{task.key} has no record; {self.state()}"
            await asyncio.sleep(0.1)
        return found

    async def result(self, key: str, seconds: float = PATIENCE_SECONDS) -> bytes:
        """What is published there, which is a moment after the record."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return await self.storage.read(self.buckets["results"], key)
            except NotFoundError:
                assert time.monotonic() < deadline, f"{key} is not published; {self.state()}"
                await asyncio.sleep(0.1)

    async def leased(self) -> int:
        return (await self.queue.backlog(self.function.name)).leased

    # Pods

    def start(self, ordinal: int = 0, way: Way = NO_GPU) -> str:
        settings = KubernetesSettings(
            namespace=self.namespace, platform_namespace="headrace", sidecar=self.sidecar
        )
        pod = worker_pod(
            self.function, self.digest, ordinal=ordinal, node=self.box.node, settings=settings, way=way
        )
        self.box.kubectl("create", "-f", "-", stdin=json.dumps(pod))
        return str(pod["metadata"]["name"])

    def delete(self, name: str) -> None:
        """Order it, as the scaler does."""
        self.box.kubectl("delete", "pod", name, "-n", self.namespace, "--wait=false")

    def pods(self) -> dict[str, Any]:
        return {pod["metadata"]["name"]: pod for pod in self.box.get("pods", "-n", self.namespace)["items"]}

    def status(self, name: str) -> dict[str, Any]:
        """The user's container's state, by its name in the pod's status."""
        found = self.pods()[name]["status"].get("containerStatuses", [])
        return found[0]["state"] if found else {}

    def state(self) -> str:
        """For a failed test: what the pods say."""
        told = [
            self.box.kubectl("logs", name, "-n", self.namespace, "-c", "supervisor", "--tail=20")
            for name, pod in self.pods().items()
            if pod["status"]["phase"] != "Pending"
        ]
        phases = {name: pod["status"] for name, pod in self.pods().items()}
        return json.dumps(phases, indent=1) + "\n".join(told)

    async def process(self, name: str, words: str) -> int:
        """The number on this machine of process 1 of a pod's container, known by its command line."""
        uid = self.pods()[name]["metadata"]["uid"]

        def found() -> int:
            numbers = (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())
            return next((number for number in numbers if _is_first(number, uid, words)), 0)

        return await until(found, f"{words} of {name}")

    async def first_process(self, name: str) -> int:
        return await self.process(name, RUNNER)

    async def kill(self, name: str, words: str) -> None:
        os.kill(await self.process(name, words), signal.SIGKILL)


def _is_first(number: int, pod: str, words: str) -> bool:
    folder = Path("/proc", str(number))
    try:
        own = next(line for line in (folder / "status").read_text().splitlines() if "NSpid" in line)
        command = (folder / "cmdline").read_text().replace("\0", " ")
        return words in command and pod in (folder / "cgroup").read_text() and own.split()[-1] == "1"
    except (OSError, StopIteration):
        return False


def _objects(namespace: str, function: Function, settings: Settings, secrets: Mapping[str, str]) -> list[Any]:
    """What the controller and the stack make for a function's workers."""
    digest = digest_of(function, {})

    def made(kind: str, name: str, **rest: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **rest}

    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": restricted}},
        made("ServiceAccount", f"headrace-{function.name}"),
        made("Secret", "headrace-worker", stringData={"settings.json": settings.to_json().decode()}),
        made("Secret", "token", stringData=dict(secrets)),
        made(
            "ConfigMap",
            function_map_name(function.name, digest),
            data={"function.yaml": function.to_json().decode()},
            immutable=True,
        ),
    ]


@asynccontextmanager
async def site(
    box: Box,
    images: Mapping[str, tuple[Path, str]],
    servers: tuple[NatsServer, SeaweedServer],
    function: Function,
    secrets: Mapping[str, str] = {},
) -> AsyncIterator[Site]:
    """A site of its own for one test; its pods are deleted at the end."""
    nats, weed = servers
    namespace = f"workers-{os.getpid()}-{time.monotonic_ns() % 10**9}"
    buckets = {name: f"{name}-{namespace}" for name in ("uploads", "results", PLATFORM)}
    async with AsyncExitStack() as stack:
        queue_port = await stack.enter_async_context(forwarded(box.host, nats.port))
        store_port = await stack.enter_async_context(forwarded(box.host, weed.options.s3_port))
        settings = Settings(
            storage=StorageSettings(
                endpoint=f"http://{box.host}:{store_port}",
                access_key=weed.options.access_key,
                secret_key=weed.options.secret_key,
            ),
            queue=QueueSettings(
                url=f"nats://{box.host}:{queue_port}", token=nats.token, lease_seconds=LEASE_SECONDS
            ),
            receiver=ReceiverSettings(port=1, token=""),
            worker=worker_settings(),
            functions_directory=FUNCTIONS,
            platform_bucket=buckets[PLATFORM],
            buckets=buckets,
        )
        queue = JetStreamQueue.of(nats.settings)
        storage = S3Storage(weed.options.storage)
        sidecar = SidecarSettings(image=images["headrace"][1])
        made = Site(box, namespace, function, sidecar, queue, storage, buckets)
        for bucket in buckets.values():
            await storage.ensure_bucket(bucket)
        await queue.ensure(function.name, lease_seconds=LEASE_SECONDS, max_leased=100)
        await asyncio.to_thread(box.apply, *_objects(namespace, function, settings, secrets))
        try:
            yield made
        finally:
            await asyncio.to_thread(
                box.kubectl, "delete", "namespace", namespace, "--wait=true", "--timeout=60s"
            )
            await queue.drop(function.name)
            await queue.close()
            await storage.close()

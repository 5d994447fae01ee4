"""The API on adapters in memory, and a worker that ends every task while a call waits."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from headrace.api.app import application
from headrace.api.documents import Amount, Cluster, Node, Oscar, Status
from headrace.api.memory import MemoryDeployments
from headrace.api.spool import Spool
from headrace.api.system_calls import Site
from headrace.api.world import World as ApiWorld
from headrace.model.api import ApiSettings, ApiUser, StoreKey
from headrace.model.function import Function
from headrace.model.keys import MARK, function_key, mark_of, staging_key
from headrace.model.record import Output, Record, Times
from headrace.model.settings import (
    KubernetesSettings,
    QueueSettings,
    ReceiverSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)
from headrace.model.task import Task
from headrace.storage.memory import MemoryStorage
from tests.fixtures.world import NOW, PLATFORM, World

KEY = "k" * 32
USERS = (
    ApiUser(name="oscar", password="secret", store=StoreKey(access_key="own", secret_key="own-secret")),
    ApiUser(name="ann", password="ann-secret", tenant="lab"),
    ApiUser(name="bob", password="bob-secret", tenant="other"),
)
API = ApiSettings(port=1, users=USERS, token_key=KEY, upload_bytes=10_000, spool_bytes=50_000, run_seconds=5)
COWSAY = {
    "name": "cowsay",
    "image": "registry.example/cowsay",
    "cpu": "1.0",
    "memory": "128Mi",
    "script": '#!/bin/sh\ncat "$INPUT_FILE_PATH"\n',
    "input": [{"storage_provider": "minio", "path": "cowsay/input"}],
    "output": [{"storage_provider": "minio", "path": "cowsay/output"}],
}


def basic(name: str = "oscar", password: str = "secret") -> dict[str, str]:
    """The header of a user."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    """The header of who has a service's token."""
    return {"Authorization": f"Bearer {token}"}


def settings_of(api: ApiSettings = API, place: KubernetesSettings | None = None) -> Settings:
    return Settings(
        storage=StorageSettings(endpoint="http://store:1", access_key="root", secret_key="root-secret"),
        queue=QueueSettings(url="nats://queue:1"),
        receiver=ReceiverSettings(port=1, token="hook"),
        worker=WorkerSettings(work_directory="", secrets_directory=""),
        platform_bucket=PLATFORM,
        api=api,
        kubernetes=place,
    )


class Bench:
    """The API, and the stack behind it. `worker` gets each task in the queue whenever a call sleeps."""

    def __init__(
        self,
        spool: Path,
        *functions: Function,
        api: ApiSettings = API,
        place: KubernetesSettings | None = None,
    ) -> None:
        self.world = World()
        self.world.functions = ()
        self.storage, self.queue = self.world.storage, self.world.queue
        assert isinstance(self.storage, MemoryStorage)
        self.deployments = MemoryDeployments(functions)
        self.settings = settings_of(api, place)
        self.spool = Spool(
            spool, most_bytes=api.upload_bytes, room_bytes=api.spool_bytes, stall_seconds=api.stall_seconds
        )
        self.worker: Callable[[Task], Awaitable[None]] = self.done
        self.outputs: Mapping[str, bytes] = {"out.txt": b"moo"}
        self.log = "printed\n"
        numbers = count()
        self.api = ApiWorld(
            settings=self.settings,
            api=api,
            storage=self.storage,
            queue=self.queue,
            deployments=self.deployments,
            spool=self.spool,
            now=self.world.now,
            sleep=self.sleep,
            number=lambda: f"{next(numbers):08d}",
        )

    @property
    def site(self) -> Site:
        """A cluster of one node."""

        async def status() -> Status:
            amount = Amount(capacity_cores=2000)
            node = Node(name="n1", cpu=amount, memory=Amount(capacity_bytes=1), status="Ready")
            return Status(cluster=Cluster(nodes_count=1, nodes=(node,)), oscar=Oscar(jobs_count=0))

        return Site("v1.35.0", status)

    async def sleep(self, seconds: float) -> None:
        """What a call does while it waits: time passes, buckets are made, functions seen, files worked."""
        self.world.time += seconds
        for function in await self.deployments.listed():
            await self.open(function)
            try:
                for task in await self.queue.tasks(function.name, 100):
                    await self.worker(task)
            except LookupError:
                continue

    async def open(self, function: Function) -> None:
        """A function's buckets and stream, as receiver and manager make them."""
        await self.storage.ensure_bucket(PLATFORM)
        for bucket in function.bucket_names:
            await self.storage.ensure_bucket(self.settings.real_bucket(bucket))
        await self.queue.ensure(function.name, lease_seconds=30.0, max_leased=100)
        await self.storage.create(PLATFORM, function_key(function.name), b'{"firstSeen": 1}')

    async def done(self, task: Task) -> None:
        """End a task with the outputs that there are to be, published."""
        attempt, outputs = f"a-{task.id[:8]}", []
        for name, content in self.outputs.items():
            staged, key = staging_key(task.function, task.id, attempt, name), f"out/{task.id}/{name}"
            mark = {MARK: mark_of(task.id, attempt)}
            await self.storage.ensure_bucket("results")
            etag = await self.storage.put("results", key, content, metadata=mark)
            outputs.append(
                Output(name=name, bucket="results", key=key, staging_key=staged, etag=etag, size=len(content))
            )
        at = {"received": task.received, "pulled": NOW, "staged": NOW, "started": NOW + 1}
        record = Record(
            task=task,
            attempt=attempt,
            attempt_number=1,
            outputs=tuple(outputs),
            function_digest="digest",
            worker="w1",
            times=Times(**at, finished=NOW + 2, committed=NOW + 3),
            log=self.log,
        )
        await self.world.ledger.commit(record)
        await self.queue.remove(task.function, task.id)

    async def failed(self, task: Task) -> None:
        """End a task without a result."""
        await self.world.fail(task, log=self.log)

    @asynccontextmanager
    async def client(self, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
        """A client of this API; an administrator unless `headers` say who."""

        await self.storage.ensure_bucket(PLATFORM)
        transport = httpx2.ASGITransport(application(self.api, self.site))
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://api", headers=headers or basic()
        ) as client:
            yield client

    async def cowsay(self, client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
        """Make the service; returns what creating it answered."""
        answer = await client.post("/system/services", json={**COWSAY, **changes})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = json.loads(answer.content)
        return found

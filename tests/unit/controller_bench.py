"""The controller on an API server, a queue and a store in memory, on a clock that the test moves."""

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

from headrace.controller.service import Service
from headrace.controller.world import World
from headrace.kube.kinds import BUCKETS, FUNCTIONS, PODS, Kind
from headrace.kube.memory import MemoryKube
from headrace.manifests.worker_pod import pod_name
from headrace.model.errors import NotFoundError
from headrace.model.labels import COMPONENT, DIGEST, FUNCTION, HEADRACE, PART_OF, short_digest
from headrace.model.settings import Settings
from headrace.model.task import Task
from headrace.queue.memory import MemoryQueue
from headrace.storage.memory import MemoryStorage
from tests.fixtures.clock import VirtualClock

SPACE, PLATFORM = "headrace-functions", "headrace"
PLATFORM_BUCKET = "records"
LOOPS = 40  # of the event loop, in which mirrors hear of everything


def settings(*tenants: dict[str, Any]) -> Settings:
    document = {
        "storage": {"endpoint": "http://seaweedfs.headrace.svc:8333", "accessKey": "a", "secretKey": "b"},
        "queue": {"url": "nats://nats.headrace.svc:4222"},
        "receiver": {"port": 1, "token": "t"},
        "worker": {"workDirectory": "/w", "secretsDirectory": "/s"},
        "kubernetes": {"namespace": SPACE, "platformNamespace": PLATFORM, "tenants": tenants},
        "platformBucket": PLATFORM_BUCKET,
        "buckets": {"reports": "clinic-reports"},
    }
    return Settings.from_json(json.dumps(document))


def a_function(name: str = "echo", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {
            "run": {"handler": "echo:Echo"},
            "image": "localhost/echo:1",
            "input": [{"bucket": "uploads"}],
            "output": [{"bucket": "reports"}],
            **spec,
        },
    }


def a_bucket(logical: str, namespace: str = SPACE, /, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": logical, "namespace": namespace}, "spec": spec}


def a_task(number: int, function: str = "echo", received: float = 0.0) -> Task:
    return Task(
        id=f"{number:032x}", function=function, bucket="uploads", key=f"{number}.avi", etag="e", size=1,
        received=received,
    )  # fmt: skip


class Bench:
    """One or more controllers that see the same servers."""

    def __init__(self, *tenants: dict[str, Any]) -> None:
        self.clock = VirtualClock()
        spaces = ("default", PLATFORM, SPACE, *(each["name"] for each in tenants))
        self.kube = MemoryKube(now=self.clock.now, namespaces=spaces)
        self.tenants = tenants
        self.queue = MemoryQueue(self.clock.now, self.clock.sleep)
        self.storage = MemoryStorage(now=self.clock.now)
        self.leads = True
        self.service = self.controller()

    def controller(self) -> Service:
        loaded = settings(*self.tenants)
        assert loaded.kubernetes is not None
        world = World(
            self.kube, self.queue, self.storage, loaded, loaded.kubernetes,
            self.clock.now, self.clock.now, lambda: self.leads,
        )  # fmt: skip
        return Service(world, sleep=self.clock.sleep)

    async def settle(self, seconds: float = 0.0, *others: Service) -> None:
        """Let time pass in small steps, and take every turn that is due meanwhile."""
        end = self.clock.now() + seconds
        while True:
            await self._turns((self.service, *others))
            if self.clock.now() >= end:
                return
            self.clock.advance(min(0.5, end - self.clock.now()))

    async def _turns(self, services: tuple[Service, ...]) -> None:
        idle = False
        while not idle:
            idle = True
            for _ in range(LOOPS):
                await asyncio.sleep(0)
            for each in services:
                while (whose := each.turns.take()) is not None:
                    idle = False
                    await each.turn(whose)

    async def get(self, kind: Kind, name: str, namespace: str = SPACE) -> dict[str, Any] | None:
        try:
            return dict(await self.kube.get(kind, name, namespace=namespace))
        except NotFoundError:
            return None

    async def status(self, name: str = "echo") -> dict[str, Any]:
        found = await self.get(FUNCTIONS, name)
        assert found is not None
        return found.get("status", {})

    async def bucket_status(self, name: str, namespace: str = SPACE) -> dict[str, Any]:
        found = await self.get(BUCKETS, name, namespace)
        assert found is not None
        return found.get("status", {})

    async def ready(self, name: str = "echo") -> tuple[str, str, str]:
        return readiness(await self.status(name))

    async def start_pod(self, digest: str, ordinal: int = 0, function: str = "echo") -> str:
        name = pod_name(function, digest, ordinal)
        labels = {PART_OF: HEADRACE, COMPONENT: "worker", FUNCTION: function, DIGEST: short_digest(digest)}
        manifest = {"metadata": {"name": name, "namespace": SPACE, "labels": labels}, "spec": {}}
        await self.kube.create(PODS, manifest)
        self.kube.bind(name, "node-0", namespace=SPACE)
        return name

    async def end_pod(self, name: str) -> None:
        """As a kubelet does once its containers have ended."""
        await self.kube.delete(PODS, name, namespace=SPACE, grace_seconds=0)


def readiness(status: dict[str, Any], kind: str = "Ready") -> tuple[str, str, str]:
    for each in status.get("conditions", ()):
        if each["type"] == kind:
            return each["status"], each["reason"], each["message"]
    return "", "", ""


@asynccontextmanager
async def running(*tenants: dict[str, Any]):
    """A bench whose mirrors have synced."""
    bench = Bench(*tenants)
    async with bench.service.seen:
        await bench.settle()
        yield bench

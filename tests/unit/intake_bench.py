"""A receiver's surroundings in memory: a store, a queue, functions and a clock that stands still."""

from collections.abc import AsyncIterator
from typing import Any

from headrace.events.deposit import Deposit
from headrace.events.intake import Intake
from headrace.events.listing import Listed, Listing
from headrace.model.function import Function
from headrace.model.settings import Settings
from headrace.model.task import task_id
from headrace.queue.memory import MemoryQueue
from headrace.storage.memory import MemoryStorage
from headrace.storage.port import ObjectInfo

PLATFORM = "platform"
NOW = 1000.0


def function(name: str, *inputs: dict[str, Any], **spec: Any) -> Function:
    """A function of a script, with inputs as in function.yaml."""
    return Function.model_validate(
        {
            "apiVersion": "headrace.dev/v1alpha1",
            "kind": "Function",
            "metadata": {"name": name},
            "spec": {"run": {"script": "s.sh"}, "input": inputs or ({"bucket": "uploads"},), **spec},
        },
        strict=False,
    )


def settings_with(**fields: Any) -> Settings:
    """Settings whose servers nobody asks."""
    return Settings.model_validate(
        {
            "storage": {"endpoint": "http://127.0.0.1:1", "accessKey": "a", "secretKey": "store-secret"},
            "queue": {"url": "nats://127.0.0.1:1", "leaseSeconds": 30.0},
            "receiver": {"port": 1, "token": "hook-token"},
            "worker": {"workDirectory": "w", "secretsDirectory": "s"},
            "functionsDirectory": "f",
            "platformBucket": PLATFORM,
            **fields,
        }
    )


class Bench:
    """The parts of `events`, put together; tests change `functions`, `time` and the adapters' content."""

    def __init__(self, *functions: Function, **fields: Any) -> None:
        self.time = NOW
        self.functions = functions or (function("echo"),)
        self.storage, self.queue = MemoryStorage(now=self.now), MemoryQueue(now=self.now)
        self.settings = settings_with(**fields)

    def now(self) -> float:
        return self.time

    async def open(self, *buckets: str) -> "Bench":
        for bucket in (PLATFORM, "uploads", *buckets):
            await self.storage.ensure_bucket(bucket)
        for each in self.functions:
            await self.queue.ensure(each.name, lease_seconds=30.0, max_leased=10)
        return self

    def intake(self, *, storage: Any = None, queue: Any = None) -> Intake:
        return Intake(
            storage or self.storage,
            Deposit(queue or self.queue, self.settings.queue),
            functions=lambda: self.functions,
            settings=self.settings,
            clock=self.now,
        )

    def listing(self, *, storage: Any = None, queue: Any = None) -> Listing:
        queue = queue or self.queue
        return Listing(
            storage or self.storage,
            queue,
            Deposit(queue, self.settings.queue),
            settings=self.settings,
            clock=self.now,
        )

    def listed(self, first_seen: float = 0.0) -> list[Listed]:
        return [Listed(each, first_seen) for each in self.functions]

    async def put(self, key: str, body: bytes = b"hello", *, bucket: str = "uploads") -> ObjectInfo:
        await self.storage.put(bucket, key, body)
        return await self.storage.head(bucket, key)

    async def queued(self, name: str = "echo") -> set[str]:
        """The keys of the function's tasks."""
        return {task.key for task in await self.queue.tasks(name, 10_000)}


def id_of(info: ObjectInfo, name: str = "echo") -> str:
    return task_id(name, info.bucket, info.key, info.identity)


class Watched:
    """An adapter whose calls are noted in `calls`; `before` may act, or raise, before each is passed on."""

    def __init__(self, inner: Any, calls: list[tuple[Any, ...]] | None = None) -> None:
        self.inner = inner
        self.calls = [] if calls is None else calls

    async def before(self, *call: Any) -> None:
        self.calls.append(call)

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        await self.before("head", bucket, key)
        return await self.inner.head(bucket, key)

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        await self.before("list", bucket, prefix)
        async for info in self.inner.list(bucket, prefix):
            yield info

    async def ids(self, name: str) -> frozenset[str]:
        await self.before("ids", name)
        return await self.inner.ids(name)

    async def put(self, *arguments: Any) -> Any:
        await self.before("put", *arguments)
        return await self.inner.put(*arguments)

    async def ensure(self, name: str, **settings: Any) -> None:
        await self.before("ensure", name)
        await self.inner.ensure(name, **settings)

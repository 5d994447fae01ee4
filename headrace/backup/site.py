"""A stack as its backup and its restore see it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from headrace.model.errors import TransientError
from headrace.model.function import Function
from headrace.model.settings import QueueSettings
from headrace.queue.port import Queue
from headrace.storage.port import ObjectInfo, Storage

Result = TypeVar("Result")

MOST_TRIES = 15  # about a minute in all; a server that is away for longer ends the command: call it again
MOST_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Site:
    """`buckets` maps logical to real names, where they differ; `bucket_objects`: real names of more of them.

    `tenants`: each with the real names of its buckets.
    `now` gives seconds since the epoch, `sleep` waits on the same clock.
    """

    storage: Storage
    queue: Queue
    functions: tuple[Function, ...]
    platform_bucket: str
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    buckets: Mapping[str, str] = field(default_factory=dict)
    bucket_objects: frozenset[str] = frozenset()
    tenants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    queue_settings: QueueSettings = field(default_factory=lambda: QueueSettings(url=""))

    def real_bucket(self, logical: str) -> str:
        """The store's name of a bucket that a function names."""
        return self.buckets.get(logical, logical)

    async def patiently(self, step: Callable[[], Awaitable[Result]]) -> Result:
        """Repeat a step while a server is away, MOST_TRIES times. Raises TransientError after that."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_attempt(MOST_TRIES),
            wait=wait_exponential(0.2, max=5.0),
            sleep=self.sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                return await step()
        raise AssertionError  # the loop returns or raises

    async def listed(self, bucket: str, prefix: str = "") -> list[ObjectInfo]:
        """Every object below a prefix, the store's own order kept."""

        async def whole() -> list[ObjectInfo]:
            return [info async for info in self.storage.list(bucket, prefix)]

        return await self.patiently(whole)


class Telling(Protocol):
    """Is told how a long command comes on."""

    def stage(self, what: str, total: int) -> None:
        """Something begins that takes so many steps."""
        ...

    def step(self, size: int = 0) -> None:
        """One step is done; `size` in bytes."""
        ...


class Silent:
    """Tells nobody."""

    def stage(self, what: str, total: int) -> None:
        """See the port."""

    def step(self, size: int = 0) -> None:
        """See the port."""

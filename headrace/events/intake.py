"""From what a notification says to tasks in the queue."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from headrace.events.deposit import Deposit
from headrace.events.gate import Held
from headrace.events.routing import takers, task_of
from headrace.events.watcher import Moments, Offer
from headrace.model.errors import NotFoundError, RejectedError
from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.model.function import Function
from headrace.model.marks import restored_content
from headrace.model.settings import Settings
from headrace.model.task import Task
from headrace.model.tenancy import tenant_of
from headrace.storage.port import ObjectInfo, Storage

Functions = Callable[[], tuple[Function, ...]]  # asked for each delivery: functions come and go

_CREATED = "created"


@dataclass(frozen=True, slots=True)
class Report:
    """What one delivery led to."""

    stored: tuple[Task, ...] = ()
    queued: tuple[Task, ...] = ()  # refused by the queue: waiting or leased already
    ignored: tuple[IgnoredEvent, ...] = ()
    held: tuple[Held, ...] = ()  # not let in now: the listing brings them once their tenant has room
    moments: Moments = field(default=Moments(), compare=False)

    @property
    def offer(self) -> Offer:
        """Its tasks, as whoever watches is told of them."""
        return Offer(self.stored, self.queued, self.held, self.moments)


class Intake:
    """Turns deliveries into tasks. The identity of an object is what HEAD answers, not what it was told."""

    def __init__(
        self,
        storage: Storage,
        deposit: Deposit,
        *,
        functions: Functions,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._storage = storage
        self._deposit = deposit
        self._functions = functions
        self._settings = settings
        self._clock = clock

    async def take(self, delivery: Delivery) -> Report:
        """Store every task of a delivery that is let in; returns only when all of these are stored.

        Raises TransientError when store or queue is away: nothing is lost if the delivery is repeated.
        """
        received = self._clock()
        found = await asyncio.gather(*(self._tasks_of(event, received) for event in delivery.created))
        tasks: dict[str, Task] = {}
        ignored = list(delivery.ignored)
        for each in found:
            if isinstance(each, IgnoredEvent):
                ignored.append(each)
            else:
                tasks.update((task.id, task) for task in each)
        offered = self._clock()
        deposited = await self._deposit.put(tasks.values())
        moments = Moments(received, offered, self._clock())
        return Report(deposited.stored, deposited.queued, tuple(ignored), deposited.held, moments)

    async def _tasks_of(self, event: FileEvent, received: float) -> tuple[Task, ...] | IgnoredEvent:
        if event.bucket == self._settings.platform_bucket:
            return _ignored(event, "the platform's own bucket")
        functions = self._functions()
        keys = [key for key in _keys(event) if self._takers(functions, event.bucket, key)]
        if not keys:
            return _ignored(event, "no function takes it")
        try:
            infos = [info for key in keys if (info := await self._head(event.bucket, key)) is not None]
        except RejectedError as error:
            return _ignored(event, str(error))
        if not infos:
            return _ignored(event, "it is gone by now")
        info = next((each for each in infos if _agrees(each, event)), infos[0])
        if restored_content(info.metadata, info.bucket, info.key) is not None:
            return _ignored(event, "a restore put it back: the queue and the listing have what it needs")
        wanted = self._takers(functions, info.bucket, info.key)
        return tuple(task_of(function.name, info, received=received) for function in wanted)

    def _takers(self, functions: tuple[Function, ...], bucket: str, key: str) -> tuple[Function, ...]:
        return tuple(each for each in functions if self._takes(each, bucket, key))

    def _takes(self, function: Function, bucket: str, key: str) -> bool:
        real = partial(self._settings.real_bucket, tenant=tenant_of(function.name))
        return bool(takers((function,), bucket, key, real_bucket=real))

    async def _head(self, bucket: str, key: str) -> ObjectInfo | None:
        try:
            return await self._storage.head(bucket, key)
        except NotFoundError:
            return None


def _keys(event: FileEvent) -> tuple[str, ...]:
    """The keys that the object may have; two only where the sender is unknown."""
    return (event.key,) if event.raw_key is None else (event.key, event.raw_key)


def _agrees(info: ObjectInfo, event: FileEvent) -> bool:
    """Whether an object is the one that an event describes, as far as it does."""
    return (event.size is None or event.size == info.size) and (event.etag is None or event.etag == info.etag)


def _ignored(event: FileEvent, reason: str) -> IgnoredEvent:
    return IgnoredEvent(_CREATED, event.bucket, event.key, reason)

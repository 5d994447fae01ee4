"""Putting tasks into the queue, also when it has lost a function's stream."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from headrace.model.errors import NotFoundError
from headrace.model.settings import QueueSettings
from headrace.model.task import Task
from headrace.queue.port import Queue


@dataclass(frozen=True, slots=True)
class Deposited:
    """What became of tasks: stored now, or refused because they wait or are leased already."""

    stored: tuple[Task, ...] = ()
    queued: tuple[Task, ...] = ()


class Deposit:
    """The queue, as the receiver and the listing use it."""

    def __init__(self, queue: Queue, settings: QueueSettings) -> None:
        self._queue = queue
        self._settings = settings

    async def open(self, function: str) -> None:
        """Make sure that a function has a stream. Raises TransientError."""
        await self._queue.ensure(
            function, lease_seconds=self._settings.lease_seconds, max_leased=self._settings.max_leased
        )

    async def put(self, tasks: Iterable[Task]) -> Deposited:
        """Store tasks at once. Raises TransientError when one may not be stored; put all again then."""
        ordered = tuple(tasks)
        answers = await asyncio.gather(*(self._put(task) for task in ordered))
        pairs = tuple(zip(ordered, answers, strict=True))
        return Deposited(
            stored=tuple(task for task, stored in pairs if stored),
            queued=tuple(task for task, stored in pairs if not stored),
        )

    async def _put(self, task: Task) -> bool:
        try:
            return await self._queue.put(task)
        except NotFoundError:
            # The server came back without its data: a task must not be lost for that.
            await self.open(task.function)
            return await self._queue.put(task)

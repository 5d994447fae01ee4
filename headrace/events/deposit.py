"""Putting tasks into the queue, also when it has lost a function's stream."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headrace.events.gate import Gate, Held
from headrace.model.errors import NotFoundError, TransientError
from headrace.model.function import Function
from headrace.model.settings import QueueSettings
from headrace.model.task import Task
from headrace.queue.port import Queue


@dataclass(frozen=True, slots=True)
class Deposited:
    """What became of tasks: stored now, refused because they wait or are leased already, or held back."""

    stored: tuple[Task, ...] = ()
    queued: tuple[Task, ...] = ()
    held: tuple[Held, ...] = ()


class Deposit:
    """The queue, as the receiver and the listing use it."""

    def __init__(self, queue: Queue, settings: QueueSettings, gate: Gate | None = None) -> None:
        self._queue = queue
        self._settings = settings
        self._gate = gate
        self._most_leased: dict[str, int] = {}  # by function
        self._gone: set[str] = set()

    async def open(self, function: Function) -> None:
        """Make sure that a function has a stream as its spec demands. Raises TransientError."""
        self._gone.discard(function.name)
        if self._most_leased.get(function.name) != self._settings.most_leased(function):
            await self._ensure(function.name, self._settings.most_leased(function))

    def leave(self, function: str) -> None:
        """A function is no more: its stream is whose who ends it, and never opened again from here."""
        self._most_leased.pop(function, None)
        self._gone.add(function)

    async def put(self, tasks: Iterable[Task]) -> Deposited:
        """Store tasks at once, those that the gate lets in.

        Raises TransientError when one may not be stored; put all again then.
        """
        pairs: list[tuple[Task, bool]] = []

        async def put(admitted: Sequence[Task]) -> None:
            answers = await asyncio.gather(*(self._put(task) for task in admitted))
            pairs.extend(zip(admitted, answers, strict=True))

        ordered = tuple(tasks)
        held: tuple[Held, ...] = ()
        if self._gate is None:
            await put(ordered)
        else:
            held = tuple(await self._gate.pass_on(ordered, put))
        return Deposited(
            stored=tuple(task for task, stored in pairs if stored),
            queued=tuple(task for task, stored in pairs if not stored),
            held=held,
        )

    async def _put(self, task: Task) -> bool:
        try:
            return await self._queue.put(task)
        except NotFoundError as error:
            if task.function in self._gone:
                raise TransientError(f"function {task.function} is gone, and its queue with it") from error
            # The server came back without its data: a task must not be lost for that.
            most = self._most_leased.get(task.function, self._settings.max_leased)
            await self._ensure(task.function, most)
            return await self._queue.put(task)

    async def _ensure(self, function: str, most: int) -> None:
        await self._queue.ensure(function, lease_seconds=self._settings.lease_seconds, max_leased=most)
        self._most_leased[function] = most

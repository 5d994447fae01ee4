"""The queue in memory, on a clock that is given: for unit tests and the simulator. Nothing survives it.

It follows the server's habits, so that what holds on one holds on the other: a lease belongs to the task,
not to its holder; a task whose lease ran out counts as leased until it is handed out again; tasks that
come back go out before new ones, and past the bound on leased tasks.
"""

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.model.errors import NotFoundError
from headrace.model.observation import Finished, Standing
from headrace.model.task import Task
from headrace.model.tenancy import tenant_of
from headrace.queue.port import TOLD_MOST, Backlog, Lease
from headrace.queue.standings import Standings


@dataclass(slots=True, eq=False)
class _Entry:
    """A task in a stream. `free_at`: when it may be handed out again; None before the first time."""

    task: Task
    deliveries: int = 0
    free_at: float | None = None
    removed: bool = False


@dataclass
class _Stream:
    """One function's tasks, oldest first. `returning` may hold outdated times; they are skipped."""

    lease_seconds: float
    max_leased: int
    paused: bool = False
    entries: dict[str, _Entry] = field(default_factory=dict)
    new: deque[_Entry] = field(default_factory=deque)
    returning: list[tuple[float, int, _Entry]] = field(default_factory=list)
    leased: int = 0
    _returns: int = 0

    def add(self, task: Task) -> bool:
        if task.id in self.entries:
            return False
        entry = self.entries[task.id] = _Entry(task)
        self.new.append(entry)
        return True

    def remove(self, entry: _Entry) -> None:
        if not entry.removed:
            entry.removed = True
            del self.entries[entry.task.id]
            self.leased -= entry.free_at is not None

    def take(self, now: float) -> _Entry | None:
        """Hand out the next task, if one is free."""
        if self.paused:
            return None
        entry = self._next_returning(now) or self._next_new()
        if entry is not None:
            entry.deliveries += 1
            self.hold(entry, now + self.lease_seconds)
        return entry

    def hold(self, entry: _Entry, until: float) -> None:
        """Keep a task from being handed out before `until`."""
        self.leased += entry.free_at is None
        entry.free_at = until
        self._returns += 1
        heapq.heappush(self.returning, (until, self._returns, entry))

    def free_again(self) -> float | None:
        """When the next task comes back; None when none is out."""
        while self.returning and self._outdated(self.returning[0]):
            heapq.heappop(self.returning)
        return self.returning[0][0] if self.returning else None

    def _next_returning(self, now: float) -> _Entry | None:
        due = self.free_again()
        return heapq.heappop(self.returning)[2] if due is not None and due <= now else None

    def _next_new(self) -> _Entry | None:
        while self.new and self.new[0].removed:
            self.new.popleft()
        return self.new.popleft() if self.new and self.leased < self.max_leased else None

    @staticmethod
    def _outdated(item: tuple[float, int, _Entry]) -> bool:
        return item[2].removed or item[2].free_at != item[0]


@dataclass(frozen=True, slots=True)
class MemoryLease:
    """A task handed out by a MemoryQueue."""

    task: Task
    deliveries: int
    _queue: "MemoryQueue"
    _stream: _Stream
    _entry: _Entry

    async def extend(self) -> None:
        """See the port."""
        self._hold_if_held(self._stream.lease_seconds)

    async def done(self) -> None:
        """See the port."""
        self._stream.remove(self._entry)
        self._queue.wake()

    async def retry(self, delay_seconds: float = 0.0) -> None:
        """See the port."""
        self._hold_if_held(delay_seconds)
        self._queue.wake()

    def _hold_if_held(self, seconds: float) -> None:
        now = self._queue.now()
        if not self._entry.removed and self._entry.free_at is not None and self._entry.free_at > now:
            self._stream.hold(self._entry, now + seconds)


class MemoryQueue:
    """See the port. `now` gives seconds since the epoch; `sleep` waits on the same clock."""

    def __init__(
        self, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.now = now
        self._sleep = sleep
        self._streams: dict[str, _Stream] = {}
        self._changed = asyncio.Event()
        self._told: deque[Finished] | None = None
        self._standings: Standings | None = None

    def wake(self) -> None:
        """Let waiting pulls look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def ensure(self, function: str, *, lease_seconds: float, max_leased: int) -> None:
        """See the port."""
        stream = self._streams.setdefault(function, _Stream(lease_seconds, max_leased))
        stream.lease_seconds, stream.max_leased = lease_seconds, max_leased
        self.wake()

    async def put(self, task: Task) -> bool:
        """See the port."""
        added = self._stream(task.function).add(task)
        self.wake()
        return added

    async def pull(self, function: str, limit: int, *, wait_seconds: float) -> Sequence[Lease]:
        """See the port."""
        deadline = self.now() + wait_seconds
        while True:
            stream = self._stream(function)
            leases = self._take(stream, limit)
            left = deadline - self.now()
            if leases or left <= 0:
                return leases
            await self._wait(min(left, self._seconds_to_next(stream)))

    def _take(self, stream: _Stream, limit: int) -> Sequence[Lease]:
        leases: list[Lease] = []
        while len(leases) < limit and (entry := stream.take(self.now())) is not None:
            leases.append(MemoryLease(entry.task, entry.deliveries, self, stream, entry))
        return leases

    def _seconds_to_next(self, stream: _Stream) -> float:
        free_again = None if stream.paused else stream.free_again()
        return math.inf if free_again is None else max(0.0, free_again - self.now())

    async def _wait(self, seconds: float) -> None:
        """Until something changed, or so much time has passed on the clock."""
        waits = [
            asyncio.ensure_future(self._changed.wait()),
            asyncio.ensure_future(self._sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def backlog(self, function: str) -> Backlog:
        """See the port. Here the bytes are exact."""
        stream = self._stream(function)
        waiting = [entry.task for entry in stream.entries.values()]
        return Backlog(
            tasks=len(waiting),
            leased=stream.leased,
            oldest_received=waiting[0].received if waiting else None,
            bytes_estimate=sum(task.size for task in waiting),
            paused=stream.paused,
        )

    async def total(self, tenant: str) -> int:
        """See the port."""
        own = [stream for function, stream in self._streams.items() if tenant_of(function) == tenant]
        return sum(len(stream.entries) for stream in own)

    async def ids(self, function: str) -> frozenset[str]:
        """See the port."""
        return frozenset(self._stream(function).entries)

    async def find(self, function: str, task_id: str) -> tuple[Task, int] | None:
        """See the port."""
        for older, (found, entry) in enumerate(self._stream(function).entries.items()):
            if found == task_id:
                return entry.task, older
        return None

    async def tasks(self, function: str, limit: int) -> Sequence[Task]:
        """See the port."""
        return [entry.task for entry in self._stream(function).entries.values()][:limit]

    async def remove(self, function: str, task_id: str) -> bool:
        """See the port."""
        stream = self._stream(function)
        entry = stream.entries.get(task_id)
        if entry is None:
            return False
        stream.remove(entry)
        self.wake()
        return True

    async def pause(self, function: str) -> None:
        """See the port."""
        self._stream(function).paused = True

    async def resume(self, function: str) -> None:
        """See the port."""
        self._stream(function).paused = False
        self.wake()

    async def drop(self, function: str) -> None:
        """See the port."""
        stream = self._streams.pop(function, None)
        if stream is not None:
            for entry in tuple(stream.entries.values()):
                stream.remove(entry)
        self.wake()

    async def tell(self, told: Finished | Standing) -> None:
        """See the port."""
        if isinstance(told, Standing):
            if self._standings is not None:
                self._standings.hear(told)
        elif self._told is not None:
            self._told.append(told)

    async def told(self) -> Sequence[Finished]:
        """See the port."""
        told, self._told = self._told, deque(maxlen=TOLD_MOST)
        return tuple(told or ())

    async def standings(self) -> Mapping[str, Standing]:
        """See the port."""
        if self._standings is None:
            self._standings = Standings(self.now)
        return self._standings.fresh()

    @property
    def unheard(self) -> Collection[str]:
        """See the port: of one account all is heard, or the call fails."""
        return ()

    async def close(self) -> None:
        """See the port."""

    def _stream(self, function: str) -> _Stream:
        stream = self._streams.get(function)
        if stream is None:
            raise NotFoundError(f"function {function} has no stream in this queue; call `ensure` first")
        return stream

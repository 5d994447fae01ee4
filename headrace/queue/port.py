"""What Headrace needs of a queue: one stream a function, a task at most once in it, leases."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.model.task import Task


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much of a function's work is in the queue.

    Exact: `tasks` (waiting and leased together), `oldest_received` (seconds since the epoch, None when
    empty), `paused`. `leased` is exact at the server's last look, a moment ago; a task whose retry is
    delayed counts as leased. `bytes_estimate` is an estimate from a sample of the tasks' input sizes.
    """

    tasks: int
    leased: int
    oldest_received: float | None
    bytes_estimate: int
    paused: bool

    @property
    def waiting(self) -> int:
        """Tasks that no worker holds."""
        return max(0, self.tasks - self.leased)


class Lease(Protocol):
    """One task, held by one worker until it is done, handed back, or not extended in time."""

    @property
    def task(self) -> Task: ...

    @property
    def deliveries(self) -> int:
        """How often this task was handed out, this time included; 1 the first time."""
        ...

    async def extend(self) -> None:
        """Start the lease's time anew. Raises TransientError when the server can't be reached."""
        ...

    async def done(self) -> None:
        """Take the task out of the queue, confirmed by the server.

        Returns quietly when the lease was lost meanwhile. Raises TransientError when not confirmed.
        """
        ...

    async def retry(self, delay_seconds: float = 0.0) -> None:
        """Hand the task back: it is delivered again, not before `delay_seconds` have passed."""
        ...


class Queue(Protocol):
    """A durable work queue. Every call raises TransientError when the server can't be reached."""

    async def ensure(self, function: str, *, lease_seconds: float, max_leased: int) -> None:
        """Create the function's stream, or adapt its lease and its bound on leased tasks."""
        ...

    async def put(self, task: Task) -> bool:
        """Store a task, surviving a restart. False: it is waiting or leased already, nothing changed.

        Raises NotFoundError when the function has no stream.
        """
        ...

    async def pull(self, function: str, limit: int, *, wait_seconds: float) -> Sequence[Lease]:
        """Up to `limit` tasks, oldest first; waits up to `wait_seconds` for the first one."""
        ...

    async def backlog(self, function: str) -> Backlog:
        """Raises NotFoundError when the function has no stream."""
        ...

    async def ids(self, function: str) -> frozenset[str]:
        """Every task id in the queue, waiting or leased."""
        ...

    async def find(self, function: str, task_id: str) -> tuple[Task, int] | None:
        """The task and how many older ones are in the queue with it; None when it is not there."""
        ...

    async def tasks(self, function: str, limit: int) -> Sequence[Task]:
        """The oldest `limit` tasks in the queue, leased ones included; changes nothing."""
        ...

    async def remove(self, function: str, task_id: str) -> bool:
        """Take a task out, leased or not. False: it was not there."""
        ...

    async def pause(self, function: str) -> None:
        """Hand out nothing until `resume`; surviving a restart. Leased tasks go on."""
        ...

    async def resume(self, function: str) -> None:
        """Hand out tasks again."""
        ...

    async def drop(self, function: str) -> None:
        """Delete the function's stream with all in it; quiet when there is none."""
        ...

    async def close(self) -> None:
        """Give the connection back."""
        ...

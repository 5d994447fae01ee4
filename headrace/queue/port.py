"""What Headrace needs of a queue: a stream a function, each task once in it, leases, what workers tell."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.model.observation import Finished, Standing
from headrace.model.task import Task

TOLD_MOST = 10_000  # finished batches kept for who asks seldom, and workers heard of; the newest stay
STANDING_SECONDS = 20.0  # a worker that tells nothing for so long is not heard of any more


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much of a function's work is in the queue.

    Exact: `tasks` (waiting and leased together), `oldest_received` (seconds since the epoch, None when
    empty), `paused`. `leased` is exact at the server's last look, a moment ago; a task whose retry is
    delayed counts as leased, and so does one whose lease ran out until it is handed out again: with no
    worker alive to pull, no task is really leased, whatever this says. `bytes_estimate` is an estimate
    from a sample of the tasks' input sizes.
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
    """One task, held by one worker until it is done, handed back, or not extended in time.

    The lease belongs to the task, not to its holder: a worker that lost it (its time ran out and another
    got the task) still speaks for the task with each of these calls. Every call is quiet when the task
    is no longer in the queue, and never touches a task of the same id that was put anew. When the queue's
    server was killed, a lease may end early.
    """

    @property
    def task(self) -> Task: ...

    @property
    def deliveries(self) -> int:
        """How often this task was handed out, this time included; 1 the first time."""
        ...

    async def extend(self) -> None:
        """Start the lease's time anew, whoever holds it; too late, once it ran out, it changes nothing.

        Raises TransientError when not confirmed.
        """
        ...

    async def done(self) -> None:
        """Take the task out of the queue, confirmed by the server.

        Also when the lease was lost meanwhile: then it is gone for its new holder too, whose own calls
        are quiet. So call it only once the task's record exists. Raises TransientError when not confirmed.
        """
        ...

    async def retry(self, delay_seconds: float = 0.0) -> None:
        """Hand the task back: it is delivered again, not before `delay_seconds` have passed.

        Also when another holds it by now, who goes on unknowing. Raises TransientError when not confirmed.
        """
        ...


class Queue(Protocol):
    """A durable work queue.

    Every call but `tell` raises TransientError, after some seconds at most, when the server can't be
    reached; what was asked may have been done nevertheless. It raises ConfigurationError when the server
    refuses this user. Every call for a function but `ensure`, `drop` and `tell` raises NotFoundError when the
    function has no stream.
    """

    async def ensure(self, function: str, *, lease_seconds: float, max_leased: int) -> None:
        """Create the function's stream, or adapt its lease and its bound on leased tasks.

        A paused function stays paused. A changed lease may or may not hold for tasks already leased.
        """
        ...

    async def put(self, task: Task) -> bool:
        """Store a task, surviving a restart. False: it is waiting or leased already, nothing changed."""
        ...

    async def pull(self, function: str, limit: int, *, wait_seconds: float) -> Sequence[Lease]:
        """Up to `limit` tasks: those that come back first, then the oldest.

        Waits up to `wait_seconds` for the first one and for no other. A cancelled pull keeps no task.
        """
        ...

    async def backlog(self, function: str) -> Backlog:
        """How much of the function's work is in the queue."""
        ...

    async def total(self, tenant: str) -> int:
        """How many tasks a tenant has in the queue, waiting and leased; empty: the stack's own functions.

        Those of functions that were deleted or are not allowed count as well, for as long as their streams
        are there.
        """
        ...

    async def ids(self, function: str) -> frozenset[str]:
        """Every task id in the queue, waiting or leased."""
        ...

    async def find(self, function: str, task_id: str) -> tuple[Task, int] | None:
        """The task and how many older ones are in the queue with it; None when it is not there.

        The number is exact unless the queue changes at that very moment.
        """
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
        """Hand out tasks again, to waiting pulls within a second or two."""
        ...

    async def drop(self, function: str) -> None:
        """Delete the function's stream with all in it; quiet when there is none."""
        ...

    async def tell(self, told: Finished | Standing) -> None:
        """Tell whoever listens of a batch that ran well, or how a worker stands, at once.

        It waits for no server and raises nothing. Told at most once: what can't be sent now, or is told
        while nobody listens, is lost.
        """
        ...

    async def told(self) -> Sequence[Finished]:
        """The batches that workers of all functions told since the last call of this object, oldest first.

        Begins to listen at the first call, which gives nothing; every object that listens hears all. What
        was told while the server or the connection to it was away may be missing, and of more than
        TOLD_MOST the oldest are. It asks the server only where it begins to listen (anew): a server that
        went away a moment ago may look like one of which nothing was heard. Of several accounts it raises
        only when none could be heard.
        """
        ...

    async def standings(self) -> Mapping[str, Standing]:
        """By worker's name, of all functions, what each told last; those silent for STANDING_SECONDS lack.

        Begins to listen at the first call, which gives nothing; it asks the server as `told` does.
        """
        ...

    @property
    def unheard(self) -> Collection[str]:
        """Tenants of whose workers the last call of `standings` could hear nothing; the stack itself is "".

        What it gave is that of the others. Where nobody was heard, the call raised instead.
        """
        ...

    async def close(self) -> None:
        """Give the connection back."""
        ...

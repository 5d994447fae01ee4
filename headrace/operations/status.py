"""How a stack is doing: for each function how many files wait, run and have ended, and how."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from headrace.model.errors import NotFoundError
from headrace.model.record import Ending, FailureRecord
from headrace.operations.concurrently import concurrently
from headrace.operations.records import Records
from headrace.operations.stack import Stack
from headrace.queue.port import Backlog

_EMPTY = Backlog(tasks=0, leased=0, oldest_received=None, bytes_estimate=0, paused=False)


@dataclass(frozen=True, slots=True)
class FunctionStatus:
    """One function. `waiting` and `running` are the queue's figures, the endings those of the records.

    `running` counts what workers hold: staged ahead, computing, being published, waiting for a retry.
    `oldest_wait_seconds` is the age of the oldest file in the queue, None when it is empty.
    `bytes_estimate` is an estimate of the queued inputs' bytes, the rest is exact. `workers` is None
    where it is not known, and so is `reason`, the code of why it has so many. `queued` is False while the
    receiver has made no queue for the function yet.
    """

    function: str
    waiting: int
    running: int
    done: int
    failed: int
    superseded: int
    gone: int
    purged: int
    oldest_wait_seconds: float | None
    bytes_estimate: int
    paused: bool
    queued: bool
    workers: int | None = None
    reason: str | None = None

    @property
    def unfinished(self) -> int:
        return self.waiting + self.running

    @property
    def ended(self) -> int:
        return self.done + self.failed + self.superseded + self.gone + self.purged


@dataclass(frozen=True, slots=True)
class Status:
    """A stack at a moment (seconds since the epoch)."""

    at: float
    functions: tuple[FunctionStatus, ...]

    @property
    def unfinished(self) -> int:
        return sum(each.unfinished for each in self.functions)

    @property
    def failed(self) -> int:
        return sum(each.failed for each in self.functions)


class Tally:
    """Counts how tasks ended. Keep one to count again: failure records already read are not read anew."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Ending | None] = {}
        self._failed: dict[str, Mapping[str, float]] = {}

    def failed(self, function: str) -> Mapping[str, float]:
        """Tasks that have failed, as of the last count: id -> when, in seconds since the epoch."""
        return self._failed.get(function, {})

    async def count(self, records: Records, function: str) -> Counter[Ending | None]:
        """Tasks by ending; None stands for done.

        Exact, as every failure record has an index object written before it: the records are listed,
        then the indices, and only what has both is read. A task that a replay takes up between the two
        listings may be counted as done, in this one count.
        """
        listed = await records.listed(function)
        marked = await records.marked(function)
        suspects = [(task_id, info.etag) for task_id, info in listed.items() if task_id in marked]

        async def ending(suspect: tuple[str, str]) -> Ending | None:
            if suspect not in self._known:
                record = await records.find(function, suspect[0])
                self._known[suspect] = Ending(record.state) if isinstance(record, FailureRecord) else None
            return self._known[suspect]

        endings = await concurrently(ending, suspects)
        self._failed[function] = {
            task_id: listed[task_id].modified
            for (task_id, _), each in zip(suspects, endings, strict=True)
            if each is Ending.FAILED
        }
        counts = Counter(endings)
        counts[None] += len(listed) - len(suspects)
        return counts


async def status(
    stack: Stack,
    *,
    now: float,
    tally: Tally | None = None,
    workers: Mapping[str, int] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> Status:
    """Every function's status. `workers` and `reasons` for their number by function, where they are known.

    The queue is read before the records, and a record is written before its task leaves the queue: so
    a task that ends meanwhile is counted twice for a moment, as running and as done, and never missed.
    """
    counter = tally or Tally()

    async def one(function: str) -> FunctionStatus:
        backlog = await find_backlog(stack, function)
        counts = await counter.count(stack.records, function)
        found = function_status(
            function, backlog, counts, now=now, workers=None if workers is None else workers.get(function, 0)
        )
        return replace(found, reason=(reasons or {}).get(function))

    names = [installed.function.name for installed in stack.functions]
    return Status(now, tuple(await concurrently(one, names)))


async def find_backlog(stack: Stack, function: str) -> Backlog | None:
    """The function's backlog; None while it has no stream."""
    try:
        return await stack.queue.backlog(function)
    except NotFoundError:
        return None


def function_status(
    function: str,
    found: Backlog | None,
    counts: Mapping[Ending | None, int],
    *,
    now: float,
    workers: int | None,
) -> FunctionStatus:
    """A function's status from its backlog (None: it has no stream) and its endings. Pure."""
    backlog = found or _EMPTY
    oldest = backlog.oldest_received
    return FunctionStatus(
        function=function,
        waiting=backlog.waiting,
        running=backlog.tasks - backlog.waiting,
        done=counts.get(None, 0),
        failed=counts.get(Ending.FAILED, 0),
        superseded=counts.get(Ending.SUPERSEDED, 0),
        gone=counts.get(Ending.GONE, 0),
        purged=counts.get(Ending.PURGED, 0),
        oldest_wait_seconds=None if oldest is None else max(0.0, now - oldest),
        bytes_estimate=backlog.bytes_estimate,
        paused=backlog.paused,
        queued=found is not None,
        workers=workers,
    )

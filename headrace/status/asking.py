"""What every stack is asked: its queue for backlogs and workers, its records for endings and failures."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.record import Ending, FailureRecord
from headrace.operations.concurrently import concurrently
from headrace.operations.records import Records
from headrace.operations.status import Tally
from headrace.queue.port import Backlog, Queue
from headrace.status.document import MOST_FAILED
from headrace.status.sight import Counted, Counts, FunctionSeen, Heard
from headrace.status.sources import Answer, Terms, of_functions

# Counting lists every record of a function: it may take this part of the time.
COUNT_SHARE = 0.1
TURN_SECONDS = 5.0  # after which no further function is counted before a rest
AGAIN_SECONDS = 60.0  # from one count to the next of a function in which nothing was seen to happen

_QUEUED = ("waiting", "running", "oldestAt", "paused", "forecast")
_ENDED = ("done", "failed", "superseded", "gone", "purged", "rate")
QUEUE = Terms("queue", of_functions(_QUEUED), 1.0, 20.0, 15.0)
WORKERS = Terms("workers", ("workers",), 2.0, 20.0, 15.0)
RECORDS = Terms("records", (*of_functions(_ENDED), "failed"), 1.0, 900.0, 120.0)

Known = Callable[[], Sequence[FunctionSeen]]


async def read_backlogs(queue: Queue, known: Known) -> Answer[Mapping[str, Backlog | None]]:
    """Of every sound function. Raises the first fault where none could be asked."""
    names = [each.name for each in known() if each.function is not None]
    found = await asyncio.gather(*(_backlog(queue, name) for name in names))
    told = dict(zip(names, found, strict=True))
    faults = {name: each for name, each in told.items() if isinstance(each, HeadraceError)}
    if faults and len(faults) == len(told):
        raise next(iter(faults.values()))
    backlogs = {name: each for name, each in told.items() if not isinstance(each, HeadraceError)}
    return Answer(backlogs, "; ".join(f"{name}: {why}" for name, why in faults.items()))


async def _backlog(queue: Queue, name: str) -> Backlog | HeadraceError | None:
    try:
        return await queue.backlog(name)
    except NotFoundError:
        return None  # the receiver makes its stream in a moment
    except HeadraceError as error:
        return error


async def read_heard(queue: Queue, places: Callable[[], Mapping[str, str]]) -> Answer[Heard]:
    """What workers told last. `places`: by worker its node, where that is known; for "" that of others."""
    standings = await queue.standings()
    known = places()
    nodes = {each: node for each in standings if (node := known.get(each, known.get("")))}
    unheard = ", ".join(sorted(each or "the stack itself" for each in queue.unheard))
    return Answer(Heard(standings, nodes), f"nothing is heard of workers of: {unheard}" if unheard else "")


@dataclass
class Counting:
    """Counts one function after another, those first in which something happens. `now`: since the epoch."""

    records: Records
    known: Known
    backlogs: Callable[[], Mapping[str, Backlog | None]]
    now: Callable[[], float]
    _tally: Tally = field(default_factory=Tally)
    _counted: dict[str, Counted] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)  # when a function was counted last
    _busy: dict[str, bool] = field(default_factory=dict)  # whether a function had files when it was counted
    _failures: dict[str, FailureRecord] = field(default_factory=dict)  # by task
    _rest_until: float = 0.0

    async def read(self) -> Answer[Counts]:
        """The counts as they are by now."""
        begun = self.now()
        names = [each.name for each in self.known() if each.function is not None]
        self._counted = {name: self._counted[name] for name in names if name in self._counted}
        due = [name for name in names if self._is_due(name, begun)]
        for name in set(self._counted) - set(due):  # nothing happened there: the count still holds
            self._counted[name] = Counted(self._counted[name].endings, begun)
        if due and begun >= self._rest_until:
            await self._count_some(due, begun)
        return Answer(Counts(dict(self._counted), await self._newest(names)))

    async def _count_some(self, due: Sequence[str], begun: float) -> None:
        """Those that were counted longest ago first, for a while; then none for some time."""
        for name in sorted(due, key=lambda name: self._asked.get(name, 0.0)):
            await self._count(name)
            if self.now() - begun >= TURN_SECONDS:
                break
        ended = self.now()
        self._rest_until = ended + (ended - begun) * (1 / COUNT_SHARE - 1)

    def _is_due(self, name: str, now: float) -> bool:
        if name not in self._counted or self._busy.get(name) or self._has_files(name):
            return True
        return now - self._asked[name] >= AGAIN_SECONDS

    def _has_files(self, name: str) -> bool:
        backlog = self.backlogs().get(name)
        return backlog is not None and backlog.tasks > 0

    async def _count(self, name: str) -> None:
        self._busy[name] = self._has_files(name)
        try:
            endings = await self._tally.count(self.records, name)
        except NotFoundError:  # the platform's bucket is not made yet
            endings = Counter[Ending | None]()
        self._asked[name] = self.now()
        self._counted[name] = Counted(endings, self._asked[name])

    async def _newest(self, names: Sequence[str]) -> tuple[FailureRecord, ...]:
        """The records of the newest failures; one that was read once is not read again."""
        failed = {(name, task): (at, task) for name in names for task, at in self._tally.failed(name).items()}
        newest = sorted(failed, key=lambda each: failed[each], reverse=True)[:MOST_FAILED]
        found = await concurrently(self._failure, newest)
        self._failures = {each.task.id: each for each in found if each is not None}
        return tuple(sorted(self._failures.values(), key=lambda each: (-each.ended, each.task.id)))

    async def _failure(self, which: tuple[str, str]) -> FailureRecord | None:
        """None: it was replayed meanwhile. The end of its log is asked for by those who want it."""
        name, task = which
        if task in self._failures:
            return self._failures[task]
        found = await self.records.find(name, task)
        if not isinstance(found, FailureRecord):
            return None
        return found.model_copy(update={"log": ""})

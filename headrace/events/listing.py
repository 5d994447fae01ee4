"""The listing: compares buckets with queue and records, and puts the tasks that a notification lost."""

import logging
import math
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import orjson

from headrace.events.deposit import Deposit, Deposited
from headrace.events.routing import task_of
from headrace.events.watcher import UNWATCHED, Moments, Offer, Source, Watcher
from headrace.model.errors import HeadraceError, NotFoundError, TransientError
from headrace.model.function import Existing, Function, Input
from headrace.model.keys import FAILURES, IGNORED, RECORDS
from headrace.model.record import Ending
from headrace.model.restoration import IgnoredTasks
from headrace.model.settings import Settings
from headrace.model.task import Task
from headrace.model.tenancy import tenant_of
from headrace.queue.port import Queue
from headrace.storage.port import ObjectInfo, Storage

MOST_INDEX_BYTES = 1024  # FailureRecord.index writes less than 40
_PUT_AT_ONCE = 128  # tasks stored concurrently
_RETURNABLE = frozenset({Ending.GONE.value, Ending.SUPERSEDED.value})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listed:
    """A function and the moment, in seconds since the epoch, that it was first seen."""

    function: Function
    first_seen: float


@dataclass(frozen=True, slots=True)
class Found:
    """What one listing saw: objects compared, lost tasks that were put, and the inputs that failed.

    `is_worth_repeating`: one failed because a server was away.
    """

    compared: int = 0
    put: int = 0
    faults: tuple[str, ...] = ()
    is_worth_repeating: bool = False

    def plus(self, other: "Found") -> "Found":
        return Found(
            self.compared + other.compared,
            self.put + other.put,
            self.faults + other.faults,
            self.is_worth_repeating or other.is_worth_repeating,
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """Tasks that nothing is to be done for; `old` ones only while their file is no newer than that.

    Old ones count for inputs that ignore what is older than the function; `ignores`: whether this one does.
    """

    tasks: set[str]
    old: Mapping[str, float]

    def has(self, task_id: str, modified: float, *, ignores: bool) -> bool:
        return task_id in self.tasks or (ignores and modified <= self.old.get(task_id, -math.inf))


class Listing:
    """Finds what no notification told of. Repeating it is harmless."""

    def __init__(
        self,
        storage: Storage,
        queue: Queue,
        deposit: Deposit,
        *,
        settings: Settings,
        clock: Callable[[], float],
        watcher: Watcher = UNWATCHED,
    ) -> None:
        self._watcher = watcher
        self._storage = storage
        self._queue = queue
        self._deposit = deposit
        self._settings = settings
        self._clock = clock
        self._states: dict[str, tuple[str, str]] = {}  # of failure indices: ETag and state, read once
        self._ignored: dict[str, tuple[str, IgnoredTasks]] = {}  # likewise

    async def run(self, listed: Iterable[Listed]) -> Found:
        """Look through the inputs of functions. One that fails in any way is told; the others go on."""
        total = Found()
        for each in listed:
            try:
                known = await self._what_is_known(each.function.name)
            except Exception as error:  # noqa: BLE001  (what lies there may be a tenant's: nobody else waits)
                total = total.plus(_fault(each.function.name, "records and queue", error))
                continue
            for source in each.function.spec.input:
                try:
                    total = total.plus(await self._compare(each, source, known))
                except Exception as error:  # noqa: BLE001  (likewise)
                    total = total.plus(_fault(each.function.name, source.bucket, error))
        self._watcher.listed(total.compared, len(total.faults))
        return total

    async def _what_is_known(self, function: str) -> _Known:
        tasks = await self._known(function) - await self._returnable(function)
        return _Known(tasks, await self._restored_as_old(function))

    async def _known(self, function: str) -> set[str]:
        """The ids of tasks that wait, run or have ended.

        The order of reads matters. A task is in the queue until its record is written, so one that ends
        between the two reads is seen in at least one of them if the queue is read first. Objects come
        last: one that arrives meanwhile and is not in either answer is put, which the queue refuses
        while the task is in it, and its record makes harmless afterwards. In any other order the worst is
        the same repeat, only more often; an object is left out in none unless its task is safe.
        """
        known = set(await self._queue.ids(function))
        prefix = f"{RECORDS}/{function}/"
        async for info in self._storage.list(self._settings.platform_bucket, prefix):
            known.add(info.key.removeprefix(prefix).removesuffix(".json"))
        return known

    async def _restored_as_old(self, function: str) -> dict[str, float]:
        """Tasks on files that a restore gave a new date, and until which date the function ignores them."""
        found: dict[str, float] = {}
        async for info in self._storage.list(self._settings.platform_bucket, f"{IGNORED}/{function}/"):
            if info.key not in self._ignored or self._ignored[info.key][0] != info.etag:
                body = await self._storage.read(self._settings.platform_bucket, info.key)
                self._ignored[info.key] = (info.etag, IgnoredTasks.from_json(body))
            ignored = self._ignored[info.key][1]
            found.update(dict.fromkeys(ignored.tasks, ignored.until))
        return found

    async def _returnable(self, function: str) -> set[str]:
        """Tasks that ended because their input was gone or overwritten: one whose input is back is lost."""
        prefix = f"{FAILURES}/{function}/"
        found: set[str] = set()
        async for info in self._storage.list(self._settings.platform_bucket, prefix):
            if self._states.get(info.key, (None, ""))[0] != info.etag:
                self._states[info.key] = (info.etag, await self._state(info))
            if self._states[info.key][1] in _RETURNABLE:
                found.add(info.key.removeprefix(prefix))
        return found

    async def _state(self, info: ObjectInfo) -> str:
        """What an index says; empty where it is none: a tenant's workers may put there what they like."""
        if info.size > MOST_INDEX_BYTES:
            return ""
        try:
            index = orjson.loads(await self._storage.read(self._settings.platform_bucket, info.key))
        except (NotFoundError, orjson.JSONDecodeError):  # the former: a replay took it meanwhile
            return ""
        return str(index.get("state", "")) if isinstance(index, dict) else ""

    async def _compare(self, listed: Listed, source: Input, known: _Known) -> Found:
        bucket = self._settings.real_bucket(source.bucket, tenant_of(listed.function.name))
        if bucket == self._settings.platform_bucket:
            return Found()
        compared = put = 0
        async with aclosing(self._lost(listed, source, bucket=bucket, known=known)) as lost:
            async for tasks, looked_at in lost:
                deposited = await self._put(tasks)
                known.tasks.update(task.id for task in tasks)
                compared += looked_at
                put += len(deposited.stored)
                _tell_of(deposited)
                if deposited.held:  # of this input no more is let in now: nobody else is to wait for the look
                    break
        return Found(compared, put)

    async def _put(self, tasks: Sequence[Task]) -> Deposited:
        began = self._clock()
        deposited = await self._deposit.put(tasks)
        moments = Moments(began, began, self._clock())
        offer = Offer(deposited.stored, deposited.queued, deposited.held, moments)
        self._watcher.offered(Source.LISTING, offer)
        return deposited

    async def _lost(
        self, listed: Listed, source: Input, *, bucket: str, known: _Known
    ) -> AsyncGenerator[tuple[list[Task], int], None]:
        """Tasks that are not known, some at a time, with the number of objects looked at for them."""
        batch: list[Task] = []
        looked_at = 0
        async for info in self._storage.list(bucket, source.prefix):
            if not _is_wanted(info, source, listed.first_seen):
                continue
            looked_at += 1
            task = task_of(listed.function.name, info, received=self._clock())
            if not known.has(task.id, info.modified, ignores=source.existing is Existing.IGNORE):
                batch.append(task)
            if len(batch) == _PUT_AT_ONCE:
                yield batch, looked_at
                batch, looked_at = [], 0
        yield batch, looked_at


def _tell_of(deposited: Deposited) -> None:
    for task in deposited.stored:
        _log.info(
            "the listing found a file that no notification told of",
            extra={"action": "events.task_found", "function": task.function, "task": task.id}
            | {"bucket": task.bucket, "key": task.key},
        )
    if held := deposited.held:
        task = held[-1].task
        _log.info(
            "%d files are held back until their tenant has room, and those after them not looked at: %s",
            len(held),
            held[-1].reason,
            extra={"action": "events.files_held", "function": task.function, "bucket": task.bucket},
        )


def _is_wanted(info: ObjectInfo, source: Input, first_seen: float) -> bool:
    if info.key.endswith("/") or not source.takes(info.key):
        return False
    # Stores tell whole seconds: an object of the very second in which the function came counts as newer.
    return source.existing is Existing.PROCESS or info.modified >= math.floor(first_seen)


def _fault(function: str, what: str, error: Exception) -> Found:
    is_foreseen = isinstance(error, HeadraceError)
    _log.warning(
        "the listing could not look through %s of %s: %s",
        what,
        function,
        error if is_foreseen else repr(error),
        extra={"action": "events.listing_failed", "function": function},
        exc_info=None if is_foreseen else error,
    )
    return Found(
        faults=(f"{function}: {what}: {error}",), is_worth_repeating=isinstance(error, TransientError)
    )

"""How many files of a function are done and how many given up: by listings, in a bounded share of time."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from headrace.model.errors import NotFoundError
from headrace.model.keys import FAILURES, RECORDS, record_key
from headrace.model.record import Ending, FailureRecord, read_record
from headrace.storage.port import ObjectInfo, Storage

BETWEEN_SECONDS = 5.0  # two counts of one function
AGAIN_SECONDS = 600.0  # a count of a function of which nothing was heard
REST = 9.0  # times as long as a count took nothing is counted: a tenth of the time
REST_SECONDS = 0.5  # at least

Mark = tuple[str, str, float]  # an index object: its key, ETag and time; a failure after a replay has another


@dataclass(frozen=True, slots=True)
class Counts:
    """Ended files of a function; files that went without a try, as a purge lets them go, are in neither."""

    done: int = 0
    failed: int = 0


class Census:
    """Counts one function after another. `now` gives seconds by a clock that is never set."""

    def __init__(self, storage: Storage, bucket: str, now: Callable[[], float]) -> None:
        self._storage = storage
        self._bucket = bucket
        self._now = now
        self._counts: dict[str, Counts] = {}
        self._begun: dict[str, float] = {}  # when the last count of a function began
        self._stirred: dict[str, float] = {}  # since when a function may have other counts
        self._endings: dict[str, dict[Mark, bool]] = {}  # by a failure's index: whether it is given up

    def counts(self, function: str) -> Counts:
        """As of the last count."""
        return self._counts.get(function, Counts())

    def stir(self, function: str) -> None:
        """Something happens in a function: it is counted again."""
        self._stirred.setdefault(function, self._now())

    def forget(self, function: str) -> None:
        """It is gone."""
        for known in (self._counts, self._begun, self._stirred, self._endings):
            known.pop(function, None)

    def has_counted(self, function: str) -> bool:
        """Whether it was counted at all."""
        return function in self._counts

    def is_counted(self, function: str) -> bool:
        """Whether it was counted since something happened in it."""
        return function in self._counts and function not in self._stirred

    async def turn(self, functions: list[str]) -> tuple[str | None, float]:
        """Count who is due the longest: who has other counts now, and how long to rest, in seconds."""
        began = self._now()
        due = [(self._due(each), each) for each in functions]
        moment, function = min(due, default=(began + REST_SECONDS, ""))
        if moment > began:
            return None, REST_SECONDS
        self._begun[function] = began
        self._stirred.pop(function, None)
        before, counts = self._counts.get(function), await self._count(function)
        self._counts[function] = counts
        return function if counts != before else None, max(REST_SECONDS, REST * (self._now() - began))

    def _due(self, function: str) -> float:
        begun = self._begun.get(function)
        if begun is None:
            return float("-inf")
        return begun + (BETWEEN_SECONDS if function in self._stirred else AGAIN_SECONDS)

    async def _count(self, function: str) -> Counts:
        """Records first, then indices: what fails in between makes `done` too low in this one count."""
        try:
            records = await self._number(f"{RECORDS}/{function}/")
            marks = [_mark(i) async for i in self._storage.list(self._bucket, f"{FAILURES}/{function}/")]
            known = self._endings.get(function, {})
            endings = {each: await self._ending(function, each, known) for each in marks}
        except NotFoundError:  # the platform's bucket is not there yet
            return Counts()
        settled = {each: is_failed for each, is_failed in endings.items() if is_failed is not None}
        self._endings[function] = settled
        return Counts(max(0, records - len(settled)), sum(settled.values()))

    async def _number(self, prefix: str) -> int:
        number = 0
        async for _ in self._storage.list(self._bucket, prefix):
            number += 1
        return number

    async def _ending(self, function: str, mark: Mark, known: dict[Mark, bool]) -> bool | None:
        """Whether a marked task was given up; None: it has no record that says so, it goes on or is done."""
        if mark in known:
            return known[mark]
        key = record_key(function, mark[0].rpartition("/")[2])
        try:
            record = read_record(await self._storage.read(self._bucket, key))
        except (NotFoundError, ValidationError):
            return None
        return record.state is Ending.FAILED if isinstance(record, FailureRecord) else None


def _mark(info: ObjectInfo) -> Mark:
    return info.key, info.etag, info.modified

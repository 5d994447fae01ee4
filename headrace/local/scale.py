"""How many workers each function gets on this machine, from the files that wait. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

TURN_SECONDS = 5.0  # how long a function keeps a core that it shares with others that wait, too


class Reason(StrEnum):
    """Why a function has the number of workers that it has."""

    PAUSED = "paused"
    NO_FILES = "no files"
    KEPT_WARM = "kept warm"
    FILES_WAIT = "files wait"
    MOST_ALLOWED = "maxWorkers reached"
    NO_CORE_LEFT = "no core left"


@dataclass(frozen=True, slots=True)
class Demand:
    """One function as it stands: tasks that no worker holds, tasks in hand, workers that run or start.

    `idle_since` is when its last task was seen to be gone, by the clock of `now`; None while it has any.
    """

    function: str
    waiting: int
    leased: int
    workers: int
    min_workers: int
    max_workers: int
    idle_seconds: float
    idle_since: float | None
    paused: bool = False

    @property
    def needed(self) -> int:
        """Workers that would have something to do: the busy ones, and one for each waiting file.

        A worker without a task counts for a waiting file: it starts, or it is about to pull. A task in
        hand without any worker is one whose retry is delayed, or whose worker died: it needs one.
        """
        if self.paused:
            return 0
        busy = min(self.leased, self.workers)
        orphaned = 1 if self.leased and not self.workers else 0
        return min(self.max_workers, max(self.min_workers, busy + self.waiting, orphaned))

    def kept(self, now: float) -> int:
        """Workers that are there and have not been idle for long: worth a free core."""
        if self.paused:
            return 0
        idle = self.idle_since is not None and now - self.idle_since >= self.idle_seconds
        return 0 if idle else min(self.workers, self.max_workers)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The number of workers that a function shall have, and why."""

    function: str
    workers: int
    reason: Reason


def wanted_workers(demands: Sequence[Demand], *, cores: int, now: float) -> tuple[Wanted, ...]:
    """Share `cores` among functions, at most one worker a core; `now` in seconds of any steady clock.

    Cores go round, one at a time, to functions that need another worker; where not all get one, the
    first in the round changes every TURN_SECONDS. What is left keeps idle workers warm.
    """
    order = _order(demands, cores=cores, now=now)
    needed = _share({d.function: d.needed for d in order}, cores)
    left = cores - sum(needed.values())
    extra = _share({d.function: max(0, d.kept(now) - needed[d.function]) for d in order}, left)
    return tuple(_wanted(d, needed[d.function], extra[d.function]) for d in demands)


def _order(demands: Sequence[Demand], *, cores: int, now: float) -> list[Demand]:
    """Those with workers first, so that a spare core does not wander; by turns when cores are short."""
    short = [d for d in sorted(demands, key=attrgetter("function")) if d.needed]
    rest = [d for d in demands if not d.needed]
    if len(short) <= cores:
        return sorted(short, key=lambda d: -d.workers) + rest
    first = int(now // TURN_SECONDS) % len(short)
    return short[first:] + short[:first] + rest


def _share(wishes: dict[str, int], cores: int) -> dict[str, int]:
    """Max-min fair: nobody gets another while somebody with fewer wants one. Earlier names go first."""
    given = dict.fromkeys(wishes, 0)
    while cores > 0:
        asking = [name for name, wish in wishes.items() if given[name] < wish]
        if not asking:
            break
        for name in asking[:cores]:
            given[name] += 1
        cores -= min(cores, len(asking))
    return given


def _wanted(demand: Demand, needed: int, extra: int) -> Wanted:
    return Wanted(demand.function, needed + extra, _reason(demand, needed, extra))


def _reason(demand: Demand, needed: int, extra: int) -> Reason:
    if demand.paused:
        return Reason.PAUSED
    if needed < demand.needed:
        return Reason.NO_CORE_LEFT
    if demand.waiting and needed == demand.max_workers:
        return Reason.MOST_ALLOWED
    if demand.waiting or demand.leased:
        return Reason.FILES_WAIT
    return Reason.KEPT_WARM if needed + extra else Reason.NO_FILES

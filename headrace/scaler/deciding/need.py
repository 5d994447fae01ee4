"""How many more workers keep the promise. Arithmetic on seconds; nothing here knows nodes or functions.

Two bounds of list scheduling, where files start in the order of their deadlines: a file starts no later than
the time at which the work ahead of it would be done if it were fluid, and no later than when so many files
fit before it. Either suffices, so the smaller need is enough, and nearly exact.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, inf

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
ROUNDING = 1e-6  # seconds: what sums of floats may be off


@dataclass(frozen=True, slots=True)
class Job:
    """Files with one start deadline: how many, their seconds of work together, and those of the longest."""

    deadline: float
    files: int
    seconds: float
    longest: float


@dataclass(frozen=True)
class Jobs:
    """Jobs in the order of their deadlines, a column each; of equal deadlines the longest file is first.

    So the work ahead of the last one is the most that it can be, in whatever order they are started.
    """

    deadlines: Times
    files: Times
    seconds: Times
    longest: Times

    @classmethod
    def of(cls, jobs: Iterable[Job]) -> "Jobs":
        ordered = sorted(jobs, key=lambda job: (job.deadline, -job.longest))
        rows = [(job.deadline, job.files, job.seconds, job.longest) for job in ordered]
        return cls(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)

    def __len__(self) -> int:
        return len(self.deadlines)

    @cached_property
    def started(self) -> Times:
        """Files up to and with each job."""
        return np.cumsum(self.files)

    @cached_property
    def before_last(self) -> Times:
        """Seconds of work ahead of the last file of each job."""
        ahead: Times = np.cumsum(self.seconds) - self.seconds / self.files
        return ahead

    @cached_property
    def longest_so_far(self) -> Times:
        """Seconds of the longest file up to and with each job."""
        return np.maximum.accumulate(self.longest)

    def postponed(self, *, before: float, until: float) -> "Jobs":
        """With every deadline earlier than `before` moved to `until`."""
        moved = np.where(self.deadlines < before, until, self.deadlines)
        order = np.lexsort((-self.longest, moved))
        return Jobs(moved[order], self.files[order], self.seconds[order], self.longest[order])


def need(jobs: Jobs, slots: Times, ready: float, *, enough: float = inf) -> float:
    """Workers to add at `ready` so that every job starts by its deadline; inf where none can help.

    `slots` are the times at which workers that are there, or on their way, become free, ascending. A need of
    `enough` or more is told as found: it may be greater yet.
    """
    if not len(jobs):
        return 0.0
    free = np.searchsorted(slots, jobs.deadlines, side="right")
    freed = np.concatenate(([0.0], np.cumsum(slots)))[free]
    left = jobs.before_last - (free * jobs.deadlines - freed)
    short = np.flatnonzero((left > ROUNDING) | (free == 0))
    fluid = np.maximum(_fluid(left[short], jobs.deadlines[short] - ready), np.where(free[short] == 0, 1, 0))
    wanted = 0.0
    for place in np.argsort(-fluid, kind="stable"):
        if fluid[place] <= wanted or enough <= wanted < inf:
            break
        job = short[place]
        counted = _counted(jobs, int(job), slots[: free[job]], ready)
        wanted = max(wanted, min(float(fluid[place]), counted))
    return wanted


def _fluid(left: Times, span: Times) -> Times:
    """Workers that do `left` seconds of work in `span`; inf where the span is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        workers = np.where(span > ROUNDING, np.ceil(left / span - ROUNDING), inf)
    found: Times = np.where(left <= ROUNDING, np.where(span >= 0, 0.0, inf), workers)
    return found


def _counted(jobs: Jobs, job: int, slots: Times, ready: float) -> float:
    """Workers that start all files up to a job by its deadline, the slots' share taken off."""
    deadline, longest = float(jobs.deadlines[job]), float(jobs.longest_so_far[job])
    files = float(jobs.started[job])
    if longest <= 0:
        return 0.0 if len(slots) else 1.0 if deadline >= ready - ROUNDING else inf
    started = float((np.floor((deadline - slots) / longest + ROUNDING) + 1).sum())
    if started >= files:
        return 0.0
    if deadline < ready - ROUNDING:
        return inf
    return ceil((files - started) / (floor((deadline - ready) / longest + ROUNDING) + 1))


def fewest(jobs: Jobs, slots: Times) -> int:
    """How many of the slots, from the first on, keep the promise already; all where they do not suffice.

    Searched from what would do if all were free as early as the first, which is rarely far off.
    """
    if not len(jobs) or not len(slots):
        return 0
    low, step = int(min(need(jobs, slots[:0], float(slots[0])), len(slots))), 1
    high = low
    while high < len(slots) and need(jobs, slots[:high], inf) > 0:
        low, high, step = high + 1, min(high + step, len(slots)), 2 * step
    while low < high:
        middle = (low + high) // 2
        if need(jobs, slots[:middle], inf) == 0:
            high = middle
        else:
            low = middle + 1
    return low

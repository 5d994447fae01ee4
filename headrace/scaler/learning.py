"""What the scaler learns from what it sees: seconds a file, seconds a boot, how files arrive. Frozen values.

Each `…History` takes one observation at a time and returns the next value; the edges keep them over restarts.
The rules are those that measured best: the median promises, the 0.9 quantile plans, and a function's estimate
is corrected by the ratio of what its files took to what they were thought to take.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from statistics import median

from headrace.scaler.snapshot import BootEstimate, Files, ServiceEstimate

GROUP_SECONDS = 5.0  # files that arrive within are told together
BOOTS = 16  # of which the quantiles are taken
OUTCOMES = 50  # boots among which failures are counted
FAILING = 2  # of them ...
FRESH = 10  # ... or one among the last of them
SAFE_QUANTILE = 0.9
SILENCES = 32
RECENT_WINDOWS = 2.0  # times the longest wait and boot: how far back a snapshot tells of arrivals
SILENCE_SECONDS = 10.0  # a gap between arrivals that counts as one: the scaler's period
SHAPE_FILES = 32  # observations from which the dependence on size is taken
SHAPE_LEAST = 8  # with fewer, the prior's shape stays
PRIOR_FILES = 3.0  # how many files the prior weighs
MEMORY = 0.995  # weight of what was known, at each observation: some 200 files count
OUTLIER = 5.0  # times its estimate: one file weighs no more


@dataclass(frozen=True)
class ServiceHistory:
    """Seconds a file of one function: start + a + b x bytes, from a prior on."""

    prior: ServiceEstimate
    files: float = 0.0  # decayed sums over all files seen: how many, their bytes, the seconds they took
    bytes: float = 0.0
    seconds: float = 0.0
    seen: tuple[tuple[float, float], ...] = ()  # the last (bytes, seconds) of one file
    starts: tuple[float, ...] = ()

    def observed(self, files: int, size: int, seconds: float) -> "ServiceHistory":
        """`files` files of `size` bytes in all took `seconds`, one after another."""
        if files <= 0:
            return self
        most = OUTLIER * self.shape.seconds(files, size) if len(self.seen) >= SHAPE_LEAST else seconds
        return replace(
            self,
            files=MEMORY * self.files + files,
            bytes=MEMORY * self.bytes + size,
            seconds=MEMORY * self.seconds + min(seconds, most),
            seen=(*self.seen[1 - SHAPE_FILES :], (size / files, seconds / files)),
        )

    def started(self, seconds: float) -> "ServiceHistory":
        """A worker took `seconds` from its start to its first file."""
        return replace(self, starts=(*self.starts[1 - BOOTS :], seconds))

    @cached_property
    def shape(self) -> ServiceEstimate:
        """How seconds depend on size, and about what they are; the mean's level is the correction's matter.

        The slope by Theil and Sen (the median of all pairs' slopes), which a quarter of outliers do not move.
        """
        if len(self.seen) < SHAPE_LEAST:
            return self.prior
        slope = max(0.0, _slope(self.seen))
        base = max(0.0, median(seconds - slope * size for size, seconds in self.seen))
        return replace(self.prior, file_seconds=base, seconds_per_byte=slope) if slope or base else self.prior

    @cached_property
    def correction(self) -> float:
        """What files took through what the shape says of them; 1 before the first."""
        thought = self.shape.seconds(1, 0) * self.files + self.shape.seconds_per_byte * self.bytes
        if thought <= 0:
            return 1.0
        prior = PRIOR_FILES * thought / self.files
        return (self.seconds + prior) / (thought + prior)

    @cached_property
    def estimate(self) -> ServiceEstimate:
        """What to plan with."""
        factor, shape = self.correction, self.shape
        return ServiceEstimate(
            start_seconds=median(self.starts) if self.starts else self.prior.start_seconds,
            file_seconds=factor * shape.file_seconds,
            seconds_per_byte=factor * shape.seconds_per_byte,
        )


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """The median slope over all pairs of points whose x differ; 0 where none do."""
    if all(x == points[0][0] for x, _ in points):
        return 0.0
    return median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x1 != x2)


@dataclass(frozen=True)
class BootHistory:
    """Seconds from an order to a node with all that its pool promises."""

    prior_seconds: float
    seconds: tuple[float, ...] = ()
    outcomes: tuple[bool, ...] = ()  # whether it came up

    def booted(self, seconds: float) -> "BootHistory":
        """One came up."""
        return replace(
            self,
            seconds=(*self.seconds[1 - BOOTS :], seconds),
            outcomes=(*self.outcomes[1 - OUTCOMES :], True),
        )

    def failed(self) -> "BootHistory":
        """One did not."""
        return replace(self, outcomes=(*self.outcomes[1 - OUTCOMES :], False))

    @cached_property
    def estimate(self) -> BootEstimate:
        """What to promise and what to plan with."""
        ordered = sorted(self.seconds) or [self.prior_seconds]
        return BootEstimate(
            usual_seconds=median(ordered),
            safe_seconds=ordered[min(len(ordered) - 1, int(SAFE_QUANTILE * len(ordered)))],
            failing=self.outcomes.count(False) >= FAILING or False in self.outcomes[-FRESH:],
        )


@dataclass(frozen=True)
class ArrivalHistory:
    """When files of one function arrived, oldest first, in groups of GROUP_SECONDS."""

    groups: tuple[Files, ...] = ()
    silences: tuple[float, ...] = ()
    last: float | None = None

    def arrived(self, time: float, files: int, size: int) -> "ArrivalHistory":
        """`files` files of `size` bytes in all; `time` is not before the last one's."""
        groups = self.groups
        if groups and time - groups[-1].arrived < GROUP_SECONDS:
            grown = Files(groups[-1].arrived, groups[-1].count + files, groups[-1].bytes + size)
            groups = (*groups[:-1], grown)
        else:
            groups = (*groups, Files(time, files, size))
        gap = time - self.last if self.last is not None else 0.0
        silences = (*self.silences[1 - SILENCES :], gap) if gap > SILENCE_SECONDS else self.silences
        return ArrivalHistory(groups, silences, time)

    def recent(self, since: float) -> tuple[Files, ...]:
        """Groups that began at or after `since`."""
        return tuple(group for group in self.groups if group.arrived >= since)

    def forgetting(self, before: float) -> "ArrivalHistory":
        """Without groups that nobody will ask for."""
        return replace(self, groups=self.recent(before))

"""Made traces of a day: bursts, a trickle, day and night, a flash crowd, a mixture of functions.

Each is a function of a seed alone: the same seed gives the same trace. Chance is passed in below.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat, takewhile
from random import Random
from types import MappingProxyType

from headrace.scaler.simulation.trace import Arrival, Trace

DAY_SECONDS = 86_400.0
FILE_BYTES = 1_000_000  # of every file: a function's files differ in nothing but their time
APART_SECONDS = 1200.0  # at least between two bursts: then none shares a node with another
SWING = 0.9  # of a modulated rate: from 0.1 to 1.9 times its mean


@dataclass(frozen=True, slots=True)
class Kind:
    """Files of one kind: their function, and for how long each computes."""

    function: str
    service_seconds: float

    def at(self, time: float) -> Arrival:
        return Arrival(time, self.function, FILE_BYTES, self.service_seconds)


def bursts(chance: Random, kind: Kind, *, count_a_day: int, files: int) -> Trace:
    """So many bursts, one in each equal part of a day, APART_SECONDS apart; each arrives at one instant."""
    part = DAY_SECONDS / count_a_day
    times = [number * part + chance.uniform(0, part - APART_SECONDS) for number in range(count_a_day)]
    return Trace.of(kind.at(time) for time in times for _ in range(files))


def trickle(chance: Random, kind: Kind, *, gap_seconds: float) -> Trace:
    """A day of a Poisson stream: `gap_seconds` between two files on average."""
    times = _poisson(chance, rate=1 / gap_seconds, end_seconds=DAY_SECONDS)
    return Trace(tuple(kind.at(time) for time in times))


def diurnal(chance: Random, kind: Kind, *, busy_workers: float) -> Trace:
    """A day of a Poisson stream, so many workers busy on average: least at midnight, most at noon."""
    mean = busy_workers / kind.service_seconds
    times = _modulated(chance, mean=mean, period_seconds=DAY_SECONDS, phase_seconds=0)
    return Trace(tuple(kind.at(time) for time in times))


@dataclass(frozen=True, slots=True)
class Crowd:
    """A flash crowd: files a second before it and at its height, and in how long it falls to 1/e."""

    calm_rate: float
    peak_rate: float
    decay_seconds: float
    hours: float  # of the whole trace


def flash(chance: Random, kind: Kind, crowd: Crowd) -> Trace:
    """One crowd that comes at once, somewhere in the middle half of the trace."""
    end_seconds = crowd.hours * 3600
    start = chance.uniform(end_seconds / 4, end_seconds * 3 / 4)

    def share(time: float) -> float:
        extra = math.exp((start - time) / crowd.decay_seconds) if time >= start else 0.0
        return (crowd.calm_rate + (crowd.peak_rate - crowd.calm_rate) * extra) / crowd.peak_rate

    times = _poisson(chance, rate=crowd.peak_rate, end_seconds=end_seconds)
    return Trace(tuple(kind.at(time) for time in times if chance.random() < share(time)))


def mixture(chance: Random, kinds: Sequence[Kind], *, busy_workers: float, period_seconds: float) -> Trace:
    """A day of one modulated stream for each kind, at its own phase; each has `busy_workers` on average."""
    return Trace.of(
        kind.at(time)
        for kind in kinds
        for time in _modulated(
            chance,
            mean=busy_workers / kind.service_seconds,
            period_seconds=period_seconds,
            phase_seconds=chance.uniform(0, period_seconds),
        )
    )


def flood(
    chance: Random, thick: Kind, thin: Kind, *, files: int, floods: int, gap_seconds: float, hours: float
) -> Trace:
    """Two kinds at a time: files of one trickle in, of the other so many come at once, again and again.

    Each flood comes in the first quarter of its equal part of the trace.
    """
    end_seconds = hours * 3600
    part = end_seconds / floods
    trickled = (thin.at(time) for time in _poisson(chance, rate=1 / gap_seconds, end_seconds=end_seconds))
    times = [number * part + chance.uniform(0, part / 4) for number in range(floods)]
    return Trace.of([*trickled, *(thick.at(time) for time in times for _ in range(files))])


def _poisson(chance: Random, *, rate: float, end_seconds: float) -> Iterator[float]:
    times = accumulate(chance.expovariate(each) for each in repeat(rate))
    return takewhile(lambda time: time < end_seconds, times)


def _modulated(
    chance: Random, *, mean: float, period_seconds: float, phase_seconds: float
) -> Iterator[float]:
    """A day of a Poisson stream with a sine's rate, by thinning the stream of its highest rate."""
    for time in _poisson(chance, rate=mean * (1 + SWING), end_seconds=DAY_SECONDS):
        turn = math.cos(2 * math.pi * (time - phase_seconds) / period_seconds)
        if chance.random() * (1 + SWING) < 1 - SWING * turn:
            yield time


def _bursts_60(seed: int) -> Trace:
    return bursts(_chance(seed), Kind("burst", 60), count_a_day=8, files=200)


def _bursts_2(seed: int) -> Trace:
    return bursts(_chance(seed), Kind("burst", 2), count_a_day=8, files=2000)


def _diurnal(seed: int) -> Trace:
    return diurnal(_chance(seed), Kind("diurnal", 60), busy_workers=12)


def _flash(seed: int) -> Trace:
    """Six hours: with one crowd in a day the calm hours would count for more than the crowd."""
    crowd = Crowd(calm_rate=0.02, peak_rate=2, decay_seconds=900, hours=6)
    return flash(_chance(seed), Kind("flash", 20), crowd)


def _mix(seed: int) -> Trace:
    """Eight busy workers on average, for nodes of four; phases are six hours long."""
    kinds = [Kind(f"mix-{seconds}", seconds) for seconds in (10, 20, 40, 80, 120)]
    return mixture(_chance(seed), kinds, busy_workers=1.6, period_seconds=DAY_SECONDS / 4)


def _trickle(seed: int) -> Trace:
    return trickle(_chance(seed), Kind("trickle", 30), gap_seconds=240)


def _flood(seed: int) -> Trace:
    """Fifty hours of work at once, three times in six hours, beside a file every other minute."""
    thick, thin = Kind("flood", 60), Kind("trickle", 10)
    return flood(_chance(seed), thick, thin, files=3000, floods=3, gap_seconds=120, hours=6)


def _chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - a workload that can be made again, no secret


WORKLOADS: Mapping[str, Callable[[int], Trace]] = MappingProxyType(
    {
        "bursts-60": _bursts_60,
        "bursts-2": _bursts_2,
        "diurnal": _diurnal,
        "flash": _flash,
        "mix": _mix,
        "trickle": _trickle,
        "flood": _flood,
    }
)

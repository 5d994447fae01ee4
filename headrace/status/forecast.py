"""When the last file will have ended, and how sure that is. Pure.

Where files end, their rate over the last minute tells; it is as sure as the rate is steady, and by as many
files as it was seen on. Where none ends yet, what a file usually takes tells, by the workers there or wanted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from headrace.operations.rates import Rates
from headrace.status.document import Forecast, Sureness

WINDOW_SECONDS = 60.0
FEW = 20  # files that have ended in the window: fewer are no sure rate
STEADY = 0.25  # relative spread of a rate that is called steady
FAR_SECONDS = 3600.0  # what lies beyond is never called sure: a minute tells little of it
MOST_SPREAD = 0.8
_BY_SURENESS = (Sureness.HIGH, Sureness.MEDIUM, Sureness.LOW)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast files end: a second, how many were seen, and the rate's relative spread (0 to 1)."""

    rate: float = 0.0
    ended: int = 0
    spread: float = 1.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of a function. None: not known. `trouble`: why it can't be worked; empty: it can."""

    waiting: int | None
    running: int | None
    pace: Pace | None
    paused: bool = False
    workers: int = 0  # that are there or wanted, the greater
    has_worker: bool = False
    file_seconds: float | None = None
    start_seconds: float = 0.0
    trouble: str = ""


def pace_of(rates: Rates, function: str) -> Pace | None:
    """Over the window; None before the second look at a function."""
    looks = [(at, done[function]) for at, done in rates.looks if function in done]
    if len(looks) < 2 or looks[-1][0] <= looks[0][0]:
        return None
    (begin, first), (end, last) = looks[0], looks[-1]
    ended = max(0, last - first)
    middle = min(looks, key=lambda look: abs(look[0] - (begin + end) / 2))
    early = _rate(first, middle[1], middle[0] - begin)
    late = _rate(middle[1], last, end - middle[0])
    drift = abs(late - early) / (late + early) if late + early else 1.0
    return Pace(ended / (end - begin), ended, min(1.0, max(drift, 1 / sqrt(ended) if ended else 1.0)))


def _rate(before: int, after: int, seconds: float) -> float:
    return max(0, after - before) / seconds if seconds > 0 else 0.0


def forecast(seen: Outlook, now: float) -> Forecast:
    """Of one function."""
    if seen.trouble:
        return untold(seen.trouble)
    if seen.waiting is None or seen.running is None:
        return untold("the queue has not told how many files are left")
    left = seen.waiting + seen.running
    if not left:
        return untold("nothing is left to do")
    if seen.paused:
        return untold("it is paused: its files wait until somebody resumes it")
    if seen.pace is not None and seen.pace.rate > 0:
        return _by_rate(left, seen.pace, now)
    if seen.file_seconds is not None and seen.workers:
        return _by_usual(left, seen, seen.file_seconds, now)
    return untold("no file has ended lately, and no worker is there or on its way")


def _by_rate(left: int, pace: Pace, now: float) -> Forecast:
    seconds, spread = left / pace.rate, min(pace.spread, MOST_SPREAD)
    steady = pace.ended >= FEW and pace.spread <= STEADY and seconds <= FAR_SECONDS
    return Forecast(
        at=round(now + seconds),
        earliest=round(now + seconds / (1 + spread)),
        latest=round(now + seconds / (1 - spread)),
        sureness=Sureness.HIGH if steady else Sureness.MEDIUM,
        text=f"{_files(left)} left, {pace.rate:.3g} ended a second over the last minute",
    )


def _by_usual(left: int, seen: Outlook, file_seconds: float, now: float) -> Forecast:
    start = 0.0 if seen.has_worker else seen.start_seconds
    seconds = start + max(file_seconds, left * file_seconds / seen.workers)
    return Forecast(
        at=round(now + seconds),
        earliest=round(now + seconds / 2),
        latest=round(now + seconds * 2),
        sureness=Sureness.LOW,
        text=f"{_files(left)} left, a file takes about {file_seconds:.3g} s, {seen.workers} workers; boots "
        "come on top",
    )


def together(forecasts: Iterable[Forecast], *, left: int | None) -> Forecast:
    """Of several functions with files: when the last of all will have ended."""
    told = list(forecasts)
    if left is None:
        return untold("the queue has not told how many files are left")
    if not told or not left:
        return untold("nothing is left to do")
    vague = [each for each in told if each.at is None]
    if vague:
        return untold(f"it can't be told of {len(vague)} of {len(told)} functions: {vague[0].text}")
    last = max(told, key=lambda each: each.at or 0)
    return Forecast(
        at=last.at,
        earliest=max(each.earliest or 0 for each in told),
        latest=max(each.latest or 0 for each in told),
        sureness=max((each.sureness for each in told), key=_BY_SURENESS.index),
        text=last.text,
    )


def untold(why: str) -> Forecast:
    """No forecast."""
    return Forecast(at=None, earliest=None, latest=None, sureness=Sureness.NONE, text=why)


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count:,} files are"

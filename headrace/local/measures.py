"""Figures of a run, from its records: times of each step, a timeline, shared models. Pure."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace.model.record import Record

Steps = tuple[tuple[float, int], ...]  # (seconds since the start, value from then on), in order of time


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 95th percentile and maximum, in seconds, of `count` measurements."""

    name: str
    meaning: str
    count: int
    median: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """The scaler wanted another number of workers of a function from then on, and why.

    `seconds` since the first upload; `total` is what it wanted of all functions together, `waiting` the
    function's files. `code` is the reason for programs, `text` that for people.
    """

    seconds: float
    function: str
    before: int
    after: int
    total: int
    waiting: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """How a run went: files waiting, workers, files finished; seconds since the first upload."""

    waiting: Steps
    workers: Steps
    finished: Steps
    seconds: float
    scalings: tuple[Scaling, ...] = ()


@dataclass(frozen=True, slots=True)
class Sharing:
    """How many files were computed with how many loaded models; seconds spent on loading, in all."""

    files: int
    models: int
    load_seconds: float

    @property
    def shared(self) -> int:
        """Files that found a model loaded already."""
        return self.files - self.models


def spread(name: str, meaning: str, seconds: Iterable[float]) -> Spread | None:
    """The spread of measurements; None where there are none. The 95th percentile is interpolated."""
    values = sorted(seconds)
    if not values:
        return None
    p95 = statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
    return Spread(name, meaning, len(values), statistics.median(values), p95, values[-1])


def spreads(
    records: Sequence[Record],
    classified: Sequence[Record],
    *,
    uploaded: Mapping[str, float],
    inference: Sequence[float],
) -> tuple[Spread, ...]:
    """The table of times.

    `classified` are the records of the function that loads a model; `uploaded` maps a task's id to when
    the store confirmed its file (seconds since the epoch); `inference` are the seconds a file that the
    function itself measured.
    """
    rows = (
        spread(
            "Upload to start",
            "from the store's answer to the handler's start, the waiting for others included",
            (r.times.started - uploaded[r.task.id] for r in records if r.task.id in uploaded),
        ),
        spread("Model load", "once a worker, imports included", _models(classified).values()),
        spread("Inference", "one file, measured by the function", inference),
        spread("Handler call", "a whole batch: read, find the sector, infer, draw", _calls(classified)),
        spread(
            "Commit",
            "outputs staged, up to the record's creation",
            (r.times.committed - r.times.finished for r in records),
        ),
    )
    return tuple(row for row in rows if row is not None)


def sharing(records: Sequence[Record]) -> Sharing:
    """Of the records whose handler loads something once."""
    models = _models(records)
    files = sum(1 for r in records if r.load_seconds is not None)
    return Sharing(files=files, models=len(models), load_seconds=sum(models.values()))


def timeline(
    records: Sequence[Record], workers: Steps, *, start: float, scalings: Sequence[Scaling] = ()
) -> Timeline:
    """The course of a run that began at `start` (seconds since the epoch); `workers` counts from there."""
    arrivals = [(r.times.received - start, 1) for r in records]
    starts = [(r.times.started - start, -1) for r in records]
    ends = [(r.times.committed - start, 1) for r in records]
    last = max((moment for moment, _ in (*ends, *workers)), default=0.0)
    return Timeline(
        waiting=_summed(arrivals + starts),
        workers=workers,
        finished=_summed(ends),
        seconds=max(last, 0.0),
        scalings=tuple(scalings),
    )


def value_at(steps: Steps, seconds: float) -> int:
    """The value of a step function at a moment; 0 before its first step."""
    return next((value for moment, value in reversed(steps) if moment <= seconds), 0)


def _models(records: Sequence[Record]) -> dict[tuple[str, float], float]:
    """Each loaded model, known by its worker and its own load time, and how long it took to load."""
    return {(r.worker, r.load_seconds): r.load_seconds for r in records if r.load_seconds is not None}


def _calls(records: Sequence[Record]) -> list[float]:
    """Seconds of each call of a handler: the files of a batch end at the same moment."""
    starts: dict[tuple[str, float], float] = {}
    for r in records:
        end = (r.worker, r.times.finished)
        starts[end] = min(r.times.started, starts.get(end, r.times.started))
    return [end - start for (_, end), start in starts.items()]


def _summed(changes: Sequence[tuple[float, int]]) -> Steps:
    total, steps = 0, []
    for moment, change in sorted(changes, key=lambda step: (step[0], -step[1])):  # a file arrives first
        total += change
        steps.append((max(0.0, moment), total))
    return tuple(steps)

"""From the records of one way's files to what is compared. Pure.

A worker's first batch waits for its model to load and for what a GPU does only once. It is left out of
seconds and rates where a worker has worked another one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from headrace.model.record import Record


@dataclass(frozen=True, slots=True)
class Spread:
    """Of several values."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What one way took.

    `seconds_a_file`: of computing, a batch's time shared by its files; `with_load`: every worker had one
    batch only, so that loading is in it. `files_a_second`: of all workers together. `load_seconds`: of a
    model.
    """

    files: int
    seconds_a_file: Spread
    with_load: bool
    files_a_second: float
    load_seconds: float | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that one worker computed together. Moments are seconds since the epoch."""

    worker: str
    files: int
    started: float
    finished: float
    committed: float

    @property
    def seconds_a_file(self) -> float:
        return (self.finished - self.started) / self.files


def measured(records: Sequence[Record]) -> Measured:
    """Of at least one record."""
    by_worker = batches_of(records)
    with_load = all(len(own) == 1 for own in by_worker.values())
    counted = [each for own in by_worker.values() for each in (own if with_load else own[1:])]
    seconds = [each.seconds_a_file for each in counted for _ in range(each.files)]
    loads = [record.load_seconds for record in records if record.load_seconds is not None]
    return Measured(
        len(records),
        Spread(median(seconds), min(seconds), max(seconds)),
        with_load,
        sum(_rate(own) for own in by_worker.values()),
        median(loads) if loads else None,
    )


def batches_of(records: Sequence[Record]) -> Mapping[str, Sequence[Batch]]:
    """By worker, in the order of time. The files of a batch end at the very same moment."""
    together: dict[tuple[str, float], list[Record]] = defaultdict(list)
    for record in records:
        together[record.worker, record.times.finished].append(record)
    found: dict[str, list[Batch]] = defaultdict(list)
    for (worker, finished), own in sorted(together.items()):
        started = min(record.times.started for record in own)
        committed = max(record.times.committed for record in own)
        found[worker].append(Batch(worker, len(own), started, finished, committed))
    return found


def held_seconds(records: Sequence[Record], gpus: int) -> float:
    """GPU seconds that files held, whether the GPUs computed or waited; the first batches too."""
    batches = [each for own in batches_of(records).values() for each in own]
    return gpus * sum(each.finished - each.started for each in batches)


def _rate(batches: Sequence[Batch]) -> float:
    """Files a second of one worker, staging and publishing included."""
    first, *rest = batches
    if not rest:
        return first.files / max(first.committed - first.started, 1e-9)
    return sum(each.files for each in rest) / max(rest[-1].committed - first.finished, 1e-9)


def price_a_thousand(price_an_hour: float, files_a_second: float) -> float:
    """Of files, by workers that cost so much together."""
    return 1000 * price_an_hour / 3600 / files_a_second

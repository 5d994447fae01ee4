"""How a task went through a worker's hands: its steps, and how it left. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from headrace.worker.held import Held


class Step(StrEnum):
    """What is done for a file, in this order."""

    STAGE = "stage"  # its input is fetched
    WAIT = "wait"  # for the runner, which has others
    COMPUTE = "compute"  # of the whole batch that it was in
    UPLOAD = "upload"  # its outputs, to the attempt's own keys
    COMMIT = "commit"  # its record is created
    PUBLISH = "publish"  # its outputs are copied to their final keys
    ACKNOWLEDGE = "acknowledge"  # the queue lets it go


class Result(StrEnum):
    """How a task left a worker's hands."""

    DONE = "done"
    FAILED = "failed"  # given up
    GONE = "gone"  # its input was deleted
    SUPERSEDED = "superseded"  # its input was overwritten
    AGAIN = "again"  # an attempt failed, another follows
    RETURNED = "returned"  # handed back, or lost to another, without an attempt that counts
    REPEATED = "repeated"  # it had ended before


@dataclass(frozen=True, slots=True)
class Stretch:
    """A step that was begun and ended; seconds since the epoch."""

    step: Step
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took; a clock that was set back makes it no less than nothing."""
        return max(0.0, self.end - self.start)


def result_of(held: Held) -> Result:
    """Of a task that has left."""
    if not held.is_acknowledged:
        return Result.AGAIN if held.failure else Result.RETURNED
    if held.ending is not None:
        return Result(held.ending.value)
    return Result.DONE if held.committed else Result.REPEATED


def stretches(held: Held) -> Iterator[Stretch]:
    """The steps that it has gone through."""
    acknowledged = held.left if held.is_acknowledged and held.published else 0.0
    moments = (
        held.pulled, held.staged, held.started, held.finished,
        held.uploaded, held.committed, held.published, acknowledged,
    )  # fmt: skip
    for step, start, end in zip(Step, moments[:-1], moments[1:], strict=True):
        if start and end:
            yield Stretch(step, start, end)

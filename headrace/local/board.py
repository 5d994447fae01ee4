"""What is known of a demo while it runs and once it has ended: files, workers, decisions, endings."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.local.audit import Audit, Upload, audit
from headrace.local.evidence import Evidence
from headrace.local.measures import Scaling, Steps
from headrace.local.samples import Sample
from headrace.local.stack import Look
from headrace.local.state import StateDirectory
from headrace.scaler.explaining import FunctionStory


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`output` takes the report; `files` is the number of derived clips."""

    output: Path
    state: StateDirectory
    functions: Path
    files: int
    cores: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a demo stands. `rate` is in files a second since the first upload."""

    files: int
    uploaded: int
    waiting: int
    workers: int
    done: int
    failed: int
    seconds: float

    @property
    def ended(self) -> int:
        return self.done + self.failed

    @property
    def rate(self) -> float:
        return self.ended / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class DemoRun:
    """All that is known of a demo once it has ended; `start` in seconds since the epoch."""

    samples: tuple[Sample, ...]
    uploads: tuple[Upload, ...]
    evidence: Evidence
    audit: Audit
    workers: Steps
    start: float
    scalings: tuple[Scaling, ...] = ()

    @property
    def seconds(self) -> float:
        """From the first upload to the last record."""
        return max((record.times.committed for record in self.evidence.done), default=self.start) - self.start


Show = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class Tally:
    """Records by kind, and tasks that are in the queue still: a record's results may not be published yet."""

    done: int = 0
    failed: int = 0
    queued: int = 0

    def covers(self, files: int) -> bool:
        """Whether so many files have ended, and all that belongs to an ending is done."""
        return self.done + self.failed >= files and not self.queued


class Board:
    """What is known while the demo runs."""

    def __init__(self, options: DemoOptions, show: Show) -> None:
        self._options = options
        self._show = show
        self._waiting = 0
        self._workers: list[tuple[float, int]] = []
        self._wanted: dict[str, int] = {}
        self._scalings: list[Scaling] = []
        self.samples: tuple[Sample, ...] = ()
        self.uploads: list[Upload] = []
        self.start = 0.0
        self.page = ""  # the address of the status page
        self.tally = Tally()

    def look(self, look: Look) -> None:
        """Take over what the scaler saw and decided."""
        self._waiting = sum(function.waiting for function in look.explained.functions)
        wanted = {each.name: sum(each.wanted.values()) for each in look.explained.functions}
        for each in look.explained.functions:
            self._note(look.decision.moment, each, wanted)
        self._wanted = wanted
        workers = sum(look.running.values())
        if not self._workers or self._workers[-1][1] != workers:
            self._workers.append((time.time(), workers))
        if self.start:
            self.tell()

    def _note(self, moment: float, story: FunctionStory, wanted: Mapping[str, int]) -> None:
        before, after = self._wanted.get(story.name, 0), wanted[story.name]
        if before != after:
            total, reason = sum(wanted.values()), story.reason
            self._scalings.append(
                Scaling(
                    moment, story.name, before, after, total, story.waiting, reason.code.value, reason.text
                )
            )

    def tell(self) -> None:
        """Show where it stands."""
        self._show(f"working, live on {self.page}" if self.page else "working", self.progress())

    def progress(self) -> Progress:
        return Progress(
            files=len(self.samples) or self._options.files,
            uploaded=len(self.uploads),
            waiting=self._waiting,
            workers=self._workers[-1][1] if self._workers else 0,
            done=self.tally.done,
            failed=self.tally.failed,
            seconds=time.time() - self.start if self.start else 0.0,
        )

    def result(self, evidence: Evidence) -> DemoRun:
        """The run as a value; the workers' course ends when none is left."""
        return DemoRun(
            samples=self.samples,
            uploads=tuple(self.uploads),
            evidence=evidence,
            audit=audit(self.uploads, evidence.done, evidence.failures, unpublished=evidence.unpublished),
            workers=tuple((max(0.0, moment - self.start), number) for moment, number in self._workers),
            start=self.start,
            scalings=tuple(
                replace(each, seconds=max(0.0, each.seconds - self.start)) for each in self._scalings
            ),
        )

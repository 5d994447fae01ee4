"""The demo: a stack of its own, a hundred clips through it, and the count of what came out."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.local.audit import Audit, Upload, audit
from headrace.local.evidence import Evidence, gather_evidence
from headrace.local.manager import Look
from headrace.local.measures import Steps
from headrace.local.samples import Sample, derive_clips, draw_stills
from headrace.local.stack import EmbeddedStack, StackOptions, running_stack
from headrace.local.state import StateDirectory
from headrace.model.errors import ConfigurationError, NotFoundError, TransientError
from headrace.operations.concurrently import concurrently
from headrace.operations.records import Records
from headrace.queue.port import Queue

UPLOADS_AT_ONCE = 8
COUNT_SECONDS = 0.4  # between two listings of the records
STALL_SECONDS = 120.0  # without a new record: what is missing then is called lost
STILLS = 10  # one for every ten clips, so many at most


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

    @property
    def seconds(self) -> float:
        """From the first upload to the last record."""
        return max((record.times.committed for record in self.evidence.done), default=self.start) - self.start


Show = Callable[[str, Progress], None]


def clear_old_state(state: StateDirectory) -> None:
    """Delete what an earlier demo left. Raises ConfigurationError for a folder that is no stack's state."""
    if not state.path.exists() or not any(state.path.iterdir()):
        return
    if not state.settings.is_file():
        raise ConfigurationError(f"{state.path} is no stack's state folder; delete or move it yourself")
    with state.locked():
        shutil.rmtree(state.path)


def require_empty(state: StateDirectory) -> None:
    """Raises ConfigurationError for a state folder with anything in it: its records would be counted, too."""
    if state.path.exists() and any(state.path.iterdir()):
        raise ConfigurationError(f"{state.path} is not empty; the demo needs an empty state folder")


async def run_demo(options: DemoOptions, show: Show) -> DemoRun:
    """Run the whole demo. `show` is told the step and the figures, several times a second."""
    board = _Board(options, show)
    folder = options.output / "files"
    shutil.rmtree(folder, ignore_errors=True)
    show("starting the store, the queue and the receiver, and deriving clips", board.progress())
    deriving = asyncio.create_task(_make_samples(options, folder))
    try:
        stack_options = StackOptions(options.state, options.functions, options.cores)
        async with running_stack(stack_options, watch=board.look) as stack:
            board.samples = await deriving
            await concurrently(lambda step: step(stack, board), (_upload, _follow))
            show("collecting the results", board.progress())
            functions = sorted({sample.function for sample in board.samples})
            evidence = await gather_evidence(stack.storage, stack.settings.platform_bucket, functions)
    finally:
        deriving.cancel()
        await asyncio.gather(deriving, return_exceptions=True)
    return board.result(evidence)


async def _make_samples(options: DemoOptions, folder: Path) -> tuple[Sample, ...]:
    clips = await derive_clips(options.functions, folder, count=options.files)
    stills = min(STILLS, max(1, options.files // 10))
    # The quick function's files come first: the other's workers need not make room for it later.
    return await asyncio.to_thread(draw_stills, folder, count=stills) + clips


async def _upload(stack: EmbeddedStack, board: "_Board") -> None:
    async def one(sample: Sample) -> None:
        bucket, key = stack.settings.real_bucket("uploads"), f"{sample.function}/{sample.path.name}"
        await stack.storage.put(bucket, key, sample.path)
        board.uploads.append(Upload(sample.function, bucket, key, time.time()))

    board.start = time.time()
    await concurrently(one, board.samples, most=UPLOADS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Tally:
    """Records by kind, and tasks that are in the queue still: a record's results may not be published yet."""

    done: int = 0
    failed: int = 0
    queued: int = 0

    def covers(self, files: int) -> bool:
        """Whether so many files have ended, and all that belongs to an ending is done."""
        return self.done + self.failed >= files and not self.queued


async def count_endings(records: Records, queue: Queue, functions: Iterable[str]) -> Tally:
    """What has ended so far. Raises TransientError, and NotFoundError where a function has no stream."""
    queued = done = failed = 0
    for function in functions:
        # The queue comes first: what it lets go of has its record.
        queued += (await queue.backlog(function)).tasks
        listed, marked = await records.listed(function), await records.marked(function)
        failed += len(listed.keys() & marked)
        done += len(listed.keys() - marked)
    return Tally(done, failed, queued)


async def _follow(stack: EmbeddedStack, board: "_Board") -> None:
    """Count until every sample has ended, or nothing happens for too long."""
    records = Records(stack.storage, stack.settings.platform_bucket)
    functions = {sample.function for sample in board.samples}
    last_change = time.monotonic()
    while not board.tally.covers(len(board.samples)) and time.monotonic() - last_change < STALL_SECONDS:
        await asyncio.sleep(COUNT_SECONDS)
        try:
            tally = await count_endings(records, stack.queue, functions)
        except (TransientError, NotFoundError):
            continue  # a server is being started again, or no stream is made yet; the stall's clock runs on
        if tally != board.tally:
            last_change = time.monotonic()
        board.tally = tally
        board.tell()


class _Board:
    """What is known while the demo runs."""

    def __init__(self, options: DemoOptions, show: Show) -> None:
        self._options = options
        self._show = show
        self._waiting = 0
        self._workers: list[tuple[float, int]] = []
        self.samples: tuple[Sample, ...] = ()
        self.uploads: list[Upload] = []
        self.start = 0.0
        self.tally = Tally()

    def look(self, look: Look) -> None:
        """Take over what the manager saw."""
        self._waiting = sum(demand.waiting for demand in look.demands)
        workers = sum(look.running.values())
        if not self._workers or self._workers[-1][1] != workers:
            self._workers.append((time.time(), workers))
        if self.start:
            self.tell()

    def tell(self) -> None:
        """Show where it stands."""
        self._show("working", self.progress())

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
        """The run as a value; the workers' course ends with the last record."""
        return DemoRun(
            samples=self.samples,
            uploads=tuple(self.uploads),
            evidence=evidence,
            audit=audit(self.uploads, evidence.done, evidence.failures, unpublished=evidence.unpublished),
            workers=tuple((max(0.0, moment - self.start), number) for moment, number in self._workers),
            start=self.start,
        )


def summary(run: DemoRun, report: Path) -> dict[str, object]:
    """The document that `--json` writes."""
    return {
        "files": run.audit.files,
        "records": run.audit.records,
        "failures": len(run.audit.failures),
        "lost": len(run.audit.lost),
        "twice": len(run.audit.twice),
        "unpublished": len(run.audit.unpublished),
        "strangers": len(run.audit.strangers),
        "extraStarts": run.audit.extra_starts,
        "seconds": round(run.seconds, 2),
        "filesPerSecond": round(run.audit.records / run.seconds, 2) if run.seconds else 0.0,
        "mostWorkers": max((number for _, number in run.workers), default=0),
        "views": dict(_views(run.evidence)),
        "report": str(report),
    }


def _views(evidence: Evidence) -> Counter[str]:
    findings = (worked.finding for worked in evidence.worked)
    return Counter(finding.view or "none" for finding in findings if finding is not None)


def known(samples: Sequence[Sample]) -> dict[tuple[str, str], Sample]:
    """Samples by function and file name."""
    return {(sample.function, sample.path.name): sample for sample in samples}

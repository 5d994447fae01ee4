"""The demo: a stack of its own, a hundred clips through it, and the count of what came out."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from headrace.local.audit import Upload
from headrace.local.board import Board, DemoOptions, DemoRun, Show, Tally
from headrace.local.evidence import Evidence, gather_evidence
from headrace.local.provision import page_address
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
IDLE_SECONDS = 2.0  # workers end so soon after the last file, that one sees it
LEAVE_SECONDS = 15.0  # until then they have ended, or the demo goes on without that
STILLS = 10  # one for every ten clips, so many at most


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
    board = Board(options, show)
    folder = options.output / "files"
    shutil.rmtree(folder, ignore_errors=True)
    show("starting the store, the queue and the receiver, and deriving clips", board.progress())
    deriving = asyncio.create_task(_make_samples(options, folder))
    try:
        stack_options = StackOptions(options.state, options.functions, options.cores, IDLE_SECONDS)
        async with running_stack(stack_options, watch=board.look) as stack:
            board.page = page_address(stack.settings)
            board.samples = await deriving
            await concurrently(lambda step: step(stack, board), (_upload, _follow))
            await _see_workers_off(board)
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


async def _upload(stack: EmbeddedStack, board: Board) -> None:
    async def one(sample: Sample) -> None:
        bucket, key = stack.settings.real_bucket("uploads"), f"{sample.function}/{sample.path.name}"
        await stack.storage.put(bucket, key, sample.path)
        board.uploads.append(Upload(sample.function, bucket, key, time.time()))

    board.start = time.time()
    await concurrently(one, board.samples, most=UPLOADS_AT_ONCE)


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


async def _follow(stack: EmbeddedStack, board: Board) -> None:
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


async def _see_workers_off(board: Board) -> None:
    """Wait until no worker is left, that the whole way from 0 to 0 is on the report."""
    deadline = time.monotonic() + LEAVE_SECONDS
    while board.progress().workers and time.monotonic() < deadline:  # noqa: ASYNC110  (the manager's looks are told, not signalled)
        await asyncio.sleep(COUNT_SECONDS)


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

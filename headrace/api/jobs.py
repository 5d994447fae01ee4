"""A service's tasks as OSCAR's clients list jobs: those in the queue, then those that ended, newest first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from headrace.api.documents import JobInfo, Jobs
from headrace.health.faults import refusal
from headrace.model.keys import dismissed_key
from headrace.model.record import FailureRecord, Record
from headrace.model.task import TASK_ID_LENGTH, Task
from headrace.operations.concurrently import concurrently
from headrace.operations.stack import Stack
from headrace.operations.status import find_backlog

PAGE = 70  # jobs, as OSCAR lists by itself: JOB_LISTING_LIMIT
PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
_TASK = re.compile(rf"(?:.*-)?([0-9a-f]{{{TASK_ID_LENGTH}}})")
_QUEUED = re.compile(r"queued\.([0-9]{1,9})")
_ENDED = re.compile(rf"ended\.([0-9]{{1,12}}(?:\.[0-9]{{1,9}})?)\.([0-9a-f]{{{TASK_ID_LENGTH}}})")


@dataclass(frozen=True, slots=True)
class _Page:
    """Where a page begins: after so many of the queue's tasks, or (None) after an ended one in the order."""

    queued: int | None = 0
    after: tuple[float, str] | None = None

    @classmethod
    def of(cls, text: str) -> "_Page":
        """Raises FaultError for what is no page of ours."""
        if not text:
            return cls()
        if found := _QUEUED.fullmatch(text):
            return cls(int(found[1]))
        if found := _ENDED.fullmatch(text):
            return cls(None, (-float(found[1]), found[2]))
        reason = f"found page {text[:60]!r}, allowed the next_page of another answer; leave it out"
        raise refusal(HTTPStatus.BAD_REQUEST, "not valid", reason)


def job_name(service: str, task_id: str) -> str:
    """As OSCAR names jobs: the service's name, then what tells them apart."""
    return f"{service}-{task_id}"


def task_of(job: str) -> str:
    """The task's id in a job's name, or the id itself. Raises FaultError."""
    found = _TASK.fullmatch(job)
    if found is None:
        reason = f"there is no job {job[:80]!r}; GET /system/logs/{{service}} lists them"
        raise refusal(HTTPStatus.NOT_FOUND, "not found", reason)
    return found[1]


async def jobs(stack: Stack, function: str, service: str, page: str) -> Jobs:
    """One page. A task that ends meanwhile moves to the newest of those that ended. Raises FaultError."""
    begin = _Page.of(page)
    records = await stack.records.listed(function)
    hidden = await stack.records.dismissed(function)
    order = sorted((-info.modified, each) for each, info in records.items() if each not in hidden)
    ended = [each for each in order if begin.after is None or each > begin.after]
    queued = await _queued(stack, function, begin.queued) if begin.queued is not None else _NONE
    found = {job_name(service, task.id): _waiting(task, state) for task, state in queued.shown}
    shown = [] if queued.rest else ended[: PAGE - len(found)]
    for record in await concurrently(lambda each: stack.records.find(function, each[1]), shown):
        if record is not None:
            found[job_name(service, record.task.id)] = _finished(record)
    left = queued.rest + len(ended) - len(shown)
    if queued.rest or not shown:
        following = f"queued.{(begin.queued or 0) + len(queued.shown)}"
    else:
        following = f"ended.{-shown[-1][0]:f}.{shown[-1][1]}"
    return Jobs(jobs=found, next_page=following if left else None, remaining_jobs=left or None)


async def dismiss(stack: Stack, function: str, identifiers: Sequence[str]) -> None:
    """List these tasks no more. Their records stay: they keep the files from being worked again."""

    async def one(identifier: str) -> None:
        await stack.storage.put(stack.platform_bucket, dismissed_key(function, identifier), b"")

    await concurrently(one, identifiers)


@dataclass(frozen=True, slots=True)
class _Waiting:
    shown: Sequence[tuple[Task, str]]
    rest: int


_NONE = _Waiting((), 0)


async def _queued(stack: Stack, function: str, begin: int) -> _Waiting:
    """Which tasks workers hold is not told one by one: of the oldest, so many as are leased count as such."""
    backlog = await find_backlog(stack, function)
    if backlog is None or backlog.tasks <= begin:
        return _NONE
    tasks = (await stack.queue.tasks(function, begin + PAGE))[begin:]
    pairs = [
        (task, RUNNING if number < backlog.leased else PENDING) for number, task in enumerate(tasks, begin)
    ]
    return _Waiting(pairs, max(0, backlog.tasks - begin - len(tasks)) if tasks else 0)


def _waiting(task: Task, state: str) -> JobInfo:
    return JobInfo(status=state, creation_time=moment(task.received))


def _finished(record: Record | FailureRecord) -> JobInfo:
    created = moment(record.task.received)
    if isinstance(record, FailureRecord):
        return JobInfo(status=FAILED, creation_time=created, finish_time=moment(record.ended))
    times = record.times
    return JobInfo(
        status=SUCCEEDED,
        creation_time=created,
        start_time=moment(times.started),
        finish_time=moment(times.finished),
    )


def moment(seconds: float) -> str:
    """Seconds since the epoch as Kubernetes writes a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

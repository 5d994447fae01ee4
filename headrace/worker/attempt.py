"""A task in a worker's hands, the outcome of running it, and what follows from that. Pure."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote_plus

from headrace.model.record import AttemptNote, killed_reason
from headrace.model.task import Task

MOST_LOST_GPUS = 10  # servers that may die under one file before it is given up, as with lost workers
CREATED = "s3:ObjectCreated:Put"  # what EVENT says that has happened
PROMPT_SECONDS = 2.0  # a notification sooner after its upload than this is hardly a repeated one


class Cause(StrEnum):
    """Why a run of the handler or script ended."""

    RETURNED = "returned"
    EXIT_CODE = "exit code"
    EXCEPTION = "exception"
    HTTP_STATUS = "HTTP status"
    TIME_OUT = "time-out"
    MEMORY = "out of memory"
    DISK = "out of disk"
    VANISHED = "killed"
    NOT_LOADED = "not loaded"
    GPU_LOST = "GPU lost"  # its server died: handed back with the reason, for another worker
    LEFT = "left"  # there is no runner for it any more: handed back, and no attempt of the file


# No fault of the file: those that share a batch with it are not tried alone, as there is nothing to try on.
HANDED_BACK = frozenset({Cause.LEFT, Cause.GPU_LOST})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; `reason` is one line for people, empty when it returned."""

    cause: Cause
    reason: str = ""

    @property
    def good(self) -> bool:
        return self.cause is Cause.RETURNED


RETURNED = Outcome(Cause.RETURNED)


@dataclass(frozen=True, slots=True)
class Folder:
    """A task's folder: input, output, log and, for scripts, the environment to source."""

    path: Path

    @property
    def input(self) -> Path:
        return self.path / "input"

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def environment(self) -> Path:
        return self.path / "environment"


@dataclass(frozen=True, slots=True)
class Staged:
    """A staged file, ready to run."""

    task: Task
    folder: Folder
    file: Path
    number: int  # the attempt's number, from 1


def event_document(task: Task) -> str:
    """The notification of this file as MinIO sends it to OSCAR, for scripts that read EVENT.

    What a task does not keep of its notification is empty. The key is encoded as S3 does in notifications:
    `unquote_plus` reads it, and one of plain letters and folders reads as it is.
    https://github.com/grycap/faas-supervisor/blob/master/faassupervisor/events/minio.py
    """
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": event_time(task),
        "eventName": CREATED,
        "userIdentity": {"principalId": ""},
        "requestParameters": {"principalId": "", "region": "", "sourceIPAddress": ""},
        "responseElements": {"x-amz-request-id": task.id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Config",
            "bucket": {
                "name": task.bucket,
                "ownerIdentity": {"principalId": ""},
                "arn": f"arn:aws:s3:::{task.bucket}",
            },
            "object": {
                "key": quote_plus(task.key, safe="/", errors="surrogatepass"),
                "size": task.size,
                "eTag": task.etag,
                **({"versionId": task.version} if task.version else {}),
            },
        },
        "source": {"host": "", "port": "", "userAgent": ""},
    }
    return json.dumps({"EventName": CREATED, "Key": f"{task.bucket}/{task.key}", "Records": [record]})


def event_time(task: Task) -> str:
    """When the notification came, ISO 8601 in UTC."""
    return (
        datetime.fromtimestamp(task.received, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def task_environment(staged: Staged) -> dict[str, str]:
    """The variables of OSCAR's supervisor and of its jobs, and ours to guard side effects by.

    RESOURCE_ID, the node, is the same for all files of a worker: it is with the process's own variables.
    """
    task = staged.task
    return {
        "INPUT_FILE_PATH": str(staged.file),
        "TMP_INPUT_DIR": str(staged.folder.input),
        "TMP_OUTPUT_DIR": str(staged.folder.output),
        "STORAGE_OBJECT_KEY": task.key.replace("\0", ""),
        "EVENT": event_document(task),
        "EVENT_TIME": event_time(task),
        "JOB_UUID": f"{task.function}-{task.id}",
        "HEADRACE_TASK_ID": task.id,
        "HEADRACE_ATTEMPT": str(staged.number),
    }


def shell_environment(variables: Mapping[str, str]) -> str:
    """Lines that a POSIX shell sources."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


@dataclass(frozen=True, slots=True)
class Retry:
    """Hand the task back after a delay, remembering the note."""

    note: AttemptNote
    delay_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Write a failure record."""

    reason: str
    attempts: int


def is_first(task: Task, deliveries: int, modified: float) -> bool:
    """Whether a task can hardly have been worked before; `modified`: when the input was put, seconds.

    Notified within PROMPT_SECONDS of the upload, it can only repeat what took less than that to work,
    which costs less to work again (its record then still wins) than to look for every time (ADR 8).
    """
    return deliveries == 1 and task.run == 0 and abs(task.received - modified) < PROMPT_SECONDS


def attempt_number(note: AttemptNote) -> int:
    """The number of the attempt that starts now: one more than counted failures and lost workers."""
    return len(note.failures) + killed(note) + 1


def killed(note: AttemptNote) -> int:
    """How often the task's handler was started and its worker was never heard of again."""
    return note.started - note.ended


def before_start(note: AttemptNote, *, deliveries: int, lost_leases: int) -> AttemptNote | GiveUp:
    """The note to store before the handler starts; the same note where there is nothing to store.

    Starts are marked from the second delivery on: a first delivery, the common case, costs nothing.
    """
    if killed(note) >= lost_leases:
        return GiveUp(killed_reason(killed(note)), len(note.failures) + killed(note))
    if deliveries < 2:
        return note
    return note.model_copy(update={"started": note.started + 1})


def after_failure(
    note: AttemptNote, outcome: Outcome, *, attempts: int, retry_seconds: float
) -> Retry | GiveUp:
    """What a lone failure leads to; the delay doubles with each counted failure.

    A server's death is told as a failure, and does not count as one of the file's attempts: it has a bound of
    its own.
    """
    marked = killed(note) > 0 and note.started > 0
    lost = note.lost_gpus + (outcome.cause is Cause.GPU_LOST)
    failures = (*note.failures, outcome.reason)
    ended = note.ended + (1 if marked else 0)
    after = note.model_copy(update={"failures": failures, "ended": ended, "lost_gpus": lost})
    counted = len(failures) - lost
    if counted >= attempts or lost >= MOST_LOST_GPUS:
        return GiveUp(outcome.reason, len(failures) + killed(after))
    return Retry(after, retry_seconds * 2 ** max(0, counted - 1))

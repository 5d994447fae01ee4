"""The one record that ends a task: done, or why not."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from headrace.model.task import Task
from headrace.model.value import StoredValue


class Ending(StrEnum):
    """How a task that gave no result ended."""

    FAILED = "failed"  # the last attempt failed
    SUPERSEDED = "superseded"  # the input was overwritten while it waited; the new version is its own task
    GONE = "gone"  # the input was deleted while it waited
    PURGED = "purged"  # a person emptied the queue


class Output(StoredValue):
    """One object that an attempt wrote: where it is staged and where it is published."""

    name: str  # relative to the attempt's output folder
    bucket: str
    key: str
    staging_key: str
    etag: str
    size: int


class Times(StoredValue):
    """Seconds since the epoch of each step, by the worker's clock; received by the receiver's."""

    received: float
    pulled: float
    staged: float
    started: float
    finished: float
    committed: float


class Record(StoredValue):
    """A task that is done. Its outputs are what the final keys hold."""

    state: Literal["done"] = "done"
    task: Task
    attempt: str  # unique, names the staging folder and the mark on each output
    attempt_number: int  # 1 for the first start of a handler
    outputs: tuple[Output, ...]
    function_digest: str
    worker: str
    times: Times
    load_seconds: float | None = None  # of the model this file was computed with
    files_before: int | None = None  # files that the same loaded model had worked before this one
    gpu: str | None = None
    runtime: str = "host"
    log: str = ""  # the end of stdout and stderr


class FailureRecord(StoredValue):
    """A task that ended without a result; `replay` supersedes it."""

    state: Literal[Ending.FAILED, Ending.SUPERSEDED, Ending.GONE, Ending.PURGED]
    task: Task
    reason: str
    attempts: int  # counted starts of a handler
    function_digest: str
    worker: str
    ended: float  # seconds since the epoch
    log: str = ""  # the end of stdout and stderr of the last attempt

    def index(self) -> bytes:
        """What lies at the record's failure key: enough to tell failures apart without reading records."""
        return f'{{"state": "{self.state.value}"}}'.encode()


def killed_reason(times: int) -> str:
    """The reason of a task that was given up because it took its workers with it."""
    return f"killed its worker {times} times"


Ended = Record | FailureRecord
AnyRecord = Annotated[Ended, Field(discriminator="state")]
_any_record: TypeAdapter[Ended] = TypeAdapter(AnyRecord)


def read_record(data: bytes) -> Ended:
    """Parse what `to_json` of either wrote. Raises pydantic.ValidationError."""
    return _any_record.validate_json(data, by_alias=True, by_name=False)


class AttemptNote(StoredValue):
    """What is remembered between attempts of one task; written only when something went wrong.

    `failures` are attempts, oldest first; of `lost_gpus` of them the GPU's server died. `started` and `ended`
    count starts of a handler that were marked because the task had lost its lease before; started - ended =
    times it killed its worker.
    """

    failures: tuple[str, ...] = ()
    started: int = 0
    ended: int = 0
    lost_gpus: int = 0

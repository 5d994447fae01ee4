"""What a worker needs of a runner, wherever that is, and the lines that both kinds of runners speak."""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from headrace.model.errors import HeadraceError
from headrace.worker.attempt import RETURNED, Cause, Outcome, Staged, task_environment
from headrace.worker.limits import MEBI, Limits


class RunnerGoneError(HeadraceError):
    """There is no runner, nor will there be another: the worker has to end."""


class Runner(Protocol):
    """Loads a function's code and runs it on batches. Once it is not `usable`, a new one is to be made."""

    @property
    def usable(self) -> bool:
        """Whether it is started and not known to be dead."""
        ...

    @property
    def load_seconds(self) -> float | None:
        """What loading took; None until it is loaded."""
        ...

    @property
    def files(self) -> int:
        """How many files it was handed so far."""
        ...

    @property
    def computed_seconds(self) -> float:
        """Of the newest batch: from its hand-over, once loaded, to its answer."""
        ...

    async def start(self) -> None:
        """Start it; it loads while this returns. Raises OSError, RunnerGoneError where none can be had."""
        ...

    async def run(self, batch: Sequence[Staged], limits: Limits) -> Outcome:
        """Hand a batch over and wait for its end; the time limit starts when the code is loaded."""
        ...

    def log_tail(self) -> bytes:
        """The end of what it printed outside of any file: its loading."""
        ...

    async def kill(self) -> None:
        """End it and all that it started."""
        ...


def request_of(batch: Sequence[Staged]) -> str:
    """What a handler's runner is told of a batch: one line of JSON."""
    files = [
        {
            "input": str(staged.file),
            "output": str(staged.folder.output),
            "key": staged.task.key,
            "bucket": staged.task.bucket,
            "task_id": staged.task.id,
            "attempt": staged.number,
            "environment": task_environment(staged),
        }
        for staged in batch
    ]
    return json.dumps({"files": files, "log": str(batch[0].folder.log)})


def answered(answer: Mapping[str, object]) -> Outcome:
    """The outcome that a runner's answer to a batch tells."""
    if answer["code"] == 0:
        return RETURNED
    if "reason" in answer:
        return Outcome(Cause.EXCEPTION, str(answer["reason"]))
    return Outcome(Cause.EXIT_CODE, f"exit code {answer['code']}")


def vanished(limits: Limits, how: str) -> Outcome:
    """The outcome of a batch whose runner ended without an answer; `how` is all that is known of it."""
    memory = limits.memory_bytes / MEBI
    return Outcome(Cause.VANISHED, f"killed, probably out of memory (limit {memory:.0f} MiB); {how}")

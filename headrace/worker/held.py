"""A task in hand: its lease, where it stands, and what is known of it so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from headrace.model.record import AttemptNote, Ending
from headrace.model.task import Task
from headrace.queue.port import Lease
from headrace.worker.attempt import Folder, Staged

ALONE_FROM_DELIVERY = 3  # a task that was lost twice may have killed its worker: it takes no others with it


@dataclass(slots=True)
class Held:
    """A leased task. Times are seconds since the epoch, 0 for what has not happened.

    `committed` is when its own record was created, `left` when it went out of the worker's hands,
    acknowledged or not. `ending` is how it ended without a result, `failure` what its last run
    failed by, for people.
    """

    lease: Lease
    attempt: str
    folder: Folder
    pulled: float
    note: AttemptNote = field(default_factory=AttemptNote)
    number: int = 1  # of this attempt
    marked: bool = False  # whether the note counts this start
    file: Path | None = None
    staged: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    uploaded: float = 0.0
    committed: float = 0.0
    published: float = 0.0
    left: float = 0.0
    is_acknowledged: bool = False
    ending: Ending | None = None
    failure: str = ""
    output_bytes: int = 0
    load_seconds: float | None = None
    files_before: int = 0

    @property
    def task(self) -> Task:
        return self.lease.task

    @property
    def alone(self) -> bool:
        """Whether it must not share a batch."""
        return self.lease.deliveries >= ALONE_FROM_DELIVERY

    def ready(self) -> Staged:
        """What the runner is given."""
        if self.file is None:
            raise ValueError(f"task {self.task.id} is not staged")
        return Staged(self.task, self.folder, self.file, self.number)


Watch = Callable[[Held], None]  # told of each task that leaves a worker's hands; it must not wait or raise


def unwatched(_: Held) -> None:
    """Nobody looks on."""

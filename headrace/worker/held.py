"""A task in hand: its lease, where it stands, and what is known of it so far."""

from dataclasses import dataclass, field
from pathlib import Path

from headrace.model.record import AttemptNote
from headrace.model.task import Task
from headrace.queue.port import Lease
from headrace.worker.attempt import Folder, Staged

ALONE_FROM_DELIVERY = 3  # a task that was lost twice may have killed its worker: it takes no others with it


@dataclass(slots=True)
class Held:
    """A leased task. Times are seconds since the epoch."""

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

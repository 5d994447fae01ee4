"""What a changing operation did, or would do: one value for replay, rerun and purge."""

from dataclasses import dataclass
from enum import StrEnum

from headrace.model.task import Task


class Action(StrEnum):
    """An operation that changes many tasks."""

    REPLAY = "replay"
    RERUN = "rerun"
    PURGE = "purge"


@dataclass(frozen=True, slots=True)
class Item:
    """One task of an operation: its file, and why it is changed or left."""

    task_id: str
    bucket: str
    key: str
    reason: str

    @classmethod
    def of(cls, task: Task, reason: str) -> "Item":
        return cls(task.id, task.bucket, task.key, reason)


@dataclass(frozen=True, slots=True)
class Changes:
    """The plan of a dry run, or what was done. `left`: what the operation looked at and did not change."""

    action: Action
    function: str
    dry_run: bool
    changed: tuple[Item, ...] = ()
    left: tuple[Item, ...] = ()
    run: int | None = None  # the number of a rerun

"""User metadata on objects: whose output it is, and that a restore put it back."""

import hashlib
from collections.abc import Mapping

from headrace.model.keys import MARK, mark_of
from headrace.model.record import Record
from headrace.model.task import Task

# On every output, beside MARK: which version of the input it is of, and which run.
INPUT = "headrace-input"
RUN = "headrace-run"

RESTORED = "headrace-restored"  # "<digest of bucket and key>/<SHA-256 of the content>"
_DIGITS = 16


def marks(task: Task, attempt: str) -> dict[str, str]:
    """The user metadata of an attempt's outputs; a copy on the server keeps it."""
    return {MARK: mark_of(task.id, attempt), INPUT: task.identity, RUN: str(task.run)}


def wanted(found: Mapping[str, str] | None, record: Record) -> bool:
    """Whether a record's output is to be copied over what carries these marks (None: nothing there).

    Not over its own copy, and not over that of a later run on the same version of the input.
    """
    if found is None:
        return True
    if found.get(MARK) == mark_of(record.task.id, record.attempt):
        return False
    same_input = found.get(INPUT) == record.task.identity
    return not (same_input and int(found.get(RUN, "0")) > record.task.run)


def restored(bucket: str, key: str, sha256: str) -> dict[str, str]:
    """The mark of an object that a restore put at this place. It is void on a copy at another one."""
    return {RESTORED: f"{_place(bucket, key)}/{sha256}"}


def restored_content(found: Mapping[str, str], bucket: str, key: str) -> str | None:
    """The SHA-256 of what a restore put at this place; None for an object that came in another way."""
    place, _, sha256 = found.get(RESTORED, "").partition("/")
    return sha256 if sha256 and place == _place(bucket, key) else None


def _place(bucket: str, key: str) -> str:
    return hashlib.sha256(f"{bucket}/{key}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]

"""What the other addresses answer: one node, the end of a log, what was done. Pure."""

from collections.abc import Mapping

from headrace.status.access import May
from headrace.status.document import Shown, Why


class RunShown(Shown):
    """A state of a node and since when; it lasted until the next one's start."""

    state: str
    start: int


class NodeShown(Shown):
    """One node by itself, at /nodes/<name>.json. `runs`: the newest last; it is that of now."""

    name: str
    pool: str
    state: str
    since: int
    enabled: bool
    why: Why
    workers: Mapping[str, int]  # by function
    expected: int | None
    runs: tuple[RunShown, ...]


class Done(Shown):
    """What was done: how many files or nodes are changed by it, how many were left, and words for people."""

    action: May
    subject: str
    changed: int
    left: int
    message: str


class LogTail(Shown):
    """The end of what a failed file's function printed; `cut`: there is more, `headrace logs` prints it."""

    function: str
    task: str
    bucket: str
    key: str
    state: str
    reason: str
    attempts: int
    at: int
    worker: str
    size: int
    text: str
    cut: bool

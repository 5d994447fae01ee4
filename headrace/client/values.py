"""What the API answers, as values."""

import base64
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from headrace.model.errors import RejectedError


@dataclass(frozen=True, slots=True)
class Service:
    """A service. `document` is all of it, as OSCAR has it."""

    name: str
    token: str
    document: Mapping[str, Any] = field(repr=False, default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Submitted:
    """The tasks of what was sent. `held`: why some are not queued yet; `ignored`: what became no task."""

    tasks: tuple[str, ...]
    jobs: tuple[str, ...]
    held: tuple[str, ...] = ()
    ignored: tuple[Mapping[str, str], ...] = ()

    @property
    def task(self) -> str:
        """The only one. Raises RejectedError where there is none, or several."""
        if len(self.tasks) != 1:
            reasons = (
                "; ".join(each.get("reason", "") for each in self.ignored) or "a notification names several"
            )
            raise RejectedError(f"found {len(self.tasks)} tasks, wanted one: {reasons}")
        return self.tasks[0]


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task; times in seconds since the epoch. `document` is all that the API says of it."""

    task: str
    stage: str  # queued, done, failed, superseded, gone, purged
    settled: bool  # nothing more is to come
    reason: str = ""
    ahead: int | None = None  # older tasks in the queue
    document: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A task as OSCAR lists it; times in RFC 3339, empty where there is none yet."""

    name: str
    status: str  # Pending, Running, Succeeded, Failed
    created: str = ""
    started: str = ""
    finished: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `/run` answered: files by name, or, where there is none, what the function printed."""

    task: str
    files: Mapping[str, bytes] = field(repr=False, default_factory=dict)
    log: str = ""

    def save(self, folder: Path) -> tuple[Path, ...]:
        """Write the files into a folder. Raises RejectedError for a name that leads out of it."""
        saved = []
        for name, content in self.files.items():
            inside = PurePosixPath(name)
            if inside.is_absolute() or ".." in inside.parts or not inside.parts:
                raise RejectedError(f"{name!r} leads out of a folder; take it from `files`")
            path = folder / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            saved.append(path)
        return tuple(saved)


def outcome(task: str, kind: str, name: str, body: bytes) -> Outcome:
    """Read an answer by its kind: `file`, `zip`, or the log."""
    if kind == "file":
        return Outcome(task, {name: base64.b64decode(body)})
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(body))) as archive:
            return Outcome(task, {each: archive.read(each) for each in archive.namelist()})
    return Outcome(task, log=body.decode(errors="replace"))

"""What ansible-runner tells while a playbook runs -> what a person wants to know of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from headrace.model.value import Value

MOST_NAMES = 4
HIDDEN = "what it says is hidden, as it works with secrets (no_log); play it by hand to see more"


class Kind(StrEnum):
    """What happened."""

    TASK = "task"  # one began
    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


class Event(Value):
    """One thing that happened; `message` is what a task that failed says."""

    kind: Kind
    task: str
    host: str = ""
    message: str = ""


class Counts(Value):
    """Tasks of one host, by how they ended; those that changed something are among the ones that are ok."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0


class Status(StrEnum):
    """How ansible-runner says that a run ended."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELED = "canceled"
    ERROR = "error"  # Headrace's own: the process that played did not say


class Ended(Value):
    """The end of a run. `written`: manifest files by name. `output`: the end of what Ansible printed."""

    status: Status
    hosts: Mapping[str, Counts] = {}
    written: Mapping[str, str] = {}
    output: str = ""


_KINDS = {
    "playbook_on_task_start": Kind.TASK,
    "playbook_on_handler_task_start": Kind.TASK,
    "runner_on_ok": Kind.OK,
    "runner_on_skipped": Kind.SKIPPED,
    "runner_on_failed": Kind.FAILED,
    "runner_on_unreachable": Kind.UNREACHABLE,
}
_COUNTED = {
    "ok": "ok",
    "changed": "changed",
    "failed": "failures",
    "unreachable": "dark",
    "skipped": "skipped",
}


def event(raw: Mapping[str, Any]) -> Event | None:
    """One of ansible-runner's events, if it is of interest."""
    kind = _KINDS.get(raw.get("event", ""))
    data = raw.get("event_data", {})
    if kind is None or (kind is Kind.FAILED and data.get("ignore_errors")):
        return None
    result = data.get("res") or {}
    if kind is Kind.OK and result.get("changed"):
        kind = Kind.CHANGED
    task = " : ".join(part for part in (data.get("role"), data.get("task")) if part)
    message = _message(result) if kind in (Kind.FAILED, Kind.UNREACHABLE) else ""
    return Event(kind=kind, task=task, host=data.get("host") or "", message=message)


def counts(data: Mapping[str, Any]) -> dict[str, Counts]:
    """Of ansible-runner's last event, by host."""
    hosts = {host for key in ("processed", *_COUNTED.values()) for host in data.get(key, {})}
    return {
        host: Counts(**{name: data.get(key, {}).get(host, 0) for name, key in _COUNTED.items()})
        for host in sorted(hosts)
    }


def _message(result: Mapping[str, Any]) -> str:
    """Of a loop, what its failed items say; a command that failed says it on its outputs."""
    if result.get("censored"):
        return HIDDEN
    failed = [each for each in result.get("results", ()) if each.get("failed")]
    return "; ".join(dict.fromkeys(_said(each) for each in failed or [result]))


def _said(result: Mapping[str, Any]) -> str:
    if result.get("censored"):
        return HIDDEN
    message = str(result.get("msg", "")).strip()
    said = str(result.get("stderr") or result.get("module_stderr") or "").strip()
    last = said.splitlines()[-1] if said else ""
    return f"{message} ({last})" if message and last and last not in message else message or last


@dataclass(frozen=True, slots=True)
class Story:
    """A run so far."""

    task: str = ""
    ends: Mapping[str, Kind] = field(default_factory=dict)  # of this task, by host
    faults: Mapping[str, Event] = field(default_factory=dict)  # the last of each host; some are rescued

    def after(self, told: Event) -> "Story":
        """The story with one event more."""
        if told.kind is Kind.TASK:
            return replace(self, task=told.task, ends={})
        faults = self.faults
        if told.kind in (Kind.FAILED, Kind.UNREACHABLE):
            faults = {**faults, told.host: told}
        return replace(self, ends={**self.ends, told.host: told.kind}, faults=faults)

    def line(self) -> str:
        """The task that ended, with its hosts, where it changed something or failed; else nothing."""
        by = {kind: [host for host, end in self.ends.items() if end is kind] for kind in Kind}
        if not (by[Kind.CHANGED] or by[Kind.FAILED] or by[Kind.UNREACHABLE]):
            return ""
        named = [
            f"{words} {listed(by[kind])}"
            for kind, words in (
                (Kind.FAILED, "failed on"), (Kind.UNREACHABLE, "did not reach"), (Kind.CHANGED, "changed"),
            )
            if by[kind]
        ]  # fmt: skip
        right = len(by[Kind.OK])
        return f"{self.task}: {'; '.join(named)}{f'; {right} as wished' if right else ''}"


def listed(names: Sequence[str]) -> str:
    """Some names, and how many there are besides."""
    shown = sorted(names)[:MOST_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")

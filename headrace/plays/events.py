"""What ansible-runner tells while a playbook runs -> what a person wants to know of it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from headrace.model.value import Value

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
    """One thing that happened; `message` is what a task that failed says.

    `said` is what a task tells that is there to tell something (debug). Where hosts go on each by itself
    (strategy free), `task` may be another host's: ansible-runner takes it from the task that began last.
    """

    kind: Kind
    task: str
    host: str = ""
    message: str = ""
    said: JsonValue = None


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
_ALWAYS_SHOWN = "_ansible_verbose_always"  # what a result of debug bears
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
    if kind is Kind.UNREACHABLE and result.get("skip_reason"):
        return None  # its task says ignore_unreachable, and goes on
    if kind is Kind.OK and result.get("changed"):
        kind = Kind.CHANGED
    task = " : ".join(part for part in (data.get("role"), data.get("task")) if part)
    message = _message(result) if kind in (Kind.FAILED, Kind.UNREACHABLE) else ""
    said = result.get("msg") if result.get(_ALWAYS_SHOWN) else None
    return Event(kind=kind, task=task, host=data.get("host") or "", message=message, said=said)


def told_by(line: bytes) -> Event | Ended:
    """What a line of the process that plays tells."""
    return Ended.from_json(line) if b'"status":' in line[:20] else Event.from_json(line)


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

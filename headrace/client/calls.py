"""The API's calls as values: what is sent, and how the answer is read. No I/O: both clients share it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote, unquote

from headrace.client.errors import ApiError
from headrace.client.values import Job, Outcome, Service, Submitted, TaskState, outcome

Result = TypeVar("Result")
Source = bytes | Path
Progress = Callable[[int, int], None]  # bytes sent, bytes in all


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came; names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Any:  # noqa: ANN401  (JSON has no narrower type)
        """Its JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One call. `source` is streamed; `read` makes the value of an answer that is a success."""

    method: str
    path: str
    read: Callable[[Answer], Result]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    source: Source = b""

    def result(self, answer: Answer) -> Result:
        """The value. Raises ApiError."""
        if answer.status >= 400:
            raise ApiError(answer.status, _fault(answer))
        return self.read(answer)


def _fault(answer: Answer) -> Mapping[str, Any]:
    try:
        document = answer.document()
    except ValueError:
        document = None
    if isinstance(document, dict):
        return document
    return {"error": "error", "reason": answer.body[:500].decode(errors="replace") or "no reason is given"}


def services() -> Call[tuple[Service, ...]]:
    """Every service."""
    return Call("GET", "/system/services", lambda a: tuple(_service(each) for each in a.document()))


def service(name: str) -> Call[Service]:
    """One service."""
    return Call("GET", f"/system/services/{_part(name)}", lambda a: _service(a.document()))


def create(definition: Mapping[str, Any]) -> Call[Service]:
    """Make a service."""

    def read(answer: Answer) -> Service:
        found = answer.document()
        return Service(found["name"], found["token"], definition, tuple(found["warnings"]))

    return Call("POST", "/system/services", read, headers=_JSON, source=json.dumps(definition).encode())


def update(definition: Mapping[str, Any]) -> Call[None]:
    """Change a service."""
    body = json.dumps(definition).encode()
    return Call("PUT", "/system/services", _nothing, headers=_JSON, source=body)


def delete(name: str) -> Call[None]:
    """Delete a service."""
    return Call("DELETE", f"/system/services/{_part(name)}", _nothing)


def job(service: str, source: Source, name: str | None) -> Call[Submitted]:
    """Have a file worked."""
    return Call("POST", f"/job/{_part(service)}", _submitted, _named(source, name), _RAW, source)


def run(service: str, source: Source, name: str | None) -> Call[Outcome]:
    """Have a file worked, and wait for it."""
    return Call("POST", f"/run/{_part(service)}", _outcome, _named(source, name), _RAW, source)


def task(service: str, task: str) -> Call[TaskState]:
    """A task's state."""
    return Call("GET", f"/system/tasks/{_part(service)}/{_part(task)}", _state)


def log(service: str, task: str) -> Call[str]:
    """What a task's last attempt printed."""
    return Call(
        "GET", f"/system/logs/{_part(service)}/{_part(task)}", lambda a: a.body.decode(errors="replace")
    )


def jobs(service: str, page: str) -> Call[tuple[tuple[Job, ...], str]]:
    """One page of jobs, and what to ask for the next one with; empty: it is the last."""
    return Call("GET", f"/system/logs/{_part(service)}", _jobs, {"page": page} if page else {})


_JSON = {"content-type": "application/json"}
_RAW = {"content-type": "application/octet-stream", "headrace-encoding": "raw"}


def _part(text: str) -> str:
    return quote(text, safe="")


def _named(source: Source, name: str | None) -> dict[str, str]:
    given = name or (source.name if isinstance(source, Path) else "")
    return {"name": given} if given else {}


def _nothing(_: Answer) -> None:
    return None


def _service(document: Mapping[str, Any]) -> Service:
    return Service(document["name"], document["token"], document)


def _submitted(answer: Answer) -> Submitted:
    found = answer.document()
    return Submitted(*(tuple(found[key]) for key in ("tasks", "jobs", "held", "ignored")))


def _outcome(answer: Answer) -> Outcome:
    headers = answer.headers
    name = unquote(headers.get("headrace-file", "output"))
    kind = headers.get("headrace-answer", "log")
    return outcome(headers.get("headrace-task", ""), kind, name, answer.body)


def _state(answer: Answer) -> TaskState:
    found = answer.document()
    return TaskState(
        task=found["task"],
        stage=found["stage"],
        settled=found["settled"],
        reason=found.get("reason", ""),
        ahead=found.get("ahead"),
        document=found,
    )


def _jobs(answer: Answer) -> tuple[tuple[Job, ...], str]:
    found = answer.document()
    names = ("creation_time", "start_time", "finish_time")
    listed = (
        Job(name, each["status"], *(each.get(key, "") for key in names))
        for name, each in found["jobs"].items()
    )
    return tuple(listed), found.get("next_page", "")

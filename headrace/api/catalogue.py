"""The calls of the API as values: from this one table come both the routes and openapi.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel

from headrace.api import documents as said

TEXT = "text/plain"


class Who(StrEnum):
    """Who may call."""

    ANYBODY = "anybody"
    USER = "user"
    SERVICE = "service"  # a user, or who has the service's token


Shape = type[BaseModel] | str | None  # a document, a text of this media type, nothing


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `name` is that of its handler; `answers` are those of success, by status."""

    method: str
    path: str
    name: str
    summary: str
    who: Who
    answers: Mapping[int, Shape]
    faults: Sequence[int] = ()
    query: Mapping[str, str] = field(default_factory=dict)  # name -> description
    body: str = ""  # what the body is, for people; empty: there is none
    is_document: bool = False  # the body is a service's document
    is_list: bool = False  # the answer is a list of such documents


_SERVICE, _SERVICES = "/system/services/{service}", "/system/services"
_LOGS, _LOG = "/system/logs/{service}", "/system/logs/{service}/{job}"
_FILE = (
    "A file, plain or in base64 (decoded if it is base64 from its first to its last byte, unless the header "
    "Headrace-Encoding is `raw`), or an S3 notification as JSON."
)
_NAMED = {"name": "how the file is called; without it, event-file- and a number"}

CALLS: tuple[Call, ...] = (
    Call("GET", "/health", "health", "Whether this process answers", Who.ANYBODY, {200: TEXT}),
    Call("GET", "/readyz", "ready", "Whether store and queue answer", Who.ANYBODY, {200: TEXT}),
    Call("GET", "/openapi.json", "openapi", "This document", Who.ANYBODY, {200: "application/json"}),
    Call("GET", "/system/info", "info", "What runs here", Who.USER, {200: said.Info}),
    Call(
        "GET",
        "/system/config",
        "config",
        "Configuration, and the user's way to the store",
        Who.USER,
        {200: said.Config},
    ),
    Call("GET", "/system/status", "status", "How large the stack is", Who.USER, {200: said.Status}, (403,)),
    Call(
        "GET",
        "/system/logs",
        "system_logs",
        "The newest calls of /run and /job",
        Who.USER,
        {200: said.SystemLogs},
        (403,),
    ),
    Call("GET", _SERVICES, "services", "The services", Who.USER, {200: said.ServiceDocument}, is_list=True),
    Call(
        "POST",
        _SERVICES,
        "create",
        "Make a service",
        Who.USER,
        {201: said.Applied},
        (400, 409, 413),
        body="A service as OSCAR has it.",
        is_document=True,
    ),
    Call(
        "PUT",
        _SERVICES,
        "update",
        "Change a service",
        Who.USER,
        {204: None},
        (400, 404, 409, 413),
        body="A service as OSCAR has it.",
        is_document=True,
    ),
    Call("GET", _SERVICE, "read", "One service", Who.USER, {200: said.ServiceDocument}, (404,)),
    Call("DELETE", _SERVICE, "delete", "Delete a service", Who.USER, {204: None}, (404, 409)),
    Call(
        "GET",
        _LOGS,
        "jobs",
        "A service's jobs",
        Who.SERVICE,
        {200: said.Jobs},
        (400, 404),
        {"page": "next_page of the page before"},
    ),
    Call(
        "DELETE",
        _LOGS,
        "delete_jobs",
        "Delete the jobs that are done",
        Who.SERVICE,
        {204: None},
        (404,),
        {"all": "true: those that failed or are in the queue, too"},
    ),
    Call(
        "GET",
        _LOG,
        "log",
        "What a job printed",
        Who.SERVICE,
        {200: TEXT},
        (404,),
        {"timestamps": "taken, and without effect"},
    ),
    Call("DELETE", _LOG, "delete_job", "Delete a job", Who.SERVICE, {204: None}, (404,)),
    Call(
        "GET",
        "/system/tasks/{service}/{task}",
        "task",
        "A task's state",
        Who.SERVICE,
        {200: said.TaskState},
        (404,),
    ),
    Call(
        "POST",
        "/job/{service}",
        "job",
        "Have a file worked",
        Who.SERVICE,
        {201: said.Accepted, 202: said.Accepted},
        (400, 403, 404, 408, 413, 429),
        _NAMED,
        body=_FILE,
    ),
    Call(
        "POST",
        "/run/{service}",
        "run",
        "Have a file worked, and wait for the result",
        Who.SERVICE,
        {200: TEXT},
        (400, 403, 404, 408, 413, 429, 504),
        _NAMED,
        body=_FILE,
    ),
)

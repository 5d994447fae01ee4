"""openapi.json from the table of calls. Pure.

Pydantic writes the schemas. No further library does the rest: one that would route the calls as well has its
own way of errors and of bodies, which stream here.
https://spec.openapis.org/oas/v3.1.0
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from headrace.api.catalogue import CALLS, Call, Who
from headrace.api.documents import Problem

_REF = "#/components/schemas/{model}"
_SERVICE = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,37}[a-z0-9])?)?$"
_REASONS = {
    400: "What was sent is not valid",
    401: "Not allowed: no user, a wrong password or a wrong token",
    403: "This user may not do this",
    404: "It is not there, or is another's",
    408: "The upload stalled",
    409: "It is there already, or was not made through the API",
    413: "Larger than the limit, which the answer names",
    429: "The tenant's quota of waiting files is used up",
    500: "The file has failed, or the stack must be mended",
    503: "Store or queue is away, or there is no room for the upload now: send it again",
    504: "The file is not done yet; the answer names its task, which goes on",
}
_SECURITY: Mapping[Who, list[dict[str, list[str]]]] = {
    Who.ANYBODY: [],
    Who.USER: [{"user": []}],
    Who.SERVICE: [{"user": []}, {"token": []}],
}


def openapi() -> dict[str, Any]:
    """The document."""
    paths: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headrace",
            "version": version("headrace"),
            "description": "OSCAR's API, spoken by Headrace, and a few calls beyond it (docs/api.md).",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "user": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer", "description": "the service's token"},
            },
        },
    }


def _schemas() -> Mapping[str, Any]:
    shapes = (shape for call in CALLS for shape in call.answers.values())
    models: set[type[BaseModel]] = {Problem}
    models |= {each for each in shapes if each is not None and not isinstance(each, str)}
    wanted = sorted(models, key=lambda model: model.__name__)
    _, document = models_json_schema([(each, "serialization") for each in wanted], ref_template=_REF)
    found: Mapping[str, Any] = document["$defs"]
    return found


def _operation(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": call.name,
        "summary": call.summary,
        "security": _SECURITY[call.who],
        "parameters": [*_path_parameters(call.path), *_query_parameters(call.query)],
        "responses": {**_successes(call), **_faults(call)},
    }
    if call.body:
        found["requestBody"] = {"description": call.body, "content": _content_of_body(call)}
        found["requestBody"]["required"] = call.is_document
    return found


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for part in path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}")
            schema = {"type": "string", "minLength": 1}
            if name == "service":
                schema["pattern"] = _SERVICE
            yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(query: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    for name, description in query.items():
        yield {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}


def _content_of_body(call: Call) -> dict[str, Any]:
    if call.is_document:
        return {"application/json": {"schema": {"type": "object"}}}
    return {"application/octet-stream": {}}


def _successes(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, shape in call.answers.items():
        found[str(status)] = {"description": call.summary}
        if isinstance(shape, str):
            found[str(status)]["content"] = {shape: {"schema": {} if "json" in shape else {"type": "string"}}}
        elif shape is not None:
            schema = _reference(shape)
            listed = {"type": "array", "items": schema} if call.is_list else schema
            found[str(status)]["content"] = {"application/json": {"schema": listed}}
    return found


def _faults(call: Call) -> dict[str, Any]:
    always = () if call.who is Who.ANYBODY else (401, 500)
    content = {"application/json": {"schema": _reference(Problem)}}
    statuses = sorted({*call.faults, *always, 503})
    return {str(each): {"description": _REASONS[each], "content": content} for each in statuses}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}

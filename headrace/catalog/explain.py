"""What pydantic says of a document -> what its author is told: where, found, allowed, what to do."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from headrace.catalog.document import Document, Route
from headrace.catalog.fault import Fault, shown

Schema = Mapping[str, Any]

_KINDS = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
}
_OWN = ("description", "examples")  # of a field, and not of the object that it holds
_Message = Callable[[ErrorDetails, Schema], str]


def explained(error: ValidationError, schema: Schema, *, document: Document) -> tuple[tuple[Route, str], ...]:
    """(path, message) of each fault that pydantic found, by the model's schema.

    Left out: what follows only from a part that the document itself could not be read in.
    """
    found = [(_path(detail["loc"]), detail) for detail in error.errors(include_url=False)]
    return tuple(
        (path, _message(detail, schema))
        for path, detail in found
        if not _is_consequence(detail) and not any(path[: len(top)] == top for top in document.broken)
    )


def fault_at(path: Route, message: str, *, document: Document, file: str) -> Fault:
    """A fault with the line of the value at `path`, or of the nearest one that it would be in."""
    known = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in document.lines)
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return Fault(file, document.lines[known], where.removeprefix("."), message)


def _path(loc: Route) -> Route:
    """Without the mark that pydantic puts behind the path of a mapping's bad key."""
    return loc[:-1] if loc[-1:] == ("[key]",) else loc


def _is_consequence(detail: ErrorDetails) -> bool:
    """A list whose items are all faulty counts as empty for pydantic."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _message(detail: ErrorDetails, schema: Schema) -> str:
    kind = detail["type"]
    if kind in _KINDS:
        return _wrong_type(detail)
    return _MESSAGES.get(kind, _as_pydantic_says)(detail, schema)


def _wrong_type(detail: ErrorDetails) -> str:
    found, allowed = detail["input"], _KINDS[detail["type"]]
    if allowed == "a string" and isinstance(found, bool | int | float):
        return f"found {_literal(found)}, allowed a string; put it in quotes"
    return f"found {_described(found)}, allowed {allowed}; write {allowed}"


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _described(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return shown(value) if isinstance(value, str) else _literal(value)


def _missing(detail: ErrorDetails, schema: Schema) -> str:
    described = part_at(detail["loc"], schema).get("description", "it has no default")
    return f"is missing; write it: {described}"


def _unknown(detail: ErrorDetails, schema: Schema) -> str:
    *parent, key = detail["loc"]
    allowed = sorted(part_at(tuple(parent), schema).get("properties", {}))
    close = difflib.get_close_matches(str(key), allowed, n=1)
    advice = f"did you mean {close[0]}?" if close else "remove it"
    return f"found an unknown key, allowed {', '.join(allowed)}; {advice}"


def _compared(sign: str, limit: str) -> _Message:
    def message(detail: ErrorDetails, _: Schema) -> str:
        bound = f"{sign} {detail.get('ctx', {})[limit]}"
        return f"found {_literal(detail['input'])}, allowed {bound}; change it"

    return message


def _expected(detail: ErrorDetails, _: Schema) -> str:
    found = _described(detail["input"])
    return f"found {found}, allowed {detail.get('ctx', {})['expected']}; choose one"


def _pattern(detail: ErrorDetails, _: Schema) -> str:
    pattern = detail.get("ctx", {})["pattern"]
    return f"found {_described(detail['input'])}, allowed what matches {pattern}; rename it"


def _too_short(detail: ErrorDetails, _: Schema) -> str:
    kind = "string" if detail["type"] == "string_too_short" else "list"
    return f"found an empty {kind}, allowed one with something in it; write it"


def _own(detail: ErrorDetails, _: Schema) -> str:
    return detail["msg"].removeprefix("Value error, ")


def _as_pydantic_says(detail: ErrorDetails, _: Schema) -> str:
    return f"found {_described(detail['input'])}: {detail['msg']}; change it"


_MESSAGES: Mapping[str, _Message] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "greater_than_equal": _compared(">=", "ge"),
    "greater_than": _compared(">", "gt"),
    "less_than_equal": _compared("<=", "le"),
    "enum": _expected,
    "literal_error": _expected,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _too_short,
    "too_short": _too_short,
    "value_error": _own,
}


def part_at(path: Route, schema: Schema) -> Schema:
    """The schema of a field; empty where the path leads out of it."""
    part: Schema = schema
    for step in path:
        part = _inner(step, _resolved(part, schema))
    own = {key: value for key, value in part.items() if key in _OWN}
    return {**_resolved(part, schema), **own}


def _inner(step: str | int, part: Schema) -> Schema:
    """What an object has at a key, fixed or of a mapping, or a list at an index."""
    if isinstance(step, int):
        return part.get("items") or {}
    named = list(part.get("patternProperties", {}).values())
    entry = named[0] if named else part.get("additionalProperties")
    return part.get("properties", {}).get(step) or (entry if isinstance(entry, Mapping) else {})


def _resolved(part: Schema, schema: Schema) -> Schema:
    """Follow a reference, also that of an optional field."""
    for option in (part, *part.get("anyOf", ())):
        if "$ref" in option:
            found: Schema = schema["$defs"][option["$ref"].rpartition("/")[2]]
            return found
    return part

"""A tree of plain values -> a service, leniently as OSCAR reads it: names in any case, unknown ones skipped.

Each name that is skipped, and each value of a wrong kind, is a finding.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from headrace.oscar.finding import Finding, joined, marked_placeholder, plain, refused, shown, warning
from headrace.oscar.service import Expose, OscarValue, Service, kind_of

Fields = dict[str, Any]
Model = TypeVar("Model", bound=OscarValue)
_OLDER = {(Expose, "port"): "api_port"}  # names that files of version 2 and 3 carry
_KINDS = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "tuple_type": "a list",
}


@dataclass(frozen=True, slots=True)
class Read:
    """A service, as far as its document is sound, and what was found amiss on the way."""

    service: Service
    findings: tuple[Finding, ...]


def read_service(tree: object) -> Read:
    """A service of OSCAR's JSON, or of one entry of an FDL file. Raises nothing: faults are findings."""
    if not isinstance(tree, Mapping):
        return Read(
            Service(), (refused("", f"found {kind_of(tree)}, allowed a service's mapping; write one"),)
        )
    service, findings = read_value(tree, Service)
    return Read(service, findings)


def read_value(tree: Mapping[Any, Any], model: type[Model]) -> tuple[Model, tuple[Finding, ...]]:
    """A value, without the fields that are no such thing, and a finding for each of these."""
    findings: list[Finding] = []
    fields = _known(tree, model, "", findings)
    try:
        return model.model_validate(fields), tuple(findings)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    findings += [refused(_field(fault["loc"]), _message(fault)) for fault in faults]
    faulty = {fault["loc"][0] for fault in faults}
    rest = {name: value for name, value in fields.items() if name not in faulty}
    return model.model_validate(rest), tuple(findings)


def _known(tree: Mapping[Any, Any], model: type[OscarValue], where: str, findings: list[Finding]) -> Fields:
    """The fields by the model's own names, and findings for the rest."""
    fields: Fields = {}
    for key, value in tree.items():
        path, name = joined(where, str(key)), _names(model).get(str(key).lower())
        if name is None:
            findings.append(warning(path, _unknown(str(key), model)))
        elif name in fields:
            findings.append(refused(path, "found a second time in another spelling; remove one"))
        elif value is None:
            findings.append(plain(path))
        else:
            fields[name] = _within(value, model.model_fields[name].annotation, path, findings)
    return fields


@cache
def _names(model: type[OscarValue]) -> Mapping[str, str]:
    """In small letters, as files may spell them -> the model's name."""
    found = {(field.alias or name).lower(): name for name, field in model.model_fields.items()}
    return found | {old: name for (of, old), name in _OLDER.items() if of is model}


def _within(value: object, annotation: Any, path: str, findings: list[Finding]) -> object:  # noqa: ANN401  (a type)
    """The same with the values inside by their models' names."""
    model, origin = _model_in(annotation), get_origin(annotation)
    if model is None:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return [_part(each, model, joined(path, index), findings) for index, each in enumerate(value)]
    if origin is Mapping and isinstance(value, Mapping):
        entries = {str(key): each for key, each in value.items()}
        findings += [plain(joined(path, key)) for key, each in entries.items() if each is None]
        return {
            key: _part(each, model, joined(path, key), findings)
            for key, each in entries.items()
            if each is not None
        }
    return value if origin in (tuple, Mapping) else _part(value, model, path, findings)


def _part(value: object, model: type[OscarValue], path: str, findings: list[Finding]) -> object:
    return _known(value, model, path, findings) if isinstance(value, Mapping) else value


def _model_in(annotation: Any) -> type[OscarValue] | None:  # noqa: ANN401  (a type)
    """The model in X, X | None, tuple[X, ...] and Mapping[str, X]."""
    if isinstance(annotation, type) and issubclass(annotation, OscarValue):
        return annotation
    if get_origin(annotation) in (Union, UnionType, tuple, Mapping):
        return next(_models(annotation), None)
    return None


def _models(annotation: Any) -> Iterator[type[OscarValue]]:  # noqa: ANN401  (a type)
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, OscarValue):
            yield part


def _unknown(key: str, model: type[OscarValue]) -> str:
    close = difflib.get_close_matches(key.lower(), _names(model), n=1)
    advice = f"did you mean {close[0]}?" if close else "remove it"
    return f"OSCAR has no such field and skips it, as does Headrace; {advice}"


def _field(loc: tuple[str | int, ...]) -> str:
    """Without the mark that pydantic puts behind the path of a mapping's bad key."""
    return joined("", *(loc[:-1] if loc[-1] == "[key]" else loc))


def _message(fault: Any) -> str:  # noqa: ANN401  (pydantic's details)
    found = fault["input"]
    mark = marked_placeholder(found) if isinstance(found, str) else ""
    if mark:
        return f"found the placeholder {shown(mark)}; fill it in"
    if fault["type"] in _KINDS:
        allowed = _KINDS[fault["type"]]
        return f"found {kind_of(found)}, allowed {allowed}; write {allowed}"
    return str(fault["msg"]).removeprefix("Value error, ")

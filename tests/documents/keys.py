"""Whether a dotted path names a place of a pydantic model, by its JSON schema."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from headrace.model.bucket import Bucket
from headrace.model.function import Function
from headrace.model.gpu_server import GpuServer
from headrace.model.pool import NodePool
from headrace.model.settings import Settings
from headrace.model.tenant import Tenant
from infra.function_settings import FunctionSettings
from infra.settings import StackSettings

Schema = Mapping[str, Any]
STACKS: Mapping[str, type[BaseModel]] = {"headrace": StackSettings, "headrace-functions": FunctionSettings}
OBJECTS: Mapping[str, type[BaseModel]] = {
    each.__name__: each for each in (Function, Bucket, NodePool, GpuServer)
}
_SPLIT = re.compile(r"[.\[\]]+")


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(by_alias=True)


def segments(path: str) -> list[str]:
    """`hosts.power.files["key"]` as its parts."""
    return [part.strip("\"'\\") for part in _SPLIT.split(path) if part]


def has(model: type[BaseModel], path: str) -> bool:
    root = schema_of(model)
    return _has(root, root, segments(path))


def _has(root: Schema, part: Schema, path: Sequence[str]) -> bool:
    if "$ref" in part:
        return _has(root, root["$defs"][part["$ref"].rpartition("/")[2]], path)
    if not path:
        return True
    several = [each for name in ("anyOf", "oneOf", "allOf") for each in part.get(name, ())]
    if any(_has(root, each, path) for each in several):
        return True
    first, *rest = path
    if first in part.get("properties", {}):
        return _has(root, part["properties"][first], rest)
    if isinstance(part.get("additionalProperties"), Mapping):
        return _has(root, part["additionalProperties"], rest)
    if "patternProperties" in part:
        return any(_has(root, each, rest) for each in part["patternProperties"].values())
    return "items" in part and _has(root, part["items"], rest if first.isdigit() else path)


# Where a sentence may mean a field of: a stack's file, an object of Kubernetes, the services' settings.
ROOTS: tuple[tuple[type[BaseModel], str], ...] = (
    (StackSettings, ""),
    (FunctionSettings, ""),
    (Settings, ""),
    (Tenant, ""),
    *((model, prefix) for model in OBJECTS.values() for prefix in ("", "spec.")),
)


def starts_one(path: str) -> bool:
    """Whether the first part of a path is a field somewhere, so that the rest has to be one as well."""
    first = segments(path)[0]
    return any(has(model, f"{prefix}{first}") for model, prefix in ROOTS)


def is_field(path: str) -> bool:
    return any(has(model, f"{prefix}{path}") for model, prefix in ROOTS)

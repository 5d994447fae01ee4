"""JSON Schema as pydantic writes it -> the structural schema that a CustomResourceDefinition must have.

No references, no alternatives of types, no defaults: an object stays as it was written, and what was left out
is the model's to say. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.manifests.rules import AMOUNT, NO_NULL, QUANTITY, Rule, keys_matching, whole

Schema = Mapping[str, Any]

_KEPT = (
    "type", "enum", "format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems",
    "maxItems", "minProperties", "maxProperties",
)  # fmt: skip
_QUANTITY = "quantity"


def structural(schema: Schema, rules: Mapping[str, tuple[Rule, ...]]) -> dict[str, Any]:
    """The whole of a model's schema; `rules` by class or by Class.field."""
    return _Converter(schema.get("$defs", {}), rules).converted(schema, "")


@dataclass(frozen=True, slots=True)
class _Converter:
    definitions: Schema
    rules: Mapping[str, tuple[Rule, ...]]

    def converted(self, found: Schema, place: str) -> dict[str, Any]:
        """One part; `place` is Class.field, or empty."""
        part = self._plain(found)
        name = part.get("title", "") if "properties" in part else place
        made = {key: part[key] for key in _KEPT if key in part}
        made |= self._alternatives(part) | self._insides(part, name)
        made |= _exclusive(part) | _constant(part) | _described(found, part)
        own = [*_implied(part), *self.rules.get(name, ())]
        if name != place:
            own += self.rules.get(place, ())
        if made.get("format") == _QUANTITY:
            del made["format"]
        return made | _validated(own)

    def _plain(self, part: Schema) -> Schema:
        """The part that is meant where it is a reference or may be left out; its own words go first."""
        options = [each for each in part.get("anyOf", ()) if each.get("type") != "null"]
        if len(options) == 1:
            part = {**options[0], **{key: each for key, each in part.items() if key != "anyOf"}}
        if "$ref" not in part:
            return part
        target = self.definitions[part["$ref"].rpartition("/")[2]]
        own = {key: each for key, each in part.items() if key not in ("$ref", "title")}
        return self._plain({**target, **own})

    def _alternatives(self, part: Schema) -> dict[str, Any]:
        """Only one is known: a whole number or a text."""
        if "anyOf" not in part:
            return {}
        text = next(each for each in part["anyOf"] if each["type"] == "string")
        kinds = [{"type": each["type"]} for each in part["anyOf"]]
        return {"x-kubernetes-int-or-string": True, "anyOf": kinds} | {
            key: text[key] for key in ("pattern", "maxLength")
        }

    def _insides(self, part: Schema, name: str) -> dict[str, Any]:
        if "properties" in part:
            fields = part["properties"].items()
            inner = {field: self.converted(each, f"{name}.{field}") for field, each in fields}
            required = {"required": part["required"]} if part.get("required") else {}
            return {"properties": inner, **required}
        if "items" in part:
            return {"items": self.converted(part["items"], f"{name}[]")}
        return self._entries(part, name)

    def _entries(self, part: Schema, name: str) -> dict[str, Any]:
        """Those of a mapping: by name where the names are a closed set."""
        inner = next(iter(part.get("patternProperties", {}).values()), part.get("additionalProperties"))
        if not inner:
            return {}
        if "propertyNames" in part:
            names = self._plain(part["propertyNames"])["enum"]
            return {"properties": {each: self.converted(inner, f"{name}[]") for each in names}}
        return {"additionalProperties": {**self.converted(inner, f"{name}[]"), "nullable": True}}


def _exclusive(part: Schema) -> dict[str, Any]:
    if "exclusiveMinimum" not in part:
        return {}
    return {"minimum": part["exclusiveMinimum"], "exclusiveMinimum": True}


def _constant(part: Schema) -> dict[str, Any]:
    return {"enum": [part["const"]]} if "const" in part else {}


def _described(found: Schema, part: Schema) -> dict[str, str]:
    words = found.get("description") or part.get("description", "")
    default = found.get("default")
    if words and default not in (None, "", [], {}) and not isinstance(default, dict):
        words = f"{words} (default: {json.dumps(default)})"
    return {"description": words} if words else {}


def _implied(part: Schema) -> Iterable[Rule]:
    """What follows from a part's kind."""
    if part.get("format") == _QUANTITY:
        yield QUANTITY
    if "anyOf" in part:
        yield from AMOUNT
    if part.get("type") == "integer" and "maximum" in part:
        yield whole(part["minimum"], part["maximum"])
    if "patternProperties" in part:
        yield keys_matching(next(iter(part["patternProperties"])))
    if part.get("type") == "object" and "properties" not in part and "propertyNames" not in part:
        yield NO_NULL


def _validated(rules: Iterable[Rule]) -> dict[str, Any]:
    found = [rule.manifest() for rule in rules]
    return {"x-kubernetes-validations": found} if found else {}

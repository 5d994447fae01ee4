"""Reference pages of what people write, from the models' schemas: every field, and nothing by hand."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

FUNCTION = """\
# function.yaml

One file in each function's folder. It is at once what an author writes and the Kubernetes object of the same
shape. Unknown keys are refused. Quantities are written as in Kubernetes: `500m`, `1.5`, `512Mi`, `2G`.
`headrace function check` names every fault; [function.schema.json](function.schema.json) is for editors.

This page is generated: `make docs` writes it from `headrace/model/function.py`.
"""
NODE_POOL = """\
# Node pools

Nodes of one kind. A file may hold several, parted by `---`; names are unique. Unknown keys are refused.
Quantities are written as in Kubernetes. `headrace simulate --pools FILE` reads them.

This page is generated: `make docs` writes it from `headrace/model/pool.py`.
"""
SCALER = """\
# The scaler's options

How it observes, decides and waits; [how it decides](../scaler.md) is a page of its own. In capitals: what
CLUES calls the option.

This page is generated: `make docs` writes it from `headrace/scaler/settings.py`.
"""
_COLUMNS = "| field | type | default | allowed | meaning |\n|---|---|---|---|---|"
_WORDS = {"string": "string", "integer": "whole number", "number": "number", "boolean": "true or false"}
_LIMITS = (("minimum", ">= "), ("exclusiveMinimum", "> "), ("maximum", "<= "))


def reference_page(schema: Schema, head: str = FUNCTION) -> str:
    """Markdown with one table an object; `schema` is a model's, with the names of the wire."""
    definitions = schema.get("$defs", {})
    sections = (_section(path, part, definitions) for path, part in _objects("", schema, definitions))
    return "\n".join((head, *sections))


def _objects(path: str, part: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    """Each object with fields of its own, outer before inner, by its path."""
    yield path, part
    for name, field in part["properties"].items():
        item = _resolved(field, definitions)
        mark = "[]" if _variant(field).get("type") == "array" else ""
        if "properties" in item:
            yield from _objects(f"{path}.{name}{mark}".removeprefix("."), item, definitions)


def _section(path: str, part: Schema, definitions: Schema) -> str:
    required = part.get("required", ())
    rows = (
        _row(name, field, definitions, required=name in required)
        for name, field in part["properties"].items()
    )
    title = f"## `{path}`\n\n{part['description']}" if path else "## The document"
    return "\n".join((title, "", _COLUMNS, *rows, ""))


def _row(name: str, field: Schema, definitions: Schema, *, required: bool) -> str:
    cells = (
        f"`{name}`",
        _type(field, definitions),
        "required" if required else _default(field, definitions),
        _allowed(_resolved(field, definitions), _variant(field)),
        _without_html(field["description"]),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _without_html(text: str) -> str:
    """`<` outside of code, as Markdown has it: what follows it would be a tag, and not be shown."""
    return "`".join(each if at % 2 else each.replace("<", "\\<") for at, each in enumerate(text.split("`")))


def _variant(field: Schema) -> Schema:
    """The field itself, or of an optional one what it is where it is not left out."""
    variants = [each for each in field.get("anyOf", ()) if each.get("type") != "null"]
    return variants[0] if variants else field


def _resolved(field: Schema, definitions: Schema) -> Schema:
    """The schema of the field's value, or of the items where it is a list."""
    part = _variant(field)
    part = part.get("items", part)
    found: Schema = definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    return found


def _type(field: Schema, definitions: Schema) -> str:
    part = _variant(field)
    item = _resolved(field, definitions)
    if "properties" in item:
        word = "mapping"
    elif item.get("type") == "object":
        word = "mapping" if _holds_anything(item) else f"mapping of {_word_of_values(item)}s"
    else:
        word = _WORDS[item["type"]]
    return f"list of {word}s" if part.get("type") == "array" else word


def _word_of_values(item: Schema) -> str:
    values = item.get("additionalProperties")
    whole = isinstance(values, Mapping) and values.get("type") == "integer"
    return _WORDS["integer" if whole else "string"]


def _holds_anything(item: Schema) -> bool:
    """Whether the values of a mapping are JSON of any type."""
    values = item.get("patternProperties", {}).values()
    return any(str(each.get("$ref", "")).endswith("/JsonValue") for each in values)


def _default(field: Schema, definitions: Schema) -> str:
    default = field.get("default")
    if "properties" in _resolved(field, definitions):
        return "none" if default in (None, []) else "its fields' defaults"
    if default is None or default in ([], {}, ""):
        return "none"
    return f"`{json.dumps(default)}`"


def _allowed(item: Schema, part: Schema) -> str:
    """What the schema can say of a value's bounds."""
    rules = [f"{sign}{item[key]:.12g}" for key, sign in _LIMITS if key in item]
    rules += [f"`{value}`" for value in item.get("enum", ())]
    rules += [f"`{item['const']}`"] if "const" in item else []
    rules += ["not empty"] if item.get("minLength") or part.get("minItems") else []
    patterns = [item.get("pattern"), *item.get("patternProperties", ())]
    rules += [_pattern(text, item) for text in patterns if text]
    return ", ".join(rules) or "any"


def _pattern(text: str, item: Schema) -> str:
    if item.get("format") == "quantity":
        return "a quantity above zero"
    if item.get("format") == "quantity-or-zero":
        return "a quantity"
    return f"names match `{text}`" if "patternProperties" in item else f"matches `{text}`"

"""Writes the pages of docs/reference that tell what a stack's configuration may say, from infra's models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.catalog.reference import reference_page
from infra.function_settings import FunctionSettings
from infra.settings import StackSettings

STACK = """\
# The platform's stack

What `stacks/Pulumi.<stack>.yaml` may say, each key as `headrace:<key>`. Unknown keys are refused, and every
fault is told at once. [How it is deployed](../deploy.md) is a page of its own.

This page is generated: `make docs` writes it from `infra/settings.py`.
"""
FUNCTIONS = """\
# A stack of functions

What `stacks/functions/Pulumi.<stack>.yaml` may say, each key as `headrace-functions:<key>`. Unknown keys are
refused, and every fault is told at once, those of the functions themselves too.

This page is generated: `make docs` writes it from `infra/function_settings.py`.
"""


Schema = Mapping[str, Any]


def documents() -> dict[str, str]:
    """Name in docs/reference -> content."""
    return {
        "stack.md": reference_page(_spelt_out(StackSettings.model_json_schema(by_alias=True)), STACK),
        "functions.md": reference_page(
            _spelt_out(FunctionSettings.model_json_schema(by_alias=True)), FUNCTIONS
        ),
    }


def _spelt_out(schema: Schema) -> Schema:
    """With each mapping of names to objects as an object of its own, so that the page tells its fields."""
    known = schema["$defs"]
    return {**_entries(schema, known), "$defs": {name: _entries(part, known) for name, part in known.items()}}


def _entries(part: Schema, known: Schema) -> Schema:
    own = {key: _entry(field, known) for key, field in part.get("properties", {}).items()}
    return {**part, "properties": own} if own else part


def _entry(part: Schema, known: Schema) -> Schema:
    named = part.get("patternProperties", {})
    references = [value for value in named.values() if "$ref" in value]
    objects = [each for each in references if "properties" in known[each["$ref"].rpartition("/")[2]]]
    if not objects:
        return part
    (pattern,) = named
    name = {**objects[0], "description": f"one of them; its name matches `{pattern}`"}
    return {"type": "object", "description": part["description"], "properties": {"<name>": name}}


if __name__ == "__main__":
    folder = Path(__file__).parents[1] / "docs" / "reference"
    for name, content in documents().items():
        (folder / name).write_text(content, encoding="utf-8")

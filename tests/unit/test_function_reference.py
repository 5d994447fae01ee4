"""The generated pages are current, and the schema judges as the model does."""

import importlib.util
import json
from pathlib import Path

import pytest

from headrace.catalog.reference import reference_page
from headrace.model.function import Function
from headrace.model.schema import function_schema
from headrace.model.value import Value

ROOT = Path(__file__).parents[2]


def _documents() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.documents()


@pytest.mark.parametrize(
    "name",
    [
        "function.md",
        "function.schema.json",
        "nodepool.md",
        "scaler.md",
        "tenant.md",
        "tenant.schema.json",
    ],
)
def test_a_generated_page_is_current(name):
    content = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert content == _documents()[name], "run `make docs`"


def test_every_field_has_a_meaning():
    schema = function_schema()
    objects = {"Function": schema, **schema["$defs"]}
    silent = [
        f"{name}.{field}"
        for name, part in objects.items()
        for field, value in part.get("properties", {}).items()
        if not value.get("description")
    ]
    assert silent == []


def test_every_field_of_every_model_is_on_the_page():
    page = reference_page(function_schema())
    models = [model for model in Value.__subclasses__() if model.__module__ == Function.__module__]
    fields = {field.alias for model in models for field in model.model_fields.values()}
    assert {field for field in fields if f"| `{field}` |" not in page} == set()
    assert "ephemeralStorage" in fields


def test_the_schema_is_json_with_the_names_of_the_wire():
    schema = json.loads(json.dumps(function_schema()))
    assert schema["required"] == ["apiVersion", "kind", "metadata", "spec"]
    assert schema["additionalProperties"] is False
    assert "nodeSelector" in schema["$defs"]["FunctionSpec"]["properties"]

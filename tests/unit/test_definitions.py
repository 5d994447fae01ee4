"""The CustomResourceDefinitions: structural, bounded, of one mind with the models and the kinds we call."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.kube import kinds
from headrace.manifests.definitions import DEFINITIONS, Definition, definitions, object_schema
from headrace.manifests.rules import RULES, Rule, keys_matching, text, whole
from headrace.manifests.structural import structural
from headrace.model.function import Function
from headrace.model.labels import API_VERSION, GROUP, VERSION

ROOT = Path(__file__).parents[2]
KINDS = {each.name: each for each in vars(kinds).values() if isinstance(each, kinds.Kind)}
each_definition = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.kind)


def parts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, by its path."""
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from parts(each, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            yield from parts(schema[key], f"{path}{mark}")


@each_definition
def test_a_schema_is_structural(definition):
    for path, part in parts(object_schema(definition)):
        assert part.get("type") or part.get("x-kubernetes-int-or-string"), path
        assert not {"$ref", "$defs", "title", "default", "const", "additionalItems"} & part.keys(), path
        assert not ("properties" in part and "additionalProperties" in part), path
        assert "anyOf" not in part or part["x-kubernetes-int-or-string"], path


@each_definition
def test_whatever_a_rule_walks_over_is_bounded(definition):
    for path, part in parts(object_schema(definition)):
        if "x-kubernetes-validations" in part and "additionalProperties" in part:
            assert part["maxProperties"] <= 100, path
        if "x-kubernetes-validations" in part and part.get("type") == "string":
            assert part["maxLength"] <= 64, path


@each_definition
def test_a_number_without_a_point_has_a_rule_that_looks_at_it(definition):
    spec = object_schema(definition)["properties"]["spec"]
    bare = [
        path
        for path, part in parts(spec)
        if part.get("type") == "integer" and not part.get("x-kubernetes-validations")
    ]
    assert bare == []


@each_definition
def test_a_schema_has_the_fields_of_the_model(definition):
    model = definition.model.model_json_schema(by_alias=True)
    names = {name for part in model["$defs"].values() for name in part.get("properties", {})}
    found = {path.rpartition(".")[2].strip("[]{}") for path, _ in parts(object_schema(definition))}
    assert names - found <= {"labels", "annotations", "namespace"}, "which the API server knows itself"


@each_definition
def test_every_field_of_spec_and_status_has_a_meaning(definition):
    properties = object_schema(definition)["properties"]
    silent = [
        f"{top}{path}"
        for top in ("spec", "status")
        for path, part in parts(properties[top])
        if path.rpartition(".")[2].isidentifier() and not part.get("description")
    ]
    assert [each for each in silent if not each.startswith("spec.hooks.")] == []


@each_definition
def test_a_definition_is_of_the_kind_that_we_call(definition: Definition):
    made = next(each for each in definitions() if each["spec"]["names"]["kind"] == definition.kind)
    called = KINDS[definition.kind]
    spec = made["spec"]
    assert (spec["group"], spec["names"]["plural"]) == (called.group, called.plural)
    assert (spec["scope"] == "Namespaced") is called.namespaced
    assert made["metadata"]["name"] == f"{called.plural}.{GROUP}"
    (version,) = spec["versions"]
    assert (version["name"], version["subresources"]) == (VERSION, {"status": {}})
    assert spec["names"]["categories"] == ["headrace"]
    assert called.api_version == API_VERSION


def test_kubectl_prints_of_a_function_what_the_design_says():
    (function,) = (each for each in definitions() if each["spec"]["names"]["kind"] == "Function")
    columns = function["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = [column["name"] for column in columns if not column.get("priority")]
    assert shown == ["Waiting", "Running", "Done", "Failed", "Workers", "Oldest wait", "Ready", "Age"]
    assert function["spec"]["names"]["shortNames"] == ["fn"]


@each_definition
def test_a_column_shows_a_field_that_there_is(definition):
    paths = {path for path, _ in parts(object_schema(definition))}
    told = {column.path.partition("[?")[0] for column in definition.columns}
    assert {each for each in told if not each.startswith(".metadata")} <= paths


def test_conditions_are_told_apart_by_their_type():
    for definition in DEFINITIONS:
        found = object_schema(definition)["properties"]["status"]["properties"]["conditions"]
        assert found["x-kubernetes-list-type"] == "map"
        assert found["x-kubernetes-list-map-keys"] == ["type"]


def test_every_rule_finds_its_place():
    """A class that was renamed would lose its rules in silence."""
    told = json.dumps(definitions())
    lost = [
        name for name, rules in RULES.items() for rule in rules if json.dumps(rule.holds)[1:-1] not in told
    ]
    assert lost == []


def test_a_function_on_kubernetes_needs_an_image():
    schema = object_schema(DEFINITIONS[0])
    assert schema["properties"]["spec"]["required"] == ["run", "input", "image"]
    assert structural(Function.model_json_schema(by_alias=True), {})["properties"]["spec"]["required"] == [
        "run",
        "input",
    ]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "title": "T", "default": "a"}, {"type": "string"}),
        (
            {"type": "integer", "default": 5, "description": "n"},
            {"type": "integer", "description": "n (default: 5)"},
        ),
        ({"const": "a", "type": "string"}, {"type": "string", "enum": ["a"]}),
        (
            {"exclusiveMinimum": 0, "type": "number"},
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        ),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None}, {"type": "boolean"}),
    ],
)
def test_a_part_is_rewritten(schema, expected):
    assert structural(schema, {}) == expected


def test_a_reference_is_followed_and_its_field_speaks_first():
    schema = {
        "properties": {"a": {"$ref": "#/$defs/A", "description": "of the field"}},
        "type": "object",
        "title": "Top",
        "$defs": {"A": {"enum": ["x"], "type": "string", "description": "of the class", "title": "A"}},
    }
    field = structural(schema, {})["properties"]["a"]
    assert field == {"type": "string", "enum": ["x"], "description": "of the field"}


def test_rules_go_to_their_class_and_to_their_field():
    rule, other = Rule("true", "a"), Rule("false", "b")
    schema = {
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "title": "Top",
        "type": "object",
        "$defs": {"A": {"properties": {"n": {"type": "string"}}, "type": "object", "title": "A"}},
    }
    made = structural(schema, {"A": (rule,), "A.n": (other,)})["properties"]["a"]
    assert made["x-kubernetes-validations"] == [{"rule": "true", "message": "a"}]
    assert made["properties"]["n"]["x-kubernetes-validations"] == [{"rule": "false", "message": "b"}]


def test_texts_in_cel_are_quoted():
    assert text("it's \\d") == "'it\\'s \\\\d'"
    assert keys_matching("^a'$").holds == "self.all(k, k.matches('^a\\'$'))"
    assert whole(1, 9).holds == "self >= 1 && self <= 9"


@pytest.mark.parametrize("name", ["bucket.md", "gpuserver.md"])
def test_a_generated_page_is_current(name):
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    content = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert content == module.documents()[name], "run `make docs`"

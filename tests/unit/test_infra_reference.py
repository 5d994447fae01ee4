"""The generated pages are current, every key has a meaning, and the stacks of this checkout are sound."""

import importlib.util
import json
from pathlib import Path

import pytest
import yaml

from infra.configuration import parse
from infra.function_settings import FunctionSettings
from infra.settings import StackSettings

ROOT = Path(__file__).parents[2]
CLUSTER = {"kubeconfig": "/some/file", "context": "box"}


def _documents() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("stack_reference", ROOT / "tools" / "stack_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.documents()


@pytest.mark.parametrize("name", ["stack.md", "functions.md"])
def test_a_generated_page_is_current(name):
    content = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert content == _documents()[name], "run `make docs`"


@pytest.mark.parametrize("model", [StackSettings, FunctionSettings])
def test_every_key_has_a_meaning(model):
    schema = model.model_json_schema(by_alias=True)
    parts = {model.__name__: schema, **schema["$defs"]}
    silent = [
        f"{name}.{field}"
        for name, part in parts.items()
        for field, value in part.get("properties", {}).items()
        if not value.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("path", "project", "model"),
    [
        ("stacks/Pulumi.local.yaml", "headrace", StackSettings),
        ("stacks/Pulumi.box.yaml", "headrace", StackSettings),
        ("stacks/Pulumi.onprem.yaml", "headrace", StackSettings),
        ("stacks/Pulumi.aws.yaml", "headrace", StackSettings),
        ("stacks/functions/Pulumi.local.yaml", "headrace-functions", FunctionSettings),
        ("stacks/functions/Pulumi.box.yaml", "headrace-functions", FunctionSettings),
        ("stacks/functions/Pulumi.aws.yaml", "headrace-functions", FunctionSettings),
    ],
)
def test_a_stack_of_this_checkout_is_sound_and_holds_no_secret(path, project, model):
    text = (ROOT / path).read_text()
    config = yaml.safe_load(text)["config"]
    assert all(key.startswith(f"{project}:") for key in config)
    texts = {
        key.removeprefix(f"{project}:"): value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }
    settings = parse(model, texts if "aws" in texts else {**texts, **CLUSTER}, stack="local")
    assert settings.secret_keys == ()
    assert "secure:" not in text
    assert "encryptionsalt" not in text


@pytest.mark.parametrize("path", ["Pulumi.yaml", "functions/Pulumi.yaml"])
def test_no_resource_may_fall_back_to_a_cluster_or_an_account_of_the_environment(path):
    config = yaml.safe_load((ROOT / path).read_text())["config"]
    assert config["pulumi:disable-default-providers"] == {"value": ["kubernetes", "aws"]}

"""Judges blocks of YAML, JSON, TOML, Python and the like by whatever reads such a thing."""

import ast
import datetime
import importlib
import json
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from headrace.model.errors import HeadraceError
from headrace.model.settings import Settings
from headrace.scaler.simulation.trace import read_trace
from infra.configuration import parse
from infra.policy.headrace_policy.rules import RULES
from infra.policy.headrace_policy.settings import judge
from tests.documents.hosts import variables
from tests.documents.keys import OBJECTS, STACKS
from tests.documents.reading import ROOT, Block, blocks_of

# Top-level keys of what others read, of which it is known only that it is YAML.
_OTHERS = frozenset({"scrape_configs", "rule_files"})  # Prometheus
_STACKS = tuple(f"{project}:" for project in STACKS)
_CLASS = re.compile(r"(?:[A-Z][a-z]+)+")
DIGEST = "sha256:" + "0" * 64
_CLUSTER = {"kubeconfig": "/cluster.yaml", "context": "lab"}
_NEEDED = {
    "headrace": _CLUSTER,
    "headrace-functions": {**_CLUSTER, "platform": "organization/headrace/lab", "functions": '["echo"]'},
}
_FUNCTION = {
    "apiVersion": "headrace.dev/v1alpha1",
    "kind": "Function",
    "metadata": {"name": "some"},
    "spec": {"run": {"script": "script.sh"}, "input": [{"bucket": "uploads"}]},
}
_SETTINGS = {
    "storage": {"endpoint": "http://127.0.0.1:1", "accessKey": "a", "secretKey": "b"},
    "queue": {"url": "nats://127.0.0.1:1"},
    "receiver": {"port": 1, "token": "t"},
    "worker": {"workDirectory": "/w", "secretsDirectory": "/s"},
}


def faults_of(block: Block) -> list[str] | None:
    """What whoever reads such a block would refuse; None where nobody here does."""
    if block.language == "yaml":
        return list(_yaml(block.text, _before(block)))
    judge_block = _JUDGES.get(block.language)
    return None if judge_block is None else list(judge_block(block.text))


def _before(block: Block) -> dict[str, Any]:
    """What blocks above it on the page have put into a stack's file: it may refer to that."""
    found: dict[str, Any] = {}
    for each in blocks_of(block.page) if (ROOT / block.page).is_file() else ():
        if each.language == "yaml" and each.line < block.line:
            for tree in yaml.safe_load_all(filled_in(each.text)):
                found |= {key: value for key, value in tree.items() if key.startswith(_STACKS)}
    return found


def filled_in(text: str) -> str:
    """What a reader writes himself (…) is filled in; a line of its own stands for others and goes."""
    lines = [line for line in text.splitlines() if line.strip() != "…"]
    return "\n".join(lines).replace("sha256:…", DIGEST).replace("…", "x")


def _yaml(text: str, above: Mapping[str, Any]) -> Iterator[str]:
    for tree in yaml.safe_load_all(filled_in(text)):
        if "kind" in tree:
            yield from _object(tree)
        elif any(":" in key for key in tree.get("config", tree)):
            yield from _stack(tree.get("config") or {**above, **tree})
        elif any("hosts" in (group or {}) for group in tree.values()):
            yield from _inventory(tree)
        elif not set(tree) & _OTHERS:
            yield from _refused(OBJECTS["Function"], {**_FUNCTION, "spec": {**_FUNCTION["spec"], **tree}})


def _object(tree: Mapping[str, Any]) -> Iterator[str]:
    if tree["kind"] not in OBJECTS:
        yield f"no kind {tree['kind']}"
        return
    yield from _refused(OBJECTS[tree["kind"]], tree)


def _refused(model: type[Any], tree: Mapping[str, Any]) -> Iterator[str]:
    try:
        model.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        yield f"{model.__name__}: {error}"


def _stack(config: Mapping[str, Any]) -> Iterator[str]:
    texts = {
        key: each if isinstance(each, str) else json.dumps(each, default=str) for key, each in config.items()
    }
    for project in {key.partition(":")[0] for key in texts}:
        own = {key: text for key, text in texts.items() if key.startswith(f"{project}:")}
        if project == "headrace-policy":
            found = judge(RULES, config=own, stack="docs", shipped=[], today=datetime.date(2026, 1, 31))
            yield from map(str, found.exemptions.faults)
        elif project in STACKS:
            yield from _unfit(project, {key.partition(":")[2]: text for key, text in own.items()})
        else:
            yield f"no project {project}"


def _unfit(project: str, texts: Mapping[str, str]) -> Iterator[str]:
    try:
        parse(STACKS[project], {**_NEEDED[project], **texts}, stack="docs")
    except HeadraceError as error:
        yield str(error)


def _inventory(tree: Mapping[str, Any]) -> Iterator[str]:
    for group in tree.values():
        named = {*group.get("vars", {}), *(name for host in group["hosts"].values() for name in host or {})}
        yield from (
            f"no role takes {name}"
            for name in named
            if name not in variables() and not name.startswith("ansible_")
        )


def _json(text: str) -> Iterator[str]:
    """A document, or a part of the services' settings."""
    tree = json.loads(text if text.lstrip().startswith(("{", "[")) else f"{{{text}}}")
    if isinstance(tree, dict) and set(tree) <= set(Settings.model_json_schema(by_alias=True)["properties"]):
        yield from _refused(Settings, {**_SETTINGS, **tree})


def _toml(text: str) -> Iterator[str]:
    try:
        tomllib.loads(filled_in(text))
    except tomllib.TOMLDecodeError as error:
        yield str(error)


def _python(text: str) -> Iterator[str]:
    """It compiles, what it imports is there, and classes that it does not import are this project's."""
    tree = ast.parse(text)
    here = {alias.asname or alias.name for node in ast.walk(tree) for alias in getattr(node, "names", ())}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            yield from (f"{node.module} has no {a.name}" for a in node.names if not hasattr(module, a.name))
        if isinstance(node, ast.Name) and _CLASS.fullmatch(node.id) and node.id not in here | classes():
            yield f"no class {node.id}"


@cache
def classes() -> frozenset[str]:
    found = (
        re.findall(r"^class (\w+)", file.read_text(), re.MULTILINE) for file in (ROOT / "infra").rglob("*.py")
    )
    return frozenset(name for names in found for name in names)


def _dockerfile(text: str) -> Iterator[str]:
    """It begins at the base that the images stand on."""
    base = tomllib.loads((ROOT / "images/base.toml").read_text())["reference"]
    if not text.startswith(f"FROM {base.partition('@')[0]}\n"):
        yield f"found another base than {base}"


def _csv(text: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "trace.csv")
        file.write_text(text)
        try:
            read_trace(file)
        except HeadraceError as error:
            yield str(error)


_JUDGES: Mapping[str, Callable[[str], Iterator[str]]] = {
    "json": _json,
    "toml": _toml,
    "python": _python,
    "dockerfile": _dockerfile,
    "csv": _csv,
}

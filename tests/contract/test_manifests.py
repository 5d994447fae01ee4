"""One table of manifests, judged alike by the model and by the real API server."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.catalog.deployed import bucket_of, function_of, gpu_server_of, pool_of
from headrace.kube.connecting import connected
from headrace.manifests.admission import admission
from headrace.manifests.definitions import DEFINITIONS, definitions
from headrace.model.errors import ConfigurationError
from headrace.model.labels import API_VERSION
from headrace.model.settings import KubernetesSettings
from headrace.model.value import Value
from tests.toolchain.cluster.box import Box
from tests.toolchain.running import ToolchainError

FOLDER = Path(__file__).parent / "manifests"
READERS: Mapping[str, Callable[[Mapping[str, Any]], Value]] = {
    "Function": function_of,
    "NodePool": pool_of,
    "GpuServer": gpu_server_of,
    "Bucket": bucket_of,
}


@dataclass(frozen=True)
class Case:
    """A document as bytes go to the API server; `bad` is what both refusals hold, None where it is good."""

    rule: str
    kind: str
    text: str
    bad: str | None


def laid_over(base: Any, change: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    return {**base, **{key: laid_over(base.get(key), each) for key, each in change.items()}}


def without(document: dict[str, Any], path: str) -> None:
    *parents, last = (step.replace("\\", "") for step in re.split(r"(?<!\\)\.", path))
    for step in parents:
        document = document[step]
    del document[last]


def cases() -> Iterator[Case]:
    for file in sorted(FOLDER.glob("*.yaml")):
        table = yaml.safe_load(file.read_text(encoding="utf-8"))
        bases = table["bases"]
        for row in table["cases"]:
            document = deepcopy(bases[row.get("base", next(iter(bases)))])
            for path in row.get("without", ()):
                without(document, path)
            text = row.get("text") or json.dumps(laid_over(document, row.get("with", {})))
            yield Case(row["rule"], document["kind"], text, row.get("bad"))


TABLE = tuple(cases())
by_rule = pytest.mark.parametrize("case", TABLE, ids=lambda case: f"{case.kind}: {case.rule}")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping whose keys differ, as strict JSON has it."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ConfigurationError(f"a key twice among {[key for key, _ in pairs]}")
    return found


def judged_by_model(kind: str, text: str) -> Value:
    return READERS[kind](json.loads(text, object_pairs_hook=once))


def judged_by_server(box: Box, kind: str, text: str) -> Mapping[str, Any]:
    return json.loads(box.kubectl("create", "--raw", path_of(kind), "-f", "-", stdin=text))


def path_of(kind: str) -> str:
    """Where an object is created, strictly and without being kept."""
    definition = next(each for each in DEFINITIONS if each.kind == kind)
    place = f"namespaces/default/{definition.plural}" if definition.namespaced else definition.plural
    return f"/apis/{API_VERSION}/{place}?dryRun=All&fieldValidation=Strict"


def spec_of(value: Value) -> Value:
    """What was asked for; the server adds a namespace to the rest."""
    return value.spec


@pytest.fixture(scope="module")
def server(control_plane: Box) -> Box:
    """An API server that knows our kinds."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": definitions()})
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    names = [f"crd/{each['metadata']['name']}" for each in definitions()]
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
    return control_plane


def test_the_table_has_a_hundred_rows_and_every_rule_once():
    rules = [(case.kind, case.rule) for case in TABLE]
    assert len(rules) >= 100
    assert len(set(rules)) == len(rules)
    assert {kind for kind, _ in rules} == {each.kind for each in DEFINITIONS}


@by_rule
def test_the_model_judges_as_the_table_says(case):
    if case.bad is None:
        judged_by_model(case.kind, case.text)
        return
    with pytest.raises(ConfigurationError, match=re.escape(case.bad)):
        judged_by_model(case.kind, case.text)


@by_rule
def test_the_api_server_judges_as_the_table_says(server, case):
    if case.bad is None:
        kept = judged_by_server(server, case.kind, case.text)
        assert spec_of(READERS[case.kind](kept)) == spec_of(judged_by_model(case.kind, case.text))
        return
    with pytest.raises(ToolchainError, match=re.escape(case.bad)):
        judged_by_server(server, case.kind, case.text)


# Values that make trouble, at every place of every base


ODD = (
    None, True, False, 0, 1, -1, 1.0, 0.5, -0.5, 1e30, 2**31, 2**31 - 1, 2**53 + 1, 2**63, 10**17,
    "", " ", "0", "1", "é", "a/b", "A", "x" * 64, "x" * 300, "a\nb", "\uff11",
    "1e3", "1E3", "1e-3", "1Ki", "1ki", "1K", "1k", "+1", "-1", ".5", "5.", "0.0", "0m", "1m", "0.1n", "1n",
    "9223372036854775806", "9223372036854775807", "9223372036854775808", "8Ei", "7.9999999999Ei", "1e99",
    "a..b", "a.-b", "ab", "x" * 39, "x" * 40, "a:B", "a.b:C", "1:a", "a..b:c", "arn:", "::1",
    [], [None], [""], ["a"], {}, {"a": None}, {"a": "b"}, {"": "b"}, {"a": ""}, {"a": 1}, {"a b": "c"},
    {"x/y/z": "c"}, {"/x": "c"}, {"x/": "c"}, {"cpu": 1.0}, {"cpu": "1.5"}, {"cpu": None, "memory": "1Gi"},
    {"cpu": 8, "memory": "1Gi", "pods": "1.0"}, {"cpu": 8, "memory": "1Gi", "pods": "+10"},
    {"cpu": 8, "memory": "1Gi", "a/b": 2**63 - 1}, {"cpu": 8, "memory": "1Gi", "hugepages-": "1Mi"},
    {"cpu": "8.0000000001", "memory": "1Gi"}, {"cpu": 8, "memory": "1Gi", "pods": "9" * 25},
)  # fmt: skip


def routes(value: Any, route: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to everything in a document."""
    yield route
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield from routes(each, (*route, step))


def oddities() -> Iterator[tuple[str, str]]:
    """(kind, text), each once."""
    for file in sorted(FOLDER.glob("*.yaml")):
        for base in yaml.safe_load(file.read_text(encoding="utf-8"))["bases"].values():
            places = [each for each in routes(base) if each and each[0] in ("metadata", "spec")]
            yield from {(base["kind"], json.dumps(replaced(base, at, odd))) for at in places for odd in ODD}


def replaced(base: Any, route: tuple[str | int, ...], value: Any) -> Any:
    changed = deepcopy(base)
    part = changed
    for step in route[:-1]:
        part = part[step]
    part[route[-1]] = value
    return changed


def model_refuses(kind: str, text: str) -> str:
    try:
        judged_by_model(kind, text)
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_no_odd_value_is_judged_otherwise(server):
    """More than ten thousand documents, each sent to the API server."""
    kubernetes = KubernetesSettings(namespace="a", platform_namespace="b", kubeconfig=str(server.kubeconfig))
    documents = list(oddities())
    assert len(documents) > 10_000
    otherwise = []
    async with connected(kubernetes) as client:

        async def judge(kind: str, text: str) -> None:
            sent = {"content": text.encode(), "headers": {"Content-Type": "application/json"}}
            answer = await client.post(path_of(kind), **sent)
            reason = model_refuses(kind, text)
            if answer.is_success is bool(reason):
                otherwise.append((text, reason, answer.text))

        for begin in range(0, len(documents), 16):
            await asyncio.gather(*(judge(*each) for each in documents[begin : begin + 16]))
    assert otherwise == []


# Deletions


BUCKET = {"apiVersion": API_VERSION, "kind": "Bucket", "metadata": {"name": "uploads"}}
FUNCTION = {
    "apiVersion": API_VERSION,
    "kind": "Function",
    "metadata": {"name": "echo"},
    "spec": {"image": "x", "run": {"handler": "a:B"}, "input": [{"bucket": "uploads"}]},
}


@pytest.fixture
def guarded(server: Box) -> Iterator[Callable[..., str]]:
    """Deletes an object of a kind, spec and status; returns why that was refused, or nothing."""
    space = "guarded"
    policies = json.dumps({"apiVersion": "v1", "kind": "List", "items": admission()})
    server.kubectl("apply", "--server-side", "-f", "-", stdin=policies)
    server.kubectl("create", "namespace", space)

    def delete(manifest: dict[str, Any], spec: dict[str, Any], status: dict[str, Any] | None) -> str:
        name = f"{manifest['kind'].lower()}/{manifest['metadata']['name']}"
        document = {**manifest, "spec": {**manifest.get("spec", {}), **spec}}
        server.kubectl(
            "apply", "--server-side", "--force-conflicts", "-n", space, "-f", "-", stdin=json.dumps(document)
        )
        if status is not None:
            patch = json.dumps({"status": status})
            server.kubectl("patch", name, "-n", space, "--subresource=status", "--type=merge", "-p", patch)
        try:
            server.kubectl("delete", name, "-n", space)
        except ToolchainError as refused:
            return str(refused)
        return ""

    until_refused(delete)
    yield delete
    server.kubectl("delete", "namespace", space, "--timeout=60s")


def until_refused(delete: Callable[..., str]) -> None:
    """A policy holds some moments after it was made."""
    deadline = time.monotonic() + 30
    while not delete(BUCKET, {}, None) or not delete(FUNCTION, {"onDelete": "refuse"}, {"waiting": 1}):
        assert time.monotonic() < deadline, "the policies never held"
        time.sleep(0.2)


def test_a_bucket_goes_when_the_controller_has_seen_it_empty_or_its_object_lets_data_go(guarded):
    holding = {"deletable": False, "objects": 12, "message": "bucket uploads: found 12 objects, allowed none"}
    assert "bucket uploads: it is not known yet whether it holds data" in guarded(BUCKET, {}, None)
    assert "bucket uploads: found 12 objects, allowed none" in guarded(
        BUCKET, {"onDelete": "refuse"}, holding
    )
    assert guarded(BUCKET, {"onDelete": "delete"}, holding) == ""
    assert guarded(BUCKET, {}, {"deletable": True}) == ""


def test_a_function_goes_when_no_file_waits_or_it_need_not(guarded):
    working = {"waiting": 3, "running": 2}
    refused = guarded(FUNCTION, {"onDelete": "refuse"}, working)
    assert "function echo: found 3 files waiting and 2 running, allowed none with onDelete: refuse" in refused
    assert guarded(FUNCTION, {"onDelete": "purge"}, working) == ""
    assert guarded(FUNCTION, {"onDelete": "keep"}, working) == ""
    assert guarded(FUNCTION, {}, working) == ""
    assert guarded(FUNCTION, {"onDelete": "refuse"}, {"waiting": 0}) == ""


def test_a_namespace_that_is_deleted_ends_whatever_it_holds(guarded, server):
    """The fixture deletes it with these two inside, and waits for its end."""
    assert guarded(BUCKET, {}, {"deletable": False, "message": "held"})
    assert guarded(FUNCTION, {"onDelete": "refuse"}, {"waiting": 1})

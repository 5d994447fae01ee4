"""The model of function.yaml: what it takes, what it refuses, how it matches."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.model.function import Destination, Function, Input, digest_of

SMALLEST = {
    "apiVersion": "headrace.dev/v1alpha1",
    "kind": "Function",
    "metadata": {"name": "echo"},
    "spec": {"run": {"script": "script.sh"}, "input": [{"bucket": "uploads"}]},
}
DESIGN = {
    "apiVersion": "headrace.dev/v1alpha1",
    "kind": "Function",
    "metadata": {
        "name": "echo",
        "namespace": "lab",
        "labels": {"team": "heart"},
        "annotations": {"a/b": "c"},
    },
    "spec": {
        "image": "registry.example/headrace-echo@sha256:0",
        "run": {"handler": "echo:Classifier"},
        "input": [
            {"bucket": "uploads", "prefix": "echo/", "suffix": [".dcm", ".avi"], "existing": "ignore"},
            {"bucket": "archive", "existing": "process"},
        ],
        "output": [{"bucket": "results", "prefix": "echo/", "suffix": [".json"], "namePrefix": ["view"]}],
        "resources": {"cpu": "1", "memory": "1Gi", "ephemeralStorage": "2Gi"},
        "gpu": {
            "count": 1,
            "memory": "4Gi",
            "access": ["mig", "mps", "timeslice", "passthrough", "remote"],
            "isolation": "memory",
        },
        "batch": {"maxFiles": 8, "lingerSeconds": 0.2},
        "scale": {"minWorkers": 0, "maxWorkers": 50, "maxWaitSeconds": 60, "idleSeconds": 60},
        "delivery": {"timeoutSeconds": 600, "attempts": 3},
        "environment": {"THRESHOLD": "0.5"},
        "secrets": ["echo-token"],
        "priority": -5,
        "nodeSelector": {"zone": "lab"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "volumes": [{"name": "models", "claim": "models", "mountPath": "/models", "readOnly": True}],
        "imagePullSecrets": ["registry"],
        "suspend": True,
        "onDelete": "purge",
        "security": {"profile": "baseline", "runAsUser": 1000, "writableRoot": True},
    },
}

names = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,37}[a-z0-9])?\Z")
buckets = st.from_regex(r"\A[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]\Z")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
parts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=5)
seconds = st.floats(0, 1e6) | st.integers(0, 10**6)
quantities = st.from_regex(r"\A[1-9][0-9]{0,3}(m|Ki|Mi|Gi|k|M|G)?\Z")
runs = st.one_of(
    st.fixed_dictionaries({"handler": st.from_regex(r"\A[a-z]+(\.[a-z_]+)?:[A-Z][a-z]*\Z")}),
    st.fixed_dictionaries({"script": parts}),
    st.fixed_dictionaries({"http": st.fixed_dictionaries({"port": st.integers(1, 65535)})}),
)
optional = {
    "image": parts,
    "output": st.lists(
        st.fixed_dictionaries(
            {"bucket": buckets},
            optional={
                "prefix": texts,
                "suffix": st.lists(parts, max_size=2),
                "namePrefix": st.lists(parts, max_size=2),
            },
        ),
        max_size=3,
    ),
    "resources": st.fixed_dictionaries({}, optional={"cpu": quantities, "memory": quantities}),
    "gpu": st.fixed_dictionaries(
        {},
        optional={
            "count": st.integers(1, 8),
            "memory": quantities,
            "access": st.lists(st.sampled_from(["mig", "mps", "remote"]), min_size=1),
        },
    ),
    "batch": st.fixed_dictionaries({}, optional={"maxFiles": st.integers(1, 99), "lingerSeconds": seconds}),
    "scale": st.fixed_dictionaries({}, optional={"maxWorkers": st.integers(1, 99), "idleSeconds": seconds}),
    "environment": st.dictionaries(st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,5}\Z"), texts, max_size=3),
    "suspend": st.booleans(),
    "onDelete": st.sampled_from(["keep", "purge"]),
}
inputs = st.fixed_dictionaries(
    {"bucket": buckets}, optional={"prefix": texts, "suffix": st.lists(parts, max_size=3)}
)
documents = st.fixed_dictionaries(
    {
        "apiVersion": st.just("headrace.dev/v1alpha1"),
        "kind": st.just("Function"),
        "metadata": st.fixed_dictionaries({"name": names}),
        "spec": st.fixed_dictionaries(
            {"run": runs, "input": st.lists(inputs, min_size=1, max_size=2)}, optional=optional
        ),
    }
)


def holds(whole: object, part: object) -> bool:
    """Whether everything written in `part` is in `whole`."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and holds(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(holds, whole, part))
    return whole == part


def changed(path: str, value: object) -> str:
    """The design's example with another value at a path."""
    document = json.loads(json.dumps(DESIGN))
    *parents, last = path.split(".")
    part = document
    for step in parents:
        part = part[int(step) if step.isdecimal() else step]
    part[last] = value
    return json.dumps(document)


@given(documents)
def test_what_an_author_writes_survives_the_wire(document):
    function = Function.from_json(json.dumps(document))
    assert Function.from_json(function.to_json()) == function
    assert holds(json.loads(function.to_json()), document)


def test_the_example_of_the_design_is_taken_whole():
    function = Function.from_json(json.dumps(DESIGN))
    assert holds(json.loads(function.to_json()), DESIGN)


def test_what_is_left_out_has_the_documented_defaults():
    spec = Function.from_json(json.dumps(SMALLEST)).spec
    assert (spec.delivery.timeout_seconds, spec.delivery.attempts) == (600.0, 3)
    assert (spec.scale.min_workers, spec.scale.max_workers) == (0, 50)
    assert (spec.scale.max_wait_seconds, spec.scale.idle_seconds) == (60.0, 60.0)
    assert (spec.batch.max_files, spec.batch.linger_seconds) == (1, 0.0)
    assert (spec.resources.cpu_millicores, spec.resources.memory_bytes) == (1000, 2**30)
    assert (spec.output, spec.gpu, spec.suspend, spec.input[0].existing) == ((), None, False, "ignore")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("apiVersion", "headrace.dev/v1"),
        ("kind", "Pod"),
        ("metadata.name", "Echo"),
        ("metadata.name", "echo\n"),
        ("metadata.name", "e" * 40),
        ("metadata.name", "-echo"),
        ("spec.run", {"handler": "a:B", "script": "x"}),
        ("spec.run", {}),
        ("spec.run", {"handler": "a:B", "source": "true"}),
        ("spec.run", {"source": "true"}),
        ("spec.run", {"script": "a.sh", "source": ""}),
        ("spec.run", {"handler": "a..b:C"}),
        ("spec.run", {"handler": "../a:C"}),
        ("spec.input", []),
        ("spec.input.0.suffix", ".dcm"),
        ("spec.input.0.suffix", [""]),
        ("spec.input.0.bucket", "ab"),
        ("spec.input.0.existing", "some"),
        ("spec.output.0.suffix", ["a/b"]),
        ("spec.output.0.namePrefix", ["/a"]),
        ("spec.output.0.keepFolders", "no"),
        ("spec.output.0.name_prefix", ["view"]),
        ("spec.batch.maxFiles", 0),
        ("spec.batch.maxFiles", "8"),
        ("spec.batch.maxFiles", True),
        ("spec.batch.lingerSeconds", -0.1),
        ("spec.scale.minWorkers", 51),
        ("spec.delivery.timeoutSeconds", 0),
        ("spec.delivery.timeoutSeconds", float("inf")),
        ("spec.delivery.timeoutSeconds", float("nan")),
        ("spec.delivery.attempts", 0),
        ("spec.resources.memory", "0"),
        ("spec.resources.memory", 1),
        ("spec.environment.N", 1),
        ("spec.environment.1A", "x"),
        ("spec.secrets", ["../x"]),
        ("spec.suspend", "yes"),
        ("spec.security.runAsUser", 0),
        ("spec.gpu.access", []),
        ("spec.unknown", 1),
    ],
)
def test_what_the_model_does_not_allow_is_refused(path, value):
    with pytest.raises(ValidationError):
        Function.from_json(changed(path, value))


@pytest.mark.parametrize(
    ("source", "key", "taken"),
    [
        ({}, "anything", True),
        ({"prefix": "a/"}, "a/x", True),
        ({"prefix": "a/"}, "ba/x", False),
        ({"suffix": (".x", ".y")}, "k.y", True),
        ({"suffix": (".x", ".y")}, "k.z", False),
        ({"suffix": (".x",)}, "k.X", False),
        ({"prefix": "ab", "suffix": ("bc",)}, "abc", True),
    ],
)
def test_an_input_takes_keys_with_its_prefix_and_any_of_its_suffixes(source, key, taken):
    assert Input(bucket="data", **source).takes(key) is taken


@pytest.mark.parametrize(
    ("destination", "name", "taken"),
    [
        ({}, "anything", True),
        ({"suffix": (".json", ".png")}, "a.png", True),
        ({"suffix": (".json", ".png")}, "a.txt", False),
        ({"name_prefix": ("view", "size")}, "size.txt", True),
        ({"name_prefix": ("view",), "suffix": (".json",)}, "view.txt", False),
        ({"name_prefix": ("view",)}, "sub/view.txt", False),
        ({"name_prefix": ("sub/v",), "suffix": (".txt",)}, "sub/view.txt", True),
    ],
)
def test_a_destination_takes_names_by_any_prefix_and_any_suffix(destination, name, taken):
    assert Destination(bucket="data", **destination).takes(name) is taken


def test_a_function_is_started_by_those_of_its_inputs_that_take_the_object():
    function = Function.from_json(json.dumps(DESIGN))
    uploads, archive = function.spec.input
    assert function.inputs_for("uploads", "echo/a.dcm") == (uploads,)
    assert function.inputs_for("archive", "a.txt") == (archive,)
    assert function.inputs_for("results", "echo/a.dcm") == ()


def test_the_digest_depends_on_the_spec_and_on_names_and_contents_of_files_only():
    function = Function.from_json(json.dumps(SMALLEST))
    renamed = Function.from_json(json.dumps({**SMALLEST, "metadata": {"name": "other"}}))
    faster = Function.from_json(json.dumps({**SMALLEST, "spec": {**SMALLEST["spec"], "priority": 1}}))
    different = [
        digest_of(function, {}),
        digest_of(function, {"a": b""}),
        digest_of(function, {"a": b"b"}),
        digest_of(function, {"ab": b""}),
        digest_of(function, {"a": b"", "b": b""}),
        digest_of(function, {"\udcff": b""}),
        digest_of(faster, {}),
    ]
    assert len(set(different)) == len(different)
    assert digest_of(function, {"a": b"1", "b": b"2"}) == digest_of(function, {"b": b"2", "a": b"1"})
    assert digest_of(renamed, {}) == digest_of(function, {})

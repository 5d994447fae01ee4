"""From a Kubernetes object to the model: what the server added is put aside, and every fault is told."""

import copy

import pytest

from headrace.catalog.deployed import bucket_of, function_of, gpu_server_of, pool_of, without_servers_own
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function, digest_of

HEAD = {"apiVersion": "headrace.dev/v1alpha1", "kind": "Function"}
WRITTEN = {
    **HEAD,
    "metadata": {"name": "echo", "namespace": "lab", "labels": {"team": "heart"}, "annotations": {"a": "b"}},
    "spec": {
        "image": "registry.example/echo",
        "run": {"handler": "echo:Classifier"},
        "input": [{"bucket": "uploads"}],
        "environment": {"N": "1"},
    },
}
SERVED = {
    **WRITTEN,
    "metadata": {
        **WRITTEN["metadata"],
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 0,
        "deletionTimestamp": "2026-01-02T00:00:00Z",
        "finalizers": ["headrace.dev/controller"],
        "generation": 3,
        "managedFields": [{"manager": "kubectl"}],
        "ownerReferences": [{"uid": "1"}],
        "resourceVersion": "17",
        "uid": "uid-1",
    },
    "status": {"waiting": 3},
}


def changed(**spec: object) -> dict[str, object]:
    """The written object with other fields in its spec."""
    return {**WRITTEN, "spec": {**WRITTEN["spec"], **spec}}


def test_what_the_server_added_is_put_aside():
    assert function_of(SERVED) == function_of(WRITTEN)
    assert without_servers_own(SERVED, Function) == WRITTEN


def test_an_object_is_not_changed_by_being_read():
    before = copy.deepcopy(SERVED)
    function_of(SERVED)
    assert before == SERVED


def test_the_digest_is_that_of_the_spec_whatever_the_server_adds():
    assert digest_of(function_of(SERVED), {}) == digest_of(function_of(WRITTEN), {})


def test_a_field_that_is_null_is_left_out():
    found = function_of(changed(batch=None, gpu={"memory": None}, scale={"maxWorkers": None}))
    assert found.spec.batch == function_of(WRITTEN).spec.batch
    assert (found.spec.gpu.memory, found.spec.scale.max_workers) == (None, 50)


def test_null_in_a_list_of_fields_is_left_out_too():
    assert function_of(changed(input=[{"bucket": "uploads", "prefix": None}])).spec.input[0].prefix == ""


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (
            changed(environment={"N": None}),
            "Function lab/echo (spec.environment.N): found nothing, allowed a string; write a string",
        ),
        (
            changed(image=None),
            "Function lab/echo (spec.image): is missing; write it: on Kubernetes every function runs",
        ),
        (
            changed(run={"script": "s.sh"}),
            "Function lab/echo (spec.run.source): is missing; put the script's text there",
        ),
        (
            changed(input=[{"bucket": "a"}]),
            "Function lab/echo (spec.input[0].bucket): found 'a', allowed what matches",
        ),
        (
            changed(replicas=1),
            "Function lab/echo (spec.replicas): found an unknown key",
        ),
        (
            {**WRITTEN, "metadata": {"name": "echo", "colour": "red"}},
            "Function echo (metadata.colour): found an",
        ),
        ({**WRITTEN, "metadata": None}, "Function without a name (metadata.name): is missing"),
        ({**WRITTEN, "spec": "none"}, "Function lab/echo (spec): found 'none', allowed a mapping"),
        (HEAD, "Function without a name (metadata.name): is missing"),
    ],
)
def test_a_fault_names_the_object_the_field_and_what_to_do(manifest, message):
    with pytest.raises(ConfigurationError) as refused:
        function_of(manifest)
    assert message in str(refused.value)


def test_every_fault_is_told_at_once():
    with pytest.raises(ConfigurationError) as refused:
        function_of(changed(batch={"maxFiles": 0}, onDelete="drop"))
    assert [line.partition(": ")[0] for line in str(refused.value).splitlines()] == [
        "Function lab/echo (spec.batch.maxFiles)",
        "Function lab/echo (spec.onDelete)",
    ]


def test_a_label_without_a_value_is_none_as_the_server_keeps_it():
    labelled = {**WRITTEN, "metadata": {"name": "echo", "labels": {"a": None, "b": "c"}}}
    assert function_of(labelled).metadata.labels == {"b": "c"}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"labels": {"a b": "c"}}, "found the key 'a b'"),
        ({"labels": {"/a": "c"}}, "found the key '/a'"),
        ({"labels": {"A/a": "c"}}, "found the key 'A/a'"),
        ({"labels": {"a/" + "x" * 64: "c"}}, "found the key"),
        ({"labels": {"a": "x" * 64}}, "a: found 'xxx"),
        ({"labels": {"a": "-x"}}, "a: found '-x'"),
        ({"annotations": {"a:b": "c"}}, "found the key 'a:b'"),
        ({"annotations": {"a": "ü" * 131_072}}, "found 262145 bytes, allowed 262144"),
        ({"namespace": "Lab"}, "metadata.namespace"),
    ],
)
def test_metadata_is_judged_as_kubernetes_does(metadata, message):
    with pytest.raises(ConfigurationError) as refused:
        function_of({**WRITTEN, "metadata": {"name": "echo", **metadata}})
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"a": "", "x.y-z/A_b.c": "0", "b" * 63: "c" * 63}},
        {"annotations": {"Example.org/a": "any text: ü\n", "a": ""}},
        {"namespace": "l" * 63},
    ],
)
def test_metadata_that_kubernetes_takes_is_taken(metadata):
    function_of({**WRITTEN, "metadata": {"name": "echo", **metadata}})


def test_pools_servers_and_buckets_are_read_likewise():
    api = HEAD["apiVersion"]
    pool = {"driver": "kwok", "capacity": {"cpu": 8, "memory": "1Gi"}, "maxNodes": 3, "minNodes": None}
    server = {"address": "a", "port": 1, "backend": "stub", "maxSessions": 1, "pool": None}
    devices = [{"model": "A100", "memory": "40Gi", "cudaVersion": None}]
    served = {"metadata": {"name": "abc", "uid": "1"}, "status": {}, "apiVersion": api}
    assert pool_of({**served, "kind": "NodePool", "spec": pool}).spec.max_nodes == 3
    assert (
        gpu_server_of({**served, "kind": "GpuServer", "spec": {**server, "devices": devices}}).name == "abc"
    )
    assert bucket_of({**served, "kind": "Bucket"}).real_name == "abc"
    with pytest.raises(ConfigurationError, match=r"Bucket abc \(kind\): found 'Pool'"):
        bucket_of({**served, "kind": "Pool", "spec": {}})

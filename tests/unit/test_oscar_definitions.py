"""OSCAR's services -> functions: what each field becomes, what is refused, and that no key is lost."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.function import Function
from headrace.oscar import (
    Imported,
    Kind,
    Refused,
    Service,
    Site,
    function_of,
    read_fdl,
    read_service,
    service_of,
)
from headrace.oscar.carried import CARRIED
from headrace.oscar.finding import joined
from headrace.oscar.left import LEFT

SERVICE: dict[str, Any] = {
    "name": "plants",
    "image": "grycap/plants@sha256:" + "0" * 64,
    "script": "#!/bin/sh\ntrue\n",
    "input": [{"storage_provider": "minio", "path": "plants/in"}],
}
FUNCTION: dict[str, Any] = {
    "apiVersion": "headrace.dev/v1alpha1",
    "kind": "Function",
    "metadata": {"name": "plants"},
    "spec": {
        "image": SERVICE["image"],
        "run": {"script": "script.sh"},
        "input": [{"bucket": "plants", "prefix": "in/"}],
        "output": [],
        "resources": {"cpu": "0.2", "memory": "256Mi"},
        "delivery": {"timeoutSeconds": 86400.0},
        "security": {"profile": "baseline", "writableRoot": True},
    },
}
STANDING = {"spec.security", "spec.delivery", "spec.resources.ephemeralStorage"}  # warnings of every function


def outcome(fields: dict[str, Any], site: Site | None = None) -> Imported | Refused:
    read = read_service(SERVICE | fields)
    return function_of(read.service, site, read=read.findings)


def imported(fields: dict[str, Any], site: Site | None = None) -> Imported:
    found = outcome(fields, site)
    assert isinstance(found, Imported), found.reasons
    return found


def reasons(fields: dict[str, Any], site: Site | None = None) -> dict[str, str]:
    found = outcome(fields, site)
    assert isinstance(found, Refused)
    return {each.field: each.message for each in found.reasons}


def warnings(found: Imported) -> dict[str, str]:
    return {each.field: each.message for each in found.warnings if each.field not in STANDING}


def test_a_service_becomes_the_function_that_runs_as_it_did():
    found = imported({})
    assert found.function == Function.from_json(json.dumps(FUNCTION))
    assert found.script == SERVICE["script"]
    inline = FUNCTION | {
        "spec": FUNCTION["spec"] | {"run": {"script": "script.sh", "source": SERVICE["script"]}}
    }
    assert found.inlined == Function.from_json(json.dumps(inline))
    assert warnings(found) == {}
    assert {each.field for each in found.warnings} == STANDING


@pytest.mark.parametrize(
    ("fields", "spec"),
    [
        ({"memory": "2Gi"}, {"resources": {"cpu": "0.2", "memory": "2Gi"}}),
        ({"memory": 536870912}, {"resources": {"cpu": "0.2", "memory": "536870912"}}),
        ({"cpu": 1.5}, {"resources": {"cpu": "1.5", "memory": "256Mi"}}),
        ({"cpu": "500m"}, {"resources": {"cpu": "500m", "memory": "256Mi"}}),
        ({"cpu": ""}, {}),
        ({"enable_gpu": True}, {"gpu": {"count": 1}}),
        ({"enable_gpu": "true"}, {"gpu": {"count": 1}}),
        ({"enable_gpu": False}, {}),
        ({"image_pull_secrets": ["lab"]}, {"imagePullSecrets": ["lab"]}),
        ({"image_pull_secrets": "lab"}, {"imagePullSecrets": ["lab"]}),
        ({"environment": {"variables": {"A": "x"}}}, {"environment": {"A": "x"}}),
        ({"environment": {"Variables": {"A": "x"}}}, {"environment": {"A": "x"}}),
        (
            {"environment": {"Variables": {"A": False, "B": 1, "C": None}}},
            {"environment": {"A": "false", "B": "1", "C": ""}},
        ),
        (
            {"output": [{"storage_provider": "minio.default", "path": "out"}]},
            {"output": [{"bucket": "out", "prefix": "", "keepFolders": False}]},
        ),
        (
            {
                "output": [
                    {"storage_provider": "minio", "path": "/abc/b/c/", "suffix": [".png"], "prefix": ["r-"]}
                ]
            },
            {
                "output": [
                    {
                        "bucket": "abc",
                        "prefix": "b/c/",
                        "keepFolders": False,
                        "suffix": [".png"],
                        "namePrefix": ["r-"],
                    }
                ]
            },
        ),
        (
            {"input": [{"storage_provider": "MinIO", "path": "plants/"}]},
            {"input": [{"bucket": "plants", "prefix": ""}]},
        ),
        (
            {
                "input": [
                    {"storage_provider": "minio", "path": "abc/a"},
                    {"storage_provider": "minio", "path": "abc/b"},
                ]
            },
            {"input": [{"bucket": "abc", "prefix": "a/"}, {"bucket": "abc", "prefix": "b/"}]},
        ),
        ({"synchronous": {"min_scale": 2}}, {"scale": {"minWorkers": 2}}),
        ({"synchronous": {"min_scale": 0, "max_scale": 0}}, {}),
    ],
)
def test_a_field_goes_over_without_a_word_where_it_means_the_same(fields, spec):
    found = imported(fields)
    expected = FUNCTION | {"spec": FUNCTION["spec"] | spec}
    assert found.function == Function.from_json(json.dumps(expected))
    assert warnings(found) == {}


@pytest.mark.parametrize(
    ("fields", "spec", "field", "message"),
    [
        (
            {"ephemeral_storage_request": "3Gi"},
            {"resources": {"cpu": "0.2", "memory": "256Mi", "ephemeralStorage": "3Gi"}},
            "spec.resources.ephemeralStorage",
            "here it is one",
        ),
        ({"total_memory": "1Gi"}, {"scale": {"maxWorkers": 4}}, "total_memory", "at most 4 have it together"),
        ({"total_cpu": "1"}, {"scale": {"maxWorkers": 5}}, "total_cpu", "at most 5"),
        ({"total_cpu": "1", "total_memory": "1Gi"}, {"scale": {"maxWorkers": 4}}, "total_cpu", "at most 5"),
        (
            {"synchronous": {"max_scale": 7}},
            {"scale": {"maxWorkers": 7}},
            "synchronous.max_scale",
            "not requests' alone",
        ),
        (
            {"volume": {"size": "1Gi", "mount_path": "/data"}},
            {"volumes": [{"name": "plants", "claim": "plants", "mountPath": "/data", "readOnly": False}]},
            "volume.size",
            "make a PersistentVolumeClaim 'plants' of 1Gi",
        ),
        (
            {"volume": {"name": "mine", "mount_path": "/data", "lifecycle_policy": "delete"}},
            {"volumes": [{"name": "mine", "claim": "mine", "mountPath": "/data", "readOnly": False}]},
            "volume.lifecycle_policy",
            "the claim stays",
        ),
        (
            {"environment": {"secrets": {"KEY": "do-not-tell"}}},
            {"secrets": ["plants"]},
            "environment.secrets",
            ".headrace/secrets/plants.env (mode 0600)",
        ),
        (
            {"environment": {"variables": {"API_KEY": "do-not-tell"}}},
            {"environment": {"API_KEY": "do-not-tell"}},
            "environment.variables.API_KEY",
            "keep its value in a secret",
        ),
        (
            {"environment": {"variables": {"A": "<fill in>"}}},
            {"environment": {"A": "<fill in>"}},
            "environment.variables.A",
            "looks like a placeholder",
        ),
        ({"image": "ubuntu"}, {"image": "ubuntu"}, "image", "names no digest"),
        ({"image": "your-image"}, {"image": "your-image"}, "image", "looks like a placeholder"),
        (
            {"input": [{"storage_provider": "minio", "path": "plants/in", "suffix": [".png"]}]},
            {},
            "input[0].suffix",
            "OSCAR filters outputs only",
        ),
        (
            {"input": [{"storage_provider": "minio", "path": "plants/in", "options": "--x"}]},
            {},
            "input[0].options",
            "is not taken",
        ),
        (
            {"input": [{"storage_provider": "minio", "path": "your-bucket/in"}]},
            {"input": [{"bucket": "your-bucket", "prefix": "in/"}]},
            "input[0].path",
            "looks like a placeholder",
        ),
        ({"script": "true\r\n"}, {}, "script", "save it with LF"),
        (
            {"script": "echo $JOB_UUID $OSCAR_SERVICE_NAME; cat /oscar/config/x"},
            {},
            "script",
            "it names /oscar/config, OSCAR_SERVICE_NAME, which OSCAR alone gives",
        ),
    ],
)
def test_a_field_that_means_nearly_the_same_goes_over_with_a_warning(fields, spec, field, message):
    found = imported(fields)
    expected = FUNCTION | {"spec": FUNCTION["spec"] | spec}
    assert found.function == Function.from_json(json.dumps(expected))
    told = {each.field: each.message for each in found.warnings if message in each.message}
    assert set(told) == {field}
    assert "do-not-tell" not in str(found.warnings)


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_labels_and_annotations_go_on_the_function(field):
    found = imported({field: {"lab": "x"}})
    assert getattr(found.function.metadata, field) == {"lab": "x"}
    assert warnings(found)[field] == "they go on the Function object, not on its pods as in OSCAR"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cluster_id": "lab"}, "cluster_id"),
        ({"log_level": "CRITICAL"}, "log_level"),
        ({"alpine": True}, "alpine"),
        ({"image_prefetch": True}, "image_prefetch"),
        ({"file_stage_in": True}, "file_stage_in"),
        ({"vo": "vo.example"}, "vo"),
        ({"vo": ["a placeholder"]}, "vo"),
        ({"allowed_users": ["a@example"]}, "allowed_users"),
        ({"visibility": "public"}, "visibility"),
        ({"token": "do-not-tell"}, "token"),
        ({"owner": "cluster_admin"}, "owner"),
        ({"namespace": "oscar-svc"}, "namespace"),
        ({"bucket_list": ["a"]}, "bucket_list"),
        ({"volume_status": {"enabled": True}}, "volume_status"),
        ({"deployment": {"state": "ready"}}, "deployment"),
        ({"delegation": "random"}, "delegation"),
        ({"rescheduler_threshold": 30}, "rescheduler_threshold"),
        ({"federation": {"group_id": "g", "topology": "none"}}, "federation"),
        ({"expose": {"min_scale": 1}}, "expose"),
        (
            {"storage_providers": {"minio": {"default": {"secret_key": "do-not-tell"}}}},
            "storage_providers.minio.default",
        ),
        ({"storage_providers": {"webdav": {"x": {"password": "do-not-tell"}}}}, "storage_providers.webdav.x"),
        ({"clusters": {"x": {"auth_password": "do-not-tell"}}}, "clusters.x"),
        ({"memry": "1Gi"}, "memry"),
        ({"input": [{"storage_provider": "minio", "path": "plants/in", "sufix": []}]}, "input[0].sufix"),
    ],
)
def test_what_is_harmless_to_leave_out_is_left_out_with_a_warning(fields, field):
    found = imported(fields)
    assert found.function == Function.from_json(json.dumps(FUNCTION))
    assert set(warnings(found)) == {field}
    assert "do-not-tell" not in str(found)


@pytest.mark.parametrize(
    "fields",
    [
        {"log_level": "INFO"},
        {"alpine": False},
        {"visibility": "private"},
        {"isolation_level": "SERVICE"},
        {"allowed_users": []},
        {"replicas": []},
        {"federation": {}},
        {"expose": {"api_port": 0, "nodePort": 0}},
        {"expose": {}},
        {"mount": {"storage_provider": "", "path": ""}},
        {"clusters": {}},
        {"vo": None},
        {"storage_providers": {}},
        {"rescheduler_threshold": 0},
        {"environment": None},
        {"labels": {}},
        {"kserve": None},
        {"volume": None},
        {"enable_sgx": False},
        {"interlink_node_name": ""},
        {"total_cpu": ""},
    ],
)
def test_a_field_that_says_what_holds_anyway_is_taken_without_a_word(fields):
    found = imported(fields)
    assert found.function == Function.from_json(json.dumps(FUNCTION))
    assert warnings(found) == {}


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"name": ""}, "name", "is missing"),
        ({"name": "Cowsay"}, "name", "found 'Cowsay', allowed at most 39 small letters"),
        ({"name": "<name>"}, "name", "found the placeholder '<name>'; fill it in"),
        ({"name": ["a"]}, "name", "found a list (a placeholder in brackets?), allowed a text"),
        ({"image": None}, "image", "is missing"),
        ({"image": "docker://a/b"}, "image", "found 'docker://a/b', allowed an image's name"),
        ({"image": "${IMAGE}"}, "image", "found the placeholder '${IMAGE}'"),
        ({"script": " \n"}, "script", "is missing"),
        ({"script": "x" * (256 * 1024 + 1)}, "script", "found 262145 bytes, allowed 262144"),
        ({"script": "a\0b"}, "script", "found a character that no text may have"),
        ({"script": "\ud800"}, "script", "found a character that no text may have"),
        ({"input": []}, "input", "there is none: OSCAR starts it by requests alone"),
        ({"input": "x"}, "input", "found a text, allowed a list"),
        ({"input": ["x"]}, "input[0]", "found a text, allowed a mapping"),
        ({"input": [{"path": "plants/in"}]}, "input[0].storage_provider", "is missing; write minio.default"),
        ({"input": [{"storage_provider": "minio"}]}, "input[0].path", "is missing; write BUCKET/FOLDER"),
        (
            {"input": [{"storage_provider": "minio", "path": "A_b/in"}]},
            "input[0].path",
            "found 'A_b', allowed a bucket",
        ),
        (
            {"input": [{"storage_provider": "minio", "path": "<b>/in"}]},
            "input[0].path",
            "found the placeholder '<b>'",
        ),
        (
            {"input": [{"storage_provider": "minio.eu", "path": "abc"}]},
            "input[0].storage_provider",
            "Import with --store minio.eu",
        ),
        (
            {"output": [{"storage_provider": "s3.mine", "path": "abc"}]},
            "output[0].storage_provider",
            "Import with --store s3.mine",
        ),
        (
            {"output": [{"storage_provider": "onedata.x", "path": "abc"}]},
            "output[0].storage_provider",
            "Headrace speaks S3 alone",
        ),
        (
            {"output": [{"storage_provider": "webdav.x", "path": "abc"}]},
            "output[0].storage_provider",
            "Headrace speaks S3 alone",
        ),
        (
            {"output": [{"storage_provider": "rucio.x", "path": "abc"}]},
            "output[0].storage_provider",
            "Headrace speaks S3 alone",
        ),
        (
            {"output": [{"storage_provider": "ftp", "path": "abc"}]},
            "output[0].storage_provider",
            "name one of these",
        ),
        (
            {"output": [{"storage_provider": "minio", "path": "abc", "suffix": ["a/b"]}]},
            "output[0].suffix",
            "which has no /",
        ),
        ({"memory": "2GB"}, "memory", "found '2GB', allowed a Kubernetes quantity"),
        ({"memory": "${MEMORY}Mi"}, "memory", "found the placeholder '${MEMORY}'"),
        ({"cpu": "0"}, "cpu", "allowed > 0"),
        ({"ephemeral_storage_request": "x"}, "ephemeral_storage_request", "allowed a Kubernetes quantity"),
        ({"total_memory": "1Mi"}, "total_memory", "less than one worker's memory; raise it"),
        ({"total_cpu": "x"}, "total_cpu", "allowed a Kubernetes quantity"),
        ({"enable_gpu": "yes"}, "enable_gpu", "allowed true or false"),
        ({"enable_gpu": 1}, "enable_gpu", "allowed true or false"),
        (
            {"synchronous": {"min_scale": 3, "max_scale": 2}},
            "synchronous",
            "found min_scale 3 above max_scale 2",
        ),
        ({"synchronous": {"min_scale": -1}}, "synchronous.min_scale", "greater than or equal to 0"),
        ({"synchronous": {"min_scale": "many"}}, "synchronous.min_scale", "allowed a whole number"),
        ({"synchronous": {"min_scale": 10**400}}, "synchronous.min_scale", "allowed a whole number"),
        (
            {"environment": {"variables": {"A-B": "x"}}},
            "environment.variables.A-B",
            "found 'A-B', allowed a name of letters",
        ),
        ({"environment": {"variables": {"A": ["x"]}}}, "environment.variables.A", "found a list"),
        (
            {"environment": {"variables": {}, "Variables": {}}},
            "environment.Variables",
            "a second time in another spelling",
        ),
        ({"environment": "${ENV}"}, "environment", "found the placeholder '${ENV}'; fill it in"),
        ({"labels": {"a b": "x"}}, "labels", "found the key 'a b'"),
        ({"image_pull_secrets": [""]}, "image_pull_secrets[0]", "is empty; name it"),
        ({"volume": {"mount_path": "data"}}, "volume.mount_path", "found 'data', allowed an absolute path"),
        ({"volume": {"name": "A", "mount_path": "/data"}}, "volume.name", "a volume's name"),
        ({"enable_sgx": True}, "enable_sgx", "Write enable_sgx: false"),
        (
            {"interlink_node_name": "vega"},
            "interlink_node_name",
            "Remove it to run on the cluster's own nodes",
        ),
        ({"isolation_level": "USER"}, "isolation_level", "write SERVICE"),
        ({"replicas": [{"type": "oscar", "cluster_id": "b"}]}, "replicas", "Remove it to work them all here"),
        ({"federation": {"members": [{"type": "oscar"}]}}, "federation", "Remove it to work them all here"),
        ({"federation": {"topology": "mesh"}}, "federation", "Remove it to work them all here"),
        ({"expose": {"api_port": 80}}, "expose", "run: {http: {port, path}}"),
        ({"expose": {"port": 80}}, "expose", "run: {http: {port, path}}"),
        ({"expose": {"nodePort": [30500]}}, "expose", "run: {http: {port, path}}"),
        ({"mount": {"storage_provider": "minio", "path": "/a"}}, "mount", "buckets are not mounted"),
        (
            {"kserve": {"type": "inference", "storage_uri": "x"}},
            "kserve",
            "headrace function new NAME --handler",
        ),
    ],
)
def test_what_cannot_go_over_is_refused_by_name_with_what_to_do(fields, field, message):
    found = reasons(fields)
    assert set(found) == {field}
    assert message in found[field]


def test_every_reason_is_told_at_once():
    found = reasons({"name": "A", "image": "", "memory": "x", "mount": {"path": "a"}, "vo": ["x"], "cpu": []})
    assert set(found) == {"name", "image", "memory", "mount", "cpu"}


def test_every_field_of_a_service_has_a_rule():
    assert set(CARRIED) | set(LEFT) == set(Service.model_fields)
    assert not set(CARRIED) & set(LEFT)


# What the stack says


def test_a_store_that_the_stack_has_is_read_and_written_by_any_name():
    site = Site(stores=frozenset({"s3.mine"}))
    place = {"storage_provider": "s3.mine", "path": "plants/in"}
    assert imported({"input": [place]}, site).function == Function.from_json(json.dumps(FUNCTION))
    assert set(reasons({}, site)) == {"input[0].storage_provider"}


def test_a_service_without_input_is_started_by_files_of_the_entrance():
    found = imported({"input": []}, Site(entrance="requests"))
    assert found.function.spec.input[0].bucket == "requests"
    assert found.function.spec.input[0].prefix == "plants/"
    assert "s3://requests/plants/ start the function" in warnings(found)["input"]
    assert set(reasons({"input": []}, Site(entrance="A"))) == {"input"}


def test_a_prefix_takes_no_folder_beside_it_of_a_longer_name():
    source = imported({}).function.spec.input[0]
    assert source.takes("in/a.png")
    assert not source.takes("inner/a.png")


# The way back

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
FOLDERS = st.lists(st.from_regex(r"\A[a-z]{1,4}\Z"), max_size=2).map(
    lambda parts: "/".join(["bucket", *parts])
)
CARRIED_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "memory": st.sampled_from(["1Gi", "512Mi"]),
        "cpu": st.sampled_from(["1", "500m"]),
        "ephemeral_storage_request": st.just("2Gi"),
        "enable_gpu": st.booleans(),
        "image_pull_secrets": st.lists(st.just("lab"), max_size=1),
        "environment": st.fixed_dictionaries({"variables": st.dictionaries(st.sampled_from("AB"), TEXT)}),
        "synchronous": st.fixed_dictionaries(
            {"min_scale": st.integers(0, 3), "max_scale": st.sampled_from([0, 5])}
        ),
        "labels": st.dictionaries(st.sampled_from("ab"), st.just("x")),
        "annotations": st.dictionaries(st.sampled_from("ab"), TEXT),
        "output": st.lists(
            st.fixed_dictionaries(
                {"storage_provider": st.just("minio"), "path": FOLDERS},
                optional={"suffix": st.just([".png"]), "prefix": st.just(["r-"])},
            ),
            max_size=2,
        ),
        "volume": st.just({"name": "mine", "mount_path": "/data"}),
    },
)


@given(CARRIED_FIELDS)
def test_what_a_client_is_shown_makes_the_same_function_again(fields):
    first = imported(fields)
    shown = service_of(first.function, first.script)
    again = read_service(json.loads(shown.to_json()))
    second = function_of(again.service, read=again.findings)
    assert isinstance(second, Imported)
    assert service_of(second.function, second.script) == shown
    assert second.script == first.script
    assert second.function.spec.model_dump() | {"scale": None} == first.function.spec.model_dump() | {
        "scale": None
    }
    assert second.function.metadata == first.function.metadata
    assert second.function.spec.scale.min_workers == first.function.spec.scale.min_workers


def test_a_service_is_shown_with_the_names_that_oscar_gives():
    shown = service_of(imported({"enable_gpu": True}).function, "true")
    document = json.loads(shown.to_json())
    assert document["name"] == "plants"
    assert document["script"] == "true"
    assert document["enable_gpu"] is True
    assert document["input"][0] | {} == {
        "storage_provider": "minio.default", "path": "plants/in", "suffix": [], "prefix": [], "options": ""
    }  # fmt: skip
    assert "nodePort" in document["expose"]
    assert document.keys() & {"federation", "kserve", "volume"} == set()
    assert document["environment"] == {"variables": {}, "secrets": {}}


def test_the_script_that_an_object_holds_itself_is_shown():
    document = FUNCTION | {"spec": FUNCTION["spec"] | {"run": {"script": "a.sh", "source": "echo"}}}
    assert service_of(Function.from_json(json.dumps(document))).script == "echo"


# Documents


def names(tree: object) -> list[tuple[str, str, str]]:
    return [(each.where, each.cluster, each.service.name) for each in read_fdl(tree).definitions]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (
            {"functions": {"oscar": [{"lab": {"name": "a"}}, {"b": {"name": "c"}}]}},
            [("functions.oscar[0].lab", "lab", "a"), ("functions.oscar[1].b", "b", "c")],
        ),
        (
            {"functions": {"oscar": [{"x": {"name": "a"}, "y": {"name": "b"}}]}},
            [("functions.oscar[0].x", "x", "a"), ("functions.oscar[0].y", "y", "b")],
        ),
        ({"functions": {"oscar": [{"name": "a", "image": "b"}]}}, [("functions.oscar[0]", "", "a")]),
        ({"functions": {"oscar": [{"name": {"name": "a"}}]}}, [("functions.oscar[0].name", "name", "a")]),
        ({"name": "a"}, [("", "", "a")]),
        ({"Name": "a"}, [("", "", "a")]),
        ([{"name": "a"}, {"name": "b"}], [("[0]", "", "a"), ("[1]", "", "b")]),
    ],
)
def test_services_are_found_in_every_shape_that_clients_use(tree, expected):
    assert names(tree) == expected


@pytest.mark.parametrize(
    ("tree", "kind", "field", "message"),
    [
        (None, Kind.REFUSED, "", "found nothing, allowed an FDL file"),
        ("x", Kind.REFUSED, "", "found a text, allowed an FDL file"),
        ({}, Kind.REFUSED, "functions", "found nothing"),
        ({"unctions": {}}, Kind.WARNING, "unctions", "did you mean functions?"),
        ({"functions": []}, Kind.REFUSED, "functions", "found a list"),
        ({"functions": {}}, Kind.REFUSED, "functions.oscar", "found nothing"),
        ({"functions": {"oscar": []}}, Kind.REFUSED, "functions.oscar", "found an empty list"),
        ({"functions": {"oscar": {"lab": {}}}}, Kind.REFUSED, "functions.oscar", "found a mapping"),
        ({"functions": {"oscar": [1]}}, Kind.REFUSED, "functions.oscar[0]", "found a number or boolean"),
        ({"functions": {"aws": [{}]}}, Kind.REFUSED, "functions.aws", "AWS Lambda"),
        ({"functions": {"aws": [{}], "oscar": [{"a": {}}]}}, Kind.WARNING, "functions.aws", "AWS Lambda"),
        (
            {"functions": {"oscar": [{"<ID>": {}}]}},
            Kind.WARNING,
            "functions.oscar[0].<ID>",
            "found the placeholder '<ID>'",
        ),
        (
            {"functions": {"oscar": [{"a": {}}]}, "clusters": {"b": {}}},
            Kind.WARNING,
            "clusters.b",
            "its login is not taken",
        ),
        (
            {"functions": {"oscar": [{"a": {}}]}, "clusters": {"b": {"memory": 1}}},
            Kind.WARNING,
            "clusters.b.memory",
            "has no such field",
        ),
        (
            {"functions": {"oscar": [{"a": {}}]}, "storage_providers": {"s3": {"b": {}}}},
            Kind.WARNING,
            "storage_providers.s3.b",
            "not taken",
        ),
        (
            {"functions": {"oscar": [{"a": {}}]}, "storage_providers": []},
            Kind.REFUSED,
            "storage_providers",
            "found a list",
        ),
    ],
)
def test_what_a_document_has_beside_its_services_is_told(tree, kind, field, message):
    found = {each.field: each.message for each in read_fdl(tree).findings if each.kind is kind}
    assert message in found[field]


# No key is lost, and nothing is raised

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["minio", "s3.x", "1Gi", "plants/in", "<VO>", "USER", "true"])
)
KEYS = st.sampled_from(
    [
        *Service.model_fields,
        "functions",
        "oscar",
        "aws",
        "lab",
        "path",
        "storage_provider",
        "suffix",
        "min_scale",
        "variables",
        "Variables",
        "secrets",
        "api_port",
        "nodePort",
        "mount_path",
        "members",
        "minio",
        "default",
    ]
) | st.text(max_size=5)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
SERVICES = st.dictionaries(KEYS, TREES, max_size=8).map(lambda tree: SERVICE | tree)


def paths(tree: object, where: str = "") -> list[str]:
    if isinstance(tree, dict):
        parts = [(joined(where, key), value) for key, value in tree.items()]
    elif isinstance(tree, list):
        parts = [(joined(where, index), value) for index, value in enumerate(tree)]
    else:
        return []
    return [path for part, value in parts for path in (part, *paths(value, part))]


def within(path: str, parent: str) -> bool:
    return path == parent or path.startswith((f"{parent}.", f"{parent}["))


def told(path: str, found: Imported | Refused) -> bool:
    """Whether a finding is of this path, of one that it is in, or of one in it.

    A field of the service that is refused for a part of it is not looked into further.
    """
    fields = {each.field.lower() for each in found.findings}
    refused = {
        re.split(r"[.\[]", each.field.lower())[0] for each in found.findings if each.kind is Kind.REFUSED
    }
    return any(within(each, path) or within(path, each) for each in fields) or any(
        within(path, each) for each in refused
    )


@given(SERVICES)
def test_every_key_of_a_service_is_mapped_told_of_or_refused(tree):
    read = read_service(tree)
    found = function_of(read.service, read=read.findings)
    lost = [path for path in paths(tree) if not told(path.lower(), found)]
    assert lost == []


@given(TREES)
def test_any_document_is_read_or_refused(tree):
    fdl = read_fdl(tree)
    outcomes = [function_of(each.service, read=each.read.findings) for each in fdl.definitions]
    refusals = [each for each in fdl.findings if each.kind is Kind.REFUSED]
    assert outcomes or refusals
    for each in outcomes:
        assert isinstance(each, Imported) or each.reasons

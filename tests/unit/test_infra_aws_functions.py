"""Functions on a platform on AWS: a role for each one's pods, on the cluster that the platform tells."""

import functools
import json

import pytest

from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from infra.configuration import parse
from infra.function_settings import FunctionSettings
from infra.functions_deployment import deploy
from infra.rendering import Rendered
from tests.infra.iam import allows
from tests.infra.recording import declared

PLATFORM = {
    "functionsNamespace": "their-namespace",
    "platformBucket": "the-platform",
    "buckets": {"uploads": "acme-uploads", "results": "acme-results"},
    "tenants": {"lab": {"uploads": "acme-lab-uploads", "results": "acme-lab-results"}},
    "kubeconfig": '{"contexts": [{"name": "headrace"}]}',
    "context": "headrace",
    "aws": {
        "account": "123456789012",
        "region": "eu-central-1",
        "name": "headrace",
        "dataKey": "arn:aws:kms:data",
    },
}
ANSWERS = {
    "pulumi:pulumi:StackReference": {"outputs": PLATFORM},
    "aws:iam/role:Role": {"arn": "arn:aws:iam:{}"},
}
TEXTS = {
    "platform": "organization/headrace/aws",
    "functions": '["echo", "thumbnail"]',
    "aws": '{"account": "123456789012", "region": "eu-central-1"}',
}


def rendered(name):
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name},
        "spec": {
            "run": {"handler": "echo:Classifier"},
            "image": f"{name}:1",
            "input": [{"bucket": "uploads", "prefix": f"{name}/"}],
            "output": [{"bucket": "results", "prefix": f"{name}/"}],
        },
    }
    return Rendered(Function.from_json(json.dumps(document)), document)


@functools.cache
def found():
    settings = parse(FunctionSettings, TEXTS, stack="test")
    functions = [rendered("echo"), rendered("thumbnail")]
    return declared(lambda: deploy(settings, functions), outputs=ANSWERS)


def test_each_function_has_a_role_that_its_pods_alone_take():
    pods = found()["PodIdentityAssociation/pods-echo"].inputs
    assert pods == {
        "clusterName": "headrace",
        "namespace": "their-namespace",
        "serviceAccount": "headrace-echo",
        "roleArn": "arn:aws:iam:role-echo",
    }
    role = found()["Role/role-echo"].inputs
    assert role["name"] == "headrace-function-echo-eu-central-1"
    tags = {
        "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-central-1:123456789012:cluster/headrace",
        "aws:RequestTag/kubernetes-namespace": "their-namespace",
        "aws:RequestTag/kubernetes-service-account": "headrace-echo",
    }
    who = {"Service": "pods.eks.amazonaws.com"}
    assert allows(json.loads(role["assumeRolePolicy"]), "sts:AssumeRole", context=tags, who=who)


@functools.cache
def of_the_lab():
    settings = parse(FunctionSettings, {**TEXTS, "tenant": "lab"}, stack="test")
    return declared(lambda: deploy(settings, [rendered("echo")]), outputs=ANSWERS)


def test_a_tenants_function_has_a_role_of_its_own_for_its_tenants_buckets():
    pods = of_the_lab()["PodIdentityAssociation/pods-echo"].inputs
    assert (pods["namespace"], pods["serviceAccount"]) == ("lab", "headrace-echo")
    role = of_the_lab()["Role/role-echo"].inputs
    assert role["name"] == "headrace-function-lab.echo-eu-central-1"
    rights = json.loads(of_the_lab()["RolePolicy/role-echo"].inputs["policy"])
    assert allows(rights, "s3:GetObject", "arn:aws:s3:::acme-lab-uploads/echo/a")
    assert not allows(rights, "s3:GetObject", "arn:aws:s3:::acme-uploads/echo/a")
    assert allows(rights, "s3:PutObject", "arn:aws:s3:::the-platform/records/lab.echo/1.json")
    assert not allows(rights, "s3:PutObject", "arn:aws:s3:::the-platform/records/echo/1.json")
    bucket = of_the_lab()["bucket/uploads"].inputs
    assert (bucket["metadata"]["namespace"], bucket["spec"]["name"]) == ("lab", "acme-lab-uploads")


def test_a_function_reads_and_writes_what_is_its_own():
    rights = json.loads(found()["RolePolicy/role-echo"].inputs["policy"])
    assert allows(rights, "s3:GetObject", "arn:aws:s3:::acme-uploads/echo/a")
    assert not allows(rights, "s3:GetObject", "arn:aws:s3:::acme-uploads/thumbnail/a")
    assert allows(rights, "s3:PutObject", "arn:aws:s3:::the-platform/records/echo/1.json")
    by_s3 = {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}
    assert allows(rights, "kms:Decrypt", "arn:aws:kms:data", context=by_s3)


def test_a_function_comes_once_its_pods_have_their_rights():
    function = found()["function/echo"]
    assert {"PodIdentityAssociation/pods-echo", "RolePolicy/role-echo"} <= function.after


def test_the_cluster_is_the_one_that_the_platform_tells():
    assert found()["cluster"].inputs["kubeconfig"] == PLATFORM["kubeconfig"]
    assert found()["cluster"].inputs["context"] == "headrace"
    assert {each.provider for name, each in found().items() if name.startswith(("function/", "bucket/"))} == {
        "cluster"
    }
    assert json.loads(found()["aws"].inputs["allowedAccountIds"]) == ["123456789012"]


def test_a_cluster_that_is_named_is_looked_at_before_and_after_and_one_that_is_told_is_not(tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("contexts: [{name: lab}]")
    named = {"kubeconfig": str(kubeconfig), "context": "lab", "clusterUid": "1-1", "aws": "null"}
    settings = parse(FunctionSettings, {**TEXTS, **named}, stack="test")
    pinned = declared(lambda: deploy(settings, [rendered("echo")]), outputs=ANSWERS)
    pins = {name: each for name, each in pinned.items() if each.type.endswith(":Pin")}
    assert {name: each.inputs["expected"] for name, each in pins.items()} == {
        "pin": "1-1",
        "pin-before-destroy": "1-1",
    }
    assert pinned["cluster"].after == {"pin"}
    assert "function/echo" in pins["pin-before-destroy"].after
    assert [name for name, each in found().items() if each.type.endswith(":Pin")] == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kubeconfig": "/some/file"}, "found kubeconfig beside aws, allowed without it"),
        ({"clusterUid": "1-1"}, "found clusterUid beside aws, allowed without it"),
        ({"aws": "null"}, "found no kubeconfig and no aws, allowed with one of them"),
        (
            {"aws": '{"account": "1", "region": "eu-central-1"}'},
            "aws.account: found '1', allowed what matches",
        ),
    ],
)
def test_a_cluster_is_named_or_told_by_the_platform(changes, told):
    with pytest.raises(ConfigurationError, match=told):
        parse(FunctionSettings, {**TEXTS, **changes}, stack="test")

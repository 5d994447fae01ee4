"""What the programs register: parents, providers, order, secrets. Pulumi's engine is the recording one."""

import functools
import json
from pathlib import Path

import pulumi
import pytest

from headrace.events import polling
from headrace.model.bucket import OnBucketDelete
from headrace.model.function import Function
from headrace.model.pool import Driver, NodePoolSpec
from headrace.model.settings import SqsSettings
from infra.cluster import provider
from infra.components.cluster.platform import Platform, PlatformArgs
from infra.components.functions.functions import Functions, FunctionsArgs
from infra.components.functions.platform import PlatformOutputs
from infra.deployment import deploy
from infra.function_settings import FunctionBucket, FunctionSettings
from infra.objects import Ground
from infra.rendering import Rendered
from infra.settings import Network, PlatformBucket, StackSettings
from infra.store_settings import GivenStore, Store
from tests.infra.recording import Secret, declared

KUBECONFIG = '{"contexts": [{"name": "box"}]}'
MADE = {
    "pulumi-python:dynamic/headrace:Password": {"value": "{}-hush-hush-hush"},
    "pulumi-python:dynamic/headrace:Authority": {"certificate": "authority", "key": "authority-hush"},
    "pulumi-python:dynamic/headrace:Certificate": {"certificate": "certificate", "key": "queue-key-hush"},
}
DYNAMIC = "pulumi-python:"
KINDS, SERVERS = ("functions", "buckets", "nodepools", "gpuservers"), ("nats", "seaweedfs")
POOL = NodePoolSpec(driver=Driver.KWOK, capacity={"cpu": "4", "memory": "8Gi"}, max_nodes=3)


def stack(**changes):
    return StackSettings(kubeconfig=KUBECONFIG, context="box", **changes)


def platform(settings):
    def program():
        ground = Ground(provider(settings.kubeconfig, settings.context), wait=settings.wait)
        Platform("platform", PlatformArgs(settings, ground))

    return declared(program, outputs=MADE)


@functools.cache
def usual():
    return platform(stack(pools={"cpu": POOL}))


def objects(found):
    """Resources of the Kubernetes provider."""
    return {name: each for name, each in found.items() if each.type.startswith("kubernetes:")}


def texts(value):
    """Every text in an input that is no secret."""
    if isinstance(value, Secret):
        return
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(each)


def test_every_object_has_the_stacks_provider_and_a_component_for_parent():
    found = objects(usual())
    assert len(found) > 60
    assert {each.provider for each in found.values()} == {"cluster"}
    assert not {name for name, each in found.items() if each.parent in ("", "headrace-test")}


def test_the_provider_reads_nothing_of_the_environment(monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    found = platform(stack())["cluster"]
    assert found.inputs == {
        "kubeconfig": Secret(KUBECONFIG),
        "context": "box",
        "clusterIdentifier": "of-this-stack",
        "deleteUnreachable": "false",
        "enableConfigMapMutable": "true",
        "enableSecretMutable": "true",
        "enableServerSideApply": "true",
        "skipUpdateUnreachable": "false",
        "suppressDeprecationWarnings": "false",
        "suppressHelmHookWarnings": "false",
    }


def test_no_secret_is_in_an_input_that_is_not_marked_as_one():
    found = usual()
    shown = {name: text for name, each in found.items() for text in texts(each.inputs) if "hush" in text}
    assert shown == {}
    hidden = found["secret/headrace/headrace-receiver"].inputs["stringData"]
    assert isinstance(hidden, Secret)
    assert "credentials-receiver-hush" in hidden.value["settings.json"]


def test_secrets_that_are_made_are_secret_outputs():
    made = {name: each for name, each in usual().items() if each.type.startswith(DYNAMIC)}
    passwords = [each for each in made.values() if each.type.endswith(":Password")]
    assert len(passwords) == 12
    assert {each.secret_outputs for each in passwords} == {("value",)}
    assert made["credentials-authority"].secret_outputs == ("key",)
    assert set(made["credentials-queue"].secret_outputs) == {"key", "authority_key"}


def test_a_pods_mark_is_no_secret_and_changes_with_the_settings():
    def mark(found):
        pod = found["deployment/headrace/receiver"].inputs["spec"]["template"]
        return pod["metadata"]["annotations"]["headrace.dev/settings"]

    one = mark(usual())
    assert isinstance(one, str)
    assert one == mark(platform(stack()))
    assert one != mark(platform(stack(platform_bucket=PlatformBucket(name="other-name"))))


def test_the_receiver_has_time_to_end_a_poll_and_what_it_brought():
    pod = usual()["deployment/headrace/receiver"].inputs["spec"]["template"]["spec"]
    longest = SqsSettings.model_fields["poll_seconds"].default
    assert pod["terminationGracePeriodSeconds"] >= longest + polling.GRACE_SECONDS


def test_the_platforms_bucket_comes_after_everything_so_that_it_goes_first():
    found = usual()
    bucket = found["bucket/headrace/headrace-platform"]
    assert bucket.inputs["spec"] == {"name": "headrace", "onDelete": "refuse"}
    others = set(objects(found)) - {"bucket/headrace/headrace-platform", "awaited/receiver"}
    reached = set(bucket.after)
    while more := {name for each in reached for name in found[each].after} - reached:
        reached |= more
    assert others - reached == set()


def test_the_receiver_is_waited_for_once_the_bucket_is_there():
    found = usual()
    receiver, waited = found["deployment/headrace/receiver"], found["awaited/receiver"]
    assert receiver.inputs["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
    assert waited.type == "kubernetes:apps/v1:DeploymentPatch"
    assert waited.after == {"bucket/headrace/headrace-platform"}
    bucket = found["bucket/headrace/headrace-platform"].inputs["metadata"]["annotations"]
    assert bucket == {"pulumi.com/waitFor": "condition=Ready"}
    assert "annotations" not in found["deployment/headrace/scaler"].inputs["metadata"]


def test_nothing_is_waited_for_where_the_stack_says_so():
    found = platform(stack(wait=False))
    kinds = ("deployment/", "statefulset/", "service/", "bucket/", "persistentvolumeclaim/")
    notes = {
        name: each.inputs["metadata"].get("annotations")
        for name, each in found.items()
        if name.startswith(kinds)
    }
    assert len(notes) == 11
    assert set(map(str, notes.values())) == {"{'pulumi.com/skipAwait': 'true'}"}
    assert "awaited/receiver" not in found


def test_data_is_not_thrown_away_for_another_storage_class():
    claims = [each for name, each in usual().items() if name.startswith("persistentvolumeclaim/")]
    assert [each.ignored for each in claims] == [("spec.storageClassName",)] * 2


def test_a_pool_is_declared_as_it_was_written():
    assert usual()["nodepool/cpu"].inputs["spec"] == {
        "driver": "kwok",
        "capacity": {"cpu": "4", "memory": "8Gi"},
        "maxNodes": 3,
    }


def test_a_given_store_needs_no_server_and_an_opening_to_where_it_is():
    given = GivenStore(
        endpoint="https://s3.example",
        access_key="key",
        secret_key="given-hush",
        addresses=("192.0.2.0/24",),
    )
    found = platform(stack(store=Store(s3=given), network=Network(dns=("169.254.20.10/32",))))
    assert not [name for name in found if "seaweedfs" in name]
    assert not [text for each in found.values() for text in texts(each.inputs) if "hush" in text]
    egress = found["networkpolicy/headrace/headrace-receiver"].inputs["spec"]["egress"]
    assert {
        "to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
        "ports": [{"protocol": "TCP", "port": 443}],
    } in egress
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in egress[0]["to"]


@pytest.mark.parametrize(
    ("component", "name"),
    [
        ("queue", "nats"),
        ("store", "seaweedfs"),
        ("receiver", "receiver"),
        ("scaler", "scaler"),
        ("controller", "controller"),
    ],
)
def test_each_of_the_platforms_pods_has_openings_of_its_own_and_a_budget(component, name):
    found = usual()
    spec = found[f"networkpolicy/headrace/headrace-{component}"].inputs["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    assert found[f"poddisruptionbudget/headrace/{name}"].inputs["spec"]["maxUnavailable"] == 1


# Functions


def functions(**changes):
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "echo", "labels": {"team": "heart"}},
        "spec": {
            "run": {"handler": "echo:Classifier"},
            "image": "echo:1",
            "input": [{"bucket": "uploads"}],
            "output": [{"bucket": "results"}],
            "secrets": ["token"],
        },
    }
    settings = FunctionSettings(
        kubeconfig=KUBECONFIG,
        context="box",
        platform="organization/headrace/test",
        functions=("echo",),
        secrets={"token": {"KEY": "hush"}},
        **changes,
    )
    function = Rendered(Function.from_json(json.dumps(document)), document)

    def program():
        ground = Ground(provider(KUBECONFIG, "box"), wait=settings.wait)
        outputs = PlatformOutputs(
            pulumi.Output.from_input("their-namespace"), pulumi.Output.from_input({"uploads": "real-uploads"})
        )
        Functions("functions", FunctionsArgs(settings, [function], outputs, ground))

    return declared(program)


def test_a_function_comes_after_the_buckets_and_secrets_that_it_names():
    found = functions()
    function = found["function/echo"]
    assert function.after == {"bucket/uploads", "bucket/results", "secret/token"}
    assert function.inputs["metadata"] == {
        "name": "echo",
        "namespace": "their-namespace",
        "annotations": {"pulumi.com/waitFor": "condition=Ready"},
        "labels": {
            "team": "heart",
            "app.kubernetes.io/part-of": "headrace",
            "app.kubernetes.io/component": "function",
            "app.kubernetes.io/managed-by": "pulumi",
        },
    }
    assert found["secret/token"].inputs["stringData"] == Secret({"KEY": "hush"})


def test_a_bucket_is_called_in_the_store_as_the_platform_says():
    arn = "arn:aws:sns:::headrace"
    found = functions(
        buckets={"results": FunctionBucket(on_delete=OnBucketDelete.DELETE, notification_arn=arn)}
    )
    assert found["bucket/uploads"].inputs["spec"] == {"name": "real-uploads", "onDelete": "refuse"}
    assert found["bucket/results"].inputs["spec"] == {
        "name": "results",
        "onDelete": "delete",
        "notificationArn": arn,
    }


# Protection


def deployed(settings):
    return declared(lambda: deploy(settings, Path(), name="test"), outputs=MADE)


def protecting(*, protect):
    found = deployed(stack(wait=False, protect=protect))
    return {name for name, each in found.items() if each.is_protected}


def test_a_stack_that_is_protected_protects_what_holds_data_and_nothing_else():
    assert protecting(protect=True) == {
        *(f"customresourcedefinition/{kind}.headrace.dev" for kind in KINDS),
        *(f"namespace/{name}" for name in ("headrace", "headrace-functions")),
        *(f"{kind}/headrace/{name}" for kind in ("persistentvolumeclaim", "statefulset") for name in SERVERS),
        "bucket/headrace/headrace-platform",
        "pin-before-destroy",  # at which a destruction begins, and so ends
    }
    assert protecting(protect=False) == set()


def test_nothing_is_declared_before_the_cluster_is_known_and_it_is_looked_at_again_at_the_end():
    found = deployed(stack(wait=False, cluster_uid="1-1", protect=True))
    assert (found["cluster"].after, found["tenants"].after) == ({"pin", "tenants"}, {"pin"})
    for name in ("pin", "pin-before-destroy"):
        inputs = found[name].inputs
        assert (inputs["kubeconfig"], inputs["context"], inputs["expected"]) == (
            Secret(KUBECONFIG),
            "box",
            "1-1",
        )
    assert found["pin-before-destroy"].is_protected
    assert set(objects(found)) <= found["pin-before-destroy"].after | {"cluster"}

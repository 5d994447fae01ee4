"""What is made for a function: owned by its object, named by it alone, and no more open than it must be."""

import json

import pytest

from headrace.catalog.deployed import bucket_of
from headrace.manifests import function_objects as objects
from headrace.manifests.function_objects import Owner, Reach
from headrace.manifests.worker_pod import worker_pod
from headrace.model.function import Function, digest_of
from headrace.model.labels import FUNCTION
from headrace.model.settings import (
    KubernetesSettings,
    QueueSettings,
    ReceiverSettings,
    Settings,
    SidecarSettings,
    StorageSettings,
    WorkerSettings,
)

PLACE = KubernetesSettings(namespace="lab", platform_namespace="headrace")
OWNER = Owner("echo", "lab", "uid-1")
ECHO = Function.from_json(
    json.dumps(
        {
            "apiVersion": "headrace.dev/v1alpha1",
            "kind": "Function",
            "metadata": {"name": "echo"},
            "spec": {
                "image": "registry.example/echo",
                "run": {"script": "run.sh", "source": "echo 'ü'"},
                "input": [
                    {"bucket": "uploads"},
                    {"bucket": "archive"},
                    {"bucket": "uploads", "prefix": "b/"},
                ],
                "output": [{"bucket": "results"}, {"bucket": "archive"}],
            },
        }
    )
)
DIGEST = digest_of(ECHO, {})
MARKS = {
    "headrace.dev/function": "echo",
    "app.kubernetes.io/part-of": "headrace",
    "app.kubernetes.io/managed-by": "headrace-controller",
}


def settings(*, queue: str, store: str) -> Settings:
    return Settings(
        storage=StorageSettings(endpoint=store, access_key="a", secret_key="s"),
        queue=QueueSettings(url=queue),
        receiver=ReceiverSettings(port=8080, token="t"),
        worker=WorkerSettings(work_directory="w", secrets_directory="s"),
    )


@pytest.mark.parametrize(
    "made",
    [
        objects.config_map(ECHO, DIGEST, OWNER),
        objects.service_account(OWNER),
        objects.network_policy(OWNER, (), PLACE),
    ],
    ids=lambda made: made["kind"],
)
def test_each_object_belongs_to_the_function_and_says_whose_it_is(made):
    metadata = made["metadata"]
    assert metadata["namespace"] == "lab"
    assert metadata["labels"].items() >= MARKS.items()
    (owner,) = metadata["ownerReferences"]
    assert owner == {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "name": "echo",
        "uid": "uid-1",
        "controller": True,
        "blockOwnerDeletion": True,
    }


def test_the_config_map_holds_the_whole_function_and_is_never_changed():
    made = objects.config_map(ECHO, DIGEST, OWNER)
    assert Function.from_json(made["data"]["function.yaml"]) == ECHO
    assert made["immutable"] is True
    assert made["metadata"]["name"] == f"echo-{DIGEST[:10]}"
    assert made["metadata"]["labels"]["headrace.dev/digest"] == DIGEST[:10]


def test_the_account_and_the_config_map_are_those_that_worker_pods_name():
    sidecar = SidecarSettings(image="registry.example/headrace")
    kubernetes = KubernetesSettings(namespace="lab", platform_namespace="headrace", sidecar=sidecar)
    spec = worker_pod(ECHO, DIGEST, ordinal=0, node="n1", settings=kubernetes)["spec"]
    account, text = objects.service_account(OWNER), objects.config_map(ECHO, DIGEST, OWNER)
    assert spec["serviceAccountName"] == account["metadata"]["name"]
    mounted = {each["configMap"]["name"] for each in spec["volumes"] if "configMap" in each}
    assert mounted == {text["metadata"]["name"]}


def test_the_account_gives_no_token():
    assert objects.service_account(OWNER)["automountServiceAccountToken"] is False


def test_workers_are_reached_by_nobody_and_reach_names_queue_and_store():
    reaches = objects.reaches_of(settings(queue="tls://nats.headrace:4222", store="http://10.0.0.7:8333"))
    spec = objects.network_policy(OWNER, reaches, PLACE)["spec"]
    assert spec["podSelector"] == {"matchLabels": {FUNCTION: "echo"}}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in spec, "none is allowed"
    names, queue, store = spec["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert names["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == "kube-system"
    assert queue == {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "headrace"}},
                "podSelector": {
                    "matchLabels": {
                        "app.kubernetes.io/part-of": "headrace",
                        "app.kubernetes.io/component": "queue",
                    }
                },
            }
        ],
        "ports": [{"protocol": "TCP", "port": 4222}],
    }
    assert store == {
        "to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}],
        "ports": [{"protocol": "TCP", "port": 8333}],
    }


EVERYWHERE = ["0.0.0.0/0", "::/0"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("nats.headrace", None),
        ("nats.headrace.svc", None),
        ("nats.headrace.svc.cluster.local", None),
        ("nats.other.svc", EVERYWHERE),
        ("s3.headrace.example.org", EVERYWHERE),
        ("s3.example.org", EVERYWHERE),
        ("10.1.2.3", ["10.1.2.3/32"]),
        ("fd00::1", ["fd00::1/128"]),
    ],
)
def test_a_server_is_told_by_its_pods_inside_and_by_its_address_outside(host, expected):
    peers = Reach(host, 1, "queue").peers("headrace")
    assert [each.get("ipBlock", {}).get("cidr") for each in peers] == (expected or [None])


@pytest.mark.parametrize(
    ("queue", "store", "ports"),
    [
        ("nats://q", "http://s", (4222, 80)),
        ("tls://q:1", "https://s", (1, 443)),
        ("tls://q:1", "https://s:9000", (1, 9000)),
    ],
)
def test_a_port_that_is_not_written_is_the_usual_one(queue, store, ports):
    assert tuple(each.port for each in objects.reaches_of(settings(queue=queue, store=store))) == ports


def test_workers_without_a_key_reach_awss_store_and_who_gives_pods_their_identity():
    own = settings(queue="nats://q", store="").model_copy(
        update={"storage": StorageSettings(region="eu-west-1")}
    )
    _, store, *identity = objects.reaches_of(own)
    assert store == Reach("s3.eu-west-1.amazonaws.com", 443, "store")
    blocks = [(each.port, each.peers("headrace")) for each in identity]
    assert blocks == [
        (80, [{"ipBlock": {"cidr": "169.254.170.23/32"}}]),
        (80, [{"ipBlock": {"cidr": "fd00:ec2::23/128"}}]),
    ]


def test_buckets_are_named_once_in_the_order_of_their_first_use():
    assert ECHO.bucket_names == ("uploads", "archive", "results")


@pytest.mark.parametrize(("real", "spec"), [("uploads", {}), ("lab-uploads", {"name": "lab-uploads"})])
def test_a_bucket_that_nobody_declared_belongs_to_no_function(real, spec):
    made = objects.bucket("uploads", real, "lab")
    assert made["spec"] == spec
    assert "ownerReferences" not in made["metadata"]
    found = bucket_of(made)
    assert (found.name, found.real_name, found.spec.on_delete) == ("uploads", real, "refuse")

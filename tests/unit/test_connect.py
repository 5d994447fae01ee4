"""A cluster's stack in a state folder: forwarded addresses, settings, functions, wishes."""

import asyncio
import base64
import json
from pathlib import Path

import pytest

from headrace.connect.cluster import _addresses
from headrace.connect.following import Follower, read_objects
from headrace.connect.forwarding import Target, command_of, forwarded, target_of
from headrace.connect.operator import authority_of, localized, settings_of
from headrace.files.wishes import wish
from headrace.kube.kinds import CONFIG_MAPS, FUNCTIONS, NODE_POOLS, NODES
from headrace.kube.memory import MemoryKube
from headrace.local.state import StateDirectory
from headrace.model import labels
from headrace.model.errors import ConfigurationError
from headrace.model.node import NodeState
from headrace.model.settings import (
    KubernetesSettings,
    QueueSettings,
    ReceiverSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)
from headrace.model.status_page import StatusSettings
from headrace.scaler.explaining import Explanation, NodeStory
from headrace.scaler.kubernetes.telling import explanation_of
from headrace.scaler.plan import Reason, ReasonCode
from tests.fixtures.kube import until

HERE = {"folder": Path("/state"), "kubeconfig": Path("/lab.yaml")}
PLACE = KubernetesSettings(namespace="headrace-functions", platform_namespace="headrace")
SETTINGS = Settings(
    storage=StorageSettings(endpoint="http://seaweedfs.headrace.svc:8333", access_key="a", secret_key="s"),
    queue=QueueSettings(
        url="tls://nats.headrace.svc:4222", user="operator", password="p", ca_file="/etc/ca.crt"
    ),
    receiver=ReceiverSettings(port=8080, token="t"),
    worker=WorkerSettings(work_directory="/w", secrets_directory="/s"),
    kubernetes=PLACE,
)


def secret(**data: bytes) -> dict:
    return {"data": {name: base64.b64encode(value).decode() for name, value in data.items()}}


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("tls://nats.headrace.svc:4222", Target("nats", "headrace", 4222)),
        ("nats://nats.headrace.svc.cluster.local", Target("nats", "headrace", 4222)),
        ("http://seaweedfs.headrace.svc:8333", Target("seaweedfs", "headrace", 8333)),
        ("http://seaweedfs.headrace.svc", Target("seaweedfs", "headrace", 80)),
        ("https://s3.example.org", None),
        ("http://10.0.0.1:9000", None),
        ("http://localhost:8333", None),
    ],
)
def test_a_service_is_known_by_its_name_in_the_cluster(url, target):
    assert target_of(url) == target


def test_kubectl_is_called_with_the_named_kubeconfig_and_nothing_ambient():
    assert command_of(Target("nats", "headrace", 4222), 5000, Path("/k.yaml")) == (
        "kubectl", "--kubeconfig=/k.yaml", "--namespace=headrace",
        "port-forward", "--address=127.0.0.1", "service/nats", "5000:4222",
    )  # fmt: skip


def test_a_forwarded_address_keeps_all_but_the_host():
    assert forwarded("http://seaweedfs.headrace.svc:8333/x?y=1", 5000) == "http://127.0.0.1:5000/x?y=1"


def test_settings_by_way_of_forwards_check_the_certificate_against_the_services_name():
    found = localized(
        SETTINGS, store=5001, queue=5002, status=None, folder=Path("/state"), kubeconfig=Path("/lab.yaml")
    )
    queue = SETTINGS.queue.model_copy(
        update={
            "url": "tls://127.0.0.1:5002",
            "tls_hostname": "nats.headrace.svc",
            "ca_file": "/state/ca.crt",
        }
    )
    storage = SETTINGS.storage.model_copy(update={"endpoint": "http://127.0.0.1:5001"})
    place = SETTINGS.kubernetes.model_copy(update={"kubeconfig": "/lab.yaml"})
    wanted = {
        "queue": queue,
        "storage": storage,
        "functions_directory": "/state/functions",
        "kubernetes": place,
    }
    assert found == SETTINGS.model_copy(update=wanted)


def test_the_status_page_is_reached_by_its_forward_too():
    page = StatusSettings(host="0.0.0.0", port=8080, token="t" * 20)
    told = SETTINGS.model_copy(update={"status": page})
    assert dict(_addresses(told))["status page"] == "http://status.headrace.svc:8080"
    found = localized(
        told, store=1, queue=2, status=5003, folder=Path("/state"), kubeconfig=Path("/lab.yaml")
    )
    assert (found.status.host, found.status.port, found.status.token) == ("127.0.0.1", 5003, "t" * 20)
    assert "status page" not in dict(_addresses(SETTINGS))


def test_what_is_reached_directly_keeps_its_address():
    found = localized(
        SETTINGS, store=None, queue=None, status=None, folder=Path("/state"), kubeconfig=Path("/lab.yaml")
    )
    assert (found.storage, found.queue.url) == (SETTINGS.storage, SETTINGS.queue.url)


def test_a_store_of_aws_is_reached_directly():
    assert target_of(StorageSettings(region="eu-west-1").address) is None


def test_the_operators_secret_gives_settings_and_authority():
    held = secret(**{labels.SETTINGS_KEY: SETTINGS.to_json(), labels.AUTHORITY_KEY: b"pem"})
    assert (settings_of(held), authority_of(held)) == (SETTINGS, b"pem")


@pytest.mark.parametrize(
    "held",
    [
        {},
        {"data": {}},
        {"data": {labels.SETTINGS_KEY: "%"}},
        secret(**{labels.SETTINGS_KEY: b'{"storage": "hidden"}'}),
    ],
)
def test_a_secret_that_is_none_is_refused_without_its_content(held):
    with pytest.raises(ConfigurationError, match="secret headrace-operator") as refusal:
        settings_of(held)
    assert "hidden" not in str(refusal.value)


def function(name: str, **spec: object) -> dict:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Function",
        "metadata": {"name": name, "namespace": PLACE.namespace},
        "spec": {"image": "i", "run": {"handler": "a:B"}, "input": [{"bucket": "uploads"}], **spec},
    }


def plan(at: float) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "headrace-plan",
            "namespace": PLACE.platform_namespace,
            "labels": {labels.COMPONENT: "scaler"},
        },
        "data": {"plan.json": Explanation(at=at).to_json().decode()},
    }


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    found = StateDirectory(tmp_path / "state")
    found.prepare()
    return found


async def test_a_follower_writes_functions_and_plan_and_carries_wishes(state):
    kube = MemoryKube()
    await kube.create(FUNCTIONS, function("echo"))
    await kube.create(FUNCTIONS, function("broken", run={}))
    await kube.create(CONFIG_MAPS, plan(5.0))
    await kube.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    settings = localized(
        SETTINGS, store=1, queue=2, status=None, folder=state.path, kubeconfig=Path("/lab.yaml")
    )
    async with Follower(kube, settings, PLACE, state).following():
        assert [each.function.name for each in read_objects(state.path / "functions")] == ["echo"]
        assert Explanation.from_json(state.plan.read_bytes()).at == 5.0
        wish(state.wishes, "n1", enabled=False)
        for _ in range(200):
            node = await kube.get(NODES, "n1")
            if node["metadata"].get("annotations"):
                break
            await asyncio.sleep(0.02)
    assert node["metadata"]["annotations"] == {labels.ENABLED: "false"}


async def test_a_wish_of_the_last_moment_is_carried_as_well(state):
    """The next connection takes for carried what it finds."""
    kube = MemoryKube()
    await kube.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    settings = localized(
        SETTINGS, store=1, queue=2, status=None, folder=state.path, kubeconfig=Path("/lab.yaml")
    )
    async with Follower(kube, settings, PLACE, state).following():
        wish(state.wishes, "n1", enabled=False)
    node = await kube.get(NODES, "n1")
    assert node["metadata"]["annotations"] == {labels.ENABLED: "false"}


async def test_a_wish_of_a_clouds_node_goes_to_the_object_that_it_has_or_to_its_pool(state):
    kube = MemoryKube()
    nodes = [
        NodeStory(name, "gpu", NodeState.OFF, 0.0, Reason(ReasonCode.IDLE, "")) for name in ("gpu-0", "gpu-1")
    ]
    told = plan(5.0)
    told["data"]["plan.json"] = Explanation(at=5.0, nodes=tuple(nodes)).to_json().decode()
    await kube.create(CONFIG_MAPS, told)
    off = {labels.enabled_of(name): "false" for name in ("gpu-0", "gpu-1")}
    await kube.create(NODE_POOLS, {"metadata": {"name": "gpu", "annotations": off}, "spec": {}})
    await kube.create(NODES, {"metadata": {"name": "ip-10-0-0-1", "labels": {labels.NODE: "gpu-0"}}})
    settings = localized(
        SETTINGS, store=1, queue=2, status=None, folder=state.path, kubeconfig=Path("/lab.yaml")
    )

    async def carried() -> bool:
        pool = await kube.get(NODE_POOLS, "gpu")
        return pool["metadata"]["annotations"] == {labels.enabled_of("gpu-1"): "true"}

    async with Follower(kube, settings, PLACE, state).following():
        for node in ("gpu-0", "gpu-1"):
            wish(state.wishes, node, enabled=True)
        await until(carried)
    node = await kube.get(NODES, "ip-10-0-0-1")
    assert node["metadata"]["annotations"] == {labels.ENABLED: "true"}


def test_a_plan_of_another_version_is_none():
    assert explanation_of({"data": {"plan.json": json.dumps({"at": "soon"})}}) is None

"""What a stack declares for GPUs: the DRA driver's pods and rights, and how NVIDIA's plugin shares GPUs."""

import json

import pytest
import yaml
from pydantic import ValidationError

from infra import access, names
from infra.manifests import gpus as manifests
from infra.manifests.parts import written
from infra.settings import StackSettings

POOLS = {
    "plain": {"driver": "kwok", "capacity": {"cpu": "8", "memory": "32Gi"}, "maxNodes": 2},
}


def pool(sharing: dict[str, object] | None = None) -> dict[str, object]:
    told = {"model": "A100", "memory": "40Gi", **({"sharing": sharing} if sharing else {})}
    return {**POOLS["plain"], "gpu": told}


def stack(**more: object) -> StackSettings:
    usual = {"kubeconfig": "/some/file", "context": "box", "pools": POOLS}
    return StackSettings.from_json(json.dumps({**usual, **more}))


REMOTE = {
    "networks": ["10.9.0.0/24"],
    "servers": {
        "gpu1": {
            "address": "10.9.0.11", "port": 8308, "backend": "rcuda", "maxSessions": 4,
            "devices": [{"model": "T4", "memory": "16Gi"}],
        }
    },
    "rcuda": {"folder": "/srv/rcuda", "protocol": "TCP"},
}  # fmt: skip


# Sharing


def test_each_pool_that_shares_has_a_part_of_the_device_plugins_configuration():
    pools = {
        "a": pool({"timeslice": 10}),
        "b": pool({"mps": 4}),
        "c": pool({"mig": {"1g.5gb": 7}}),
        "d": pool(),
    }
    made = stack(pools=pools, devicePlugin={"namespace": "nvidia"})
    assert made.device_plugin is not None
    config = manifests.device_plugin_config(made.pools, made.device_plugin)
    assert config["metadata"]["namespace"] == "nvidia"
    assert {name: yaml.safe_load(text) for name, text in config["data"].items()} == {
        "default": {"version": "v1", "flags": {"migStrategy": "none"}},
        "a": {
            "version": "v1",
            "flags": {"migStrategy": "none"},
            "sharing": {
                "timeSlicing": {
                    "renameByDefault": True,
                    "failRequestsGreaterThanOne": True,
                    "resources": [{"name": "nvidia.com/gpu", "replicas": 10}],
                }
            },
        },
        "b": {
            "version": "v1",
            "flags": {"migStrategy": "none"},
            "sharing": {
                "mps": {"renameByDefault": True, "resources": [{"name": "nvidia.com/gpu", "replicas": 4}]}
            },
        },
        "c": {"version": "v1", "flags": {"migStrategy": "mixed"}},
    }


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"pools": {"a": pool({"mps": 4})}}, "share their GPUs (a) and no devicePlugin"),
        ({"pools": {"a": pool({"mps": 4, "mig": {"1g.5gb": 7}})}}, "found mps and mig, allowed exactly one"),
        ({"pools": {"a": pool({"mps": 49})}}, "less than or equal to 48"),
        ({"pools": {"a": pool({"mig": {"1g.5gb": 8}})}}, "less than or equal to 7"),
        ({"pools": {"a": pool({"mig": {"3g.20gb": 2, "1g.5gb": 2}})}}, "found 8 compute slices"),
        ({"remoteGpus": {**REMOTE, "networks": []}}, "remoteGpus"),
        ({"remoteGpus": {**REMOTE, "namespace": "headrace"}}, "another of the stack's"),
        (
            {"remoteGpus": {**REMOTE, "servers": {"g": {**REMOTE["servers"]["gpu1"], "pool": "lab"}}}},
            "found remoteGpus.servers.g in pools.lab, which is not there, allowed plain",
        ),
    ],
)
def test_what_can_not_be_shared_or_reached_is_refused(more, message):
    with pytest.raises(ValidationError) as caught:
        stack(**more)
    assert message in str(caught.value)


# The driver


def test_the_plugin_may_do_what_it_needs_with_the_node_and_no_more():
    made = stack(remoteGpus=REMOTE)
    assert made.remote_gpus is not None
    pod = manifests.plugin(made, made.remote_gpus)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {each["hostPath"]["path"] for each in pod["volumes"]} == {
        "/var/lib/kubelet/plugins_registry",
        "/var/lib/kubelet/plugins",
        "/var/run/cdi",
        "/var/lib/headrace/gpu",
    }
    assert {each["mountPath"] for each in container["volumeMounts"]} == {
        each["hostPath"]["path"] for each in pod["volumes"]
    }
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    options = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    assert (options["--rcuda"], options["--rcuda-protocol"]) == ("/srv/rcuda", "TCP")


def test_a_server_is_declared_as_it_was_written():
    made = stack(remoteGpus=REMOTE)
    assert made.remote_gpus is not None
    declared = written("GpuServer", "gpu1", names.PUBLISHER, made.remote_gpus.servers["gpu1"])
    assert declared["spec"] == REMOTE["servers"]["gpu1"]


def test_rights_are_the_least():
    assert access.gpu_plugin().cluster == [
        {"apiGroups": ["resource.k8s.io"], "resources": ["resourceclaims"], "verbs": ["get"]},
        {"apiGroups": ["headrace.dev"], "resources": ["gpuservers"], "verbs": ["get"]},
    ]
    written = [each for each in access.publisher().cluster if set(each["verbs"]) - set(access.READ)]
    assert [(each["resources"], tuple(each["verbs"])) for each in written] == [
        (["gpuservers/status"], ("patch", "update")),
        (["resourceslices"], ("create", "update", "delete")),
    ]


def test_who_looks_at_gpu_servers_may_read_them():
    for service in (names.SCALER, names.CONTROLLER):
        read = [rule["resources"] for rule in access.of_service(service, [], remote_gpus=True).cluster]
        assert ["gpuservers"] in read


def test_a_stack_without_remote_gpus_asks_for_no_right_on_them():
    for service in (names.SCALER, names.CONTROLLER):
        without = access.of_service(service, [])
        groups = [rule["apiGroups"] for rule in (*without.cluster, *without.functions)]
        assert ["resource.k8s.io"] not in groups
        within = access.of_service(service, [], remote_gpus=True)
        assert ["resource.k8s.io"] in [rule["apiGroups"] for rule in (*within.cluster, *within.functions)]

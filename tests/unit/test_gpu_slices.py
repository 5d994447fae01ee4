"""What Kubernetes is told of GPU servers, and what is read from it: golden slices, claims."""

import json
from typing import Any

from headrace.manifests.gpu_claims import claim_spec, device_class
from headrace.manifests.gpu_slices import (
    Grant,
    Held,
    Published,
    Silence,
    held_in,
    published_in,
    resource_slice,
    sessions_by_gpu,
)
from headrace.model.function import Isolation
from headrace.model.gpu_server import GpuServer
from headrace.placement.ways import GpuClaim

GIB = 2**30


def server(**spec: Any) -> GpuServer:
    usual = {
        "address": "10.0.0.11",
        "port": 8308,
        "backend": "rcuda",
        "maxSessions": 5,
        "devices": [
            {"model": "A100", "memory": "40Gi", "cudaVersion": "9.0"},
            {"model": "T4", "memory": "16Gi"},
        ],
        "nodeSelector": {"zone": "lab"},
    }
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "GpuServer",
        "metadata": {"name": "gpu1"},
        "spec": {**usual, **spec},
    }
    return GpuServer.from_json(json.dumps(document))


ATTRIBUTES = {
    "backend": {"string": "rcuda"},
    "isolation": {"string": "none"},
    "isolatesMemory": {"bool": False},
    "zone": {"string": "lab"},
}


def capacity(memory: str, sessions: int) -> dict[str, Any]:
    grains = {"min": "1Mi", "step": "1Mi"}
    return {
        "memory": {"value": memory, "requestPolicy": {"default": memory, "validRange": grains}},
        "sessions": {"value": str(sessions), "requestPolicy": {"default": "1", "validValues": ["1"]}},
    }


GOLDEN = {
    "apiVersion": "resource.k8s.io/v1",
    "kind": "ResourceSlice",
    "metadata": {
        "name": "headrace-gpu1",
        "labels": {
            "app.kubernetes.io/part-of": "headrace",
            "app.kubernetes.io/managed-by": "headrace-publisher",
        },
    },
    "spec": {
        "driver": "gpu.headrace.dev",
        "pool": {"name": "gpu1", "generation": 3, "resourceSliceCount": 1},
        "nodeSelector": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["lab"]}]}
            ]
        },
        "devices": [
            {
                "name": "gpu-0",
                "allowMultipleAllocations": True,
                "attributes": {
                    **ATTRIBUTES,
                    "id": {"string": "gpu1-0"},
                    "model": {"string": "A100"},
                    "cudaVersion": {"version": "9.0.0"},
                },
                "capacity": capacity("40960Mi", 3),
            },
            {
                "name": "gpu-1",
                "allowMultipleAllocations": True,
                "attributes": {**ATTRIBUTES, "id": {"string": "gpu1-1"}, "model": {"string": "T4"}},
                "capacity": capacity("16384Mi", 2),
            },
        ],
    },
}


def test_a_server_is_a_pool_of_one_slice():
    assert resource_slice(server(), generation=3) == GOLDEN


def test_a_server_that_does_not_answer_is_tainted_on_every_device():
    found = resource_slice(server(), generation=4, silence=Silence("2026-11-26T09:00:00Z"))
    taint = {"key": "gpu.headrace.dev/silent", "effect": "NoSchedule", "timeAdded": "2026-11-26T09:00:00Z"}
    assert [device["taints"] for device in found["spec"]["devices"]] == [[taint], [taint]]


def test_a_server_that_every_node_reaches_says_so():
    spec = resource_slice(server(nodeSelector={}), generation=1)["spec"]
    assert spec["allNodes"] is True
    assert "nodeSelector" not in spec


def test_sessions_are_shared_out_and_a_gpu_without_any_is_left_out():
    assert sessions_by_gpu(server(maxSessions=1)) == [1, 0]
    devices = resource_slice(server(maxSessions=1), generation=1)["spec"]["devices"]
    assert [each["name"] for each in devices] == ["gpu-0"]


def test_what_is_published_is_read_back():
    silent = resource_slice(server(), generation=4, silence=Silence("2026-11-26T09:00:00Z"))
    other = {"spec": {"driver": "gpu.nvidia.com", "pool": {"name": "n"}, "devices": [{"name": "x"}]}}
    assert published_in([other, GOLDEN]) == (
        Published("gpu1", 0, 40 * GIB, 3, "rcuda", "A100"),
        Published("gpu1", 1, 16 * GIB, 2, "rcuda", "T4"),
    )
    assert [each.silent for each in published_in([silent])] == [True, True]


def allocated(driver: str = "gpu.headrace.dev", **status: Any) -> dict[str, Any]:
    result = {
        "request": "gpu",
        "driver": driver,
        "pool": "gpu1",
        "device": "gpu-1",
        "consumedCapacity": {"memory": "4Gi", "sessions": "1"},
        "shareID": "b0f5",
    }
    return {
        "metadata": {"namespace": "lab", "name": "echo-1", "uid": "u"},
        "status": {"allocation": {"devices": {"results": [result]}}, **status},
    }


def test_an_allocated_claim_tells_what_it_holds_and_for_whom():
    claim = allocated(reservedFor=[{"resource": "pods", "name": "echo-0", "uid": "p"}])
    assert held_in([claim]) == (
        Held("lab", "echo-1", "u", (Grant("gpu1", 1, 4 * GIB, "b0f5", "gpu"),), ("echo-0",)),
    )


def test_a_claim_that_waits_or_is_anothers_holds_nothing_of_ours():
    waiting = {"metadata": {"namespace": "lab", "name": "a", "uid": "u"}}
    assert held_in([waiting, {**waiting, "status": {}}, allocated(driver="gpu.nvidia.com")]) == ()


# Claims


def test_a_claim_of_one_gpu_asks_for_memory_in_whole_mebibytes():
    found = claim_spec(GpuClaim(1, 10**9, Isolation.NONE))
    exactly = {
        "deviceClassName": "gpu.headrace.dev",
        "allocationMode": "ExactCount",
        "count": 1,
        "capacity": {"requests": {"memory": "954Mi"}},
    }
    assert found == {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}


def test_a_claim_of_several_isolated_ones_names_constraints():
    found = claim_spec(GpuClaim(2, None, Isolation.MEMORY))["devices"]
    (request,) = found["requests"]
    isolates = "device.attributes['gpu.headrace.dev'].isolatesMemory"
    assert request["exactly"] == {
        "deviceClassName": "gpu.headrace.dev",
        "allocationMode": "ExactCount",
        "count": 2,
        "selectors": [{"cel": {"expression": isolates}}],
    }
    assert found["constraints"] == [
        {"requests": ["gpu"], "matchAttribute": "gpu.headrace.dev/backend"},
        {"requests": ["gpu"], "distinctAttribute": "gpu.headrace.dev/id"},
    ]


def test_one_class_serves_claims_and_plain_limits():
    spec = device_class()["spec"]
    assert spec["extendedResourceName"] == "gpu.headrace.dev/gpu"

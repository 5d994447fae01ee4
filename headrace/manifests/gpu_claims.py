"""How a pod asks for GPUs of servers: the device class, and the template of a function's claims. Pure.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from collections.abc import Mapping
from typing import Any

from headrace.manifests.gpu_slices import API, MEBI
from headrace.model.function import Isolation
from headrace.model.labels import GPU_DRIVER, HEADRACE, PART_OF, SERVER_GPU, short_digest
from headrace.placement.ways import GpuClaim

Manifest = Mapping[str, Any]

REQUEST = "gpu"  # in a claim
CLAIM = "gpu"  # in a pod's spec


def device_class() -> Manifest:
    """GPUs of servers; in plain `limits` one stands for a whole GPU of a server."""
    return {
        "apiVersion": API,
        "kind": "DeviceClass",
        "metadata": {"name": GPU_DRIVER, "labels": {PART_OF: HEADRACE}},
        "spec": {
            "selectors": [{"cel": {"expression": f"device.driver == '{GPU_DRIVER}'"}}],
            "extendedResourceName": SERVER_GPU,
        },
    }


def claim_template_name(function: str, digest: str) -> str:
    """The name of the template of which each worker of a function gets its claim."""
    return f"{function}-{short_digest(digest)}"


def claim_spec(claim: GpuClaim) -> Manifest:
    """The `spec` of a claim: all its GPUs by one backend, no two of them the same."""
    needs: dict[str, Any] = {
        "deviceClassName": GPU_DRIVER,
        "allocationMode": "ExactCount",
        "count": claim.count,
    }
    if claim.memory_bytes is not None:
        needs["capacity"] = {"requests": {"memory": f"{-(-claim.memory_bytes // MEBI)}Mi"}}
    if claim.isolation is not Isolation.NONE:
        isolates = f"device.attributes['{GPU_DRIVER}'].isolatesMemory"
        needs["selectors"] = [{"cel": {"expression": isolates}}]
    several = [
        {"requests": [REQUEST], "matchAttribute": f"{GPU_DRIVER}/backend"},
        {"requests": [REQUEST], "distinctAttribute": f"{GPU_DRIVER}/id"},
    ]
    return {
        "devices": {
            "requests": [{"name": REQUEST, "exactly": needs}],
            **({"constraints": several} if claim.count > 1 else {}),
        }
    }

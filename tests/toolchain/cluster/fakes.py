"""Nodes that exist in the API alone; kwok plays their kubelets."""

from collections.abc import Mapping
from typing import Any

from headrace.model import labels

ANNOTATION = {"kwok.x-k8s.io/node": "fake"}


def fake_node(
    name: str,
    *,
    pool: str = "",
    resources: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
    taints: tuple[dict[str, str], ...] = (),
) -> dict[str, Any]:
    """A node as kubelet would register it; `resources` in Kubernetes' notation, `extra` are labels."""
    offered = {"cpu": "4", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi", **(resources or {})}
    marks = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        **({labels.POOL: pool} if pool else {}),
        **(extra or {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": marks, "annotations": ANNOTATION},
        "spec": {"taints": list(taints)} if taints else {},
        "status": {"allocatable": offered, "capacity": offered},
    }

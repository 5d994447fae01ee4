"""What a node of a pool will be, told on its Auto Scaling group: from nothing, there is no node to look at.

Headrace's own scaler reads the pool. Tags of these names are what Cluster Autoscaler and others read:
https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md
"""

from collections.abc import Mapping

from headrace.model.labels import POOL
from headrace.model.pool import NodePool, NodePoolSpec, PoolMetadata, TaintEffect

TEMPLATE = "k8s.io/cluster-autoscaler/node-template"
# NVIDIA's daemon of MPS runs on nodes with this label.
MPS_LABEL = {"nvidia.com/mps.capable": "true"}
_EFFECTS = {
    TaintEffect.NO_SCHEDULE: "NO_SCHEDULE",
    TaintEffect.PREFER_NO_SCHEDULE: "PREFER_NO_SCHEDULE",
    TaintEffect.NO_EXECUTE: "NO_EXECUTE",
}


def labels(name: str, spec: NodePoolSpec) -> Mapping[str, str]:
    """Labels of each node of a pool, from its start."""
    shared = spec.gpu is not None and spec.gpu.sharing is not None and spec.gpu.sharing.mps is not None
    return {**(MPS_LABEL if shared else {}), **_pool(name, spec).node_labels, POOL: name}


def effect(wanted: TaintEffect) -> str:
    """A taint's effect as EKS spells it."""
    return _EFFECTS[wanted]


def tags(name: str, spec: NodePoolSpec) -> Mapping[str, str]:
    """Tag -> value."""
    offers = spec.gpu.offers if spec.gpu else ()
    resources = {**spec.capacity, **{each.resource: str(each.count) for each in offers}}
    return {
        **{f"{TEMPLATE}/label/{key}": value for key, value in labels(name, spec).items()},
        **{f"{TEMPLATE}/taint/{each.key}": f"{each.value}:{each.effect.value}" for each in spec.taints},
        **{f"{TEMPLATE}/resources/{key}": amount for key, amount in resources.items()},
    }


def _pool(name: str, spec: NodePoolSpec) -> NodePool:
    return NodePool(
        api_version="headrace.dev/v1alpha1", kind="NodePool", metadata=PoolMetadata(name=name), spec=spec
    )

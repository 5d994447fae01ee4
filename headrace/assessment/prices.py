"""What an hour of a worker costs: its share of its node, and of the servers whose GPUs it uses. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.kube.naming import labels_of
from headrace.model.gpu_server import GpuServer
from headrace.model.labels import POOL
from headrace.model.pool import NodePool
from headrace.model.quantity import parse_bytes
from headrace.nodes.cluster import request_of_pod
from headrace.placement.ways import GpuClaim

Manifest = Mapping[str, Any]


class UnpricedError(Exception):
    """What has no price, for people."""


def of_pod(pod: Manifest, nodes: Mapping[str, Manifest], pools: Mapping[str, NodePool]) -> float:
    """An hour of a pod, where its node is full of such. Raises UnpricedError for a node of no pool."""
    node = pod["spec"].get("nodeName", "")
    pool = pools.get(labels_of(nodes[node]).get(POOL, "")) if node in nodes else None
    if pool is None:
        raise UnpricedError(f"node {node} belongs to no pool, whose pricePerHour would count")
    return pool.spec.price_per_hour / max(1, request_of_pod(pod).count_in(pool.allocatable))


def of_claim(claim: GpuClaim, servers: Sequence[GpuServer], pools: Mapping[str, NodePool]) -> float:
    """An hour of a claim's share of the memory of its servers, on average where it may be of several.

    Raises UnpricedError for servers of no pool.
    """
    shares = [_share(claim, each) * _price(each, pools) for each in servers]
    if not shares:
        raise UnpricedError("it is not known which GPU servers served it")
    return sum(shares) / len(shares)


def _share(claim: GpuClaim, server: GpuServer) -> float:
    memories = [parse_bytes(device.memory) for device in server.spec.devices]
    each = max(memories) if claim.memory_bytes is None else claim.memory_bytes
    return min(1.0, claim.count * each / sum(memories))


def _price(server: GpuServer, pools: Mapping[str, NodePool]) -> float:
    pool = pools.get(server.spec.pool or "")
    if pool is None:
        raise UnpricedError(f"GPU server {server.name} names no pool, whose pricePerHour would count")
    return pool.spec.price_per_hour

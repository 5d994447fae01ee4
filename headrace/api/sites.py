"""What /system/status tells: of a cluster its nodes, of one machine that machine."""

import os
import platform
from collections.abc import Awaitable, Callable

import psutil

from headrace.api.documents import Amount, Cluster, Node, Oscar, Status
from headrace.api.system_calls import Site
from headrace.kube.kinds import NODES
from headrace.kube.port import Kube, Manifest
from headrace.model.quantity import parse_bytes, parse_millicores

_GPUS = "nvidia.com/gpu"
Jobs = Callable[[], Awaitable[int]]  # how many files are in the queue


def machine_site(jobs: Jobs) -> Site:
    """This machine."""

    async def status() -> Status:
        cpu = Amount(capacity_cores=1000 * len(os.sched_getaffinity(0)))
        memory = Amount(capacity_bytes=psutil.virtual_memory().total)
        return _status((Node(name=platform.node(), cpu=cpu, memory=memory, status="Ready"),), await jobs())

    return Site("", status)


def cluster_site(kube: Kube, jobs: Jobs) -> Site:
    """A cluster, whose nodes this service may list."""

    async def status() -> Status:
        nodes = tuple(_node(each) for each in (await kube.list(NODES)).items)
        return _status(nodes, await jobs())

    return Site("", status)


def _status(nodes: tuple[Node, ...], jobs: int) -> Status:
    return Status(cluster=Cluster(nodes_count=len(nodes), nodes=nodes), oscar=Oscar(jobs_count=jobs))


def _node(manifest: Manifest) -> Node:
    status = manifest.get("status", {})
    capacity = status.get("capacity", {})
    ready = any(
        each.get("type") == "Ready" and each.get("status") == "True" for each in status.get("conditions", ())
    )
    return Node(
        name=manifest["metadata"]["name"],
        cpu=Amount(capacity_cores=parse_millicores(capacity.get("cpu", "0"))),
        memory=Amount(capacity_bytes=parse_bytes(capacity.get("memory", "0"))),
        gpu=int(capacity.get(_GPUS, "0")),
        status="Ready" if ready else "NotReady",
    )

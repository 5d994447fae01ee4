"""This machine as the scaler sees it: a pool of one node that is always on, where starting costs no boot."""

import psutil

from headrace.model.pool import Driver, NodePool, NodePoolSpec, PoolMetadata
from headrace.model.resources import CPU, EPHEMERAL_STORAGE, MEMORY, PODS
from headrace.nodes.local import NAME

# What is not watched here, and so never bounds the number of workers.
PLENTY = {EPHEMERAL_STORAGE: "1Ei", PODS: "1000000"}


def this_machine(cores: int) -> NodePool:
    """Its pool: `cores` for workers, whatever the machine has, and all its memory."""
    capacity = {CPU: str(cores), MEMORY: str(psutil.virtual_memory().total), **PLENTY}
    spec = NodePoolSpec(
        driver=Driver.LOCAL,
        capacity=capacity,
        price_per_hour=0.0,
        boot_seconds=0.0,
        min_nodes=1,
        max_nodes=1,
    )
    return NodePool(
        api_version="headrace.dev/v1alpha1", kind="NodePool", metadata=PoolMetadata(name=NAME), spec=spec
    )

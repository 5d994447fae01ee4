"""Whose nodes the platform can switch on Kubernetes: the scaler acts by it, the controller tells it."""

from headrace.model.pool import Driver, NodePool, Provides
from headrace.model.settings import KubernetesSettings

ON_KUBERNETES = (Driver.EKS, Driver.POWER, Driver.KWOK, Driver.STATIC)


def unswitched(pool: NodePool, place: KubernetesSettings) -> str:
    """Why nobody on Kubernetes can switch the pool's nodes, for people; empty: its driver works there."""
    if pool.spec.provides is Provides.GPU_SERVERS and not place.gpu_networks:
        return "its hosts serve GPUs to nobody: found no remoteGpus in the stack; write it, or drop the pool"
    if pool.spec.driver is Driver.POWER and place.hosts is None:
        return (
            "nobody can switch its nodes: driver power needs an inventory of hosts, found none; name it in "
            "the stack's hosts"
        )
    if pool.spec.driver is Driver.EKS and place.eks is None:
        return (
            "nobody can switch its nodes: driver eks needs a cluster of Amazon EKS, found none in the "
            "settings; deploy the platform to target aws, or take another driver"
        )
    if pool.spec.driver in ON_KUBERNETES:
        return ""
    return (
        f"nobody can switch its nodes: driver {pool.spec.driver} does not work on Kubernetes yet, allowed "
        f"{', '.join(ON_KUBERNETES)}; write one of these"
    )

"""What values of a stack must be to one another. Pure: settings -> what is wrong, all of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.model.gpu_sharing import VENDOR
from headrace.model.pool import Driver, NodePoolSpec
from headrace.model.quantity import parse_bytes
from headrace.model.resources import EPHEMERAL_STORAGE
from infra.aws.services import ROOM, overfull
from infra.aws_settings import NodeGroup
from infra.names import LIMIT, SCALER, SYSTEM_GROUP

if TYPE_CHECKING:  # it checks itself by these rules
    from infra.settings import StackSettings


def faults_of(stack: "StackSettings") -> Iterator[str]:
    """Each with what was found, what is allowed, what to do."""
    yield from _places(stack)
    if stack.namespace == stack.functions_namespace:
        yield (
            f"found {stack.namespace!r} as namespace and as functionsNamespace, allowed two different "
            "ones; rename one"
        )
    yield from _gpus(stack)
    yield from _hosts(stack)
    yield from _buckets(stack)
    yield from _tenants(stack)
    yield from _api(stack)
    yield from _node_groups(stack)
    yield from _rights(stack)


def has_gpus(pool: NodePoolSpec) -> bool:
    """Whether its nodes have NVIDIA's GPUs."""
    return pool.gpu is not None or any(name.startswith(VENDOR) for name in pool.capacity)


def _places(stack: "StackSettings") -> Iterator[str]:
    """The cluster and the store: there already, or made by the stack."""
    given = {"kubeconfig": stack.kubeconfig, "context": stack.context}
    if stack.aws is None:
        for key in (key for key, value in given.items() if value is None):
            yield f"found no {key} and no aws, allowed with one of them; name the cluster, or write aws"
        return
    made = {
        **given,
        "clusterUid": stack.cluster_uid or None,
        "store": stack.store,
        "devicePlugin": stack.device_plugin,
    }
    for key in (key for key, value in made.items() if value is not None):
        yield f"found {key} beside aws, allowed without it, as the stack makes what it tells of; take it out"


def _gpus(stack: "StackSettings") -> Iterator[str]:
    sharing = [name for name, pool in stack.pools.items() if pool.gpu and pool.gpu.sharing]
    if sharing and stack.device_plugin is None and stack.aws is None:
        yield (
            f"found pools that share their GPUs ({', '.join(sharing)}) and no devicePlugin, allowed with "
            "one; write the namespace of NVIDIA's device plugin there"
        )
    gpus = stack.remote_gpus
    if gpus is not None and gpus.namespace in (stack.namespace, stack.functions_namespace):
        yield (
            f"found remoteGpus.namespace {gpus.namespace!r}, which is another of the stack's, allowed "
            "one of its own; rename it"
        )
    for name, server in (gpus.servers if gpus else {}).items():
        if server.pool is not None and server.pool not in stack.pools:
            yield (
                f"found remoteGpus.servers.{name} in pools.{server.pool}, which is not there, allowed "
                f"{', '.join(stack.pools) or 'none, as there are no pools'}; add the pool or name another"
            )


def _hosts(stack: "StackSettings") -> Iterator[str]:
    for name, pool in stack.pools.items():
        if pool.driver is Driver.POWER and (stack.hosts is None or stack.hosts.power is None):
            yield (
                f"found pools.{name} with driver power and no hosts.power, allowed with it; write "
                "hosts.power, by which the scaler reaches the hosts"
            )
    names = stack.hosts.gpu_servers if stack.hosts else ()
    if names and stack.remote_gpus is None:
        yield (
            f"found hosts.gpuServers ({', '.join(names)}) and no remoteGpus, allowed with it; write "
            "remoteGpus.networks, which says where the servers are"
        )
    for name in names:
        if stack.remote_gpus and name in stack.remote_gpus.servers:
            yield (
                f"found {name} in hosts.gpuServers and in remoteGpus.servers, allowed in one; take one out"
            )


def _buckets(stack: "StackSettings") -> Iterator[str]:
    real = list(stack.bucket_names.values())
    for logical, name in stack.bucket_names.items():
        if name == stack.platform_bucket_name:
            yield (
                f"found buckets.{logical} at {name!r}, which is the platform's own, allowed another; "
                "rename one of them"
            )
        elif real.count(name) > 1:
            yield f"found buckets.{logical} at {name!r}, where another bucket is too, allowed one; rename one"


def _tenants(stack: "StackSettings") -> Iterator[str]:
    """Each has a namespace and buckets that nobody else has, and a key of a store that the stack runs."""
    if stack.tenants and stack.given_store is not None:
        yield (
            f"found tenants ({', '.join(sorted(stack.tenants))}) and a store that is given, allowed with the "
            "stack's own SeaweedFS or on AWS, as nothing else gives each a key; take them out"
        )
    gpus = {"remoteGpus.namespace": stack.remote_gpus.namespace} if stack.remote_gpus else {}
    plugin = {"devicePlugin.namespace": stack.device_plugin.namespace} if stack.device_plugin else {}
    others = {"namespace": stack.namespace, "functionsNamespace": stack.functions_namespace, **gpus, **plugin}
    for key, namespace in others.items():
        if namespace in stack.tenants:
            yield f"found tenants.{namespace}, which is {key} too, allowed another name; rename one"
    for name in sorted(stack.tenants):
        if name == "default" or name.startswith("kube-"):
            yield (
                f"found tenants.{name}, a namespace of the cluster itself, which would be closed to the "
                "network, allowed any but default and kube-…; rename it"
            )
    yield from _tenants_buckets(stack)


def _tenants_buckets(stack: "StackSettings") -> Iterator[str]:
    taken = {stack.platform_bucket_name: "the platform's own"}
    taken |= {real: f"buckets.{logical}" for logical, real in stack.bucket_names.items()}
    for tenant in sorted(stack.tenants):
        for logical, real in sorted(stack.buckets_of(tenant).items()):
            place = f"tenants.{tenant}.buckets.{logical}"
            if len(real) > LIMIT:
                yield (
                    f"found {place} at {real!r}, {len(real)} letters long, allowed {LIMIT}; give "
                    "it a name that is shorter"
                )
            if real in taken:
                yield (
                    f"found {place} at {real!r}, where {taken[real]} is, allowed a bucket of its own; give "
                    "one another name"
                )
            taken.setdefault(real, place)


def _api(stack: "StackSettings") -> Iterator[str]:
    """Its users are of tenants that are there, and have keys of the store where the stack makes keys."""
    users = stack.api.users if stack.api else {}
    for name, user in sorted(users.items()):
        if user.tenant is not None and user.tenant not in stack.tenants:
            yield (
                f"found api.users.{name}.tenant {user.tenant}, which is not there, allowed "
                f"{', '.join(sorted(stack.tenants)) or 'none, as there are no tenants'}; add the tenant, or "
                "take it out"
            )
        if user.store_key and stack.seaweedfs is None:
            yield (
                f"found api.users.{name}.storeKey and another store than the stack's own SeaweedFS, allowed "
                "with that, as elsewhere the stack makes no keys; take it out, and give the user a key there"
            )


# AWS


def _node_groups(stack: "StackSettings") -> Iterator[str]:
    """Pools with driver `eks` and their node groups: each has the other."""
    pools = {name: pool for name, pool in stack.pools.items() if pool.driver is Driver.EKS}
    if stack.aws is None:
        for name in pools:
            yield (
                f"found pools.{name} with driver eks and no aws, allowed with it; write aws, which says what "
                "its nodes are, or take another driver"
            )
        return
    groups = stack.aws.node_groups
    for name in (name for name in pools if name not in groups):
        yield (
            f"found pools.{name} with driver eks and no aws.nodeGroups.{name}, allowed with it; write there "
            "which instances its nodes are"
        )
    for name, group in groups.items():
        if name not in pools:
            yield (
                f"found aws.nodeGroups.{name} and no pools.{name} with driver eks, allowed with it; add the "
                "pool, which says what one node has, or take the group out"
            )
        else:
            yield from _node_group(name, pools[name], group)
    yield from _group_names(stack)


def _node_group(name: str, pool: NodePoolSpec, group: NodeGroup) -> Iterator[str]:
    if group.image is not None and group.image.has_driver is not has_gpus(pool):
        which = "with GPUs" if has_gpus(pool) else "without GPUs"
        yield (
            f"found aws.nodeGroups.{name}.image {group.image} for a pool {which}, allowed one with NVIDIA's "
            "driver where there are GPUs, and only there; take it out, and the fitting one is chosen"
        )
    if pool.gpu is not None and pool.gpu.sharing is not None and pool.gpu.sharing.mig is not None:
        yield (
            f"found pools.{name}.gpu.sharing.mig with driver eks, allowed timeslice, mps or none, as nothing "
            "partitions the GPUs of new instances; take another sharing"
        )
    disk = pool.capacity.get(EPHEMERAL_STORAGE)
    if disk is not None and parse_bytes(disk) > parse_bytes(group.disk):
        yield (
            f"found {disk} of ephemeral-storage in pools.{name}.capacity and a disk of {group.disk} in "
            f"aws.nodeGroups.{name}, allowed no more than the disk has; enlarge the disk"
        )


def _group_names(stack: "StackSettings") -> Iterator[str]:
    found = {name: pool.eks.node_group for name, pool in stack.pools.items() if pool.eks is not None}
    for name, group in found.items():
        if group == SYSTEM_GROUP:
            yield (
                f"found pools.{name}.eks.nodeGroup {group}, which runs the platform itself, allowed another "
                "name; rename it"
            )
        elif list(found.values()).count(group) > 1:
            yield (
                f"found pools.{name}.eks.nodeGroup {group}, which another pool has too, allowed one pool a "
                "group; rename it"
            )


def _rights(stack: "StackSettings") -> Iterator[str]:
    """IAM would refuse a role's rights only after most of the rest was made."""
    if stack.aws is None:
        return
    estate = stack.estate_on(stack.aws)
    for service, characters in overfull(estate, stack.services, deletes=stack.deletes_data).items():
        what, remedy = f"{len(estate.buckets)} buckets", "take buckets out, tenants' among them"
        if service == SCALER:
            what, remedy = f"{len(estate.node_groups)} node groups", "take pools out"
        yield (
            f"found {what}, whose rights take the {service}'s role {characters:,} characters, allowed "
            f"{ROOM:,}, as IAM has no room for more; {remedy}, or give them shorter names"
        )

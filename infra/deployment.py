"""A stack as a whole: its cluster, given or made, and the platform on it; what it tells others."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pulumi

from infra import aws_ground, cluster
from infra.aws_settings import AwsSettings
from infra.components.aws.equipment import Equipment, EquipmentArgs
from infra.components.aws.foundation import Foundation, FoundationArgs
from infra.components.cluster.hosts import Hosts, HostsArgs
from infra.components.cluster.platform import Platform, PlatformArgs
from infra.host_files import text_of
from infra.objects import Ground
from infra.settings import StackSettings

Outputs = Mapping[str, pulumi.Input[object]]


def deploy(stack: StackSettings, folder: Path, *, name: str) -> Outputs:
    """Declare everything. `folder`: the project's; `name`: the stack's. Raises ConfigurationError."""
    told: Outputs = {
        "namespace": stack.namespace,
        "functionsNamespace": stack.functions_namespace,
        "platformBucket": stack.platform_bucket_name,
        "buckets": stack.bucket_names,
        "tenants": {name: stack.buckets_of(name) for name in sorted(stack.tenants)},
    }
    if stack.aws is not None:
        return {**told, **_on_aws(stack, stack.aws, folder, name=name)}
    return {**told, **_on_cluster(stack, folder)}


def _on_cluster(stack: StackSettings, folder: Path) -> Outputs:
    provider = cluster.provider(
        stack.kubeconfig,
        stack.context,
        uid=stack.cluster_uid,
        names=stack.protected_names,
        tenants=sorted(stack.tenants),
    )
    platform = platform_on(stack, folder, Ground(provider, wait=stack.wait, protect=stack.is_protected))
    cluster.guard(
        stack.kubeconfig, stack.context, platform, uid=stack.cluster_uid, protect=stack.is_protected
    )
    return _token(platform)


def _on_aws(stack: StackSettings, settings: AwsSettings, folder: Path, *, name: str) -> Outputs:
    provider = aws_ground.provider(settings.account, settings.region, stack=name, tags=settings.tags)
    ground = aws_ground.AwsGround(provider, settings.protection)
    foundation = Foundation("foundation", FoundationArgs(stack, settings, ground))
    told: Outputs = {
        "kubeconfig": foundation.cluster.kubeconfig,
        "context": foundation.cluster.name,
        "registry": settings.place.registry,
        "aws": pulumi.Output.all(data_key=foundation.keys.data).apply(
            lambda known: {
                "account": settings.account,
                "region": settings.region,
                "name": settings.name,
                "dataKey": known["data_key"],
            }
        ),
    }
    if not settings.platform:
        cluster.guard_made(foundation, protect=stack.is_protected)
        return told
    made = cluster.provider_of(foundation.cluster.kubeconfig, settings.place.own(), sorted(stack.tenants))
    ground_of_cluster = Ground(made, wait=stack.wait, after=[foundation], protect=stack.is_protected)
    equipment = Equipment("equipment", EquipmentArgs(stack, ground_of_cluster))
    platform = platform_on(stack, folder, replace(ground_of_cluster, after=[equipment]), foundation)
    cluster.guard_made(foundation, platform, protect=stack.is_protected)
    return {**told, **_token(platform)}


def platform_on(
    stack: StackSettings,
    folder: Path,
    ground: Ground,
    foundation: Foundation | None = None,
    read: Callable[[Path], str] = text_of,
) -> Platform:
    """Declare the platform and the hosts that it switches; `read`: reads files that hold secrets."""
    hosts = Hosts("hosts", HostsArgs(stack.hosts, folder, read)) if stack.hosts else None
    queues = foundation.queues if foundation else None
    return Platform("platform", PlatformArgs(stack, ground, hosts, queues))


def _token(platform: Platform) -> Outputs:
    return {"notificationToken": platform.credentials.made.apply(lambda made: made.receiver_token)}

"""A stack as a whole: its cluster, given or made, and the platform on it; what it tells others."""

from collections.abc import Mapping
from pathlib import Path

import pulumi

from infra import aws_ground, cluster
from infra.aws_settings import AwsSettings
from infra.components.aws.equipment import Equipment, EquipmentArgs
from infra.components.aws.foundation import Foundation, FoundationArgs
from infra.components.cluster.hosts import Hosts, HostsArgs
from infra.components.cluster.platform import Platform, PlatformArgs
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
    }
    if stack.aws is not None:
        return {**told, **_on_aws(stack, stack.aws, folder, name=name)}
    ground = Ground(cluster.provider(stack.kubeconfig, stack.context), wait=stack.wait)
    return {**told, **_platform(stack, folder, ground)}


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
        return told
    made = cluster.provider_of(foundation.cluster.kubeconfig, settings.place.own())
    equipment = Equipment(
        "equipment", EquipmentArgs(stack, Ground(made, wait=stack.wait, after=[foundation]))
    )
    after = Ground(made, wait=stack.wait, after=[equipment])
    return {**told, **_platform(stack, folder, after, foundation)}


def _platform(
    stack: StackSettings, folder: Path, ground: Ground, foundation: Foundation | None = None
) -> Outputs:
    hosts = Hosts("hosts", HostsArgs(stack.hosts, folder)) if stack.hosts else None
    queues = foundation.queues if foundation else None
    platform = Platform("platform", PlatformArgs(stack, ground, hosts, queues))
    return {"notificationToken": platform.credentials.made.apply(lambda made: made.receiver_token)}

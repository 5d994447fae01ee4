"""The platform: `pulumi up` runs this."""

from pathlib import Path

import pulumi

from infra.cluster import guard, provider
from infra.components.cluster.hosts import Hosts, HostsArgs
from infra.components.cluster.platform import Platform, PlatformArgs
from infra.objects import Ground
from infra.program import configured, explained
from infra.settings import StackSettings

with explained():
    stack = configured(StackSettings)
    on = provider(stack.kubeconfig, stack.context, uid=stack.cluster_uid, names=stack.protected_names)
    ground = Ground(on, wait=stack.wait, protect=stack.protect)
    folder = Path(pulumi.get_root_directory())
    hosts = Hosts("hosts", HostsArgs(stack.hosts, folder)) if stack.hosts else None
    platform = Platform("platform", PlatformArgs(stack, ground, hosts))
    guard(stack.kubeconfig, stack.context, platform, uid=stack.cluster_uid, protect=stack.protect)

pulumi.export("namespace", stack.namespace)
pulumi.export("functionsNamespace", stack.functions_namespace)
pulumi.export("platformBucket", stack.platform_bucket.name)
pulumi.export("buckets", stack.bucket_names)
pulumi.export("notificationToken", platform.credentials.made.apply(lambda made: made.receiver_token))

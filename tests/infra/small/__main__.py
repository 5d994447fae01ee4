"""A part of the platform. Files beside it say what the component of the pools is called."""

from dataclasses import replace
from pathlib import Path

import pulumi

from infra.cluster import guard, provider
from infra.components.cluster.credentials import Credentials, CredentialsArgs
from infra.components.cluster.ground import BaseArgs, Definitions, Namespaces
from infra.components.cluster.pools import Pools, PoolsArgs
from infra.components.cluster.queue import Queue, QueueArgs
from infra.objects import Ground
from infra.program import configured, explained
from infra.settings import StackSettings

RENAMED, ALIAS = Path("renamed"), Path("alias")

with explained():
    stack = configured(StackSettings)
    on = provider(stack.kubeconfig, stack.context, uid=stack.cluster_uid, names=stack.protected_names)
    ground = Ground(on, wait=False, protect=stack.protect)
    spaces = Namespaces("namespaces", BaseArgs(stack, ground))
    kinds = Definitions("definitions", BaseArgs(stack, ground))
    ground = replace(ground, after=(spaces, kinds))
    credentials = Credentials("credentials", CredentialsArgs(stack))
    queue = Queue("queue", QueueArgs(stack, credentials, ground))
    # docs/deploy.md, "Renames": the alias is what keeps the pools where they are.
    opts = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="pools")]) if ALIAS.exists() else None
    pools = Pools(RENAMED.read_text() if RENAMED.exists() else "pools", PoolsArgs(stack.pools, ground), opts)
    guard(stack.kubeconfig, stack.context, queue, pools, uid=stack.cluster_uid, protect=stack.protect)

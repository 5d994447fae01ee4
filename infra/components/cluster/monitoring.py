"""Who watches the platform: Prometheus, Grafana, a collector of traces."""

from dataclasses import dataclass

import pulumi

from infra.manifests import monitoring as manifests
from infra.objects import Ground, declare
from infra.settings import StackSettings


@dataclass(frozen=True, slots=True)
class MonitoringArgs:
    """The stack and where it is declared."""

    stack: StackSettings
    ground: Ground


class Monitoring(pulumi.ComponentResource):
    """What they read and are let in by; nothing where the stack has neither."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Monitoring", name, None, opts)
        stack, ground = args.stack, args.ground.under(self, *args.ground.after)
        if stack.monitoring is not None:
            gpus = stack.remote_gpus.namespace if stack.remote_gpus is not None else ""
            functions = stack.function_namespaces
            for each in manifests.objects(
                stack.monitoring, platform=stack.namespace, functions=functions, gpus=gpus
            ):
                declare(ground, each)
        if stack.trace is not None:
            declare(ground, manifests.tracing(stack.namespace, stack.trace))
        self.register_outputs({})

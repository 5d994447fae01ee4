"""Remote GPUs: servers, the class by which pods ask for them, the publisher, a plugin on each node."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from headrace.manifests.gpu_claims import device_class
from infra import access, names
from infra.gpu_settings import RemoteGpus
from infra.manifests import gpus as manifests
from infra.manifests import network, services
from infra.manifests.ground import open_namespace
from infra.manifests.network import denial
from infra.manifests.parts import Manifest, disruption_budget, own_object, written
from infra.objects import Ground, declare
from infra.settings import StackSettings


@dataclass(frozen=True, slots=True)
class GpusArgs:
    """The stack, its remote GPUs, and where they are declared.

    `set_up`: specs of the servers that Ansible set up, by name.
    """

    stack: StackSettings
    gpus: RemoteGpus
    ground: Ground
    set_up: Mapping[str, pulumi.Output[Mapping[str, Any]]] = field(default_factory=dict)


class Gpus(pulumi.ComponentResource):
    """What the DRA driver `gpu.headrace.dev` consists of."""

    def __init__(self, name: str, args: GpusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Gpus", name, None, opts)
        self._stack, self._gpus = args.stack, args.gpus
        ground = args.ground.under(self, *args.ground.after)
        declare(ground, device_class())
        for server in sorted(args.gpus.servers):
            declare(ground, written("GpuServer", server, names.PUBLISHER, args.gpus.servers[server]))
        for server in sorted(args.set_up):
            declare(ground, own_object("GpuServer", server, names.PUBLISHER, args.set_up[server]))
        self._create_publisher(ground, args.ground)
        self._create_plugin(ground, args.ground)
        self.register_outputs({})

    def _create_publisher(self, ground: Ground, outer: Ground) -> None:
        stack, component = self._stack, names.PUBLISHER
        granted = self._create_access(ground, component, access.publisher(), stack.namespace)
        declare(ground, network.openings(component, stack.namespace, egress=self._egress()))
        declare(ground, disruption_budget(component, stack.namespace, component))
        # Without its rights it would fail and be restarted: they are no data of the pod.
        after = outer.under(self, *outer.after, *granted)
        declare(after, manifests.publisher(stack, self._gpus))

    def _create_plugin(self, ground: Ground, outer: Ground) -> None:
        gpus, component = self._gpus, names.GPU_PLUGIN
        space = declare(ground, open_namespace(gpus.namespace, component))
        inside = outer.under(self, *outer.after, space)
        declare(inside, denial(gpus.namespace))
        declare(inside, network.openings(component, gpus.namespace, egress=self._egress()))
        granted = self._create_access(inside, component, access.gpu_plugin(), gpus.namespace)
        declare(outer.under(self, *outer.after, space, *granted), manifests.plugin(self._stack, gpus))

    def _create_access(
        self, ground: Ground, component: str, rules: access.Access, namespace: str
    ) -> list[pulumi.Resource]:
        account = services.account(component, namespace)
        roles = services.roles(component, rules, platform=namespace, functions=())
        return [declare(ground, each) for each in (account, *roles)]

    def _egress(self) -> list[Manifest]:
        """To the API server, and to every port of the servers' networks: each server tells its own."""
        reach = self._stack.network
        return [
            network.names_servers(reach.dns),
            network.outgoing(network.at(reach.api_server), list(reach.api_server_ports)),
            network.outgoing_anywhere(self._gpus.networks),
        ]

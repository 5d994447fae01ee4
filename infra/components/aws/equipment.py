"""What the stack's own cluster is given before a platform runs: disks, viewers' rights, the device plugin."""

from dataclasses import dataclass

import pulumi

from infra import access, names
from infra.gpu_settings import DevicePlugin
from infra.manifests import device_plugin, network, services
from infra.manifests.device_plugin import Plugin
from infra.manifests.gpus import device_plugin_config
from infra.manifests.ground import open_namespace
from infra.manifests.volumes import storage_class
from infra.objects import Ground, declare
from infra.settings import StackSettings

WHERE = DevicePlugin(namespace=names.own(names.DEVICE_PLUGIN))


@dataclass(frozen=True, slots=True)
class EquipmentArgs:
    """The stack, and its cluster."""

    stack: StackSettings
    ground: Ground


class Equipment(pulumi.ComponentResource):
    """A class of volumes; what viewers see; where pools have GPUs, what makes them known to Kubernetes."""

    def __init__(self, name: str, args: EquipmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Equipment", name, None, opts)
        self._stack, self._outer = args.stack, args.ground
        self._ground = args.ground.under(self, *args.ground.after)
        declare(self._ground, storage_class())
        if args.stack.aws is not None and args.stack.aws.cluster.viewers:
            for manifest in services.group_roles(names.VIEWER, access.viewer()):
                declare(self._ground, manifest)
        if args.stack.gpu_pools:
            self._create_plugin()
        self.register_outputs({})

    def _create_plugin(self) -> None:
        stack, component = self._stack, names.DEVICE_PLUGIN
        space = declare(self._ground, open_namespace(WHERE.namespace, component))
        inside = self._outer.under(self, space)
        before = [*self._create_access(inside), declare(inside, device_plugin_config(stack.pools, WHERE))]
        shared = [pool.gpu.sharing for pool in stack.pools.values() if pool.gpu and pool.gpu.sharing]
        told = Plugin(
            image=stack.images.device_plugin,
            where=WHERE,
            pools=stack.gpu_pools,
            mps=any(each.mps is not None for each in shared),
            pull=stack.image_pull_secrets,
        )
        # Its rights and its configuration are named, not referred to.
        after = self._outer.under(self, *before)
        declare(after, device_plugin.plugin(told))
        if told.mps:
            declare(after, device_plugin.mps_daemon(told))

    def _create_access(self, ground: Ground) -> list[pulumi.Resource]:
        space, component, reach = WHERE.namespace, names.DEVICE_PLUGIN, self._stack.network
        declare(ground, network.denial(space))
        egress = [
            network.names_servers(reach.dns),
            network.outgoing(network.at(reach.api_server), list(reach.api_server_ports)),
        ]
        for each in (component, device_plugin.MPS_COMPONENT):
            declare(ground, network.openings(each, space, egress=egress))
        account = services.account(component, space)
        roles = services.roles(component, access.device_plugin(), platform=space, functions=())
        return [declare(ground, each) for each in (account, *roles)]

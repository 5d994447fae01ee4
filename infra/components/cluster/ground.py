"""Namespaces, priorities and the kinds of objects that Headrace adds to the cluster."""

from dataclasses import dataclass

import pulumi

from headrace.manifests.admission import admission
from headrace.manifests.definitions import definitions
from headrace.model.function import Profile
from infra import access, names
from infra.manifests import ground as manifests
from infra.manifests.network import denial
from infra.manifests.services import role_to_bind
from infra.objects import Ground, declare
from infra.settings import StackSettings


@dataclass(frozen=True, slots=True)
class BaseArgs:
    """The stack and where it is declared."""

    stack: StackSettings
    ground: Ground


class Namespaces(pulumi.ComponentResource):
    """The namespaces, closed to the network, the priorities of pods, what people of tenants may do."""

    def __init__(self, name: str, args: BaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Namespaces", name, None, opts)
        stack, ground = args.stack, args.ground.under(self, *args.ground.after)
        own = stack.functions_security
        tenants = {name: stack.tenants[name].security or own for name in sorted(stack.tenants)}
        functions = {stack.functions_namespace: own, **tenants}
        spaces = (
            manifests.namespace(stack.namespace, "platform", Profile.RESTRICTED),
            *(manifests.namespace(name, "functions", security) for name, security in functions.items()),
        )
        for space in spaces:
            made = declare(ground, space, holds_data=True)
            # The policy names its namespace as the configuration has it: no data of it, so the order is said.
            declare(args.ground.under(self, made), denial(space["metadata"]["name"]))
        for priority in manifests.priorities():
            declare(ground, priority)
        if stack.tenants:
            declare(ground, role_to_bind(names.AUTHOR, access.author()))
        self.register_outputs({})


class Definitions(pulumi.ComponentResource):
    """The kinds Function, Bucket, NodePool and GpuServer, and what guards their deletion."""

    def __init__(self, name: str, args: BaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Definitions", name, None, opts)
        ground = args.ground.under(self, *args.ground.after)
        kinds = [declare(ground, manifest, holds_data=True) for manifest in definitions()]
        for manifest in admission():
            # The rules read fields of the kinds: only once those are served are they checked against them.
            declare(args.ground.under(self, *kinds), manifest)
        self.register_outputs({})

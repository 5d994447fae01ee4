"""Where a stack is, and whose functions it has, as resources of it."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi import dynamic

from infra.pinning.providing import CONTEXT, EXPECTED, KUBECONFIG, NAMES, UID, Keeper, Pinner
from infra.pinning.tenants import TENANTS, Leavings


class Pin(dynamic.Resource, module="headrace", name="Pin"):
    """Refuses to go on where the cluster is another one, or one of the names; `uid`: the cluster's."""

    uid: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        kubeconfig: pulumi.Input[str],
        context: str,
        expected: str,
        names: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {KUBECONFIG: kubeconfig, CONTEXT: context, EXPECTED: expected, NAMES: dict(names), UID: None}
        super().__init__(Pinner(), name, props, opts)


class Tenants(dynamic.Resource, module="headrace", name="Tenants"):
    """Refuses to go on where a tenant is taken out that still has functions or buckets."""

    def __init__(
        self,
        name: str,
        *,
        kubeconfig: pulumi.Input[str],
        context: pulumi.Input[str],
        tenants: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {KUBECONFIG: kubeconfig, CONTEXT: context, TENANTS: list(tenants)}
        super().__init__(Leavings(), name, props, opts)


class Last(dynamic.Resource, module="headrace", name="Last"):
    """Nothing but what comes after all else, and so goes first: protected, it keeps all else."""

    def __init__(self, name: str, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(Keeper(), name, {}, opts)

"""Where a stack is, as a resource of it."""

from collections.abc import Mapping

import pulumi
from pulumi import dynamic

from infra.pinning.providing import CONTEXT, EXPECTED, KUBECONFIG, NAMES, UID, Pinner


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

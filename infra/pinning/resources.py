"""The cluster of a stack, as a resource of it."""

import pulumi
from pulumi import dynamic

from infra.pinning.providing import CONTEXT, EXPECTED, KUBECONFIG, UID, Pin


class ClusterIdentity(dynamic.Resource, module="headrace", name="ClusterIdentity"):
    """Refuses to go on where the cluster is another one; `uid`: its own."""

    uid: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        kubeconfig: pulumi.Input[str],
        context: str,
        expected: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {KUBECONFIG: kubeconfig, CONTEXT: context, EXPECTED: expected, UID: None}
        super().__init__(Pin(), name, props, opts)

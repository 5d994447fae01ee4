"""The provider by which everything of a stack is declared on its cluster, and on no other one."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from infra.kubeconfig import checked, is_content
from infra.pinning.resources import Pin


def provider(
    given: str, context: str, *, uid: str = "", names: Mapping[str, str] | None = None
) -> kubernetes.Provider:
    """The provider of the cluster that the stack names, which comes only once it is known to be the stack's.

    `uid`: the expected cluster's; none: that of the first time. `names`: what may not change either, by
    setting. Every option that has a variable of the environment is said here, so that none is read from
    there. Raises ConfigurationError.
    """
    pin = _pin("pin", given, context, uid=uid, names=names or {})
    return kubernetes.Provider(
        "cluster",
        kubeconfig=_checked(given, context),
        context=context,
        # The same for ever: another path or context must not replace everything, another cluster is refused.
        cluster_identifier="of-this-stack",
        delete_unreachable=False,
        enable_config_map_mutable=True,  # by name, so replaced they would be missing for a moment
        enable_secret_mutable=True,
        enable_server_side_apply=True,
        skip_update_unreachable=False,
        suppress_deprecation_warnings=False,
        suppress_helm_hook_warnings=False,
        opts=pulumi.ResourceOptions(depends_on=[pin]),
    )


def guard(given: str, context: str, *after: pulumi.Resource, uid: str = "", protect: bool = False) -> None:
    """Look once more when all is there: `pulumi destroy` begins here, not with another cluster's objects.

    `protect`: it ends here, too. Otherwise `--skip-preview` would delete whatever does not depend on what is
    protected.
    """
    opts = pulumi.ResourceOptions(depends_on=list(after), protect=protect)
    _pin("pin-before-destroy", given, context, uid=uid, names={}, opts=opts)


def _pin(
    name: str,
    given: str,
    context: str,
    *,
    uid: str,
    names: Mapping[str, str],
    opts: pulumi.ResourceOptions | None = None,
) -> Pin:
    kubeconfig = _checked(given, context)
    return Pin(name, kubeconfig=kubeconfig, context=context, expected=uid, names=names, opts=opts)


def _checked(given: str, context: str) -> pulumi.Input[str]:
    """The kubeconfig; its content is a secret."""
    found = checked(given, context)
    return pulumi.Output.secret(found) if is_content(given) else found

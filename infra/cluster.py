"""The provider by which everything of a stack is declared on its cluster, and on no other one."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from headrace.model.errors import ConfigurationError
from infra import kubeconfig
from infra.pinning.resources import Last, Pin, Tenants


def provider(
    given: str | None,
    context: str | None,
    *,
    uid: str = "",
    names: Mapping[str, str] | None = None,
    tenants: Sequence[str] | None = None,
) -> kubernetes.Provider:
    """The provider of the cluster that the stack names, which comes only once it is known to be the stack's.

    `uid`: the expected cluster's; none: that of the first time. `names`: what may not change either, by
    setting. `tenants`: the stack's, if it can have some. Raises ConfigurationError.
    """
    content, named = _named(given, context)
    pin = Pin("pin", kubeconfig=content, context=named, expected=uid, names=names or {})
    # The same for ever: another path or context must not replace everything, another cluster is refused.
    after = [pin, *_tenants(content, named, tenants, pin)]
    return _provider(content, named, identifier="of-this-stack", after=after)


def provider_of(
    content: pulumi.Input[str], context: pulumi.Input[str], tenants: Sequence[str] | None = None
) -> kubernetes.Provider:
    """The provider of a cluster that a stack has made; `content`: of its kubeconfig; `tenants`: as above.

    It needs no look at whether it is the right one. With another context it is another, which gets all anew.
    """
    return _provider(content, context, identifier=context, after=_tenants(content, context, tenants))


def _tenants(
    content: pulumi.Input[str],
    context: pulumi.Input[str],
    tenants: Sequence[str] | None,
    *after: pulumi.Resource,
) -> list[pulumi.Resource]:
    if tenants is None:
        return []
    opts = pulumi.ResourceOptions(depends_on=list(after))
    return [Tenants("tenants", kubeconfig=content, context=context, tenants=tenants, opts=opts)]


def guard(
    given: str | None, context: str | None, *after: pulumi.Resource, uid: str = "", protect: bool = False
) -> None:
    """Look once more when all is there: `pulumi destroy` begins here, not with another cluster's objects.

    `protect`: it ends here, too. Otherwise `--skip-preview` would delete whatever does not depend on what is
    protected. Raises ConfigurationError.
    """
    content, named = _named(given, context)
    opts = pulumi.ResourceOptions(depends_on=list(after), protect=protect)
    Pin("pin-before-destroy", kubeconfig=content, context=named, expected=uid, names={}, opts=opts)


def guard_made(*after: pulumi.Resource, protect: bool) -> None:
    """The same of a cluster that the stack has made, which needs no look: `pulumi destroy` begins here."""
    Last("last", opts=pulumi.ResourceOptions(depends_on=list(after), protect=protect))


def _provider(
    content: pulumi.Input[str],
    context: pulumi.Input[str],
    *,
    identifier: pulumi.Input[str],
    after: Sequence[pulumi.Resource] = (),
) -> kubernetes.Provider:
    """Every option that has a variable of the environment is said here, so that none is read from there."""
    return kubernetes.Provider(
        "cluster",
        kubeconfig=content,
        context=context,
        cluster_identifier=identifier,
        delete_unreachable=False,
        enable_config_map_mutable=True,  # by name, so replaced they would be missing for a moment
        enable_secret_mutable=True,
        enable_server_side_apply=True,
        skip_update_unreachable=False,
        suppress_deprecation_warnings=False,
        suppress_helm_hook_warnings=False,
        opts=pulumi.ResourceOptions(depends_on=list(after)),
    )


def _named(given: str | None, context: str | None) -> tuple[pulumi.Input[str], str]:
    """The kubeconfig, whose content is a secret, and the context in it."""
    if given is None or context is None:
        raise ConfigurationError("kubeconfig, context: found none, allowed both; name the cluster")
    checked = kubeconfig.checked(given, context)
    return (pulumi.Output.secret(checked) if kubeconfig.is_content(given) else checked), context

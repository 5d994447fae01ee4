"""The provider by which everything of a stack is declared on its cluster."""

import pulumi
import pulumi_kubernetes as kubernetes

from headrace.model.errors import ConfigurationError
from infra import kubeconfig


def provider(given: str | None, context: str | None) -> kubernetes.Provider:
    """The provider of the cluster that the stack names. Raises ConfigurationError."""
    if given is None or context is None:
        raise ConfigurationError("kubeconfig, context: found none, allowed both; name the cluster")
    checked = kubeconfig.checked(given, context)
    secret = kubeconfig.is_content(given)
    return provider_of(pulumi.Output.secret(checked) if secret else checked, context)


def provider_of(content: pulumi.Input[str], context: pulumi.Input[str]) -> kubernetes.Provider:
    """The provider of a kubeconfig's cluster.

    Every option that has a variable of the environment is said here, so that none is read from there.
    """
    return kubernetes.Provider(
        "cluster",
        kubeconfig=content,
        context=context,
        cluster_identifier=context,  # another path to the same cluster must not replace everything
        delete_unreachable=False,
        enable_config_map_mutable=True,  # by name, so replaced they would be missing for a moment
        enable_secret_mutable=True,
        enable_server_side_apply=True,
        skip_update_unreachable=False,
        suppress_deprecation_warnings=False,
        suppress_helm_hook_warnings=False,
    )

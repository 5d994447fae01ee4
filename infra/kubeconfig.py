"""Which cluster a stack means. Nothing ambient counts: neither KUBECONFIG nor ~/.kube/config."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field

from headrace.model.errors import ConfigurationError

ClusterUid = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f-]*$",
        description="uid of the cluster's namespace kube-system; `pulumi up` refuses another cluster. Empty: "
        "that of the first `pulumi up`",
    ),
]


def is_content(kubeconfig: str) -> bool:
    """Whether it is a kubeconfig itself, and not the path of one."""
    return "\n" in kubeconfig or kubeconfig.lstrip().startswith("{")


def checked(kubeconfig: str, context: str, *, read: Callable[[Path], str] = Path.read_text) -> str:
    """What the provider is given: the content, or the absolute path, of a kubeconfig that has the context.

    Raises ConfigurationError.
    """
    if is_content(kubeconfig):
        _check(kubeconfig, context, "kubeconfig")
        return kubeconfig
    path = Path(kubeconfig).expanduser()
    if not path.is_absolute():
        raise ConfigurationError(
            f"kubeconfig: found the relative path {kubeconfig!r}, allowed an absolute one, one from ~/ or "
            "the content itself; write the whole path"
        )
    try:
        text = read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"kubeconfig: {path} can't be read ({error}); name the file of the cluster that this stack means"
        ) from error
    _check(text, context, f"kubeconfig {path}")
    return str(path)


def _check(text: str, context: str, told: str) -> None:
    try:
        names = [entry["name"] for entry in yaml.safe_load(text)["contexts"]]
    except (yaml.YAMLError, KeyError, TypeError):
        # The reason may quote the text, which holds keys.
        raise ConfigurationError(f"{told}: is no kubeconfig with contexts; name another") from None
    if context not in names:
        allowed = ", ".join(sorted(names)) or "none, as the file has no context"
        raise ConfigurationError(f"context: found {context!r}, allowed {allowed} (of {told}); choose one")


def of_eks(region: str, name: str, endpoint: str, authority: str) -> str:
    """The kubeconfig of a cluster of EKS; `authority`: its certificate, in base64. It holds no key.

    Whoever uses it gets a token from `aws eks get-token`, with the credentials that AWS's tools find.
    https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html
    """
    arguments = ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"]
    token = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": arguments,
        "interactiveMode": "Never",
    }
    cluster = {"server": endpoint, "certificate-authority-data": authority}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"exec": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return json.dumps(content)

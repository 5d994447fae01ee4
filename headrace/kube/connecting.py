"""How this process reaches the API server: a kubeconfig that is named, or the pod's own service account.

Nothing ambient counts: neither KUBECONFIG nor ~/.kube nor a proxy in the environment.
"""

import socket

import httpx2
import msgspec
import yaml
from lightkube.config.client_adapter import user_auth, verify_cluster
from lightkube.config.kubeconfig import SERVICE_ACCOUNT, KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from headrace.model.errors import ConfigurationError
from headrace.model.settings import KubernetesSettings
from headrace.model.troubles import Trouble

CONNECT_SECONDS = 3.0
# A peer that went without a word is noticed after 10 + 3 * 5 seconds, on a watch too.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
]
_EXEC = "client.authentication.k8s.io"
_LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)


def connected(
    settings: KubernetesSettings, *, context: str = "", service_account: str = SERVICE_ACCOUNT
) -> httpx2.AsyncClient:
    """A client of the API server; tokens in files are read again when the server refuses the old one.

    `context`: in the kubeconfig; none: its current one. Raises ConfigurationError where the files can't be
    read.
    """
    config = _config(settings.kubeconfig, context, service_account)
    user = _user(config)
    try:
        trust = verify_cluster(config.cluster, user, config.abs_file, trust_env=False)
        transport = httpx2.AsyncHTTPTransport(
            verify=trust, trust_env=False, limits=_LIMITS, socket_options=_KEEPALIVE
        )
        client = httpx2.AsyncClient(
            base_url=config.cluster.server,
            auth=user_auth(user),
            transport=transport,
            trust_env=False,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        )
    except (ConfigError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"{_told(settings.kubeconfig, service_account)}: {error}", trouble=Trouble.KUBECONFIG
        ) from error
    client.headers["Accept-Encoding"] = "identity"  # its network is near, its processor shared
    return client


def _config(kubeconfig: str, context: str, service_account: str) -> SingleConfig:
    """Raises ConfigurationError with the file's name and what it lacks."""
    told = _told(kubeconfig, service_account)
    try:
        if kubeconfig:
            read = KubeConfig.from_file(kubeconfig)
        else:
            read = KubeConfig.from_service_account(service_account)
        config = read.get(context or None)
    except KeyError as error:
        raise ConfigurationError(
            f"{told}: found no {error}; check the file or where this runs", trouble=Trouble.KUBECONFIG
        ) from error
    except (ConfigError, OSError, ValueError, TypeError, yaml.YAMLError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{told}: {error}", trouble=Trouble.KUBECONFIG) from error
    if config is None:
        raise ConfigurationError(
            f"{told}: found no current-context; name one in the file", trouble=Trouble.KUBECONFIG
        )
    return config


def _user(config: SingleConfig) -> User:
    """Who we are. Of programs that print a token lightkube knows older versions; v1 answers the same."""
    user = config.user or User()
    if user.exec is None or user.exec.apiVersion != f"{_EXEC}/v1":
        return user
    return msgspec.structs.replace(
        user, exec=msgspec.structs.replace(user.exec, apiVersion=f"{_EXEC}/v1beta1")
    )


def _told(kubeconfig: str, service_account: str) -> str:
    if kubeconfig:
        return f"kubeconfig {kubeconfig}"
    return (
        f"no kubeconfig is set and this pod's service account in {service_account} can't be used; set "
        "kubernetes.kubeconfig or run in a pod with a token"
    )

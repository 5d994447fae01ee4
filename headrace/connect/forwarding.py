"""Ports of services in the cluster, forwarded to this machine by kubectl."""

import shutil
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from headrace.local.process import Process, answers
from headrace.local.supervise import Server
from headrace.model.errors import ConfigurationError
from headrace.model.troubles import Trouble

HOST = "127.0.0.1"
READY_SECONDS = 30.0  # for a forward to accept connections
GRACE_SECONDS = 2.0
_PORTS = {"http": 80, "https": 443, "nats": 4222, "tls": 4222}


@dataclass(frozen=True, slots=True)
class Target:
    """A port of a service in the cluster."""

    service: str
    namespace: str
    port: int


def target_of(url: str) -> Target | None:
    """The service that a URL inside the cluster names (NAME.NAMESPACE.svc…); None for a host outside."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    if len(labels) < 3 or labels[2] != "svc":
        return None
    return Target(labels[0], labels[1], parts.port or _PORTS[parts.scheme])


def forwarded(url: str, port: int) -> str:
    """The same URL by way of a forwarded port."""
    parts = urlsplit(url)
    return SplitResult(parts.scheme, f"{HOST}:{port}", parts.path, parts.query, parts.fragment).geturl()


def command_of(target: Target, port: int, kubeconfig: Path) -> Sequence[str]:
    """The call of kubectl; no ambient configuration decides where it goes."""
    return (
        "kubectl",
        f"--kubeconfig={kubeconfig}",
        f"--namespace={target.namespace}",
        "port-forward",
        f"--address={HOST}",
        f"service/{target.service}",
        f"{port}:{target.port}",
    )


def check_kubectl() -> None:
    """Raises ConfigurationError when there is no kubectl."""
    if shutil.which("kubectl") is None:
        raise ConfigurationError(
            "kubectl is not on PATH, and forwards the cluster's ports to this machine; install it",
            trouble=Trouble.KUBECTL_MISSING,
        )


def forward(command: Sequence[str], port: int, *, name: str, log: Path, launcher: Executor) -> Server:
    """A forward that is started again whenever it ends, as it does when the pod behind it goes."""

    def launch() -> Process:
        return Process.start(name, command, log=log).once(lambda: answers(port), seconds=READY_SECONDS)

    return Server(name, launch, partial(Process.stop, seconds=GRACE_SECONDS), launcher)

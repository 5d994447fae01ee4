"""A cluster's stack in a state folder of this machine, for as long as the connection is kept."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.connect.following import Follower
from headrace.connect.forwarding import check_kubectl, command_of, forward, target_of
from headrace.connect.operator import authority_of, localized, settings_of
from headrace.files.whole import write_private
from headrace.kube.kinds import SECRETS
from headrace.kube.lightkube import LightKube
from headrace.kube.port import Kube, Manifest
from headrace.local.process import free_ports
from headrace.local.provision import client_environment, door_of
from headrace.local.state import StateDirectory
from headrace.local.supervise import Server
from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError
from headrace.model.labels import AUTHORITY_KEY, OPERATOR_SECRET, STATUS_SERVICE
from headrace.model.settings import KubernetesSettings, Settings
from headrace.model.troubles import Trouble

STATUS = "status page"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """The cluster of a kubeconfig's current context, the platform's namespace, a folder on this machine."""

    kubeconfig: Path
    namespace: str
    state: StateDirectory


@asynccontextmanager
async def connected(options: ClusterOptions) -> AsyncIterator[Settings]:
    """The stack's settings on this machine, also in the folder, while the block runs.

    Raises ConfigurationError for a folder that is an embedded stack's, a cluster that refuses or has no
    stack; TransientError when it does not answer; FatalError when a port can't be forwarded.
    """
    check_kubectl()
    with options.state.locked():
        _check_folder(options.state)
        async with AsyncExitStack() as closing:
            kube = LightKube.of(_access(options))
            closing.push_async_callback(kube.close)
            secret = await _secret(kube, options.namespace)
            settings = await _forwarded(settings_of(secret), options, closing)
            _write(settings, secret, options.state)
            closing.callback(options.state.fall_silent)
            follower = Follower(kube, settings, place_of(settings), options.state)
            await closing.enter_async_context(follower.following())
            yield settings


def _access(options: ClusterOptions) -> KubernetesSettings:
    # Which namespace the functions have is known only once the secret is read.
    return KubernetesSettings(
        namespace=options.namespace, platform_namespace=options.namespace, kubeconfig=str(options.kubeconfig)
    )


def _check_folder(state: StateDirectory) -> None:
    kept = state.read_settings()
    if kept is not None and kept.kubernetes is None:
        raise ConfigurationError(
            f"{state.path} is the folder of an embedded stack, whose keys it holds; "
            "name another folder with --state"
        )


def place_of(settings: Settings) -> KubernetesSettings:
    """The namespaces of a connected stack. Raises ConfigurationError where it names none."""
    if settings.kubernetes is None:
        raise ConfigurationError(f"secret {OPERATOR_SECRET} names no namespaces; deploy the platform again")
    return settings.kubernetes


async def _secret(kube: Kube, namespace: str) -> Manifest:
    try:
        return await kube.get(SECRETS, OPERATOR_SECRET, namespace=namespace)
    except NotFoundError as error:
        raise ConfigurationError(
            f"namespace {namespace} has no secret {OPERATOR_SECRET}; deploy the platform with `pulumi up`, "
            "or name its namespace with --namespace",
            trouble=Trouble.PLATFORM_MISSING,
        ) from error


async def _forwarded(settings: Settings, options: ClusterOptions, closing: AsyncExitStack) -> Settings:
    """Forward what only the cluster reaches; the forwards end with `closing`."""
    # The kernel kills a child when the thread that started it ends: this one ends last.
    launcher = closing.enter_context(ThreadPoolExecutor(1, thread_name_prefix="launcher"))
    ports: dict[str, int] = {}
    for name, url in _addresses(settings):
        target = target_of(url)
        if target is None:
            continue
        port = ports[name] = free_ports(1)[0]
        log = options.state.logs / f"forward-{name}.log"
        command = command_of(target, port, options.kubeconfig)
        server = forward(command, port, name=f"forward to {target.service}", log=log, launcher=launcher)
        closing.callback(server.stop)
        await _start(server, needed=name != STATUS)
        _keep(server.keep(), closing)
    return localized(
        settings,
        store=ports.get("store"),
        queue=ports.get("queue"),
        status=ports.get(STATUS),
        folder=options.state.path,
        kubeconfig=options.kubeconfig,
    )


def _addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    """What commands and people reach, by a name for its log."""
    yield "store", settings.storage.address
    yield "queue", settings.queue.url
    if settings.status is not None and settings.kubernetes is not None:
        host = f"{STATUS_SERVICE}.{settings.kubernetes.platform_namespace}.svc"
        yield STATUS, f"http://{host}:{settings.status.port}"


async def _start(server: Server, *, needed: bool) -> None:
    """Raises what starting it raises, where commands need it; else it is tried again while the rest works."""
    try:
        await server.start()
    except HeadraceError as error:
        if needed:
            raise
        _log.warning("%s: %s", server.name, error, extra={"action": "connect.not_forwarded"})


def _keep(step: Coroutine[Any, Any, None], closing: AsyncExitStack) -> None:
    task = asyncio.create_task(step)
    closing.callback(task.cancel)


def _write(settings: Settings, secret: Manifest, state: StateDirectory) -> None:
    if settings.queue.ca_file:
        write_private(state.path / AUTHORITY_KEY, authority_of(secret))
    write_private(state.settings, settings.to_json())
    write_private(state.client, client_environment(settings).encode())
    if settings.status is not None:
        write_private(state.page, door_of(settings))

"""The programs of both projects as they are rendered: the components of `pulumi up`, without its cluster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pulumi
import pulumi_kubernetes as kubernetes

from headrace.model.errors import ConfigurationError
from headrace.model.value import Value
from infra.components.functions.functions import Functions, FunctionsArgs
from infra.components.functions.platform import PlatformOutputs, buckets_of
from infra.configuration import parse, refuse, refuse_plain, takes_text
from infra.deployment import platform_on
from infra.function_settings import FunctionSettings
from infra.gitops.projects import FUNCTIONS, PLATFORM, Project, StackFile, stack_file
from infra.host_files import text_of
from infra.objects import Ground
from infra.plain import refuse_plain_parts
from infra.rendering import built_images, rendered
from infra.settings import StackSettings

T = TypeVar("T", StackSettings, FunctionSettings)
Read = Callable[[Path], str]
# Whoever syncs knows its cluster; a file's own values go before these.
_NO_CLUSTER = {
    "kubeconfig": "not read where files are written",
    "context": "not read where files are written",
}


@dataclass(frozen=True, slots=True)
class Program:
    """What is to be recorded, and of which project and stack; `namespace`: where most of it is declared."""

    project: Project
    stack: str
    namespace: str
    run: Callable[[], None]


def program(
    project: Project,
    checkout: Path,
    stack: str,
    *,
    texts: Mapping[str, str] | None = None,
    read: Read = text_of,
) -> Program:
    """The program of a stack; `texts`: all its values where the secret ones are known.

    `read`: reads files that hold secrets. Raises ConfigurationError with all faults of its configuration.
    """
    file = stack_file(checkout, project, stack)
    if project is PLATFORM:
        own = settings_of(StackSettings, file, texts)
        return Program(project, stack, own.namespace, _platform(own, checkout, read))
    settings = settings_of(FunctionSettings, file, texts)
    named = settings.platform.rpartition("/")[2]
    platform = settings_of(StackSettings, stack_file(checkout, PLATFORM, named))
    space, buckets = _place(settings, platform)
    return Program(project, stack, space, _functions(settings, space, buckets, checkout))


def settings_of(model: type[T], file: StackFile, texts: Mapping[str, str] | None = None) -> T:
    """The strict model of a stack's file, with stand-ins for secrets where these are not given in `texts`.

    The form with stand-ins is judged first in any case: what is wrong with it is told without a secret.
    """
    _refuse_whole(model, file)
    settings = parse(model, {**_NO_CLUSTER, **file.texts}, stack=file.stack)
    refuse_plain(settings.secret_keys, file.encrypted, stack=file.stack)
    refuse_plain_parts(settings.secret_parts, file.tree, stack=file.stack)
    if texts is None:
        return settings
    return parse(model, {**_NO_CLUSTER, **texts}, stack=file.stack, is_decrypted=True)


def unplayed(project: Project, checkout: Path, stack: str) -> Sequence[str]:
    """Playbooks that `pulumi up` would play, and that files can't. Raises ConfigurationError."""
    if project is not PLATFORM:
        return ()
    hosts = settings_of(StackSettings, stack_file(checkout, project, stack)).hosts
    return hosts.playbooks if hosts else ()


def _refuse_whole(model: type[Value], file: StackFile) -> None:
    faults = [
        f"{key}: found encrypted as a whole, allowed with its parts in sight, as these are rendered; "
        "set each secret in it with `pulumi config set --secret --path`"
        for key in sorted(file.whole)
        if not takes_text(model, key)
    ]
    refuse(faults, stack=file.stack)


def _platform(stack: StackSettings, checkout: Path, read: Read) -> Callable[[], None]:
    if stack.hosts and stack.hosts.gpu_servers:
        raise ConfigurationError(
            f"hosts.gpuServers: found {', '.join(stack.hosts.gpu_servers)}, which playbooks write during "
            "`pulumi up`, allowed none where files are written; give the servers in remoteGpus.servers"
        )

    def run() -> None:
        platform_on(stack, checkout, _ground(), read=read)

    return run


def _place(settings: FunctionSettings, platform: StackSettings) -> tuple[str, Mapping[str, str]]:
    """The namespace of the functions, and the store's names of their buckets."""
    if settings.tenant is None:
        return platform.functions_namespace, platform.bucket_names
    told = {name: platform.buckets_of(name) for name in platform.tenants}
    return settings.tenant, buckets_of(settings.tenant, told)


def _functions(
    settings: FunctionSettings, space: str, buckets: Mapping[str, str], checkout: Path
) -> Callable[[], None]:
    top = checkout / FUNCTIONS.folder
    found = rendered(settings, top, built_images(settings, top))

    def run() -> None:
        outputs = PlatformOutputs(
            namespace=pulumi.Output.from_input(space),
            bucket_names=pulumi.Output.from_input(buckets),
        )
        Functions("functions", FunctionsArgs(settings, found, outputs, _ground()))

    return run


def _ground() -> Ground:
    """Nothing waits for readiness: whoever syncs does. What holds data is marked as such in any case."""
    return Ground(kubernetes.Provider("cluster"), wait=False, protect=True)

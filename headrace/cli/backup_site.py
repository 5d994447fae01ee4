"""A session's stack as backup and restore see it, its cluster's objects, and how far they are."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from headrace.backup.objects import read_objects, real_buckets
from headrace.backup.owning import as_stored
from headrace.backup.site import Silent, Site, Telling
from headrace.cli.output import err
from headrace.cli.session import Opener, Session, open_session
from headrace.connect.cluster import ClusterOptions, connected
from headrace.kube.lightkube import LightKube
from headrace.kube.port import Kube, Manifest
from headrace.local.state import StateDirectory
from headrace.model.function import Function
from headrace.model.settings import KubernetesSettings, QueueSettings
from headrace.model.tenancy import tenant_of
from headrace.operations.stack import Stack

Cluster = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig", exists=True, dir_okay=False,
        help="Connect to the cluster of its current context, for this command; instead of --state.",
    ),
]  # fmt: skip
Namespace = Annotated[str, typer.Option(help="The platform's namespace, with --kubeconfig.")]
PLATFORM_NAMESPACE = "headrace"


def site_of(session: Session, objects: Iterable[Manifest] = ()) -> Site:
    """`objects`: those of Kubernetes, among which Bucket objects name more buckets."""
    stack = session.stack
    tenants = stack.place.tenants if stack.place else ()
    return Site(
        storage=stack.storage,
        queue=stack.queue,
        functions=tuple(_function_of(stack, each.function) for each in stack.functions),
        platform_bucket=stack.platform_bucket,
        now=session.now,
        sleep=session.sleep,
        buckets=stack.buckets,
        bucket_objects=real_buckets(objects, stack.place),
        tenants={each.name: frozenset(each.buckets.values()) for each in tenants},
        queue_settings=session.settings.queue if session.settings else QueueSettings(url=""),
    )


def _function_of(stack: Stack, function: Function) -> Function:
    tenant = tenant_of(function.name)
    return as_stored(function, partial(stack.real_bucket, tenant=tenant)) if tenant else function


@asynccontextmanager
async def cluster_of(session: Session) -> AsyncIterator[tuple[Kube, KubernetesSettings] | None]:
    """The API server of a connected cluster, while the block runs; None for a stack on this machine."""
    place = session.settings.kubernetes if session.settings else None
    if place is None:
        yield None
        return
    kube = LightKube.of(place)
    try:
        yield kube, place
    finally:
        await kube.close()


async def objects_of(session: Session) -> list[Manifest]:
    """The cluster's objects; none of a stack on this machine, whose functions are files."""
    async with cluster_of(session) as cluster:
        if cluster is None:
            return []
        kube, place = cluster
        return await read_objects(kube, (*place.namespaces, place.platform_namespace))


def opener_of(kubeconfig: Path | None, namespace: str) -> Opener | None:
    """Opens a session of a cluster that is connected for as long; None: of the stack in the state folder."""
    if kubeconfig is None:
        return None

    @asynccontextmanager
    async def opened(_state: Path) -> AsyncIterator[Session]:
        with TemporaryDirectory(prefix="headrace-backup-") as folder:
            state = StateDirectory(Path(folder))
            async with (
                connected(ClusterOptions(kubeconfig.resolve(), namespace, state)),
                open_session(state.path) as session,
            ):
                yield session

    return opened


class _Bar:
    """A line for what is under way."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._line: TaskID | None = None

    def stage(self, what: str, total: int) -> None:
        if self._line is not None:
            self._progress.remove_task(self._line)
        self._line = self._progress.add_task(what, total=total)

    def step(self, size: int = 0) -> None:  # noqa: ARG002  (contents differ too much for a rate to tell anything)
        if self._line is not None:
            self._progress.advance(self._line)


@contextmanager
def told(verb: str) -> Iterator[Telling]:
    """Progress on a terminal's stderr, while the block runs."""
    console = err()
    if not console.is_terminal:
        yield Silent()
        return
    columns = (TextColumn(verb), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        yield _Bar(progress)

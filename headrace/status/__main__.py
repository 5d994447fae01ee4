"""`python -m headrace.status --settings FILE`: the status page, its document and actions as one process.

Exit status: 0 after SIGTERM or SIGINT, 1 with the reason on stderr when it can't go on.
"""

import secrets
import socket
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from starlette.routing import BaseRoute

from headrace.health.http_service import run_service, server_of
from headrace.health.serving import bound
from headrace.kube.lightkube import LightKube
from headrace.metrics.catalogue import STREAMS, STREAMS_LIMIT
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Figure, Service
from headrace.metrics.serving import metrics_route
from headrace.model.errors import ConfigurationError
from headrace.model.settings import KubernetesSettings, Settings
from headrace.model.status_page import Names, StatusSettings
from headrace.queue.accounts import queue_of
from headrace.status.access import login_of
from headrace.status.acting import Acts, SetEnabled, on_cluster, on_machine
from headrace.status.app import application
from headrace.status.calls import Desk
from headrace.status.cluster import Cluster
from headrace.status.gathering import Gathering, Readers, cluster_readers, machine_readers
from headrace.status.service import Newsroom, World
from headrace.status.streaming import Seats
from headrace.status.writing import Head
from headrace.storage.s3 import S3Storage

GRACE_SECONDS = 3  # for calls under way when it is told to end; streams see within a look that it ends
# A connection whose other end takes nothing for so long is cut by the kernel, and what waited for it freed.
# https://man7.org/linux/man-pages/man7/tcp.7.html
STALL_MILLISECONDS = 30_000
RUNTIMES = {False: "host", True: "kubernetes"}
DIGITS = 8
BACKLOG = 128  # connections that wait to be taken


async def _serve(settings: Settings, status: StatusSettings) -> None:
    """Answer until SIGTERM or SIGINT."""
    async with AsyncExitStack() as closing:
        storage, queue = S3Storage(settings.storage), queue_of(settings.queue)
        closing.push_async_callback(storage.close)
        closing.push_async_callback(queue.close)
        listening = closing.enter_context(_listening(status))
        readers, set_enabled = await _surroundings(settings, status, closing)
        gathering = Gathering(settings, readers, storage, queue, now=time.time)
        world = World(
            gathering=gathering,
            storage=storage,
            platform_bucket=settings.platform_bucket,
            head=_head(settings, status),
            hides=status.names is Names.HIDDEN,
            now=time.time,
        )
        newsroom = Newsroom(world)
        acts = Acts(gathering, set_enabled)
        seats = Seats()
        desk = Desk(status, newsroom, acts, seats, lambda: gathering.unready, lambda: server.should_exit)
        app = application(desk, metrics_page(seats))
        server = server_of(app, host=status.host, port=status.port, grace_seconds=GRACE_SECONDS)
        await closing.enter_async_context(newsroom.going_on())
        await server.serve([listening])


def metrics_page(seats: Seats) -> BaseRoute:
    """What Prometheus reads."""

    async def read() -> Sequence[Figure]:
        return Figure(STREAMS, seats.taken), Figure(STREAMS_LIMIT, seats.most)

    return metrics_route(Exposition(Service.STATUS), read)


def _listening(status: StatusSettings) -> socket.socket:
    listening = bound(status.host, status.port, backlog=BACKLOG)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections that are taken have it, too
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_MILLISECONDS)
    return listening


async def _surroundings(
    settings: Settings, status: StatusSettings, closing: AsyncExitStack
) -> tuple[Readers, SetEnabled]:
    """What is read where, and where people's wishes of nodes go."""
    place = settings.kubernetes
    if place is None:
        return machine_readers(settings, Path(status.plan_file)), on_machine(Path(status.wishes_file))
    kube = LightKube.of(place)
    closing.push_async_callback(kube.close)
    cluster = await closing.enter_async_context(Cluster(kube, settings, place, time.time))
    return cluster_readers(cluster), on_cluster(kube)


def _head(settings: Settings, status: StatusSettings) -> Head:
    return Head(
        instance=secrets.token_hex(DIGITS // 2),
        name=status.title or _own_name(settings.kubernetes),
        headrace=version("headrace"),
        runtime=RUNTIMES[settings.kubernetes is not None],
        login=login_of(status),
        refresh_seconds=status.refresh_seconds,
    )


def _own_name(place: KubernetesSettings | None) -> str:
    return place.platform_namespace if place is not None else socket.gethostname()


def main(settings: Annotated[Path, typer.Option(help="the settings document")]) -> None:
    """Show how the stack is doing."""
    run_service("status", settings, lambda loaded: _serve(loaded, _own(loaded, settings)))


def _own(loaded: Settings, path: Path) -> StatusSettings:
    if loaded.status is None:
        raise ConfigurationError(
            f"settings {path}: status is missing, which the status page needs; add it with a port"
        )
    status = loaded.status
    if loaded.kubernetes is None and not (status.plan_file and status.wishes_file):
        raise ConfigurationError(
            f"settings {path}: status.planFile or status.wishesFile is missing, which a stack on one machine "
            "needs; name the files that its scaler writes and reads, or add kubernetes"
        )
    return status


if __name__ == "__main__":
    typer.run(main)

"""`python -m headrace.api --settings FILE`: the HTTP interface as one process.

Exit status: 0 after SIGTERM or SIGINT, 1 with the reason on stderr when it can't go on.
"""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
from starlette.routing import BaseRoute

from headrace.api.app import application
from headrace.api.deployments import Deployments
from headrace.api.folders import FolderDeployments
from headrace.api.objects import ObjectDeployments
from headrace.api.sites import cluster_site, machine_site
from headrace.api.spool import Spool
from headrace.api.system_calls import Site
from headrace.api.traffic import Traffic
from headrace.api.world import World
from headrace.health.http_service import run_service, server_of
from headrace.kube.lightkube import LightKube
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Figure, Service
from headrace.metrics.serving import metrics_route
from headrace.model.api import ApiSettings
from headrace.model.errors import ConfigurationError
from headrace.model.settings import Settings
from headrace.queue.accounts import queue_of
from headrace.queue.port import Queue
from headrace.storage.s3 import S3Storage

GRACE_SECONDS = 10  # for calls under way when it is told to end
DIGITS = 8


async def _serve(settings: Settings, api: ApiSettings) -> None:
    """Answer until SIGTERM or SIGINT."""
    async with AsyncExitStack() as closing:
        storage = S3Storage(settings.storage)
        closing.push_async_callback(storage.close)
        queue = queue_of(settings.queue)
        closing.push_async_callback(queue.close)
        deployments, site = await _surroundings(settings, queue, closing)
        folder = closing.enter_context(
            tempfile.TemporaryDirectory(prefix="headrace-spool-", dir=api.spool_directory or None)
        )
        exposition = Exposition(Service.API)
        world = World(
            settings=settings,
            api=api,
            storage=storage,
            queue=queue,
            deployments=deployments,
            spool=_spool(api, Path(folder)),
            now=time.time,
            sleep=asyncio.sleep,
            number=lambda: secrets.token_hex(DIGITS // 2),
            traffic=Traffic(exposition),
        )
        app = application(world, site, _page(exposition, world))
        await server_of(app, host=api.host, port=api.port, grace_seconds=GRACE_SECONDS).serve()


def _page(exposition: Exposition, world: World) -> BaseRoute:
    """What Prometheus reads."""

    async def read() -> Sequence[Figure]:
        return world.traffic.figures(world.spool)

    return metrics_route(exposition, read)


def _spool(api: ApiSettings, folder: Path) -> Spool:
    return Spool(
        folder,
        most_bytes=api.upload_bytes,
        room_bytes=api.spool_bytes,
        stall_seconds=api.stall_seconds,
    )


async def _surroundings(
    settings: Settings, queue: Queue, closing: AsyncExitStack
) -> tuple[Deployments, Site]:
    """Where functions are kept, and what is told of the place."""

    async def waiting() -> int:
        tenants = [each.name for each in place.tenants] if place else []
        return sum([await queue.total(each) for each in ("", *tenants)])

    place = settings.kubernetes
    if place is None:
        folder, keys = Path(settings.functions_directory), Path(settings.worker.secrets_directory)
        return FolderDeployments(folder, keys), machine_site(waiting)
    kube = LightKube.of(place)
    closing.push_async_callback(kube.close)
    return ObjectDeployments(kube, place), cluster_site(kube, waiting)


def main(settings: Annotated[Path, typer.Option(help="the settings document")]) -> None:
    """Answer OSCAR's clients."""
    run_service("api", settings, lambda loaded: _serve(loaded, _own(loaded, settings)))


def _own(loaded: Settings, path: Path) -> ApiSettings:
    if loaded.api is None:
        raise ConfigurationError(
            f"settings {path}: api is missing, which the HTTP interface needs; add it with a port, a user "
            "and a token key"
        )
    return loaded.api


if __name__ == "__main__":
    typer.run(main)

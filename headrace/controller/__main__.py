"""`python -m headrace.controller --settings FILE`: the controller as one process.

Exit status: 0 after SIGTERM or SIGINT, 1 with the reason on stderr when it can't go on.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from headrace.controller.service import Service
from headrace.controller.world import World
from headrace.health.ending import until_told
from headrace.health.serving import PORT, serving
from headrace.kube.leadership import Leadership, Seat
from headrace.kube.lightkube import LightKube
from headrace.logs.json_lines import configure_logging
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Service as Teller
from headrace.metrics.serving import metrics_route
from headrace.model.errors import ConfigurationError, HeadraceError
from headrace.model.labels import CONTROLLER_LEASE
from headrace.model.settings import KubernetesSettings, Settings
from headrace.queue.accounts import queue_of
from headrace.storage.s3 import S3Storage


async def _serve(settings: Settings, kubernetes: KubernetesSettings, port: int) -> None:
    """Work until SIGTERM or SIGINT."""
    kube, storage = LightKube.of(kubernetes), S3Storage(settings.storage)
    queue = queue_of(settings.queue)
    seat = Seat.own(kubernetes.platform_namespace, CONTROLLER_LEASE)
    leadership = Leadership(lambda: LightKube.of(kubernetes), seat)
    world = World(kube, queue, storage, settings, kubernetes, time.time, time.monotonic, leadership.leading)
    exposition = Exposition(Teller.CONTROLLER)
    service = Service(world, meter=exposition)
    page = metrics_route(exposition, service.figures)
    leadership.start()
    try:
        async with serving(port, ready=service.unready, remark=service.remark, more=[page]):
            await until_told(service.run(), leadership.strive())
    finally:
        await leadership.stop()
        await queue.close()
        await storage.close()
        await kube.close()


def main(
    settings: Annotated[Path, typer.Option(help="the settings document")],
    port: Annotated[int, typer.Option(help="where /healthz and /readyz answer")] = PORT,
) -> None:
    """Give functions and buckets what they need, a status, and an orderly end; tell how pools stand."""
    try:
        loaded = Settings.from_json(settings.read_bytes())
    except (OSError, ValidationError) as error:
        sys.exit(f"controller: the settings {settings} can't be used: {error}")
    configure_logging(loaded.secrets)
    try:
        asyncio.run(_serve(loaded, _kubernetes(loaded, settings), port))
    except HeadraceError as error:
        sys.exit(f"controller: {error}")


def _kubernetes(loaded: Settings, path: Path) -> KubernetesSettings:
    if loaded.kubernetes is None:
        raise ConfigurationError(
            f"settings {path}: kubernetes is missing, which the controller needs; add it with the namespaces"
        )
    return loaded.kubernetes


if __name__ == "__main__":
    typer.run(main)

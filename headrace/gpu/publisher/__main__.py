"""`python -m headrace.gpu.publisher`: publishes the GPUs of servers; one of several leads.

Exit status: 0 after SIGTERM or SIGINT, 1 with the reason on stderr when it can't go on.
"""

import asyncio
import sys
import time
from typing import Annotated

import typer

from headrace.gpu.backends.table import backends
from headrace.gpu.publisher.service import Publisher, World
from headrace.health.ending import until_told
from headrace.health.serving import PORT, serving
from headrace.kube.leadership import Leadership, Seat
from headrace.kube.lightkube import LightKube
from headrace.logs.json_lines import configure_logging
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Service
from headrace.metrics.serving import metrics_route
from headrace.model.errors import HeadraceError
from headrace.model.labels import PUBLISHER_LEASE
from headrace.model.settings import KubernetesSettings

SILENT_SECONDS = 30.0  # the API server may be away so long before the pod is told not to be ready


def _unready(publisher: Publisher) -> str:
    silent = publisher.silent_seconds
    if silent is None:
        return "not everything was listed yet"
    return f"the API server has not answered for {silent:.0f} s" if silent > SILENT_SECONDS else ""


async def _serve(place: KubernetesSettings, port: int) -> None:
    """Until SIGTERM or SIGINT; what can't go on is raised."""
    kube = LightKube.of(place)
    seat = Seat.own(place.platform_namespace, PUBLISHER_LEASE)
    leadership = Leadership(lambda: LightKube.of(place), seat)
    publisher = Publisher(World(kube, backends(), leadership.leading, time.time))
    page = metrics_route(Exposition(Service.PUBLISHER), publisher.figures)
    leadership.start()
    try:
        async with serving(port, ready=lambda: _unready(publisher), more=[page]):
            await until_told(publisher.run(), leadership.strive())
    finally:
        await leadership.stop()
        await kube.close()


def main(
    namespace: Annotated[str, typer.Option(help="of the platform, where the lease is")],
    kubeconfig: Annotated[str, typer.Option(help="a file; by default the pod's own account")] = "",
    port: Annotated[int, typer.Option(help="where /healthz and /readyz answer")] = PORT,
) -> None:
    """Publish the GPUs of servers, and see which servers answer."""
    configure_logging(())
    place = KubernetesSettings(namespace="", platform_namespace=namespace, kubeconfig=kubeconfig)
    try:
        asyncio.run(_serve(place, port))
    except HeadraceError as error:
        sys.exit(f"gpu publisher: {error}")


if __name__ == "__main__":
    typer.run(main)

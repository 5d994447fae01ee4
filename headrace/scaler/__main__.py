"""`python -m headrace.scaler --settings FILE`: the scaler on Kubernetes; one of several leads.

Exit status: 0 after SIGTERM or SIGINT, 1 with the reason on stderr when it can't go on.
"""

import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from headrace.health.serving import PORT, serving
from headrace.kube.leadership import Leadership, Seat
from headrace.kube.lightkube import LightKube
from headrace.kube.mirrors import told_left_out
from headrace.logs.json_lines import configure_logging
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Service
from headrace.metrics.serving import metrics_route
from headrace.model.errors import ConfigurationError, HeadraceError
from headrace.model.labels import SCALER_LEASE
from headrace.model.settings import KubernetesSettings, Settings
from headrace.queue.accounts import queue_of
from headrace.scaler.kubernetes.leading import Life, Parts

SILENT_SECONDS = 30.0  # the API server may be away so long before the pod is told not to be ready
# A step is bounded by its calls' own limits. One that never ends keeps the lease, which a thread renews.
STILL_SECONDS = 180.0


@dataclass(frozen=True)
class _Health:
    """Ready once everything was listed, and for as long as the API server answers; alive while steps end."""

    life: Life

    def unready(self) -> str:
        silent = self.life.silent_seconds
        if silent is None:
            return "not everything was listed yet"
        return f"the API server has not answered for {silent:.0f} s" if silent > SILENT_SECONDS else ""

    def remark(self) -> str:
        return told_left_out(self.life.left_out)

    def dead(self) -> str:
        still = self.life.still_seconds
        return f"no step has ended for {still:.0f} s" if still > STILL_SECONDS else ""


async def _serve(settings: Settings, place: KubernetesSettings, port: int) -> None:
    kube, queue = LightKube.of(place), queue_of(settings.queue)
    seat = Seat.own(place.platform_namespace, SCALER_LEASE)
    leadership = Leadership(lambda: LightKube.of(place), seat)
    exposition = Exposition(Service.SCALER)
    life = Life(Parts(kube, queue, place, leadership, meter=exposition))
    page = metrics_route(exposition, life.figures)
    health = _Health(life)
    leadership.start()
    try:
        async with serving(port, ready=health.unready, alive=health.dead, remark=health.remark, more=[page]):
            await life.run()
    finally:
        await leadership.stop()
        await queue.close()
        await kube.close()


async def _until_told(settings: Settings, place: KubernetesSettings, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    work = asyncio.current_task()
    if work is None:
        raise HeadraceError("there is no task to stop")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    await _serve(settings, place, port)


def main(
    settings: Annotated[Path, typer.Option(help="the settings document")],
    port: Annotated[int, typer.Option(help="where /healthz and /readyz answer")] = PORT,
) -> None:
    """Decide how many workers and nodes there are, and see to it."""
    try:
        loaded = Settings.from_json(settings.read_bytes())
    except (OSError, ValidationError) as error:
        sys.exit(f"scaler: the settings {settings} can't be used: {error}")
    configure_logging(loaded.secrets)
    try:
        if loaded.kubernetes is None:
            raise ConfigurationError("settings: kubernetes is missing; add its namespaces and the sidecar")
        asyncio.run(_until_told(loaded, loaded.kubernetes, port))
    except HeadraceError as error:
        sys.exit(f"scaler: {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(0)


if __name__ == "__main__":
    typer.run(main)

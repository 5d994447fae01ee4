"""`python -m headrace.gpu.plugin`: the DRA driver's part on one node.

Exit status: 0 after SIGTERM or SIGINT, 1 with the reason on stderr when it can't go on.
"""

import asyncio
import logging
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import headrace.gpu.stub.client
from headrace.gpu.backends.lupine import Lupine
from headrace.gpu.backends.rcuda import Rcuda
from headrace.gpu.backends.stub import Stub
from headrace.gpu.backends.table import Backends, backends
from headrace.gpu.plugin.answers import Answers
from headrace.gpu.plugin.cdi import CdiFolder
from headrace.gpu.plugin.checkpoint import Checkpoint
from headrace.gpu.plugin.figures import figures
from headrace.gpu.plugin.health import Health
from headrace.gpu.plugin.preparing import Preparer
from headrace.gpu.plugin.serving import Sockets, serving
from headrace.health.ending import until_told
from headrace.health.serving import PORT
from headrace.health.serving import serving as answering
from headrace.kube.lightkube import LightKube
from headrace.kube.port import Kube
from headrace.logs.json_lines import configure_logging
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Figure, Service
from headrace.metrics.serving import metrics_route
from headrace.model.errors import HeadraceError
from headrace.model.settings import KubernetesSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Folders of the node: the kubelet's, the container runtime's for CDI, and what this plugin keeps."""

    kubelet: Path
    cdi: Path
    state: Path


def preparer_of(place: Place, kube: Kube, found: Backends) -> Preparer:
    """What prepares claims here. Raises FatalError for a checkpoint that can't be read."""
    checkpoint, folder = Checkpoint(place.state / "checkpoint.json"), CdiFolder(place.cdi)
    if strange := folder.sweep(checkpoint.preparations):
        _log.info("removed of claims that are not prepared: %s", strange, extra={"action": "gpu.cdi_swept"})
    return Preparer(kube, found, checkpoint, folder)


async def serve(place: Place, preparer: Preparer, found: Backends, port: int) -> None:
    """Until SIGTERM or SIGINT. Raises ConfigurationError."""
    sockets = Sockets(place.kubelet)
    health = Health(lambda: preparer.prepared, found)
    async with serving(sockets, Answers(preparer), health) as registration:

        async def read() -> Sequence[Figure]:
            return figures(preparer.prepared, is_registered=not registration.fault)

        page = metrics_route(Exposition(Service.GPU_PLUGIN), read)
        async with answering(
            port, ready=lambda: registration.fault, alive=lambda: sockets.missing, more=[page]
        ):
            await until_told()


def lay_out_stub(folder: Path) -> None:
    """The stub's client, where containers mount it from: whole, or as it was before."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    source = Path(next(iter(headrace.gpu.stub.client.__path__)))
    shutil.copytree(source, partial, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


async def _serve_with_kube(place: Place, kubernetes: KubernetesSettings, found: Backends, port: int) -> None:
    kube = LightKube.of(kubernetes)
    try:
        await serve(place, preparer_of(place, kube, found), found, port)
    finally:
        await kube.close()


def main(
    kubelet: Annotated[Path, typer.Option(help="the kubelet's root folder")] = Path("/var/lib/kubelet"),
    cdi: Annotated[Path, typer.Option(help="where the container runtime looks")] = Path("/var/run/cdi"),
    state: Annotated[Path, typer.Option(help="what the plugin keeps")] = Path("/var/lib/headrace/gpu"),
    rcuda: Annotated[Path, typer.Option(help="rCUDA's client tree on the node")] = Path("/opt/rcuda"),
    rcuda_protocol: Annotated[str, typer.Option(help="TCP or IB, for versions before 20.07")] = "",
    lupine: Annotated[Path, typer.Option(help="Lupine's client tree on the node")] = Path("/opt/lupine"),
    kubeconfig: Annotated[str, typer.Option(help="a file; by default the pod's own account")] = "",
    port: Annotated[int, typer.Option(help="where /healthz and /readyz answer")] = PORT,
) -> None:
    """Prepare GPUs of servers for the containers of this node."""
    configure_logging(())
    stub = state / "stub"
    found = backends(
        rcuda=Rcuda(str(rcuda), rcuda_protocol), lupine=Lupine(str(lupine)), stub=Stub(str(stub))
    )
    kubernetes = KubernetesSettings(namespace="", platform_namespace="", kubeconfig=kubeconfig)
    try:
        state.mkdir(parents=True, exist_ok=True)
        lay_out_stub(stub)
        asyncio.run(_serve_with_kube(Place(kubelet, cdi, state), kubernetes, found, port))
    except (HeadraceError, OSError) as error:
        sys.exit(f"gpu plugin: {error}")


if __name__ == "__main__":
    typer.run(main)

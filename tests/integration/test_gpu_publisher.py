"""The publisher on a real API server: 200 servers of 8 GPUs, and what a server that flaps costs in writes."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from headrace.gpu.backends.table import backends
from headrace.gpu.publisher.service import Publisher, Rhythm, World
from headrace.kube.kinds import GPU_SERVERS, RESOURCE_SLICES
from headrace.kube.lightkube import LightKube
from headrace.manifests.definitions import definitions
from headrace.manifests.gpu_slices import published_in
from headrace.model.settings import KubernetesSettings
from infra import access, names
from tests.fixtures.accounts import granted
from tests.toolchain.cluster.box import Box

SERVERS, GPUS = 200, 8
SPACE = "publisher-tests"
MOST_DEVICES_TAINTED = 64  # in a slice, by the API: resource.k8s.io/v1
BRISK = Rhythm(probe=0.5, probe_limit=1.0, lease=1.0, reap=3600.0)
PATIENCE_SECONDS = 90.0


def gpu_server(number: int, port: int) -> dict[str, object]:
    """Of backend rcuda, as a probe of it is a connection and nothing more."""
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "GpuServer",
        "metadata": {"name": f"gpu{number}"},
        "spec": {
            "address": "127.0.0.1", "port": port, "backend": "rcuda", "maxSessions": 64,
            "devices": [{"model": "A100", "memory": "40Gi", "cudaVersion": "9.0"}] * GPUS,
        },
    }  # fmt: skip


async def _answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.fixture
async def kube(control_plane: Box) -> AsyncIterator[LightKube]:
    """With the publisher's own rights."""
    box = control_plane
    box.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    box.apply(*(dict(each) for each in definitions()))
    with granted(box, names.PUBLISHER, access.publisher(), platform=SPACE, functions=SPACE) as user:
        found = LightKube.of(KubernetesSettings(namespace="", platform_namespace=SPACE, kubeconfig=str(user)))
        yield found
        await found.close()
    for kind in ("headrace.dev/v1alpha1/gpuservers", "resource.k8s.io/v1/resourceslices"):
        box.kubectl("delete", "--raw", f"/apis/{kind}")  # all in one request: kubectl takes one by one


async def seen(kube: LightKube, *, silent: int) -> list[dict[str, object]]:
    """The slices, once so many servers are published as silent and all others as answering."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        slices = list((await kube.list(RESOURCE_SLICES)).items)
        count = Counter(gpu.silent for gpu in published_in(slices))
        if count == Counter({False: (SERVERS - silent) * GPUS, True: silent * GPUS}):
            return slices
        assert time.monotonic() < deadline, count
        await asyncio.sleep(0.2)


async def settled(publisher: Publisher) -> int:
    """Its writes, once there are no more for some rounds of probes."""
    before = -1
    while publisher.writes != before:
        before = publisher.writes
        await asyncio.sleep(6 * BRISK.probe)
    return before


async def test_200_servers_are_published_and_one_that_flaps_costs_four_writes(
    control_plane: Box, kube: LightKube
):
    steady = await asyncio.start_server(_answer, "127.0.0.1", 0)
    flapping = await asyncio.start_server(_answer, "127.0.0.1", 0)
    ports = [each.sockets[0].getsockname()[1] for each in (steady, flapping)]
    control_plane.apply(*(gpu_server(number, ports[number == 7]) for number in range(SERVERS)))
    publisher = Publisher(World(kube, backends(), lambda: True, time.time, BRISK))
    running = asyncio.create_task(publisher.run())
    try:
        slices = await seen(kube, silent=0)
        assert len(slices) == SERVERS
        assert max(len(each["spec"]["devices"]) for each in slices) == GPUS <= MOST_DEVICES_TAINTED
        assert await settled(publisher) == 2 * SERVERS, "a slice and a status each, and nothing twice"
        flapping.close()
        await seen(kube, silent=1)
        assert await settled(publisher) == 2 * SERVERS + 2, "a taint and a status"
        again = await asyncio.start_server(_answer, "127.0.0.1", ports[1])
        await seen(kube, silent=0)
        assert await settled(publisher) == 2 * SERVERS + 4
        again.close()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        steady.close()
    told = (await kube.get(GPU_SERVERS, "gpu7"))["status"]["conditions"][0]
    assert (told["type"], told["status"]) == ("Ready", "True")

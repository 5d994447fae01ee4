"""The scaler and GPUs, on an API server in memory: ways, who holds what, claims on silent servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from headrace.kube.kinds import (
    GPU_SERVERS,
    NODE_POOLS,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
)
from headrace.manifests.gpu_slices import Silence, resource_slice
from headrace.model.function import Function
from headrace.model.resources import ResourceList
from headrace.placement.packing import RemoteRoom
from headrace.scaler.kubernetes.watching import Watching
from headrace.scaler.kubernetes.workers import PodHost
from headrace.scaler.ports import Wanted
from tests.unit.scaler_cluster import PLACE, SPACE, Cluster, function_object, pool_object
from tests.unit.test_gpu_publisher import server, server_object

GIB = 2**30
SIXTEEN = 16 * GIB
REMOTE = PLACE.model_copy(update={"gpu_networks": ("10.9.0.0/24",)})
LOST = Silence("2026-11-26T09:00:00Z")


class Scene:
    """Two servers of two GPUs, one pool of nodes with one node, a function that goes remote."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.watching = Watching(self.cluster.kube, REMOTE)
        self.host = PodHost(
            self.cluster.kube, REMOTE, self.watching.seen, self.cluster.queue,
            leading=lambda: True, now=self.cluster.clock.now,
        )  # fmt: skip
        self.function: Function

    async def build(self) -> None:
        kube = self.cluster.kube
        await kube.create(NODE_POOLS, pool_object())
        for name in ("gpu1", "gpu2"):
            await kube.create(GPU_SERVERS, server_object(name))
            await kube.create(RESOURCE_SLICES, dict(resource_slice(server(name), generation=1)))
        await self.cluster.add_node("n1", cpu="8")
        wish = {"memory": "6Gi", "access": ["mig", "remote"]}
        self.function = await self.cluster.deploy(function_object(gpu=wish))

    async def claim(self, name: str, place: str, number: int, *pods: str, namespace: str = SPACE) -> None:
        result = {
            "request": "gpu", "driver": "gpu.headrace.dev", "pool": place, "device": f"gpu-{number}",
            "consumedCapacity": {"memory": "6Gi", "sessions": "1"},
        }  # fmt: skip
        head: dict[str, Any] = {"metadata": {"name": name, "namespace": namespace}}
        await self.cluster.kube.create(RESOURCE_CLAIMS, head)
        reserved = [{"resource": "pods", "name": pod, "uid": "u"} for pod in pods]
        status = {"allocation": {"devices": {"results": [result]}}, "reservedFor": reserved}
        await self.cluster.kube.apply_status(RESOURCE_CLAIMS, {**head, "status": status}, manager="scheduler")

    async def silence(self, name: str) -> None:
        kube = self.cluster.kube
        found = await kube.get(RESOURCE_SLICES, f"headrace-{name}")
        wanted = resource_slice(server(name), generation=2, silence=LOST)
        await kube.replace(RESOURCE_SLICES, {**wanted, "metadata": found["metadata"]})

    async def settle(self) -> None:
        """Until what was written last is seen."""
        await self.cluster.add_node("mark")
        while self.watching.nodes.get("mark") is None:
            await self.watching.nodes.changed(5.0, since=self.watching.nodes.revision)
        for _ in range(20):
            await self.watching.changed(0.0, since=self.watching.revision)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    await made.build()
    async with made.watching.following():
        yield made


def room(place: str, number: int, taken: int = 0) -> RemoteRoom:
    return RemoteRoom(place, number, SIXTEEN, SIXTEEN - taken * 6 * GIB, 2 - taken)


async def test_the_way_is_chosen_by_what_is_there_and_answers():
    async with scene() as made:
        assert made.host.gpu(made.function).told == "remote on gpu1, gpu2; not mig: no pool has it"
        assert made.host.gpu(made.function).way.pools == ("sim",)
        await made.silence("gpu1")
        await made.settle()
        assert made.host.gpu(made.function).way.servers == ("gpu2",)
        await made.silence("gpu2")
        for _ in range(50):
            await made.watching.changed(0.0, since=made.watching.revision)
        assert "gpu1 does not answer, gpu2 does not answer" in made.host.gpu(made.function).way.reason


async def test_what_others_hold_is_not_free_and_what_workers_hold_is_theirs():
    async with scene() as made:
        name = await made.cluster.add_worker(made.function, 0, "n1")
        await made.claim("own", "gpu1", 0, name)
        await made.claim("others", "gpu1", 1, "somebody", namespace="default")
        await made.claim("released", "gpu2", 0)
        await made.settle()
        gone_another_way = await made.host.present()
        assert [(each.name, each.places) for each in gone_another_way] == [(name, (("gpu1", 0),))]
        assert gone_another_way[0].leaving, "it was made without a GPU: it goes another way"
        assert made.host.remote().rooms == (
            room("gpu1", 0, 1), room("gpu1", 1, 1), room("gpu2", 0, 1), room("gpu2", 1)
        )  # fmt: skip


async def test_a_worker_whose_function_gave_up_its_gpu_is_charged_for_it_until_it_is_gone():
    async with scene() as made:
        way = made.host.gpu(made.function).way
        request = made.host.request(made.function, way)
        await made.settle()
        await made.host.reconcile({"echo": Wanted({"n1": 1}, request, way)})
        ((born, _),) = await made.cluster.places()
        await made.claim("claim", "gpu1", 0, born)
        await made.cluster.deploy(function_object(resources={"cpu": "100m", "memory": "64Mi"}))
        for _ in range(50):
            await made.watching.changed(0.0, since=made.watching.revision)
        (found,) = await made.host.present()
        gpu = {"remoteGpuMemory": 6 * GIB, "remoteGpuSessions": 1}
        held = request.plus(ResourceList.of({"workers": 1, **gpu}))
        assert (found.leaving, found.tenant, found.charge) == (True, SPACE, held)


async def test_a_worker_is_born_with_a_claim_and_replaced_where_its_server_dies_before_it_runs():
    async with scene() as made:
        way = made.host.gpu(made.function).way
        wanted = {"echo": Wanted({"n1": 1}, made.host.request(made.function, way), way)}
        await made.settle()
        await made.host.reconcile(wanted)
        ((born, _),) = await made.cluster.places()
        (pod,) = await made.cluster.pods()
        assert pod["spec"]["resourceClaims"][0]["resourceClaimTemplateName"] == born.rpartition("-")[0]
        await made.claim("claim", "gpu1", 0, born)
        await made.silence("gpu1")
        for _ in range(50):
            await made.watching.changed(0.0, since=made.watching.revision)
        await made.host.reconcile(wanted)
        assert born not in [name for name, _ in await made.cluster.places()], "it would never start"


async def test_servers_that_are_off_and_can_be_switched_on_are_a_way_and_stand_by():
    async with scene() as made:
        kube = made.cluster.kube
        pool = pool_object("servers", driver="power")
        await kube.create(NODE_POOLS, {**pool, "spec": {**pool["spec"], "provides": "gpuServers"}})
        await kube.patch(GPU_SERVERS, "gpu1", {"spec": {"pool": "servers", "host": "box"}})
        await made.claim("others", "gpu1", 1, "somebody", namespace="default")
        await made.settle()
        on = made.host.remote()
        assert (on.standby, on.serving) == ((), {"box"})
        assert [each.host for each in on.rooms] == ["box", "box", "", ""]
        await made.silence("gpu1")
        for _ in range(50):
            await made.watching.changed(0.0, since=made.watching.revision)
        assert made.host.gpu(made.function).way.servers == ("gpu1", "gpu2")
        off = made.host.remote()
        assert [(each.server, each.host, each.free_bytes) for each in off.standby] == [
            ("gpu1", "box", SIXTEEN), ("gpu1", "box", SIXTEEN)
        ]  # fmt: skip
        assert [each.server for each in off.rooms] == ["gpu2", "gpu2"]

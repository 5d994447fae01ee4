"""What is read of a cluster's API server: functions with their faults, plan, pools, GPUs and their users."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headrace.kube.election import micro_time
from headrace.kube.kinds import CONFIG_MAPS, FUNCTIONS, GPU_SERVERS, LEASES, NODE_POOLS, NODES, PODS
from headrace.kube.memory import MemoryKube
from headrace.model import labels
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.settings import KubernetesSettings
from headrace.model.tenant import Tenant
from headrace.operations.gpus import Use
from headrace.scaler.kubernetes.telling import plan_map
from headrace.status.cluster import Cluster
from headrace.status.document import Gpu
from headrace.status.gathering import cluster_readers
from headrace.status.gpus import gpus_shown
from headrace.status.sight import GpusSeen
from tests.unit.api_bench import settings_of
from tests.unit.scaler_cluster import function_object
from tests.unit.status_bench import NOW, node_pool, plan, pool_story, story
from tests.unit.test_gpus_command import EXPECTED, FOUND, MIG, pod

LAB = Tenant(name="lab", buckets={"uploads": "lab-uploads"})
PLACE = KubernetesSettings(
    namespace="headrace-functions",
    platform_namespace="headrace",
    gpu_networks=("10.0.0.0/8",),
    tenants=(LAB,),
)
SPACES = ("default", "headrace", "headrace-functions", "lab")


def lease(renewed: float) -> dict[str, Any]:
    metadata = {"name": labels.SCALER_LEASE, "namespace": "headrace"}
    return {"metadata": metadata, "spec": {"holderIdentity": "a", "renewTime": micro_time(renewed)}}


class Bench:
    """An API server in memory, and what is read of it at a moment."""

    def __init__(self) -> None:
        self.time = NOW
        self.kube = MemoryKube(now=lambda: self.time, namespaces=SPACES)
        self.settings = settings_of(place=PLACE)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Cluster]:
        async with Cluster(self.kube, self.settings, PLACE, lambda: self.time) as cluster:
            views = (cluster._functions, cluster._plans, cluster._pools, cluster._nodes, cluster._pods)
            async with asyncio.timeout(10):
                while not all(each.synced or each.left_out for each in views):
                    await asyncio.sleep(0)
            yield cluster


async def test_functions_are_told_by_tenant_with_addresses_and_faults():
    bench = Bench()
    await bench.kube.create(FUNCTIONS, function_object("echo"))
    broken = function_object("broken")
    await bench.kube.create(FUNCTIONS, {**broken, "spec": {**broken["spec"], "run": {}}})
    strange = function_object("strange", input=[{"bucket": "private"}])
    metadata = {**strange["metadata"], "namespace": "lab"}
    await bench.kube.create(FUNCTIONS, {**strange, "metadata": metadata})
    async with bench.reading() as cluster:
        found = (await cluster.read_functions()).value
    assert [each.name for each in found] == ["broken", "echo", "lab.strange"]
    assert "spec.run" in found[0].fault
    assert (found[0].function, found[1].fault, found[1].tenant) == (None, "", "")
    assert found[1].inputs[0].startswith("s3://")
    assert (found[2].tenant, "tenant lab" in found[2].fault) == ("lab", True)


async def test_what_the_controller_says_is_not_well_is_remarked():
    bench = Bench()
    conditions = [
        {"type": "Ready", "status": "False", "reason": "BucketsNotReady", "message": "bucket x is not there",
         "lastTransitionTime": "2026-11-26T09:00:00Z"},
        {"type": "WorkersFailing", "status": "True", "reason": "ImagePullBackOff", "message": "",
         "lastTransitionTime": "2026-11-26T09:00:00Z"},
    ]  # fmt: skip
    await bench.kube.create(FUNCTIONS, function_object("echo"))
    told = {**function_object("echo"), "status": {"conditions": conditions}}
    await bench.kube.apply_status(FUNCTIONS, told, manager="t")
    async with bench.reading() as cluster:
        (found,) = (await cluster.read_functions()).value
    assert found.remark == "bucket x is not there; ImagePullBackOff"


async def test_a_tenant_whose_namespace_is_refused_is_remarked_and_the_others_are_told():
    bench = Bench()
    await bench.kube.create(FUNCTIONS, function_object("echo"))
    bench.kube.hidden.add("lab")
    async with bench.reading() as cluster:
        found = await cluster.read_functions()
    assert [each.name for each in found.value] == ["echo"]
    assert found.remark.startswith("namespace lab is left out: ")


@pytest.mark.parametrize(
    ("renewed", "at", "remark"),
    [
        (NOW - 2, NOW - 2, ""),
        (NOW - 95, NOW - 95, "no scaler has renewed its lease for 95 s; does it run?"),
        (NOW + 5, NOW, ""),  # another machine's clock goes before ours
        (None, NOW - 500, "no scaler has ever led; does it run?"),
    ],
)
async def test_a_plan_is_as_old_as_its_scaler_s_last_sign_of_life(renewed, at, remark):
    bench = Bench()
    told = plan(story(), pool_story("gpu", {}), at=NOW - 500)
    await bench.kube.create(CONFIG_MAPS, plan_map("headrace", told))
    if renewed is not None:
        await bench.kube.create(LEASES, lease(renewed))
    async with bench.reading() as cluster:
        found = await cluster.read_plan()
    assert (found.value, found.at, found.remark) == (told, at, remark)


async def test_without_a_plan_the_scaler_is_asked_for():
    async with Bench().reading() as cluster:
        with pytest.raises(TransientError, match="the scaler has told nothing yet"):
            await cluster.read_plan()


async def test_pools_are_those_that_are_sound():
    bench = Bench()
    sound: Mapping[str, Any] = json.loads(node_pool("gpu", price=0.5).to_json())
    await bench.kube.create(NODE_POOLS, sound)
    await bench.kube.create(NODE_POOLS, {**sound, "metadata": {"name": "bad"}, "spec": {}})
    async with bench.reading() as cluster:
        found = (await cluster.read_pools()).value
    assert {name: pool.spec.price_per_hour for name, pool in found.items()} == {"gpu": 0.5}


async def test_gpus_are_told_with_whose_pods_have_them():
    bench = Bench()
    for kind, items in ((NODE_POOLS, FOUND.pools), (NODES, FOUND.nodes), (GPU_SERVERS, FOUND.servers)):
        for each in items:
            await bench.kube.create(kind, each)
    worker = pod("echo-0", "n1", MIG, 3)
    marks = {labels.FUNCTION: "echo", labels.COMPONENT: "worker", labels.PART_OF: labels.HEADRACE}
    metadata = {**worker["metadata"], "labels": marks}
    await bench.kube.create(PODS, {**worker, "metadata": metadata})
    async with bench.reading() as cluster:
        async with asyncio.timeout(10):
            while not all(each.synced for each in cluster._servers.all):
                await asyncio.sleep(0)
        found = (await cluster.read_gpus()).value
        places = cluster.places
    assert found.gpus.local[0].uses == (Use("lab/echo-0", 3),)
    assert [each.name for each in found.gpus.servers] == ["gpu1", "gpu2"]
    assert found.functions == {"lab/echo-0": "lab.echo"}
    assert places == {"lab.echo-0": "n1"}


def test_gpus_of_nodes_and_servers_are_one_list():
    found = gpus_shown(GpusSeen(EXPECTED, {"lab/echo-0": "lab.echo"}))
    assert found.total == len(found.items or ()) == 5
    local, first, second, *_ = found.items or ()
    assert isinstance(local, Gpu)
    assert (local.is_remote, local.place, local.units, local.free_units) == (False, "parts", 28, 25)
    assert (first.is_remote, first.number, first.units, first.free_units) == (True, 0, 4, 2)
    assert first.free_bytes == (16 - 10) * 2**30
    assert [(each.pod, each.function) for each in first.users] == [
        ("lab/echo-0", "lab.echo"),
        ("claim lab/two", None),
    ]
    assert (second.users, second.trouble) == ((), None)


async def test_what_may_not_be_seen_is_told_by_name():
    bench = Bench()

    async with bench.reading() as cluster:
        cluster._pools.refused = "nodepools is forbidden"
        with pytest.raises(ConfigurationError, match="pools can't be seen: nodepools is forbidden"):
            await cluster_readers(cluster).pools()

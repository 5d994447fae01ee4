"""What /system/status tells of a cluster, and of one machine."""

from headrace.api.sites import cluster_site, machine_site
from headrace.kube.kinds import NODES
from headrace.kube.memory import MemoryKube


async def seven() -> int:
    return 7


async def test_a_cluster_s_nodes_are_told_with_what_they_have() -> None:
    kube = MemoryKube()
    capacity = {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": "1"}
    ready = [{"type": "Ready", "status": "True"}]
    await kube.create(NODES, {"metadata": {"name": "n1"}})
    status = {"capacity": capacity, "conditions": ready}
    await kube.apply_status(NODES, {"metadata": {"name": "n1"}, "status": status}, manager="kubelet")
    await kube.create(NODES, {"metadata": {"name": "n2"}})
    found = (await cluster_site(kube, seven).status()).model_dump(exclude_none=True)
    assert found["oscar"]["jobs_count"] == 7
    assert found["cluster"] == {
        "nodes_count": 2,
        "nodes": (
            {
                "name": "n1",
                "cpu": {"capacity_cores": 2000},
                "memory": {"capacity_bytes": 2**30},
                "gpu": 1,
                "status": "Ready",
            },
            {
                "name": "n2",
                "cpu": {"capacity_cores": 0},
                "memory": {"capacity_bytes": 0},
                "gpu": 0,
                "status": "NotReady",
            },
        ),
    }


async def test_one_machine_is_one_node() -> None:
    found = (await machine_site(seven).status()).model_dump(exclude_none=True)
    assert found["cluster"]["nodes_count"] == 1
    assert found["cluster"]["nodes"][0]["memory"]["capacity_bytes"] > 0

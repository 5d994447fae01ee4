"""What is read from Node and Pod objects: tables."""

from typing import Any

import pytest

from headrace.kube.kinds import NODES, PODS
from headrace.kube.memory import MemoryKube
from headrace.model.errors import NotFoundError, TransientError
from headrace.model.labels import COMPONENT, FUNCTION, POOL, STOPPING
from headrace.model.resources import CPU, GPU, MEMORY, NOTHING, ResourceList
from headrace.model.resources import PODS as PLACES
from headrace.nodes.cluster import amounts_of, request_of_pod, sighting_of, stays
from headrace.nodes.port import Power, Sighting
from headrace.nodes.static import StaticNodes
from tests.fixtures.kube import let_events_through, pool_of, views_of

OFFERED = {"cpu": "4", "memory": "8Gi", "pods": "110", "nvidia.com/gpu": "2"}
FULL = ResourceList.of({CPU: 4000, MEMORY: 2**33, PLACES: 110, GPU: 2})


def node(*, ready: str | None = "True", reason: str = "", **parts: Any) -> dict[str, Any]:
    metadata = {"name": "n", **parts.pop("metadata", {})}
    conditions = [] if ready is None else [{"type": "Ready", "status": ready, "reason": reason}]
    status = {"allocatable": OFFERED, "conditions": conditions, **parts.pop("status", {})}
    return {"metadata": metadata, "spec": parts, "status": status}


def pod(cpu: str = "1", *, phase: str = "Running", labels: dict[str, str] | None = None) -> dict[str, Any]:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    return {
        "metadata": {"name": "p", "namespace": "s", "labels": labels or {}},
        "spec": {"nodeName": "n", "containers": [container]},
        "status": {"phase": phase},
    }


def taint(key: str) -> list[dict[str, str]]:
    return [{"key": key, "effect": "NoExecute"}]


ON = Sighting("n", Power.ON, joined=True, allocatable=FULL)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (node(), ON),
        (node(ready=None), Sighting("n", Power.STARTING)),
        (node(ready="Unknown", reason="NodeStatusNeverUpdated"), Sighting("n", Power.STARTING)),
        (node(ready="False", reason="KubeletNotReady"), Sighting("n", Power.ON)),
        (node(ready="Unknown", reason="NodeStatusUnknown"), Sighting("n", Power.ON)),
        (node(taints=taint("node.kubernetes.io/not-ready")), Sighting("n", Power.ON)),
        (node(taints=taint("node.kubernetes.io/unreachable")), Sighting("n", Power.ON)),
        (node(taints=taint("nvidia.com/gpu")), ON),
        (node(unschedulable=True), Sighting("n", Power.UNKNOWN)),
        (node(unschedulable=True, metadata={"annotations": {STOPPING: "5"}}), Sighting("n", Power.STOPPING)),
        (node(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), Sighting("n", Power.STOPPING)),
        (
            node(status={"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}),
            Sighting("n", Power.ON, joined=True, allocatable=FULL, address="10.0.0.1"),
        ),
    ],
)
def test_how_a_node_stands(seen: dict[str, Any], expected: Sighting) -> None:
    assert sighting_of(seen, ()) == expected


WORKER = {COMPONENT: "worker", FUNCTION: "echo"}


@pytest.mark.parametrize(
    ("pods", "taken"),
    [
        ([pod()], {CPU: 1000, PLACES: 1}),
        ([pod(), pod("500m")], {CPU: 1500, PLACES: 2}),
        ([pod(labels=WORKER)], {}),
        ([pod(labels={COMPONENT: "worker"})], {CPU: 1000, PLACES: 1}),
        ([pod(phase="Succeeded"), pod(phase="Failed")], {}),
        ([pod("9")], {CPU: 4000, PLACES: 1}),
    ],
    ids=["one", "two", "a worker", "somebody else's worker", "ended", "more than there is"],
)
def test_what_others_take_is_not_allocatable(pods: list[dict[str, Any]], taken: dict[str, int]) -> None:
    assert sighting_of(node(), pods).allocatable == FULL.minus(ResourceList.of(taken))


def container(cpu: str, **parts: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **parts}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container("1"), container("500m")]}, 1500),
        ({"containers": [{"name": "c"}]}, 0),
        ({"containers": [container("1")], "initContainers": [container("3")]}, 3000),
        ({"containers": [container("1")], "initContainers": [container("100m", **SIDECAR)]}, 1100),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("200m", **SIDECAR), container("2"), container("1", **SIDECAR)],
            },
            2200,
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1250),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "2"}}}, 2000),
    ],
    ids=["sum", "nothing", "init", "sidecar", "init beside a sidecar", "overhead", "of the whole pod"],
)
def test_what_a_pod_takes(spec: dict[str, Any], cpu: int) -> None:
    assert request_of_pod({"spec": spec}) == ResourceList.of({CPU: cpu, PLACES: 1})


def test_quantities_are_read_by_their_names() -> None:
    read = amounts_of(
        {"cpu": "1500m", "memory": "1Gi", "hugepages-2Mi": "4Mi", "nvidia.com/gpu": 2, "x/y": "0"}
    )
    assert dict(read) == {"cpu": 1500, "memory": 2**30, "hugepages-2Mi": 2**22, "nvidia.com/gpu": 2}


def owned(kind: str, **parts: Any) -> dict[str, Any]:
    return {"metadata": {"ownerReferences": [{"kind": kind, "uid": "u", **parts}]}}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (owned("DaemonSet", controller=True), True),
        (owned("DaemonSet"), False),
        (owned("ReplicaSet", controller=True), False),
        ({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}, True),
        ({"metadata": {}}, False),
    ],
)
def test_which_pods_belong_to_their_node(seen: dict[str, Any], expected: bool) -> None:
    assert stays(seen) is expected


async def test_static_nodes_are_those_with_the_pools_label() -> None:
    kube = MemoryKube()
    for name, pool in (("b", "p"), ("a", "p"), ("c", "other"), ("d", "")):
        made = node(metadata={"name": name, "labels": {POOL: pool} if pool else {}})
        await kube.create(NODES, made)
    await kube.create(PODS, {**pod(), "metadata": {"name": "x", "namespace": "default"}})
    async with views_of(kube) as views:
        static = StaticNodes(pool_of("p"), views.nodes, views.pods)
        assert [seen.name for seen in await static.nodes()] == ["a", "b"]
        await static.stop("a")
        with pytest.raises(NotFoundError, match=r"node c is not in pool p.*kubectl label node c"):
            await static.start("c")


async def test_a_view_that_is_not_there_yet_or_long_past_is_told() -> None:
    views = views_of(MemoryKube())
    static = StaticNodes(pool_of("p"), views.nodes, views.pods)
    with pytest.raises(TransientError, match="not listed"):
        await static.nodes()


async def test_a_view_that_is_long_past_is_none() -> None:
    kube = MemoryKube()
    async with views_of(kube) as views:
        static = StaticNodes(pool_of("p"), views.nodes, views.pods)
        assert await static.nodes() == []
        kube.unreachable = True
        kube.cut(quietly=False)
        await let_events_through()
        views.pods._monotonic = lambda: (views.pods._lost_at or 0.0) + 31.0
        with pytest.raises(TransientError, match="out of reach for 31 s"):
            await static.nodes()


def test_nothing_is_taken_of_a_node_that_is_not_there() -> None:
    assert sighting_of(node(ready=None), [pod()]).allocatable == NOTHING

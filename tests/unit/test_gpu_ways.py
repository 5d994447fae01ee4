"""From a function's wish for GPUs to the ways that meet it: tables of wishes and clusters."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.function import Access, Function, Gpu, Isolation
from headrace.model.gpu_server import GpuServer
from headrace.model.pods import Toleration
from headrace.model.pool import NodePool
from headrace.model.resources import GPU, ResourceList
from headrace.placement.inventory import Inventory, inventory_of
from headrace.placement.ways import NEEDS_NONE, GpuClaim, Way, choose_way, ways

GIB = 2**30
SEVEN = {"mig": {"1g.5gb": 7}}
MIXED = {"mig": {"1g.5gb": 2, "2g.10gb": 1, "3g.20gb": 1}}


def head(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "headrace.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}


def pool(name: str, **spec: Any) -> NodePool:
    usual = {"driver": "kwok", "capacity": {"cpu": "8", "memory": "32Gi"}, "maxNodes": 2}
    return NodePool.from_json(json.dumps({**head("NodePool", name), "spec": {**usual, **spec}}))


def gpus(
    name: str, sharing: dict[str, Any] | None = None, *, memory: str = "40Gi", count: int = 1
) -> NodePool:
    told = {"model": "A100", "memory": memory, "count": count, **({"sharing": sharing} if sharing else {})}
    return pool(name, gpu=told)


def server(
    name: str, *, backend: str = "stub", memory: str = "16Gi", count: int = 2, **spec: Any
) -> GpuServer:
    device = {
        "model": "T4",
        "memory": memory,
        **({"cudaVersion": c} if (c := spec.pop("cuda", None)) else {}),
    }
    usual = {
        "address": "10.0.0.1",
        "port": 9393,
        "backend": backend,
        "maxSessions": 8,
        "devices": [device] * count,
    }
    return GpuServer.from_json(json.dumps({**head("GpuServer", name), "spec": {**usual, **spec}}))


def wish(*access: str, **rest: Any) -> Gpu:
    return Gpu.from_json(json.dumps({"access": list(access) or ["passthrough"], **rest}))


def function(gpu: Gpu | None) -> Function:
    spec = {"run": {"script": "s.sh"}, "input": [{"bucket": "uploads"}]}
    made = Function.from_json(json.dumps({**head("Function", "echo"), "spec": spec}))
    return made.model_copy(update={"spec": made.spec.model_copy(update={"gpu": gpu})})


CPU = pool("cpu")
WHOLE = gpus("whole", count=4)
UNTOLD = pool("old", capacity={"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": 2})
SLICES = gpus("slices", {"timeslice": 10})
CLIENTS = gpus("clients", {"mps": 8})
PARTS = gpus("parts", SEVEN, count=2)
PASSTHROUGH = Way(Access.PASSTHROUGH, ("whole",), GPU, 1)


@pytest.mark.parametrize(
    ("pools", "asked", "way"),
    [
        ([WHOLE], wish(), PASSTHROUGH),
        ([WHOLE], wish(count=4), replace(PASSTHROUGH, count=4)),
        ([WHOLE, CPU, UNTOLD], wish(memory="40Gi"), PASSTHROUGH),
        ([WHOLE, UNTOLD], wish(), replace(PASSTHROUGH, pools=("old", "whole"))),
        ([SLICES], wish("timeslice"), Way(Access.TIMESLICE, ("slices",), "nvidia.com/gpu.shared", 1)),
        (
            [SLICES],
            wish("timeslice", memory="40Gi"),
            Way(Access.TIMESLICE, ("slices",), "nvidia.com/gpu.shared", 1),
        ),
        ([CLIENTS], wish("mps", memory="5Gi"), Way(Access.MPS, ("clients",), "nvidia.com/gpu.shared", 1)),
        (
            [CLIENTS],
            wish("mps", isolation="memory"),
            Way(Access.MPS, ("clients",), "nvidia.com/gpu.shared", 1),
        ),
        ([SLICES, CLIENTS], wish("mps"), Way(Access.MPS, ("clients",), "nvidia.com/gpu.shared", 1)),
        ([PARTS], wish("mig", count=14), Way(Access.MIG, ("parts",), "nvidia.com/mig-1g.5gb", 14)),
        ([PARTS], wish("mig", isolation="full"), Way(Access.MIG, ("parts",), "nvidia.com/mig-1g.5gb", 1)),
        ([gpus("m", MIXED)], wish("mig"), Way(Access.MIG, ("m",), "nvidia.com/mig-1g.5gb", 1)),
        ([gpus("m", MIXED)], wish("mig", memory="5Gi"), Way(Access.MIG, ("m",), "nvidia.com/mig-2g.10gb", 1)),
        (
            [gpus("m", MIXED)],
            wish("mig", profile="3g.20gb"),
            Way(Access.MIG, ("m",), "nvidia.com/mig-3g.20gb", 1),
        ),
        ([WHOLE, PARTS], wish("mig", "passthrough"), Way(Access.MIG, ("parts",), "nvidia.com/mig-1g.5gb", 1)),
        ([WHOLE, SLICES], wish("mig", "passthrough"), PASSTHROUGH),
        ([SLICES, WHOLE], wish("timeslice", "passthrough", isolation="memory"), PASSTHROUGH),
    ],
)
def test_the_first_way_that_the_cluster_has_is_taken(pools, asked, way):
    assert choose_way(function(asked), inventory_of(pools, ())).way == way


def test_a_function_without_a_wish_needs_no_gpu():
    assert choose_way(function(None), inventory_of([WHOLE], ())) == NEEDS_NONE


@pytest.mark.parametrize(
    ("pools", "asked", "reason"),
    [
        ([CPU], wish(), "passthrough: no pool has it"),
        ([WHOLE], wish(memory="41Gi"), "passthrough: pool whole has 40Gi each (nvidia.com/gpu), wanted 41Gi"),
        ([UNTOLD], wish(memory="1Gi"), "passthrough: pool old does not say its GPUs' memory, wanted 1Gi"),
        ([WHOLE], wish(count=5), "passthrough: pool whole has 4 nvidia.com/gpu a node, wanted 5"),
        ([SLICES], wish("timeslice", isolation="full"), "timeslice: its isolation is none, wanted full"),
        (
            [SLICES],
            wish("timeslice", count=2),
            "timeslice: wanted 2 GPUs, allowed 1, as further shares may be",
        ),
        (
            [CLIENTS],
            wish("mps", memory="6Gi"),
            "mps: pool clients has 5Gi each (nvidia.com/gpu.shared), wanted 6Gi",
        ),
        ([CLIENTS], wish("mps", isolation="full"), "mps: its isolation is memory, wanted full"),
        (
            [PARTS],
            wish("mig", memory="5Gi"),
            "mig: pool parts has 4.66Gi each (nvidia.com/mig-1g.5gb), wanted 5Gi",
        ),
        ([PARTS], wish("mig", profile="2g.10gb"), "mig: no pool has profile 2g.10gb; there is 1g.5gb"),
        ([WHOLE], wish("mig", "remote"), "mig: no pool has it; remote: no GPU server is declared"),
        (
            [pool("s", provides="gpuServers", gpu={"model": "T4", "memory": "16Gi"})],
            wish(),
            "passthrough: no pool",
        ),
    ],
)
def test_a_wish_that_can_not_be_met_is_told_with_what_there_is(pools, asked, reason):
    found = choose_way(function(asked), inventory_of(pools, ())).way
    assert not found.taken
    assert reason in found.reason


# Servers


def remote(*servers: str, memory: int | None = None, count: int = 1, isolation: str = "none") -> Way:
    claim = GpuClaim(count, memory, Isolation(isolation))
    return Way(Access.REMOTE, ("cpu",), claim=claim, servers=servers)


@pytest.mark.parametrize(
    ("servers", "asked", "way"),
    [
        ([server("a"), server("b")], wish("remote"), remote("a", "b")),
        ([server("a")], wish("remote", memory="16Gi"), remote("a", memory=16 * GIB)),
        ([server("a", memory="8Gi"), server("b")], wish("remote", memory="9Gi"), remote("b", memory=9 * GIB)),
        (
            [server("a", backend="rcuda"), server("b")],
            wish("remote", isolation="memory"),
            remote("b", isolation="memory"),
        ),
        ([server("a"), server("b")], wish("remote", count=4), remote("a", "b", count=4)),
        ([server("a")], wish("mig", "remote"), remote("a")),
    ],
)
def test_servers_that_have_what_is_wanted_may_serve(servers, asked, way):
    assert choose_way(function(asked), inventory_of([CPU], servers)).way == way


@pytest.mark.parametrize(
    ("servers", "asked", "reason"),
    [
        ([server("a")], wish("remote", memory="17Gi"), "a has 16Gi a GPU, wanted 17Gi"),
        (
            [server("a", backend="rcuda")],
            wish("remote", isolation="memory"),
            "a has backend rcuda, whose isolation is none, wanted memory",
        ),
        ([server("a"), server("b")], wish("remote", count=5), "a, b have 4 such GPUs together, wanted 5"),
        ([server("a", nodeSelector={"zone": "x"})], wish("remote"), "a is reached from no pool's nodes"),
        (
            [server("a", backend="rcuda", cuda="11.8")],
            wish("remote"),
            "a says CUDA 11.8 on device 0, allowed 8.0 to 10.2 with backend rcuda",
        ),
        (
            [server("a", backend="lupine")],
            wish("remote"),
            "a has 2 devices, allowed 1 with backend lupine, whose clients see every GPU of a server",
        ),
        (
            [server("a", backend="lupine", cuda="10", count=1)],
            wish("remote"),
            "a says CUDA 10 on device 0, allowed 11.8 to 13.3 with backend lupine",
        ),
    ],
)
def test_servers_that_do_not_do_are_told_with_what_they_have(servers, asked, reason):
    assert reason in choose_way(function(asked), inventory_of([CPU], servers)).way.reason


def test_a_server_that_does_not_answer_is_passed_over_and_then_the_next_way_is_taken():
    asked, servers = function(wish("remote", "passthrough")), [server("a"), server("b")]
    assert choose_way(asked, inventory_of([CPU, WHOLE], servers, {"a"})).way.servers == ("b",)
    chosen = choose_way(asked, inventory_of([CPU, WHOLE], servers, {"a", "b"}))
    assert chosen.way == PASSTHROUGH
    assert chosen.told == ("passthrough nvidia.com/gpu; not remote: a does not answer, b does not answer")


def test_a_server_is_reached_from_the_pools_with_its_labels():
    near = pool("near", labels={"zone": "lab"})
    found = choose_way(
        function(wish("remote")), inventory_of([CPU, near], [server("a", nodeSelector={"zone": "lab"})])
    )
    assert found.way.pools == ("near",)


# What a pod gets


def test_a_local_way_is_a_limit_and_tolerates_both_taints():
    way = Way(Access.MIG, ("parts",), "nvidia.com/mig-1g.5gb", 2)
    assert way.request == ResourceList.of({"nvidia.com/mig-1g.5gb": 2})
    keys = ("nvidia.com/mig-1g.5gb", "nvidia.com/gpu")
    assert way.tolerations == tuple(Toleration(key=key, operator="Exists") for key in keys)
    assert (way.environment, way.mark) == ({}, "mig.mig-1g.5gb")


def test_a_remote_way_takes_nothing_of_the_node_and_hides_its_gpus():
    way = remote("a")
    assert (way.request, way.tolerations, way.mark) == (ResourceList(), (), "remote")
    assert way.environment == {"NVIDIA_VISIBLE_DEVICES": "void"}


POOLS = [WHOLE, UNTOLD, SLICES, CLIENTS, PARTS, gpus("m", MIXED)]
SERVERS = [server("a"), server("b", backend="rcuda")]


def some(of: list[Any]) -> st.SearchStrategy[list[Any]]:
    """Any of them, each once."""
    numbers = st.lists(st.integers(0, len(of) - 1), unique=True)
    return numbers.map(lambda chosen: [of[number] for number in chosen])


WISHES = st.builds(
    Gpu,
    count=st.integers(1, 3),
    memory=st.none() | st.sampled_from(["1Gi", "5Gi", "20Gi", "64Gi"]),
    access=st.lists(st.sampled_from(Access), min_size=1, unique=True).map(tuple),
    isolation=st.sampled_from(Isolation),
)


@given(some(POOLS), some(SERVERS), WISHES)
def test_every_way_is_told_in_the_order_of_the_wish_and_the_first_that_can_be_is_taken(pools, servers, asked):
    inventory: Inventory = inventory_of([CPU, *pools], servers)
    found = ways(asked, inventory)
    order = [asked.access.index(way.access) for way in found if way.access is not None]
    assert order == sorted(order)
    assert set(order) == set(range(len(asked.access)))
    chosen = choose_way(function(asked), inventory).way
    taken = [way for way in found if way.taken]
    assert chosen == taken[0] if taken else (not chosen.taken and chosen.pools == ())

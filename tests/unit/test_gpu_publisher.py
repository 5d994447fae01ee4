"""The publisher: when a server is silent, what is written of it, which sessions are nobody's."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from headrace.gpu.backends.port import Injection, Seat
from headrace.gpu.publisher.deciding import Step, actions
from headrace.gpu.publisher.reaping import Orphans
from headrace.gpu.publisher.service import Publisher, Rhythm, World
from headrace.gpu.publisher.standing import Standing, after, closed, first
from headrace.kube.kinds import GPU_SERVERS, RESOURCE_SLICES
from headrace.kube.memory import MemoryKube
from headrace.manifests.gpu_slices import Silence, published_in, resource_slice
from headrace.model.errors import TransientError
from headrace.model.gpu_server import Backend, GpuServer
from headrace.model.labels import STOPPING

NOW = 1000.0
LOST = "it does not answer"


def server(name: str = "gpu1", **spec: Any) -> GpuServer:
    return GpuServer.from_json(json.dumps(server_object(name, **spec)))


def server_object(name: str = "gpu1", **spec: Any) -> dict[str, Any]:
    usual = {
        "address": f"{name}.lab", "port": 8308, "backend": "rcuda", "maxSessions": 4,
        "devices": [{"model": "T4", "memory": "16Gi"}] * 2,
    }  # fmt: skip
    head = {"apiVersion": "headrace.dev/v1alpha1", "kind": "GpuServer", "metadata": {"name": name}}
    return {**head, "spec": {**usual, **spec}}


# Standing


@pytest.mark.parametrize(
    ("fault", "clean", "silent"),
    [("", False, None), ("", True, None), (LOST, False, NOW), (LOST, True, None)],
)
def test_a_server_is_not_published_as_answering_before_it_has_answered(fault, clean, silent):
    assert first(fault, NOW, published_clean=clean).silent_since == silent


def test_a_server_is_silent_once_its_lease_is_over_and_back_after_two_answers():
    standing = first("", NOW, published_clean=False)
    seen = []
    for second, fault in ((5, LOST), (14, LOST), (15, LOST), (20, ""), (25, LOST), (30, ""), (35, "")):
        standing = after(standing, fault, NOW + second, lease_seconds=15.0)
        seen.append(standing.answering)
    assert seen == [True, True, False, False, False, False, True]


def test_one_answer_in_time_renews_the_lease():
    standing = Standing(NOW)
    for second, fault in ((10, LOST), (12, ""), (26, LOST)):
        standing = after(standing, fault, NOW + second, lease_seconds=15.0)
    assert standing.answering


# Slices


def stored(made: GpuServer, generation: int = 1, silence: Silence | None = None) -> dict[str, Any]:
    """As the API server keeps it: amounts in its own spelling, and its own metadata."""
    found = json.loads(json.dumps(resource_slice(made, generation=generation, silence=silence)))
    found["metadata"] |= {"uid": "u", "resourceVersion": "7"}
    for device in found["spec"]["devices"]:
        device["capacity"]["memory"]["value"] = device["capacity"]["memory"]["requestPolicy"]["default"] = (
            "16Gi"
        )
    return found


GOOD, SILENT = Standing(NOW), Standing(NOW, silent_since=NOW)


def steps(
    servers: Sequence[GpuServer], standings: dict[str, Standing], slices: Sequence[dict[str, Any]]
) -> Any:
    found = actions(servers, standings, slices)
    return [(each.step, each.manifest["metadata"]["name"]) for each in found]


def test_what_is_as_it_should_be_is_not_written():
    assert steps([server()], {"gpu1": GOOD}, [stored(server())]) == []
    silent = stored(server(), silence=Silence("2020-01-01T00:00:00Z"))
    assert steps([server()], {"gpu1": SILENT}, [silent]) == [], "the moment of a taint is no news"


@pytest.mark.parametrize(
    ("servers", "standing", "slices", "expected"),
    [
        ([server()], {"gpu1": GOOD}, [], [(Step.CREATE, "headrace-gpu1")]),
        ([server()], {}, [], []),
        ([server()], {"gpu1": SILENT}, [stored(server())], [(Step.REPLACE, "headrace-gpu1")]),
        ([server(maxSessions=8)], {"gpu1": GOOD}, [stored(server())], [(Step.REPLACE, "headrace-gpu1")]),
        ([], {}, [stored(server())], [(Step.DELETE, "headrace-gpu1")]),
        (
            [server(nodeSelector={"zone": "a"})],
            {"gpu1": GOOD},
            [stored(server())],
            [(Step.DELETE, "headrace-gpu1")],
        ),
        ([server(backend="lupine")], {"gpu1": GOOD}, [stored(server())], [(Step.DELETE, "headrace-gpu1")]),
        ([], {}, [{**stored(server()), "spec": {"driver": "gpu.nvidia.com"}}], []),
    ],
)
def test_what_differs_is_written(servers, standing, slices, expected):
    assert steps(servers, standing, slices) == expected


def test_a_replacement_is_the_next_generation_of_that_very_slice():
    (action,) = actions([server()], {"gpu1": SILENT}, [stored(server(), generation=4)])
    assert action.manifest["spec"]["pool"]["generation"] == 5
    assert (action.manifest["metadata"]["resourceVersion"], action.manifest["metadata"]["uid"]) == ("7", "u")


# Sessions


def test_a_session_is_nobodys_when_two_looks_apart_say_so():
    found = [("gpu1", "mine.0"), ("gpu1", "lost.0"), ("gpu2", "late.1")]
    seen = Orphans().seen(found, {"mine"}, NOW)
    assert seen.due(NOW, grace_seconds=60) == []
    again = seen.seen(found, {"mine", "late"}, NOW + 30).seen(found, {"mine", "late"}, NOW + 60)
    assert again.due(NOW + 60, grace_seconds=60) == [("gpu1", "lost.0")]


# The service


@dataclass
class Servers:
    """A backend whose servers answer unless they are named here."""

    kind: Backend = Backend.RCUDA
    silent: set[str] = field(default_factory=set)

    def injection(self, seats: Sequence[Seat]) -> Injection:
        return Injection()

    async def probe(self, address: str, port: int, *, seconds: float) -> None:
        if address in self.silent:
            raise TransientError(LOST)

    async def open(self, seat: Seat, *, seconds: float) -> None: ...

    async def close(self, seat: Seat, *, seconds: float) -> None: ...

    async def sessions(self, address: str, port: int, *, seconds: float) -> Mapping[str, float] | None:
        return None


@asynccontextmanager
async def publishing(kube: MemoryKube, backend: Servers, *, leads: bool = True) -> AsyncIterator[Publisher]:
    rhythm = Rhythm(probe=0.01, probe_limit=1.0, lease=0.0, reap=3600.0)
    moments = iter(range(10**9))
    world = World(kube, {Backend.RCUDA: backend}, lambda: leads, lambda: float(next(moments)), rhythm)
    publisher = Publisher(world)
    running = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(kube: MemoryKube, silent: dict[str, bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            published = published_in((await kube.list(RESOURCE_SLICES)).items)
            if {gpu.server: gpu.silent for gpu in published} == silent:
                return
            await asyncio.sleep(0.01)


async def test_servers_come_fall_silent_come_back_and_go():
    kube, backend = MemoryKube(), Servers()
    await kube.create(GPU_SERVERS, server_object("gpu1"))
    await kube.create(GPU_SERVERS, server_object("gpu2"))
    async with publishing(kube, backend) as publisher:
        await until(kube, {"gpu1": False, "gpu2": False})
        backend.silent = {"gpu1.lab"}
        await until(kube, {"gpu1": True, "gpu2": False})
        await asyncio.sleep(0.05)
        told = (await kube.get(GPU_SERVERS, "gpu1"))["status"]["conditions"][0]
        assert (told["status"], told["reason"], told["message"]) == ("False", "Silent", LOST)
        before = publisher.writes
        await asyncio.sleep(0.1)
        assert publisher.writes == before, "nothing new is nothing written"
        backend.silent = set()
        await until(kube, {"gpu1": False, "gpu2": False})
        await kube.delete(GPU_SERVERS, "gpu1")
        await until(kube, {"gpu2": False})


async def test_a_standby_writes_nothing():
    kube = MemoryKube()
    await kube.create(GPU_SERVERS, server_object("gpu1"))
    async with publishing(kube, Servers(), leads=False) as publisher:
        await asyncio.sleep(0.1)
        assert (publisher.writes, list((await kube.list(RESOURCE_SLICES)).items)) == (0, [])


async def test_a_server_that_its_backend_can_not_serve_is_told_and_not_published():
    kube = MemoryKube()
    device = {"model": "H100", "memory": "80Gi", "cudaVersion": "12.4"}
    await kube.create(GPU_SERVERS, server_object("gpu1", devices=[device]))
    async with publishing(kube, Servers()), asyncio.timeout(20):
        while not (told := (await kube.get(GPU_SERVERS, "gpu1")).get("status")):
            await asyncio.sleep(0.01)
    assert told["conditions"][0]["message"] == (
        "it says CUDA 12.4 on device 0, allowed 8.0 to 10.2 with backend rcuda"
    )
    assert not (await kube.list(RESOURCE_SLICES)).items


def test_a_server_that_is_to_be_switched_off_is_silent_at_once_until_it_was_heard_again():
    standing = closed(Standing(NOW, answers=5), NOW + 1)
    assert (standing.silent_since, standing.fault) == (NOW + 1, "it is switched off, or about to be")
    assert closed(standing, NOW + 6).silent_since == NOW + 1
    assert closed(None, NOW).silent_since == NOW
    once = after(standing, "", NOW + 200)
    assert (once.answering, after(once, "", NOW + 205).answering) == (False, True)


async def test_a_server_whose_host_is_to_stop_is_published_as_silent():
    kube = MemoryKube()
    await kube.create(GPU_SERVERS, server_object("gpu1"))
    async with publishing(kube, Servers()):
        await until(kube, {"gpu1": False})
        await kube.patch(GPU_SERVERS, "gpu1", {"metadata": {"annotations": {STOPPING: "1000.0"}}})
        await until(kube, {"gpu1": True})
        await kube.patch(GPU_SERVERS, "gpu1", {"metadata": {"annotations": {STOPPING: None}}})
        await until(kube, {"gpu1": False})

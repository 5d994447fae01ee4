"""Hosts of GPU servers, on an API server in memory: off once nobody holds a GPU, there once all answer."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from headrace.kube.kinds import GPU_SERVERS, RESOURCE_CLAIMS, RESOURCE_SLICES
from headrace.kube.memory import MemoryKube
from headrace.manifests.gpu_slices import Silence, resource_slice
from headrace.model.errors import NotFoundError
from headrace.model.gpu_server import GpuServer
from headrace.model.labels import STOPPING
from headrace.nodes.port import Power
from headrace.nodes.power.board import MemoryBoard, Word
from headrace.nodes.power.servers import PowerServers, ServerMirrors
from tests.fixtures.clock import VirtualClock
from tests.fixtures.hosts import AT_ONCE
from tests.fixtures.kube import let_events_through, pool_of

SILENT = Silence("2026-11-26T09:00:00Z")


def declared(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "GpuServer",
        "metadata": {"name": name},
        "spec": {
            "address": "10.9.0.1", "port": 9393, "backend": "stub", "maxSessions": 2, "pool": "p",
            "devices": [{"model": "stub", "memory": "16Gi"}], **spec,
        },
    }  # fmt: skip


@dataclass
class Lab:
    """Host a with one server of its name, host b with two."""

    kube: MemoryKube
    seen: ServerMirrors
    clock: VirtualClock = field(default_factory=VirtualClock)
    board: MemoryBoard = field(default_factory=lambda: MemoryBoard({"a": Power.OFF, "b": Power.OFF}))

    def driver(self) -> PowerServers:
        pool = pool_of("p", driver="power", provides="gpuServers", capacity={"nvidia.com/gpu": 1})
        return PowerServers(pool, self.kube, self.seen, self.board, now=self.clock.now, clock=AT_ONCE)

    async def build(self) -> None:
        for name, host in (("a", "a"), ("b-0", "b"), ("b-1", "b")):
            await self.kube.create(GPU_SERVERS, declared(name, host=host))
            await self.publish(name, silent=True)

    async def publish(self, name: str, *, silent: bool) -> None:
        """What the publisher says of a server."""
        server = GpuServer.model_validate(declared(name), strict=False)
        wanted = dict(resource_slice(server, generation=1, silence=SILENT if silent else None))
        await self.kube.apply(RESOURCE_SLICES, wanted, manager="publisher")
        await let_events_through()

    async def claim(self, server: str) -> None:
        result = {"request": "gpu", "driver": "gpu.headrace.dev", "pool": server, "device": "gpu-0"}
        head: dict[str, Any] = {"metadata": {"name": "claim", "namespace": "default"}}
        await self.kube.create(RESOURCE_CLAIMS, head)
        status = {"allocation": {"devices": {"results": [result]}}}
        await self.kube.apply_status(RESOURCE_CLAIMS, {**head, "status": status}, manager="scheduler")
        await let_events_through()

    async def sight(self, driver: PowerServers, name: str = "a") -> tuple[Power, bool]:
        await driver.nodes()
        await let_events_through()
        found = {each.name: each for each in await driver.nodes()}[name]
        return found.power, found.joined

    async def on(self, driver: PowerServers) -> None:
        await driver.start("a")
        await let_events_through()
        await self.publish("a", silent=False)
        assert await self.sight(driver) == (Power.ON, True)

    async def is_marked(self, name: str = "a") -> bool:
        found = await self.kube.get(GPU_SERVERS, name)
        return STOPPING in (found["metadata"].get("annotations") or {})


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    kube = MemoryKube()
    made = Lab(kube, ServerMirrors.of(kube))
    await made.build()
    async with AsyncExitStack() as closing:
        for mirror in made.seen.all:
            await closing.enter_async_context(mirror)
            assert await mirror.sync(5)
        yield made


async def test_a_host_is_there_once_its_server_answers(lab: Lab) -> None:
    driver = lab.driver()
    assert await lab.sight(driver) == (Power.OFF, False)
    await driver.start("a")
    assert await lab.sight(driver) == (Power.ON, False)
    await lab.publish("a", silent=False)
    assert await lab.sight(driver) == (Power.ON, True)
    assert lab.board.told == [(Word.ON, "a")]


async def test_of_several_servers_of_a_host_all_have_to_answer(lab: Lab) -> None:
    driver = lab.driver()
    await driver.start("b")
    await lab.publish("b-0", silent=False)
    assert await lab.sight(driver, "b") == (Power.ON, False)
    await lab.publish("b-1", silent=False)
    assert await lab.sight(driver, "b") == (Power.ON, True)


async def test_it_goes_off_once_it_is_closed_and_nobody_holds_a_gpu(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await lab.claim("a")
    await driver.stop("a")
    assert (await lab.sight(driver), await lab.is_marked()) == ((Power.STOPPING, False), True)
    await lab.publish("a", silent=True)
    assert await lab.sight(driver) == (Power.STOPPING, False), "its claim is still there"
    assert lab.board.told == [(Word.ON, "a")]
    await lab.kube.delete(RESOURCE_CLAIMS, "claim", namespace="default")
    await let_events_through()
    assert await lab.sight(driver) == (Power.OFF, False)
    assert lab.board.told == [(Word.ON, "a"), (Word.OFF, "a")]


async def test_nobody_is_cut_off_while_claims_may_still_come(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await driver.stop("a")
    assert await lab.sight(driver) == (Power.STOPPING, False)
    assert lab.board.hosts["a"] is Power.ON, "it is still published as answering"


async def test_who_leads_next_completes_an_order_to_stop(lab: Lab) -> None:
    first = lab.driver()
    await lab.on(first)
    await first.stop("a")
    await first.close()
    await lab.publish("a", silent=True)
    assert await lab.sight(lab.driver()) == (Power.OFF, False)


async def test_a_start_takes_the_order_to_stop_off(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await driver.stop("a")
    await driver.start("a")
    assert await lab.is_marked(), "it stops, and a start is without effect"
    await lab.publish("a", silent=True)
    assert await lab.sight(driver) == (Power.OFF, False)
    await driver.start("a")
    assert not await lab.is_marked()
    assert await lab.sight(driver) == (Power.ON, False)


async def test_a_host_that_went_off_by_order_may_be_woken_by_a_person(lab: Lab) -> None:
    driver = lab.driver()
    await lab.on(driver)
    await driver.stop("a")
    await lab.publish("a", silent=True)
    assert await lab.sight(driver) == (Power.OFF, False)
    assert not await lab.is_marked(), "the order is carried out"
    lab.board.hosts["a"] = Power.ON
    second = lab.driver()
    assert await lab.sight(second) == (Power.ON, False)
    await lab.publish("a", silent=False)
    assert await lab.sight(second) == (Power.ON, True)
    assert lab.board.told == [(Word.ON, "a"), (Word.OFF, "a")]


async def test_a_host_that_serves_nothing_is_told(lab: Lab) -> None:
    lab.board.hosts["c"] = Power.OFF
    driver = lab.driver()
    with pytest.raises(NotFoundError, match="host c serves no GPUs: found no GpuServer of pool p on it"):
        await driver.start("c")
    with pytest.raises(NotFoundError, match="node d is none of the 3 hosts"):
        await driver.stop("d")

"""Whether the servers of a container's GPUs answer: on virtual time."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import TransientError
from headrace.worker.gpu_watch import LEASE_SECONDS, LOOK_SECONDS, GpuWatch, Place, servers_of

A, B = ("a.lab", 8308), ("10.0.0.2", 9000)


@pytest.mark.parametrize(
    ("said", "servers"),
    [
        ("a.lab:8308,10.0.0.2:9000", [A, B]),
        ("", []),
        (None, []),
        (7, []),
        ("a.lab", []),
        ("a.lab:8308;rm -rf /:1", []),
        ("[fd00::1]:8308", [("fd00::1", 8308)]),
        (",".join(f"h{number}:1" for number in range(99)), [(f"h{number}", 1) for number in range(64)]),
    ],
)
def test_a_container_says_its_servers_and_rubbish_is_none(said: object, servers: list[Place]):
    assert servers_of(said) == servers


@given(st.text() | st.none() | st.integers() | st.lists(st.text()))
def test_whatever_it_says_is_no_fault(said: object):
    assert len(servers_of(said)) <= 64


@dataclass
class Scene:
    """Servers that are silent from a moment on, and a clock that sleeping moves."""

    silent_from: dict[Place, float] = field(default_factory=dict)
    now: float = 100.0
    probes: int = 0

    async def probe(self, address: str, port: int) -> None:
        self.probes += 1
        if self.now >= self.silent_from.get((address, port), float("inf")):
            raise TransientError(f"{address}:{port} does not answer")

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    def watch(self, *servers: Place) -> GpuWatch:
        return GpuWatch(servers, probe=self.probe, monotonic=lambda: self.now, sleep=self.sleep)


async def test_a_server_is_lost_once_its_lease_is_over_and_not_before():
    scene = Scene(silent_from={B: 110.0})
    async with asyncio.timeout(10):
        lost = await scene.watch(A, B).lost()
    assert lost.startswith("GPU server 10.0.0.2:9000 has not answered for 1")
    assert 110.0 - LOOK_SECONDS + LEASE_SECONDS <= scene.now <= 110.0 + LOOK_SECONDS + LEASE_SECONDS


async def test_one_look_tells_who_is_silent_now():
    scene = Scene(silent_from={B: 0.0})
    assert await scene.watch(A).silent() == ""
    assert await scene.watch(A, B).silent() == "GPU server 10.0.0.2:9000 does not answer"

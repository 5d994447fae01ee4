"""The node's plugin: claims are prepared once, whatever is repeated, killed or gone on the way."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headrace.gpu.backends.port import Injection, Seat
from headrace.gpu.kubelet import dra_pb2, health_pb2
from headrace.gpu.plugin.answers import Answers
from headrace.gpu.plugin.cdi import CdiFolder
from headrace.gpu.plugin.checkpoint import Checkpoint
from headrace.gpu.plugin.health import Health
from headrace.gpu.plugin.plan import Reference
from headrace.gpu.plugin.preparing import Preparer
from headrace.kube.kinds import GPU_SERVERS, NAMESPACES, RESOURCE_CLAIMS
from headrace.kube.memory import MemoryKube
from headrace.model.errors import FatalError, HeadraceError, RejectedError, TransientError
from headrace.model.gpu_server import Backend

GIB = 2**30
KIND = Backend.STUB


@dataclass
class Server:
    """A backend whose sessions are seen; `faults` are raised by the next calls of `open`."""

    kind: Backend = KIND
    there: dict[str, Seat] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    faults: list[HeadraceError] = field(default_factory=list)
    silent: bool = False

    def injection(self, seats: Sequence[Seat]) -> Injection:
        return Injection({"SEATS": ",".join(seat.session for seat in seats)})

    async def probe(self, address: str, port: int, *, seconds: float) -> None:
        if self.silent:
            raise TransientError(f"{address}:{port} does not answer")

    async def open(self, seat: Seat, *, seconds: float) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.opened.append(seat.session)
        self.there[seat.session] = seat

    async def close(self, seat: Seat, *, seconds: float) -> None:
        if self.silent:
            raise TransientError("it does not answer")
        self.there.pop(seat.session, None)

    async def sessions(self, address: str, port: int, *, seconds: float) -> Mapping[str, float] | None:
        return dict.fromkeys(self.there, 0.0)


class Scene:
    """A cluster, a node's folders, and one life of the plugin after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kube = MemoryKube()
        self.backend = Server()
        self.start()

    def start(self) -> None:
        self.books = Checkpoint(self.folder / "checkpoint.json")
        self.preparer = Preparer(self.kube, {KIND: self.backend}, self.books, CdiFolder(self.folder / "cdi"))

    @property
    def specs(self) -> dict[str, Any]:
        return {file.name: json.loads(file.read_text()) for file in (self.folder / "cdi").glob("*.json")}

    async def server(self, name: str, backend: str = "stub") -> None:
        spec = {
            "address": f"{name}.lab", "port": 9393, "backend": backend, "maxSessions": 8,
            "devices": [{"model": "T4", "memory": "16Gi"}] * 2,
        }  # fmt: skip
        head = {"apiVersion": "headrace.dev/v1alpha1", "kind": "GpuServer", "metadata": {"name": name}}
        await self.kube.create(GPU_SERVERS, {**head, "spec": spec})

    async def claim(self, name: str, *results: dict[str, Any]) -> Reference:
        head: dict[str, Any] = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim"}
        status = {"allocation": {"devices": {"results": list(results)}}} if results else {}
        head["metadata"] = {"name": name, "namespace": "lab"}
        made = await self.kube.create(RESOURCE_CLAIMS, head)
        await self.kube.apply_status(RESOURCE_CLAIMS, {**head, "status": status}, manager="scheduler")
        return Reference("lab", name, made["metadata"]["uid"])


def result(
    server: str = "a", number: int = 0, request: str = "gpu", share: str = "s", **more: Any
) -> dict[str, Any]:
    return {
        "request": request,
        "driver": "gpu.headrace.dev",
        "pool": server,
        "device": f"gpu-{number}",
        "consumedCapacity": {"memory": "4Gi", "sessions": "1"},
        "shareID": share,
        **more,
    }


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    await made.kube.create(NAMESPACES, {"metadata": {"name": "lab"}})
    for name in ("a", "b"):
        await made.server(name)
    return made


async def prepared(scene: Scene, asked: Reference) -> dra_pb2.NodePrepareResourceResponse:
    claim = dra_pb2.Claim(namespace=asked.namespace, uid=asked.uid, name=asked.name)
    answer = await Answers(scene.preparer).prepare(dra_pb2.NodePrepareResourcesRequest(claims=[claim]), None)
    return answer.claims[asked.uid]


async def unprepared(scene: Scene, asked: Reference) -> str:
    claim = dra_pb2.Claim(namespace=asked.namespace, uid=asked.uid, name=asked.name)
    request = dra_pb2.NodeUnprepareResourcesRequest(claims=[claim])
    answer = await Answers(scene.preparer).unprepare(request, None)
    return answer.claims[asked.uid].error


async def test_a_claim_is_answered_with_what_the_kubelet_hands_on(scene: Scene):
    asked = await scene.claim(
        "c", result("a", 1, "gpu/large", "s1"), result("b", 0, "more", "s2"), result(driver="gpu.nvidia.com")
    )
    answer = await prepared(scene, asked)
    assert answer.error == ""
    assert [
        (list(d.request_names), d.pool_name, d.device_name, list(d.cdi_device_ids), d.share_id)
        for d in answer.devices
    ] == [
        (["gpu"], "a", "gpu-1", [f"gpu.headrace.dev/claim={asked.uid}-gpu"], "s1"),
        (["more"], "b", "gpu-0", [f"gpu.headrace.dev/claim={asked.uid}-more"], "s2"),
    ]
    first = Seat("a", "a.lab", 9393, 1, 4 * GIB, f"{asked.uid}.0")
    assert scene.backend.there == {
        f"{asked.uid}.0": first,
        f"{asked.uid}.1": Seat("b", "b.lab", 9393, 0, 4 * GIB, f"{asked.uid}.1"),
    }
    (spec,) = scene.specs.values()
    assert [each["name"] for each in spec["devices"]] == [f"{asked.uid}-gpu", f"{asked.uid}-more"]


async def test_a_device_that_nobody_shares_has_no_share(scene: Scene):
    asked = await scene.claim("c", result(shareID=None))
    (device,) = (await prepared(scene, asked)).devices
    assert not device.HasField("share_id")


async def test_calls_may_be_repeated_and_another_life_goes_on(scene: Scene):
    asked = await scene.claim("c", result())
    first = await prepared(scene, asked)
    again, *_ = await asyncio.gather(prepared(scene, asked), prepared(scene, asked))
    scene.start()
    await scene.kube.delete(RESOURCE_CLAIMS, "c", namespace="lab")
    assert first == again == await prepared(scene, asked), "the claim's object is not needed any more"
    assert [await unprepared(scene, asked) for _ in range(2)] == ["", ""]
    assert (scene.backend.there, scene.specs, scene.books.preparations) == ({}, {}, {})


async def test_what_a_restart_of_the_node_swept_away_is_there_again(scene: Scene):
    asked = await scene.claim("c", result())
    await prepared(scene, asked)
    before = scene.specs
    for file in (scene.folder / "cdi").iterdir():
        file.unlink()
    scene.backend.there.clear()
    await prepared(scene, asked)
    assert (scene.specs, list(scene.backend.there)) == (before, [f"{asked.uid}.0"])


@pytest.mark.parametrize(
    ("results", "uid", "words"),
    [
        ([result()], "other", "found uid 0000"),
        ([], "", "found no GPU of gpu.headrace.dev in its allocation"),
        ([result(driver="gpu.nvidia.com")], "", "found no GPU of gpu.headrace.dev"),
        ([result("gone")], "", "GPU server gone was removed meanwhile"),
        ([result("a"), result("r")], "", "found backends rcuda, stub, allowed one"),
    ],
)
async def test_what_can_not_be_prepared_is_told_and_leaves_nothing(scene: Scene, results, uid, words):
    await scene.server("r", "rcuda")
    made = await scene.claim("c", *results)
    answer = await prepared(scene, Reference(made.namespace, made.name, uid or made.uid))
    assert words in answer.error
    assert (list(answer.devices), scene.backend.there, scene.specs) == ([], {}, {})
    assert scene.books.preparations == {}


async def test_a_claim_that_is_not_there_is_told(scene: Scene):
    assert "ResourceClaim lab/none" in (await prepared(scene, Reference("lab", "none", "u"))).error


async def test_one_faulty_claim_is_none_of_the_others(scene: Scene):
    good, bad = await scene.claim("c", result()), await scene.claim("d")
    claims = [dra_pb2.Claim(namespace="lab", uid=each.uid, name=each.name) for each in (good, bad)]
    answer = await Answers(scene.preparer).prepare(dra_pb2.NodePrepareResourcesRequest(claims=claims), None)
    assert [bool(answer.claims[each.uid].error) for each in (good, bad)] == [False, True]


async def test_a_server_without_room_is_told_and_asked_again(scene: Scene):
    asked = await scene.claim("c", result())
    scene.backend.faults = [RejectedError("gpu 0 has no room")]
    assert (await prepared(scene, asked)).error == "gpu 0 has no room"
    assert (await prepared(scene, asked)).error == ""


async def test_a_silent_server_does_not_keep_a_pod_from_ending(scene: Scene):
    asked = await scene.claim("c", result())
    await prepared(scene, asked)
    scene.backend.silent = True
    assert await unprepared(scene, asked) == ""
    assert (scene.specs, scene.books.preparations) == ({}, {})


async def test_a_fault_that_nobody_thought_of_is_told_too(scene: Scene):
    asked = await scene.claim("c", result())
    scene.backend.faults = [ValueError("odd")]  # type: ignore[list-item]
    assert (await prepared(scene, asked)).error == "unexpected: ValueError('odd')"


def test_a_checkpoint_that_can_not_be_read_stops_the_plugin(tmp_path: Path):
    (tmp_path / "checkpoint.json").write_text('{"preparations": {"u": ')
    with pytest.raises(FatalError, match="drain the node's pods"):
        Checkpoint(tmp_path / "checkpoint.json")


async def test_specifications_of_unknown_claims_are_swept(scene: Scene):
    asked = await scene.claim("c", result())
    await prepared(scene, asked)
    folder = CdiFolder(scene.folder / "cdi")
    await folder.write("stray", ["gpu"], Injection())
    assert folder.sweep(scene.books.preparations) == ["stray"]
    assert len(scene.specs) == 1


async def test_health_is_that_of_the_servers_in_use(scene: Scene):
    await prepared(scene, await scene.claim("c", result("a", 0), result("a", 1)))
    await prepared(scene, await scene.claim("d", result("a", 0, share="t")))
    health = Health(lambda: scene.preparer.prepared, {KIND: scene.backend}, now=lambda: 7.0)
    found = (await health.look()).devices
    assert [(d.device.pool_name, d.device.device_name, d.health) for d in found] == [
        ("a", "gpu-0", health_pb2.HEALTHY),
        ("a", "gpu-1", health_pb2.HEALTHY),
    ]
    scene.backend.silent = True
    assert {(d.health, d.message) for d in (await health.look()).devices} == {
        (health_pb2.UNHEALTHY, "a.lab:9393 does not answer")
    }

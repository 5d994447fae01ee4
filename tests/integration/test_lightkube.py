"""The adapter and the mirror on a real API server that is killed, cut off, compacted; leading processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO

import pytest

from headrace.kube import lightkube
from headrace.kube.kinds import CONFIG_MAPS, NAMESPACES
from headrace.kube.lightkube import LightKube
from headrace.kube.mirror import Mirror
from headrace.kube.naming import version_of
from headrace.kube.port import Change, Event, Kube, Selection
from headrace.model.errors import ConfigurationError, HeadraceError, TransientError
from tests.fixtures.kube import settings_of, until
from tests.toolchain.cluster import finding
from tests.toolchain.cluster.box import Box

SPACE = "kept"
SOME = Selection(SPACE)


@dataclass
class Proxy:
    """Stands between a client and the API server, on the server's own address, and can cut or hang up."""

    host: str
    target: int = 6443
    port: int = 0
    refusing: bool = False
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    connections: int = 0

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._take, self.host, 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def cut(self) -> None:
        """End every connection in the middle of whatever goes through it."""
        for writer in list(self.writers):
            writer.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        back, there = await asyncio.open_connection(self.host, self.target)
        self.writers |= {writer, there}
        await asyncio.gather(_pump(reader, there), _pump(back, writer))
        self.writers -= {writer, there}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Followed:
    """A mirror of config maps and what it told, as names and values."""

    def __init__(self, kube: Kube) -> None:
        self.mirror = Mirror(kube, CONFIG_MAPS, SOME)
        self.values: dict[str, str] = {}
        self.mirror.listen(self._hear)

    def _hear(self, event: Event) -> None:
        name = event.manifest["metadata"]["name"]
        if event.change is Change.PUT:
            self.values[name] = event.manifest.get("data", {}).get("x", "")
        else:
            del self.values[name]

    async def comes_to(self, expected: dict[str, str]) -> None:
        """Wait until it shows these and has told of them; what Kubernetes itself puts there is left out."""

        async def holds() -> bool:
            shown = {n: each.get("data", {}).get("x", "") for (_, n), each in self.mirror.items.items()}
            assert shown == self.values
            return {name: each for name, each in shown.items() if name in expected or each} == expected

        await until(holds, 90)


async def put(kube: Kube, name: str, value: str) -> None:
    wanted = {"metadata": {"name": name, "namespace": SPACE}, "data": {"x": value}}
    await kube.apply(CONFIG_MAPS, wanted, manager="tests")


@pytest.fixture
async def proxy(own_control_plane: Box) -> AsyncIterator[Proxy]:
    made = Proxy(own_control_plane.api.removeprefix("https://").split(":")[0])
    async with await made.serve():
        yield made
        made.cut()


@pytest.fixture
async def direct(own_control_plane: Box) -> AsyncIterator[LightKube]:
    kube = LightKube.of(settings_of(own_control_plane.kubeconfig))
    await kube.create(NAMESPACES, {"metadata": {"name": SPACE}})
    yield kube
    await kube.close()


@pytest.fixture
async def proxied(own_control_plane: Box, proxy: Proxy, tmp_path: Path) -> AsyncIterator[LightKube]:
    path = tmp_path / "kubeconfig"
    path.write_text(own_control_plane.kubeconfig.read_text().replace(":6443", f":{proxy.port}"))
    kube = LightKube.of(settings_of(path))
    yield kube
    await kube.close()


async def answers(kube: Kube) -> bool:
    with suppress(HeadraceError):
        await kube.get(NAMESPACES, SPACE)
        return True
    return False


async def test_a_mirror_outlives_cut_connections_without_a_list(
    proxy: Proxy, proxied: LightKube, direct: LightKube
) -> None:
    seen = Followed(proxied)
    async with seen.mirror:
        assert await seen.mirror.sync(30)
        for number in range(5):
            await put(direct, "a", f"before {number}")
            proxy.cut()
            await put(direct, "a", f"after {number}")
            await put(direct, f"b{number}", "new")
            await seen.comes_to({"a": f"after {number}", **{f"b{each}": "new" for each in range(number + 1)}})
        assert seen.mirror.contacts.lists == 1
        assert seen.mirror.contacts.failures == 5


async def test_a_mirror_knows_how_long_it_has_been_blind(
    proxy: Proxy, proxied: LightKube, direct: LightKube
) -> None:
    seen = Followed(proxied)
    async with seen.mirror:
        assert await seen.mirror.sync(30)
        proxy.refusing = True
        proxy.cut()
        await until(lambda: _is(seen.mirror.silent_seconds > 0.5))
        await put(direct, "a", "unseen")
        assert "a" not in seen.values
        proxy.refusing = False
        await seen.comes_to({"a": "unseen"})
        assert seen.mirror.silent_seconds == 0.0


async def _is(truth: bool) -> bool:
    return truth


async def test_a_mirror_outlives_a_killed_api_server_and_a_compacted_history(
    own_control_plane: Box, proxy: Proxy, proxied: LightKube, direct: LightKube
) -> None:
    for name in ("same", "changed", "dropped"):
        await put(direct, name, "1")
    seen = Followed(proxied)
    async with seen.mirror:
        await seen.comes_to({"same": "1", "changed": "1", "dropped": "1"})
        own_control_plane.kill("kube-apiserver")
        await until(lambda: answers(direct), 90)
        await seen.comes_to({"same": "1", "changed": "1", "dropped": "1"})
        proxy.refusing = True
        proxy.cut()
        await put(direct, "changed", "2")
        await put(direct, "new", "2")
        await direct.delete(CONFIG_MAPS, "dropped", namespace=SPACE)
        await asyncio.to_thread(compact, own_control_plane, version_of(await direct.get(NAMESPACES, SPACE)))
        own_control_plane.kill("kube-apiserver")
        await until(lambda: answers(direct), 90)
        proxy.refusing = False
        await seen.comes_to({"same": "1", "changed": "2", "new": "2"})
        assert 1 <= seen.mirror.contacts.lists <= 6  # one a kill, and what met a server half up


def compact(box: Box, at_least: str) -> None:
    """Let etcd forget all but the present, by its HTTP gateway."""
    told = next(each for each in programs_of(box) if each.startswith("--etcd-servers="))
    store = told.removeprefix("--etcd-servers=")
    revision = _ask(f"{store}/v3/kv/range", {"key": "AA=="})["header"]["revision"]
    assert int(revision) >= int(at_least)
    _ask(f"{store}/v3/kv/compaction", {"revision": revision, "physical": True})


def programs_of(box: Box) -> list[str]:
    """The API server's arguments, read from its process."""
    (pid,) = finding.children(box.place, "kube-apiserver")
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _ask(url: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as reply:
        return json.loads(reply.read())


async def test_a_call_to_a_dead_api_server_ends_within_seconds(
    own_control_plane: Box, proxy: Proxy, proxied: LightKube, direct: LightKube
) -> None:
    proxy.refusing = True
    for call in (
        proxied.get(NAMESPACES, SPACE),
        proxied.list(CONFIG_MAPS),
        anext(proxied.watch(CONFIG_MAPS, SOME, "1")),
    ):
        async with asyncio.timeout(10):
            with pytest.raises(TransientError, match="does not answer"):
                await call


async def test_the_server_marks_the_place_of_a_quiet_watch_and_ends_it_quietly(
    direct: LightKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lightkube, "WATCH_SECONDS", (8, 8))  # it marks the place 2 s before the end
    version = (await direct.list(CONFIG_MAPS, SOME)).version
    async with aclosing(direct.watch(CONFIG_MAPS, Selection(SPACE, {"nobody": "has"}), version)) as watch:
        await anext(watch)
        await put(direct, "a", "not selected")
        events = [event async for event in watch]
    assert {event.change for event in events} == {Change.BOOKMARK}
    assert int(version_of(events[-1].manifest)) > int(version)


async def test_who_has_no_role_is_told_what_is_missing(control_plane: Box) -> None:
    kube = LightKube.of(settings_of(control_plane.kubeconfig_of("nobody")))
    with pytest.raises(ConfigurationError, match=r'User "nobody" cannot list resource "configmaps".*roles'):
        await kube.list(CONFIG_MAPS)
    await kube.close()


# Leaders as processes

CANDIDATE = """
import asyncio, json, sys, time
from headrace.kube.election import Terms
from headrace.kube.leadership import Leadership, Seat, boot_clock
from headrace.kube.lightkube import LightKube
from headrace.model.settings import KubernetesSettings

identity, kubeconfig = sys.argv[1:]
settings = KubernetesSettings(namespace="f", platform_namespace="default", kubeconfig=kubeconfig)
terms = Terms(duration_seconds=4.0, deadline_seconds=2.5, retry_seconds=0.5)
leadership = Leadership(lambda: LightKube.of(settings), Seat("default", "tests", identity), terms=terms)
leadership.start()
while True:
    at = boot_clock()
    print(json.dumps([at, leadership.leading()]), flush=True)
    time.sleep(0.02)
"""


@dataclass
class Candidate:
    """A process that strives to lead and writes down when it may act."""

    process: subprocess.Popen[bytes]
    log: Path
    sink: IO[bytes]

    def led(self) -> list[tuple[float, bool]]:
        return [tuple(json.loads(line)) for line in self.log.read_text().splitlines()[:-1]]

    async def leads(self) -> bool:
        told = self.led()
        return bool(told) and told[-1][1]


@pytest.fixture
def candidates(control_plane: Box, tmp_path: Path) -> Iterator[list[Candidate]]:
    made = []
    for name in ("a", "b"):
        sink = (tmp_path / name).open("wb")
        command = [sys.executable, "-c", CANDIDATE, name, str(control_plane.kubeconfig)]
        made.append(Candidate(subprocess.Popen(command, stdout=sink), tmp_path / name, sink))
    yield made
    for each in made:
        each.process.kill()
        each.process.wait()
        each.sink.close()


async def test_a_leader_that_was_stopped_wakes_with_its_fence_down(candidates: list[Candidate]) -> None:
    async def one_leads() -> bool:
        return any([await each.leads() for each in candidates])

    await until(one_leads)
    for _ in range(2):
        first, second = sorted(candidates, key=lambda each: not each.led()[-1][1])
        os.kill(first.process.pid, signal.SIGSTOP)
        await until(second.leads)
        stopped_at = len(first.led())
        os.kill(first.process.pid, signal.SIGCONT)
        await until(lambda first=first, before=stopped_at: _is(len(first.led()) > before + 20))
        woken = first.led()[stopped_at:]
        assert not any(leading for _, leading in woken[2:])  # two may have been asked before it was stopped
    assert _together(candidates) == []


def _together(candidates: list[Candidate]) -> list[float]:
    """Moments at which one said that it may act within an interval at whose both ends the other said so."""
    one, other = (each.led() for each in candidates)
    spans = [
        (before, after)
        for (before, led), (after, leads) in pairwise(other)
        if led and leads and after - before < 0.5
    ]
    moments = [at for at, leading in one if leading]
    return [at for at in moments if any(before <= at <= after for before, after in spans)]

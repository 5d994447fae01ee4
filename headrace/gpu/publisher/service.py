"""The publisher: it probes servers, writes slices and status while it leads, and ends orphaned sessions."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import orjson

from headrace.catalog.deployed import gpu_server_of
from headrace.gpu.backends.port import RemoteBackend, Seat
from headrace.gpu.publisher.deciding import Action, Step, actions
from headrace.gpu.publisher.figures import Seen, ServerStanding, figures
from headrace.gpu.publisher.reaping import GRACE_SECONDS, Orphans, Session
from headrace.gpu.publisher.standing import LEASE_SECONDS, Standing, after, closed, first
from headrace.gpu.publisher.telling import status_of
from headrace.kube.kinds import GPU_SERVERS, RESOURCE_CLAIMS, RESOURCE_SLICES
from headrace.kube.mirror import Mirror
from headrace.kube.naming import annotations_of, is_ending
from headrace.kube.parsed import Parsed
from headrace.kube.port import EVERYTHING, Kube, Manifest
from headrace.manifests.gpu_slices import held_in, published_in
from headrace.metrics.family import Figure
from headrace.model.errors import (
    ChangedError,
    ExistsError,
    HeadraceError,
    NotFoundError,
    TransientError,
)
from headrace.model.gpu_server import Backend, GpuServer
from headrace.model.labels import STOPPING

MANAGER = "headrace-publisher"
SYNC_SECONDS = 60.0
AT_ONCE = 50  # probes under way
REST_SECONDS = 0.2  # between two rounds of writes at least: changes that come together are seen together

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often things are done, in seconds."""

    probe: float = 5.0
    probe_limit: float = 3.0
    lease: float = LEASE_SECONDS
    reap: float = 30.0
    grace: float = GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class World:
    """What the publisher is connected to. `now` gives seconds since the epoch."""

    kube: Kube
    backends: Mapping[Backend, RemoteBackend]
    leading: Callable[[], bool]
    now: Callable[[], float]
    rhythm: Rhythm = Rhythm()


class Publisher:
    """One process of it: `run`, and ask how it is."""

    def __init__(self, world: World) -> None:
        self._world = world
        kinds = (GPU_SERVERS, RESOURCE_SLICES, RESOURCE_CLAIMS)
        self._mirrors = tuple(Mirror(world.kube, kind, EVERYTHING) for kind in kinds)
        self._servers, self._slices, self._claims = self._mirrors
        self._parsed = Parsed(self._servers, _server_of)
        self._standings: dict[str, Standing] = {}
        self._orphans = Orphans()
        self._news = asyncio.Event()
        self.writes = 0  # of the API server, so far
        self._synced = False

    @property
    def silent_seconds(self) -> float | None:
        """How long the API server has been out of reach; None before its first lists."""
        return max(each.silent_seconds for each in self._mirrors) if self._synced else None

    async def figures(self) -> Sequence[Figure]:
        """What Prometheus is told of how it stands."""
        manifests = self._by_name()
        servers = {
            name: ServerStanding(each.answering, _is_stopping(manifests[name]))
            for name, each in self._standings.items()
            if name in manifests
        }
        published = published_in(self._slices.items.values())
        held = held_in(self._claims.items.values())
        seen = Seen(self._world.leading(), self.silent_seconds or 0.0, servers, published, held)
        return figures(seen)

    async def run(self) -> None:
        """For ever. Raises TransientError when the first lists do not come."""
        async with AsyncExitStack() as closing:
            for mirror in self._mirrors:
                await closing.enter_async_context(mirror)
            for mirror in self._mirrors:
                if not await mirror.sync(SYNC_SECONDS):
                    raise TransientError(
                        f"the API server has not listed everything within {SYNC_SECONDS:g} s; is it up, has "
                        "it resource.k8s.io/v1, and may this account list GPU servers, slices and claims?"
                    )
            self._synced = True
            loops = [asyncio.create_task(each) for each in (self._probe_often(), self._write(), self._reap())]
            try:
                await asyncio.gather(*loops)
            finally:
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)

    # Servers

    @property
    def servers(self) -> Mapping[str, GpuServer]:
        """Those that are sound, by name."""
        return {server.name: server for server in self._parsed.values}

    async def _probe_often(self) -> None:
        room = asyncio.Semaphore(AT_ONCE)
        while True:
            servers = self.servers
            faults = await asyncio.gather(*(self._probe(server, room) for server in servers.values()))
            self._learn(dict(zip(servers, faults, strict=True)))
            self._news.set()
            await asyncio.sleep(self._world.rhythm.probe)

    async def _probe(self, server: GpuServer, room: asyncio.Semaphore) -> str:
        """Why it does not answer; empty: it does."""
        spec, limit = server.spec, self._world.rhythm.probe_limit
        async with room:
            try:
                await self._world.backends[spec.backend].probe(spec.address, spec.port, seconds=limit)
            except HeadraceError as error:
                return str(error)
        return ""

    def _learn(self, faults: Mapping[str, str]) -> None:
        """How each stands after a round of probes; those that are gone are forgotten."""
        now, known = self._world.now(), self._standings
        published = published_in(self._slices.items.values()) if faults.keys() - known.keys() else ()
        clean = {gpu.server for gpu in published if not gpu.silent}
        stopping = {name for name, each in self._by_name().items() if _is_stopping(each)}
        self._standings = {
            name: closed(known.get(name), now)
            if name in stopping
            else after(known[name], fault, now, lease_seconds=self._world.rhythm.lease)
            if name in known
            else first(fault, now, published_clean=name in clean)
            for name, fault in faults.items()
        }
        for name, standing in self._standings.items():
            _tell_change(name, known.get(name), standing)

    # Writing

    async def _write(self) -> None:
        """Whenever a server, a slice or a standing has changed."""
        while True:
            self._news.clear()
            await asyncio.sleep(REST_SECONDS)
            watched = (self._servers, self._slices)
            revisions = [each.revision for each in watched]
            if self._world.leading():
                await self._bring_about()
            waits = [asyncio.create_task(self._news.wait())] + [
                asyncio.create_task(mirror.changed(self._world.rhythm.probe, since=revision))
                for mirror, revision in zip(watched, revisions, strict=True)
            ]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _bring_about(self) -> None:
        servers, standings = self.servers, dict(self._standings)
        for action in actions(servers.values(), standings, self._slices.items.values()):
            await self._carefully(self._act(action), action.manifest["metadata"]["name"])
        for name, manifest in self._by_name().items():
            if name in servers and name in standings:
                await self._carefully(self._tell(manifest, servers[name], standings[name]), name)

    def _by_name(self) -> Mapping[str, Manifest]:
        return {each["metadata"]["name"]: each for each in self._servers.items.values()}

    async def _carefully(self, step: Awaitable[None], name: str) -> None:
        """One write; a fault is logged, and what it was for is looked at again."""
        try:
            await step
        except (ChangedError, ExistsError, NotFoundError):
            return  # the mirror is late
        except HeadraceError as error:
            _log.warning("%s is not written: %s", name, error, extra={"action": "gpu.write_failed"})

    async def _act(self, action: Action) -> None:
        self.writes += 1
        metadata = action.manifest["metadata"]
        if action.step is Step.CREATE:
            await self._world.kube.create(RESOURCE_SLICES, action.manifest)
        elif action.step is Step.REPLACE:
            await self._world.kube.replace(RESOURCE_SLICES, action.manifest)
        else:
            await self._world.kube.delete(RESOURCE_SLICES, metadata["name"], uid=metadata["uid"])

    async def _tell(self, manifest: Manifest, server: GpuServer, standing: Standing) -> None:
        status = orjson.loads(status_of(manifest, server, standing, self._world.now()).to_json())
        if status == (manifest.get("status") or {}):
            return
        self.writes += 1
        head = {key: manifest[key] for key in ("apiVersion", "kind")}
        named = {"name": server.name, "uid": manifest["metadata"]["uid"]}
        wanted = {**head, "metadata": named, "status": status}
        await self._world.kube.apply_status(GPU_SERVERS, wanted, manager=MANAGER)

    # Sessions

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(self._world.rhythm.reap)
            if self._world.leading():
                await self._end_orphans()

    async def _end_orphans(self) -> None:
        servers, now = self.servers, self._world.now()
        answering = [each for name, each in servers.items() if self._answers(name)]
        lists = await asyncio.gather(*(self._sessions(server) for server in answering))
        claims = {held.uid for held in held_in(self._claims.items.values())}
        found = [session for sessions in lists for session in sessions]
        self._orphans = self._orphans.seen(found, claims, now)
        for server, session in self._orphans.due(now, grace_seconds=self._world.rhythm.grace):
            await self._carefully(self._end(servers[server], session), f"session {session} of {server}")

    def _answers(self, name: str) -> bool:
        standing = self._standings.get(name)
        return standing is not None and standing.answering

    async def _sessions(self, server: GpuServer) -> Sequence[Session]:
        spec = server.spec
        try:
            found = await self._world.backends[spec.backend].sessions(
                spec.address, spec.port, seconds=self._world.rhythm.probe_limit
            )
        except HeadraceError:
            return ()
        return [(server.name, session) for session in found or ()]

    async def _end(self, server: GpuServer, session: str) -> None:
        spec = server.spec
        seat = Seat(server.name, spec.address, spec.port, 0, 0, session)
        _log.warning(
            "session %s of %s has no claim: it is closed", session, server.name,
            extra={"action": "gpu.session_reaped", "server": server.name},
        )  # fmt: skip
        await self._world.backends[spec.backend].close(seat, seconds=self._world.rhythm.probe_limit)


def _tell_change(name: str, before: Standing | None, now: Standing) -> None:
    """Log that a server answers, or does not any more."""
    if before is None or before.answering != now.answering:
        told = "answers" if now.answering else f"does not answer: {now.fault}"
        extra = {"action": "gpu.server", "server": name, "answering": now.answering}
        _log.info("GPU server %s %s", name, told, extra=extra)


def _is_stopping(manifest: Manifest) -> bool:
    """Whether its host is to be switched off."""
    return STOPPING in annotations_of(manifest)


def _server_of(manifest: Manifest) -> GpuServer | None:
    return None if is_ending(manifest) else gpu_server_of(manifest)

"""Hosts that serve GPUs to workers elsewhere: there once all their servers are published as answering.

The order to stop stands in the GpuServer objects of a host; the publisher then calls these servers silent, so
that nobody begins there. The host goes off once no claim holds a GPU of it. Then the order is taken off:
whoever wakes the host, the scaler or a person, has servers that workers may use.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from headrace.catalog.deployed import gpu_server_of
from headrace.kube.kinds import GPU_SERVERS, RESOURCE_CLAIMS, RESOURCE_SLICES
from headrace.kube.mirror import Mirror
from headrace.kube.naming import annotations_of, is_ending
from headrace.kube.parsed import Parsed
from headrace.kube.port import EVERYTHING, Kube, Manifest
from headrace.manifests.gpu_slices import held_by, published_in
from headrace.model.errors import NotFoundError
from headrace.model.gpu_server import GpuServer
from headrace.model.labels import STOPPING
from headrace.model.pool import NodePool, PowerSpec
from headrace.nodes.clock import CLOCK, Clock
from headrace.nodes.cluster import check_seen
from headrace.nodes.objects import LAG_SECONDS
from headrace.nodes.port import Power, Sighting
from headrace.nodes.power.board import Switchboard, Word
from headrace.nodes.power.hosts import Host, Hosts


@dataclass(frozen=True, slots=True)
class ServerMirrors:
    """Mirrors of GpuServers, of ResourceSlices, and of ResourceClaims in every namespace."""

    servers: Mirror
    slices: Mirror
    claims: Mirror

    @classmethod
    def of(cls, kube: Kube) -> "ServerMirrors":
        """Not listed yet."""
        return cls(
            *(Mirror(kube, kind, EVERYTHING) for kind in (GPU_SERVERS, RESOURCE_SLICES, RESOURCE_CLAIMS))
        )

    @property
    def all(self) -> tuple[Mirror, ...]:
        """All three."""
        return self.servers, self.slices, self.claims


@dataclass(frozen=True, slots=True)
class _Declared:
    """A server as its object has it."""

    server: GpuServer
    stopping: bool


@dataclass(frozen=True, slots=True)
class _Write:
    """What was written of a host's servers, until the mirror shows it."""

    stopping: bool
    until: float


class PowerServers:
    """See the port. `now` gives seconds since the epoch."""

    def __init__(
        self,
        pool: NodePool,
        kube: Kube,
        seen: ServerMirrors,
        board: Switchboard,
        *,
        now: Callable[[], float] = time.time,
        clock: Clock = CLOCK,
    ) -> None:
        self._pool = pool
        self._kube = kube
        self._seen = seen
        self._now = now
        self._declared = Parsed(seen.servers, _declared_of, mark=_mark_of)
        self._held = Parsed(seen.claims, held_by)
        self._written: dict[str, _Write] = {}
        self._hosts = Hosts(pool.name, board, pool.spec.power or PowerSpec(), clock=clock)

    async def nodes(self) -> Sequence[Sighting]:
        """See the port. What a host that is there offers is what its pool promises."""
        check_seen(*self._seen.all)
        hosts, declared, answering = await self._hosts.seen(), self._by_host(), self._answering()
        for name, host in hosts.items():
            servers = declared.get(name, ())
            if self._may_go(host, servers, answering):
                self._hosts.order(name, Word.OFF)
            elif host.power is Power.OFF and host.order is None and self._stops(name, servers):
                await self._mark(name, servers, None)
        return [
            self._sighting(self._hosts.get(name) or host, declared.get(name, ()), answering)
            for name, host in hosts.items()
        ]

    async def start(self, name: str) -> None:
        """See the port. Raises NotFoundError also for a host of which no server is declared."""
        host, servers = await self._host(name)
        if not servers:
            raise NotFoundError(
                f"host {name} serves no GPUs: found no GpuServer of pool {self._pool.name} on it; declare "
                f"one, with host: {name} where its own name is another"
            )
        if self._sighting(host, servers, self._answering()).power in (Power.OFF, Power.UNKNOWN):
            await self._mark(name, servers, None)
            self._hosts.order(name, Word.ON)

    async def stop(self, name: str) -> None:
        """See the port. A host without servers goes off as it is."""
        host, servers = await self._host(name)
        if host.power is Power.OFF and host.order is None:
            return
        await self._mark(name, servers, f"{self._now():.3f}")
        if not servers:
            self._hosts.order(name, Word.OFF)

    async def close(self) -> None:
        """Let go of what is under way."""
        await self._hosts.close()

    def _by_host(self) -> Mapping[str, Sequence[_Declared]]:
        found: dict[str, list[_Declared]] = defaultdict(list)
        for each in self._declared.values:
            if each.server.spec.pool == self._pool.name:
                found[each.server.host].append(each)
        return found

    def _answering(self) -> frozenset[str]:
        published = published_in(self._seen.slices.items.values())
        return frozenset(gpu.server for gpu in published if not gpu.silent)

    async def _host(self, name: str) -> tuple[Host, Sequence[_Declared]]:
        check_seen(*self._seen.all)
        hosts = await self._hosts.seen()
        if name not in hosts:
            raise self._hosts.unknown(name, self._pool.hosts)
        return hosts[name], self._by_host().get(name, ())

    async def _mark(self, name: str, servers: Sequence[_Declared], stopping: str | None) -> None:
        """Write the order to stop into the objects of a host's servers, or take it off."""
        change = {"metadata": {"annotations": {STOPPING: stopping}}}
        for each in servers:
            if each.stopping is (stopping is None):
                await self._kube.patch(GPU_SERVERS, each.server.name, change)
        self._written[name] = _Write(stopping is not None, self._now() + LAG_SECONDS)

    def _stops(self, name: str, servers: Sequence[_Declared]) -> bool:
        """Whether the order to stop stands there, as the mirror shows it or as it was written since."""
        shown = bool(servers) and all(each.stopping for each in servers)
        own = self._written.get(name)
        if own is None or own.stopping is shown or self._now() >= own.until:
            self._written.pop(name, None)
            return shown
        return own.stopping and bool(servers)

    def _may_go(self, host: Host, servers: Sequence[_Declared], answering: Collection[str]) -> bool:
        """Whether it is to stop and nobody can begin there, or has anything there, any more."""
        names = {each.server.name for each in servers}
        if not self._stops(host.name, servers) or not names.isdisjoint(answering):
            return False
        if any(grant.server in names for held in self._held.values for grant in held.grants):
            return False
        return host.may_be_on

    def _sighting(self, host: Host, servers: Sequence[_Declared], answering: Collection[str]) -> Sighting:
        if host.order is Word.OFF or (self._stops(host.name, servers) and host.power is not Power.OFF):
            return Sighting(host.name, Power.STOPPING, address=host.address)
        if host.order is Word.ON:
            return Sighting(host.name, Power.STARTING, address=host.address)
        if (
            servers
            and not self._stops(host.name, servers)
            and all(s.server.name in answering for s in servers)
        ):
            offered = self._pool.allocatable
            return Sighting(host.name, Power.ON, joined=True, allocatable=offered, address=host.address)
        return Sighting(host.name, host.power, address=host.address)


def _declared_of(manifest: Manifest) -> _Declared | None:
    if is_ending(manifest):
        return None
    return _Declared(gpu_server_of(manifest), STOPPING in annotations_of(manifest))


def _mark_of(manifest: Manifest) -> Hashable:
    """Its status changes often, and is no matter here."""
    stopping = STOPPING in annotations_of(manifest)
    return manifest["metadata"].get("generation"), is_ending(manifest), stopping

"""The cluster's GPUs as the scaler sees them: pools, servers, and who holds what of these."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from headrace.catalog.deployed import gpu_server_of
from headrace.kube.naming import is_ending
from headrace.kube.parsed import Parsed
from headrace.kube.port import Manifest
from headrace.manifests.gpu_slices import Grant, Held, Published, held_by, published_in, sessions_by_gpu
from headrace.model.function import Function
from headrace.model.gpu_server import GpuServer
from headrace.model.pool import Driver, NodePool, Provides
from headrace.model.quantity import parse_bytes
from headrace.model.settings import KubernetesSettings
from headrace.model.tenancy import qualified
from headrace.nodes.power.servers import ServerMirrors
from headrace.placement.inventory import Inventory, inventory_of
from headrace.placement.packing import Place, RemoteRoom
from headrace.placement.ways import Choice, choose_way
from headrace.scaler.ports import RemoteGpus


class Gpus:
    """Choices and rooms, as things are when they are asked for."""

    def __init__(
        self, pools: Parsed[NodePool], servers: ServerMirrors | None, place: KubernetesSettings
    ) -> None:
        self._pools = pools
        self._servers = servers
        self._tenants = {each: place.tenant_in(each) for each in place.namespaces}
        self._parsed = Parsed(servers.servers, _server_of) if servers else None
        self._held = Parsed(servers.claims, held_by) if servers else None
        self._choices: dict[str, tuple[Function, Choice]] = {}
        self._seen: tuple[object, ...] = ()
        self._inventory = Inventory()
        self._published: Sequence[Published] = ()
        self._hosts: Mapping[str, str] = {}  # of servers that a pool switches
        self._standby: tuple[RemoteRoom, ...] = ()  # of those that are off

    def choice(self, function: Function) -> Choice:
        """How workers of a function come to GPUs."""
        self._look()
        known = self._choices.get(function.name)
        if known is None or known[0] is not function:
            known = self._choices[function.name] = function, choose_way(function, self._inventory)
        return known[1]

    def grants(self) -> Mapping[str, tuple[Grant, ...]]:
        """By worker: what its pod holds of servers' GPUs."""
        found: dict[str, tuple[Grant, ...]] = defaultdict(tuple)
        for held in self._holdings():
            for worker in self._workers_of(held):
                found[worker] += held.grants
        return found

    def lost(self) -> Collection[str]:
        """Workers whose pods hold GPUs of servers which do not answer."""
        self._look()
        silent = {gpu.server for gpu in self._published if gpu.silent}
        return {
            name
            for name, grants in (self.grants().items() if silent else ())
            if any(grant.server in silent for grant in grants)
        }

    def remote(self, workers: Collection[str]) -> RemoteGpus:
        """GPUs of servers; what is free is without what others hold than these."""
        self._look()
        serving = {self._hosts.get(grant.server, "") for held in self._holdings() for grant in held.grants}
        return RemoteGpus(tuple(self._rooms(workers)), self._standby, frozenset(serving - {""}))

    def _rooms(self, workers: Collection[str]) -> Iterator[RemoteRoom]:
        taken: dict[Place, list[int]] = defaultdict(lambda: [0, 0])
        for held in self._holdings():
            holders = self._workers_of(held)
            if holders and set(holders) <= set(workers):
                continue
            for grant in held.grants:
                amounts = taken[grant.server, grant.number]
                amounts[0] += grant.memory_bytes
                amounts[1] += 1
        for gpu in self._published:
            if not gpu.silent:
                size, sessions = taken[gpu.server, gpu.number]
                yield _room(gpu, size, sessions, self._hosts.get(gpu.server, ""))

    def _workers_of(self, held: Held) -> Sequence[str]:
        """Its pods by their workers' names; none of a namespace without functions."""
        tenant = self._tenants.get(held.namespace)
        return () if tenant is None else [qualified(tenant, each) for each in held.pods]

    def _holdings(self) -> Sequence[Held]:
        return self._held.values if self._held is not None else ()

    def _look(self) -> None:
        """Anew where pools, servers or slices are other than before."""
        servers, slices = self._parts()
        seen = (self._pools.values, servers, self._servers.slices.revision if self._servers else 0)
        if seen == self._seen:
            return
        self._seen = seen
        self._published = published_in(slices)
        answering = {gpu.server for gpu in self._published if not gpu.silent}
        self._hosts = {each.name: each.host for each in servers if _switches(self._pools.values, each)}
        silent = [server for server in servers if server.name not in answering]
        off = [server for server in silent if server.name in self._hosts]
        self._standby = tuple(room for server in off for room in _empty_rooms(server))
        inventory = inventory_of(
            self._pools.values, servers, {each.name for each in silent} - self._hosts.keys()
        )
        if inventory != self._inventory:
            self._inventory, self._choices = inventory, {}

    def _parts(self) -> tuple[Sequence[GpuServer], Sequence[Manifest]]:
        if self._servers is None or self._parsed is None:
            return (), ()
        return self._parsed.values, list(self._servers.slices.items.values())


def _switches(pools: Sequence[NodePool], server: GpuServer) -> bool:
    """Whether a pool switches the server's host."""
    return any(
        pool.name == server.spec.pool
        and pool.spec.provides is Provides.GPU_SERVERS
        and pool.spec.driver is Driver.POWER
        for pool in pools
    )


def _empty_rooms(server: GpuServer) -> Iterator[RemoteRoom]:
    """What a server will have to give once it is on."""
    sessions = sessions_by_gpu(server)
    for number, device in enumerate(server.spec.devices):
        size = parse_bytes(device.memory)
        yield RemoteRoom(server.name, number, size, size, sessions[number], server.host)


def _room(gpu: Published, taken_bytes: int, taken_sessions: int, host: str) -> RemoteRoom:
    free_bytes = max(0, gpu.memory_bytes - taken_bytes)
    free_sessions = max(0, gpu.sessions - taken_sessions)
    return RemoteRoom(gpu.server, gpu.number, gpu.memory_bytes, free_bytes, free_sessions, host)


def _server_of(manifest: Manifest) -> GpuServer | None:
    return None if is_ending(manifest) else gpu_server_of(manifest)

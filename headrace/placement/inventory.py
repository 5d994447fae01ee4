"""The GPUs that a cluster has or can switch on: those of its pools' nodes, and those of GPU servers. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from headrace.model.function import Access, Isolation
from headrace.model.gpu_server import Backend, GpuServer
from headrace.model.pool import NodePool, Provides
from headrace.model.quantity import parse_bytes
from headrace.model.resources import GPU
from headrace.placement.remoting import FACTS, misfit


@dataclass(frozen=True, slots=True)
class LocalGpus:
    """What a node of a pool offers of one resource; `memory_bytes` of each, None where nobody has said."""

    pool: str
    access: Access
    resource: str
    count: int
    memory_bytes: int | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class RemoteGpu:
    """One GPU of a server."""

    model: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Server:
    """A GPU server. `reached_from`: pools whose nodes may reach it. `trouble`: why it serves nobody now."""

    name: str
    backend: Backend
    gpus: tuple[RemoteGpu, ...]
    max_sessions: int
    reached_from: tuple[str, ...]
    trouble: str = ""

    @property
    def isolation(self) -> Isolation:
        return FACTS[self.backend].isolation


@dataclass(frozen=True, slots=True)
class Inventory:
    """All of them, in the order of names."""

    local: tuple[LocalGpus, ...] = ()
    servers: tuple[Server, ...] = ()


def inventory_of(
    pools: Iterable[NodePool], servers: Iterable[GpuServer], silent: Collection[str] = ()
) -> Inventory:
    """What these pools and servers have; `silent` are servers that do not answer."""
    known = sorted(pools, key=lambda pool: pool.name)
    found = sorted(servers, key=lambda server: server.name)
    return Inventory(
        tuple(offer for pool in known for offer in local_of(pool)),
        tuple(server_of(each, known, is_silent=each.name in silent) for each in found),
    )


def local_of(pool: NodePool) -> tuple[LocalGpus, ...]:
    """What a node of the pool offers to workers on it; a pool of GPU servers takes none."""
    if pool.spec.provides is not Provides.NODES:
        return ()
    if pool.spec.gpu is not None:
        model = pool.spec.gpu.model
        return tuple(
            LocalGpus(pool.name, each.access, each.resource, each.count, each.memory_bytes, model)
            for each in pool.spec.gpu.offers
        )
    number = pool.allocatable[GPU]
    return (LocalGpus(pool.name, Access.PASSTHROUGH, GPU, number),) if number else ()


def server_of(server: GpuServer, pools: Iterable[NodePool], *, is_silent: bool) -> Server:
    """A server as choices see it."""
    spec = server.spec
    return Server(
        server.name,
        spec.backend,
        tuple(RemoteGpu(each.model, parse_bytes(each.memory)) for each in spec.devices),
        spec.max_sessions,
        tuple(pool.name for pool in pools if is_reached(spec.node_selector, pool)),
        misfit(server) or ("does not answer" if is_silent else ""),
    )


def is_reached(selector: Mapping[str, str], pool: NodePool) -> bool:
    """Whether workers on the pool's nodes reach a server with this node selector."""
    return pool.spec.provides is Provides.NODES and selector.items() <= pool.node_labels.items()

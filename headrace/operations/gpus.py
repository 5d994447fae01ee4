"""The GPUs of a cluster: what there is, who uses it, what is free. From objects as they are now."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.catalog.deployed import gpu_server_of, pool_of, sound
from headrace.kube.kinds import GPU_SERVERS, NODE_POOLS, NODES, PODS, RESOURCE_CLAIMS, RESOURCE_SLICES, Kind
from headrace.kube.naming import labels_of
from headrace.kube.port import Kube
from headrace.manifests.gpu_slices import Held, Published, held_in, published_in
from headrace.model.errors import NotFoundError
from headrace.model.gpu_server import GpuServer
from headrace.model.labels import POOL
from headrace.model.status import READY
from headrace.nodes.cluster import amounts_of, is_over, request_of_pod
from headrace.placement.inventory import Inventory, LocalGpus, inventory_of
from headrace.placement.remoting import FACTS

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Use:
    """What one pod has: of a local resource so many, of a server's GPU so many bytes."""

    pod: str  # namespace/name
    amount: int


@dataclass(frozen=True, slots=True)
class LocalOffer:
    """One resource of a pool: how many there are on the nodes that are on, and who has them."""

    pool: str
    access: str
    resource: str
    model: str
    memory_bytes: int | None
    per_node: int
    nodes: int
    total: int
    uses: tuple[Use, ...] = ()

    @property
    def free(self) -> int:
        return max(0, self.total - sum(use.amount for use in self.uses))


@dataclass(frozen=True, slots=True)
class ServerGpu:
    """One GPU of a server. `sessions` may be held at once."""

    number: int
    model: str
    memory_bytes: int
    sessions: int
    uses: tuple[Use, ...] = ()

    @property
    def free_bytes(self) -> int:
        return max(0, self.memory_bytes - sum(use.amount for use in self.uses))


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server. `trouble`: why it serves nobody now, empty where it does."""

    name: str
    address: str
    backend: str
    isolation: str
    gpus: tuple[ServerGpu, ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Gpus:
    """All of them."""

    local: tuple[LocalOffer, ...] = ()
    servers: tuple[ServerState, ...] = ()


@dataclass(frozen=True, slots=True)
class Objects:
    """What the API server has of each kind."""

    pools: Sequence[Manifest] = ()
    nodes: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()
    servers: Sequence[Manifest] = ()
    slices: Sequence[Manifest] = ()
    claims: Sequence[Manifest] = field(default=())

    @property
    def inventory(self) -> Inventory:
        """As choices see it."""
        return inventory_of(sound(self.pools, pool_of), sound(self.servers, gpu_server_of))


async def read_objects(kube: Kube) -> Objects:
    """As they are now. Raises ConfigurationError, TransientError; kinds that a server lacks are empty."""
    kinds = (NODE_POOLS, NODES, PODS, GPU_SERVERS, RESOURCE_SLICES, RESOURCE_CLAIMS)
    return Objects(*[await _items(kube, kind) for kind in kinds])


async def _items(kube: Kube, kind: Kind) -> Sequence[Manifest]:
    try:
        return (await kube.list(kind)).items
    except NotFoundError:
        return ()


def gpus_of(found: Objects) -> Gpus:
    """What there is, in the order of names. Pure."""
    offers = inventory_of(sound(found.pools, pool_of), ()).local
    servers = sorted(sound(found.servers, gpu_server_of), key=lambda server: server.name)
    published, held = published_in(found.slices), held_in(found.claims)
    conditions = {each["metadata"]["name"]: each for each in found.servers}
    return Gpus(
        tuple(_local(offer, found) for offer in offers),
        tuple(_server(each, published, held, conditions[each.name]) for each in servers),
    )


def _local(offer: LocalGpus, found: Objects) -> LocalOffer:
    nodes = {
        each["metadata"]["name"]: each for each in found.nodes if labels_of(each).get(POOL) == offer.pool
    }
    total = sum(amounts_of(_allocatable(node))[offer.resource] for node in nodes.values())
    there = (pod for pod in found.pods if pod["spec"].get("nodeName") in nodes and not is_over(pod))
    uses = tuple(Use(_named(pod), amount) for pod in there if (amount := request_of_pod(pod)[offer.resource]))
    return LocalOffer(
        offer.pool,
        offer.access.value,
        offer.resource,
        offer.model,
        offer.memory_bytes,
        offer.count,
        len(nodes),
        total,
        tuple(sorted(uses, key=lambda use: use.pod)),
    )


def _allocatable(node: Manifest) -> Mapping[str, Any]:
    told: Mapping[str, Any] = node.get("status", {}).get("allocatable", {})
    return told


def _server(
    server: GpuServer, published: Sequence[Published], held: Sequence[Held], manifest: Manifest
) -> ServerState:
    uses: dict[int, list[Use]] = defaultdict(list)
    for claim in held:
        for grant in claim.grants:
            if grant.server == server.name:
                whose = ", ".join(f"{claim.namespace}/{pod}" for pod in claim.pods)
                uses[grant.number].append(Use(whose or claim.told, grant.memory_bytes))
    own = [gpu for gpu in published if gpu.server == server.name]
    return ServerState(
        server.name,
        f"{server.spec.address}:{server.spec.port}",
        server.spec.backend.value,
        FACTS[server.spec.backend].isolation.value,
        tuple(
            ServerGpu(gpu.number, gpu.model, gpu.memory_bytes, gpu.sessions, tuple(uses[gpu.number]))
            for gpu in own
        ),
        _trouble(manifest, own),
    )


def _trouble(manifest: Manifest, published: Sequence[Published]) -> str:
    told = (manifest.get("status") or {}).get("conditions") or ()
    for each in told:
        if each["type"] == READY and each["status"] != "True":
            return str(each.get("message") or each.get("reason"))
    if not published:
        return "not published yet; does the publisher run?"
    return "it does not answer" if any(gpu.silent for gpu in published) else ""


def _named(pod: Manifest) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"

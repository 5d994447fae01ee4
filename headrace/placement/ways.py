"""From the wish of a function to the ways that meet it, in the order of the wish, with reasons. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.model.function import Access, Function, Gpu, Isolation
from headrace.model.gpu_sharing import profile_of_resource, resource_of_profile
from headrace.model.pods import Toleration
from headrace.model.quantity import parse_bytes
from headrace.model.resources import GPU, ResourceList
from headrace.placement.inventory import Inventory, LocalGpus, Server
from headrace.placement.remoting import isolates

# https://github.com/NVIDIA/k8s-device-plugin: memory is split by MPS, seen whole by those who take turns.
ISOLATION: Mapping[Access, Isolation] = {
    Access.PASSTHROUGH: Isolation.FULL,
    Access.TIMESLICE: Isolation.NONE,
    Access.MPS: Isolation.MEMORY,
    Access.MIG: Isolation.FULL,  # in hardware
}
SHARES = frozenset({Access.TIMESLICE, Access.MPS})  # of which a container may have one only
HIDDEN = {"NVIDIA_VISIBLE_DEVICES": "void"}  # a GPU of the node would be taken in silence

Words = dict[str, str]


@dataclass(frozen=True, slots=True)
class GpuClaim:
    """GPUs of servers: how many, and the memory of each in bytes; None: all that a GPU has."""

    count: int
    memory_bytes: int | None
    isolation: Isolation


@dataclass(frozen=True, slots=True)
class Way:
    """One way to GPUs, and what a pod gets by it.

    `pools` are those whose nodes have it, None: any node. `reason` says why it can't be taken; empty: it can.
    `resource` and `count` are a local way's limit. `servers` may serve a remote way.
    """

    access: Access | None = None
    pools: tuple[str, ...] | None = None
    resource: str = ""
    count: int = 0
    claim: GpuClaim | None = None
    servers: tuple[str, ...] = ()
    reason: str = ""

    @property
    def taken(self) -> bool:
        """Whether it can be."""
        return not self.reason

    @property
    def request(self) -> ResourceList:
        """What it takes of the pod's own node."""
        return ResourceList.of({self.resource: self.count} if self.resource else {})

    @property
    def tolerations(self) -> tuple[Toleration, ...]:
        """Of taints by which nodes keep pods without GPUs away: the resource's own, and NVIDIA's usual."""
        keys = dict.fromkeys((self.resource, GPU)) if self.resource else {}
        return tuple(Toleration(key=key, operator="Exists") for key in keys)

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables beside those that the device plugin or the DRA driver adds."""
        return HIDDEN if self.access is Access.REMOTE else {}

    @property
    def mark(self) -> str:
        """What tells pods of one way from those of another, as a label; empty: no GPU."""
        return ".".join(filter(None, (self.access, _short(self.resource))))

    @property
    def told(self) -> str:
        """In few words, for people: `mig nvidia.com/mig-1g.5gb`, `remote on gpu1, gpu2`."""
        if self.access is None:
            return "no GPU"
        place = f" on {', '.join(self.servers)}" if self.servers else ""
        return f"{self.access}{f' {self.resource}' if self.resource else ''}{place}"


NO_GPU = Way()


def _short(resource: str) -> str:
    return resource.rpartition("/")[2]


def marked(mark: str, request: ResourceList) -> tuple[str, int]:
    """By which access a worker that bears this mark (see Way) has GPUs, and how many of its own node."""
    access, _, resource = mark.partition(".")
    return access, sum(amount for name, amount in request if resource and _short(name) == resource)


@dataclass(frozen=True, slots=True)
class Choice:
    """The way that is taken, and all that were looked at, in order. `way.reason`: none could be."""

    way: Way
    looked_at: tuple[Way, ...] = field(default=())

    @property
    def told(self) -> str:
        """Why this one, for people."""
        passed = [f"not {each.access}: {each.reason}" for each in self._passed()]
        return "; ".join((self.way.told, *passed)) if self.way.taken else self.way.reason

    def _passed(self) -> Iterator[Way]:
        for each in self.looked_at:
            if each.taken:
                return
            yield each


NEEDS_NONE = Choice(NO_GPU)


def choose_way(function: Function, inventory: Inventory) -> Choice:
    """The first way that the cluster has and that meets the rest of the wish."""
    if function.spec.gpu is None:
        return NEEDS_NONE
    found = ways(function.spec.gpu, inventory)
    for way in found:
        if way.taken:
            return Choice(way, found)
    reasons = "; ".join(f"{each.access}: {each.reason}" for each in found)
    return Choice(Way(access=found[0].access, pools=(), reason=f"no way to a GPU: {reasons}"), found)


def ways(wish: Gpu, inventory: Inventory) -> tuple[Way, ...]:
    """Every way that the wish allows, the best liked first; of one kind the smallest GPUs that do."""
    return tuple(way for access in dict.fromkeys(wish.access) for way in _ways_by(access, wish, inventory))


def _ways_by(access: Access, wish: Gpu, inventory: Inventory) -> Sequence[Way]:
    if access is Access.REMOTE:
        return [_remote(wish, inventory.servers)]
    offers = [each for each in inventory.local if each.access is access]
    if access is Access.MIG and wish.profile is not None:
        named = [each for each in offers if each.resource == resource_of_profile(wish.profile)]
        if offers and not named:
            there = ", ".join(sorted({profile_of_resource(each.resource) for each in offers}))
            reason = f"no pool has profile {wish.profile}; there is {there}"
            return [Way(access=access, pools=(), reason=reason)]
        offers = named
    reason = _refusal(access, wish, offers)
    if reason:
        return [Way(access=access, pools=(), reason=reason)]
    fitting = [each for each in offers if not _unfit(each, wish)]
    return list(_local(access, wish, fitting))


def _local(access: Access, wish: Gpu, fitting: Sequence[LocalGpus]) -> Iterator[Way]:
    """One of each resource, by the memory of the smallest."""
    resources: dict[str, list[LocalGpus]] = {}
    for each in sorted(fitting, key=lambda each: (each.memory_bytes or 0, each.resource, each.pool)):
        resources.setdefault(each.resource, []).append(each)
    for resource, having in resources.items():
        pools = tuple(dict.fromkeys(each.pool for each in having))
        yield Way(access=access, pools=pools, resource=resource, count=wish.count)


def _refusal(access: Access, wish: Gpu, offers: Sequence[LocalGpus]) -> str:
    """Why no pool does, with what there is; empty: one does."""
    if not offers:
        return "no pool has it"
    if not isolates(ISOLATION[access], wish.isolation):
        return f"its isolation is {ISOLATION[access]}, wanted {wish.isolation}"
    if access in SHARES and wish.count > 1:
        return f"wanted {wish.count} GPUs, allowed 1, as further shares may be of the same GPU"
    if all(_unfit(each, wish) for each in offers):
        return ", ".join(dict.fromkeys(_unfit(each, wish) for each in offers))
    return ""


def _unfit(offer: LocalGpus, wish: Gpu) -> str:
    """Why one pool's are too few or too small."""
    named = f"pool {offer.pool}"
    if offer.count < wish.count:
        return f"{named} has {offer.count} {offer.resource} a node, wanted {wish.count}"
    if wish.memory is None:
        return ""
    if offer.memory_bytes is None:
        return f"{named} does not say its GPUs' memory, wanted {wish.memory}; write spec.gpu of the pool"
    if offer.memory_bytes < parse_bytes(wish.memory):
        return f"{named} has {gibibytes(offer.memory_bytes)} each ({offer.resource}), wanted {wish.memory}"
    return ""


def _remote(wish: Gpu, servers: Sequence[Server]) -> Way:
    unfit = {server.name: reason for server in servers if (reason := _unserved(server, wish))}
    fitting = [server for server in servers if server.name not in unfit]
    claim = claim_of(wish)
    enough = sum(len(_large(server, wish)) for server in fitting) >= wish.count
    pools = tuple(sorted({pool for server in fitting for pool in server.reached_from}))
    way = Way(
        access=Access.REMOTE,
        pools=pools,
        claim=claim,
        servers=tuple(server.name for server in fitting),
    )
    return (
        way if enough else Way(access=Access.REMOTE, pools=(), reason=_unserved_by_all(wish, servers, unfit))
    )


def claim_of(wish: Gpu) -> GpuClaim:
    """What a worker asks of servers by this wish."""
    memory = None if wish.memory is None else parse_bytes(wish.memory)
    return GpuClaim(wish.count, memory, wish.isolation)


def _unserved_by_all(wish: Gpu, servers: Sequence[Server], unfit: Mapping[str, str]) -> str:
    if not servers:
        return "no GPU server is declared"
    fitting = [server for server in servers if server.name not in unfit]
    if fitting:
        number = sum(len(_large(server, wish)) for server in fitting)
        return f"{_names(fitting)} have {number} such GPUs together, wanted {wish.count}"
    return ", ".join(f"{name} {reason}" for name, reason in unfit.items())


def _unserved(server: Server, wish: Gpu) -> str:
    """Why a server does not do; what it says follows its name."""
    if server.trouble:
        return server.trouble
    if not isolates(server.isolation, wish.isolation):
        return f"has backend {server.backend}, whose isolation is {server.isolation}, wanted {wish.isolation}"
    if not _large(server, wish):
        most = max(gpu.memory_bytes for gpu in server.gpus)
        return f"has {gibibytes(most)} a GPU, wanted {wish.memory}"
    return "" if server.reached_from else "is reached from no pool's nodes"


def _large(server: Server, wish: Gpu) -> list[int]:
    """The numbers of its GPUs that have the memory."""
    needed = 0 if wish.memory is None else parse_bytes(wish.memory)
    return [number for number, gpu in enumerate(server.gpus) if gpu.memory_bytes >= needed]


def _names(servers: Iterable[Server]) -> str:
    return ", ".join(server.name for server in servers)


def gibibytes(amount: int) -> str:
    """As people write it: 4Gi, 4.66Gi."""
    return f"{amount / 2**30:.2f}".rstrip("0").rstrip(".") + "Gi"

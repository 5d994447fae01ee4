"""GPUs of servers: rCUDA and Lupine ask nobody who they are, so only a named network reaches their ports."""

from collections.abc import Iterable, Iterator, Sequence

from .kubernetes import Manifest, manifests
from .openings import POLICY, Opening, Peer, openings
from .reach import beyond, is_everyone, network, ports, within
from .security_groups import doors
from .tree import Node
from .values import Fault, GpuServers, Network, Ports, Resource, Rule, Surroundings

# A host with several servers has them at ports in a row: ansible/roles/rcuda_server, lupine_server.
USUAL_PORTS = (Ports(8308, 8323), Ports(14833, 14848))
_COMPONENT = "app.kubernetes.io/component"
_CLIENTS = ("publisher", "gpu-plugin", "worker")  # who has to reach GPU servers
_OUTSIDE = ("LoadBalancer", "NodePort")
_NAMED = "headrace:remoteGpus.networks"


def gpu_servers(remote_gpus: Node, clients: Node) -> GpuServers:
    """From a stack's `headrace:remoteGpus`, and the ranges of others that may reach its servers."""
    named = remote_gpus.at("networks").entries()
    own = [spec.at("port") for _, spec in remote_gpus.at("servers").fields()]
    return GpuServers(
        _somebodys(each.text for each in named),
        _somebodys(each.text for each in clients.entries()),
        (*USUAL_PORTS, *(ports(port, port) for port in own if not port.is_absent)),
    )


def _somebodys(texts: Iterable[str]) -> tuple[Network, ...]:
    """A range that stands for everyone names no network."""
    found = (network(text) for text in texts)
    return tuple(each for each in found if each is not None and not is_everyone(each))


def _reachable(resource: Resource, surroundings: Surroundings) -> Iterator[Fault]:
    servers = surroundings.gpu_servers
    yield from _by_security_group(resource, servers)
    for manifest in manifests(resource):
        if manifest.kind == POLICY:
            yield from _by_ingress(manifest, servers)
            yield from _by_egress(manifest, servers)
        elif manifest.kind == "Service":
            yield from _by_service(manifest.body.at("spec"), servers)


def _by_security_group(resource: Resource, servers: GpuServers) -> Iterator[Fault]:
    for door in doors(resource):
        if door.is_for_tcp and _is_meant(door.ports, servers):
            for range_ in beyond(door.ranges, _allowed(servers)):
                yield _fault(door.where(range_), f"{range_} at GPU servers' ports", servers)


def _by_ingress(policy: Manifest, servers: GpuServers) -> Iterator[Fault]:
    """Servers that are pods. An opening of more ports than theirs is another rule's matter."""
    for opening in openings(policy, "ingress"):
        if not any(_is_theirs(each, servers) for each in opening.ports):
            continue
        where = f"ingress {opening.number}, {opening.told_ports}"
        if opening.everybody:
            yield _fault(where, "everybody at GPU servers' ports", servers)
        for peer in opening.peers:
            if peer.block is not None and not within(peer.block, _allowed(servers)):
                yield _fault(where, f"{peer.block} at GPU servers' ports", servers)


def _by_egress(policy: Manifest, servers: GpuServers) -> Iterator[Fault]:
    """Pods that are none of their clients and could reach servers; clients that could reach anybody's."""
    chosen = policy.body.at("spec", "podSelector", "matchLabels", _COMPONENT)
    if chosen.is_unknown:
        return
    for opening in openings(policy, "egress"):
        met = _met(opening, servers)
        where = f"egress {opening.number}, {opening.told_ports}"
        if chosen.text in _CLIENTS:
            if _reaches_ports(opening, servers) and opening.is_for_everyone:
                yield Fault(
                    where, "GPU servers anywhere", "those of a network of your own", f"write {_NAMED}"
                )
        elif met:
            yield Fault(
                where,
                f"{chosen.text or 'any pods'} that may reach GPU servers at {', '.join(met)}",
                f"{', '.join(_CLIENTS)}: a server asks nobody who they are",
                "name in `to` and `ports` what these pods need, without the servers or their ports",
            )


def _reaches_ports(opening: Opening, servers: GpuServers) -> bool:
    return any(port.overlap(each) for port in opening.ports for each in servers.ports)


def _met(opening: Opening, servers: GpuServers) -> Sequence[str]:
    if not _reaches_ports(opening, servers):
        return ()
    if opening.everybody:
        return [str(each) for each in servers.networks]
    return [str(each) for each in servers.networks if any(_holds(peer, each) for peer in opening.peers)]


def _holds(peer: Peer, range_: Network) -> bool:
    """Whether some of a range is among a peer's addresses."""
    if peer.block is None or peer.block.version != range_.version or not peer.block.overlaps(range_):
        return False
    return not within(range_, peer.excluded)


def _by_service(spec: Node, servers: GpuServers) -> Iterator[Fault]:
    if spec.at("type").text not in _OUTSIDE and not spec.at("externalIPs").entries():
        return
    ranges = [each.text for each in spec.at("loadBalancerSourceRanges").entries()]
    if spec.at("type").says("LoadBalancer") and ranges and not list(beyond(ranges, _allowed(servers))):
        return
    for port in spec.at("ports").entries():
        numbers = [ports(port.at(key), port.at(key)) for key in ("port", "targetPort", "nodePort")]
        if any(_is_theirs(each, servers) for each in numbers):
            told = f"port {port.at('port').told}"
            yield _fault(told, f"a {spec.at('type').told} at a GPU server's port", servers)


def _is_theirs(opened: Ports, servers: GpuServers) -> bool:
    """Whether an opening is of servers' ports and no others."""
    return any(opened in each for each in servers.ports)


def _is_meant(opened: Ports, servers: GpuServers) -> bool:
    """Where servers are known, an opening of more than their ports reaches them, too."""
    if not servers.networks:
        return _is_theirs(opened, servers)
    return any(opened.overlap(each) for each in servers.ports)


def _allowed(servers: GpuServers) -> Sequence[Network]:
    return (*servers.networks, *servers.clients)


def _fault(where: str, found: str, servers: GpuServers) -> Fault:
    allowed = ", ".join(map(str, _allowed(servers))) or f"nobody, as {_NAMED} names no network"
    remedy = f"name who may connect, or write the range in {_NAMED} or headrace-policy:gpuClients"
    return Fault(where, found, allowed, remedy)


NETWORK = Rule(
    "gpu-server-network",
    "Only the named network reaches GPU servers, which ask nobody who they are",
    "security groups, network policies, services",
    "the ports of rCUDA, Lupine and the stack's servers opened by a security group, an ingress rule or a "
    "service to ranges beyond `headrace:remoteGpus.networks` and `headrace-policy:gpuClients`; an egress "
    "rule by which pods other than the publisher, the nodes' plugins and workers reach those networks there",
    each=_reachable,
)

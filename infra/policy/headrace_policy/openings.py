"""What network policies open, as plain values."""

from collections.abc import Iterator
from dataclasses import dataclass

from .kubernetes import Manifest
from .reach import ALL_PORTS, is_everyone, network, ports
from .tree import Node
from .values import Network, Ports

POLICY = "NetworkPolicy"
_DIRECTIONS = {"ingress": "from", "egress": "to"}


@dataclass(frozen=True, slots=True)
class Peer:
    """Addresses (less some), or pods where `block` is none."""

    block: Network | None
    excluded: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """A rule of a policy; no peers: everybody. Ports that have a name instead of a number count as all."""

    number: int
    peers: tuple[Peer, ...]
    everybody: bool
    ports: tuple[Ports, ...]

    @property
    def is_for_everyone(self) -> bool:
        """Whether it names nobody, or a range that stands for everyone."""
        return self.everybody or any(peer.block and is_everyone(peer.block) for peer in self.peers)

    @property
    def told_ports(self) -> str:
        return "all ports" if ALL_PORTS in self.ports else f"port {', '.join(map(str, self.ports))}"


def openings(policy: Manifest, direction: str) -> Iterator[Opening]:
    """The rules of one direction, `ingress` or `egress`; what is not known yet opens nothing."""
    for number, rule in enumerate(policy.body.at("spec", direction).entries(), 1):
        peers = rule.at(_DIRECTIONS[direction])
        yield Opening(
            number,
            tuple(_peer(each) for each in peers.entries()),
            peers.is_absent and not rule.is_unknown,
            tuple(_ports(each) for each in rule.at("ports").entries()) or (ALL_PORTS,),
        )


def _peer(node: Node) -> Peer:
    excluded = (network(each.text) for each in node.at("ipBlock", "except").entries())
    return Peer(
        network(node.at("ipBlock", "cidr").text), tuple(each for each in excluded if each is not None)
    )


def _ports(node: Node) -> Ports:
    return ports(node.at("port"), node.at("endPort"))

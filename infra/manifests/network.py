"""Network policies: nothing is open but what is named here, in every namespace of a stack.

Workers' own openings are the controller's matter: it writes one policy a function.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from infra import names
from infra.manifests.parts import Manifest, metadata
from infra.ranges import EVERYWHERE

Peer = dict[str, Any]
NAMESPACE_LABEL = "kubernetes.io/metadata.name"  # every namespace has it, with its own name
DNS_NAMESPACE, DNS_PORT = "kube-system", 53
IDENTITY = ("169.254.170.23/32", "fd00:ec2::23/128")


def denial(namespace: str) -> Manifest:
    """No pod of the namespace connects anywhere, none is reached."""
    return {
        **_policy("deny-all", namespace, "network"),
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def openings(
    component: str, namespace: str, *, ingress: Sequence[Manifest] = (), egress: Sequence[Manifest] = ()
) -> Manifest:
    """What a component's pods may do nevertheless."""
    return {
        **_policy(component, namespace, component),
        "spec": {
            "podSelector": {"matchLabels": names.selector(component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": list(ingress),
            "egress": list(egress),
        },
    }


def incoming(peers: Iterable[Peer], ports: Sequence[int]) -> Manifest:
    """An opening for those who connect to these TCP ports."""
    return {"from": list(peers), "ports": [_tcp(port) for port in ports]}


def outgoing(peers: Iterable[Peer], ports: Sequence[int]) -> Manifest:
    """An opening to these TCP ports of others."""
    return {"to": list(peers), "ports": [_tcp(port) for port in ports]}


def outgoing_anywhere(ranges: Sequence[str]) -> Manifest:
    """An opening to every TCP port at these addresses."""
    return {"to": at(ranges), "ports": [{"protocol": "TCP"}]}


def to_hosts(ranges: Sequence[str]) -> Manifest:
    """An opening to every port at these addresses: ssh's and IPMI's are as an inventory has them."""
    return {"to": at(ranges), "ports": [{"protocol": "TCP"}, {"protocol": "UDP"}]}


def to_aws() -> list[Manifest]:
    """Openings to AWS's services, whose addresses change, and to who gives a pod its role's credentials.

    Not to an instance's metadata: those are at 169.254.169.254, by plain HTTP.
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
    """
    return [outgoing(at(EVERYWHERE), [443]), outgoing(at(IDENTITY), [80])]


def names_servers(ranges: Sequence[str]) -> Manifest:
    """An opening to the cluster's name servers, and to those at the ranges."""
    system = {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: DNS_NAMESPACE}}}
    ports = [{"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")]
    return {"to": [system, *at(ranges)], "ports": ports}


def pods(component: str, namespace: str | None = None) -> Peer:
    """A component's pods, in the policy's own namespace or in another."""
    chosen: Peer = {"podSelector": {"matchLabels": names.selector(component)}}
    if namespace is not None:
        chosen["namespaceSelector"] = {"matchLabels": {NAMESPACE_LABEL: namespace}}
    return chosen


def at(ranges: Iterable[str]) -> list[Peer]:
    """Whoever is at these addresses."""
    return [{"ipBlock": {"cidr": each}} for each in ranges]


def _policy(name: str, namespace: str, component: str) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(names.own(name), namespace, component),
    }


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}

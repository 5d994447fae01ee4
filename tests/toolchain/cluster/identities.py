"""Who is who in a box: the certificates and kubeconfigs of its programs and of cluster-admin."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.toolchain.cluster import kubeconfig
from tests.toolchain.cluster.addresses import Addresses
from tests.toolchain.cluster.certificates import Authority, Pair, signing_pair
from tests.toolchain.cluster.node import NAME
from tests.toolchain.cluster.place import Place
from tests.toolchain.cluster.programs import DOMAIN, SIGNER


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of the API server, and the names it serves at."""

    name: str
    user: str
    groups: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()


def of_control_plane(at: Addresses) -> tuple[Identity, ...]:
    """What the programs of a control plane show, and cluster-admin."""
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    api = (*names, f"kubernetes.default.svc.{DOMAIN}", at.own, at.first_service)
    masters = ("system:masters",)
    return (
        Identity("admin", "admin", masters),
        Identity("kube-apiserver", "kube-apiserver", serves=api),
        Identity("kubelet-client", "kube-apiserver-kubelet-client", masters),
        Identity("kube-controller-manager", "system:kube-controller-manager", serves=("localhost", at.own)),
        Identity("kube-scheduler", "system:kube-scheduler", serves=("localhost", at.own)),
        Identity("kwok", "kwok", masters),
    )


def of_node(at: Addresses) -> tuple[Identity, ...]:
    """What the programs of the real node show."""
    return (
        Identity("kubelet", f"system:node:{NAME}", ("system:nodes",), (NAME, at.own)),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("kube-router", "system:kube-router"),
        Identity("coredns", "system:coredns"),
        Identity("provisioner", "headrace-box:provisioner"),
    )


def write(place: Place, at: Addresses, identities: Sequence[Identity], now: datetime) -> None:
    """All of them anew, with a new authority."""
    authority = Authority.new(now)
    authority.pair.write(place.pki, "ca")
    signing_pair().write(place.pki, SIGNER)
    for each in identities:
        pair = authority.issue(each.user, each.groups, each.serves, now)
        pair.write(place.pki, each.name)
        content = kubeconfig.document(at.api, authority.pair.certificate, pair, each.user)
        kubeconfig.write(place.kubeconfig(each.name), content)


def authority_of(place: Place) -> Authority:
    """The one that `write` made."""
    ca = place.pki / "ca.crt"
    return Authority.read(Pair(ca.read_bytes(), ca.with_suffix(".key").read_bytes()))

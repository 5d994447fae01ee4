"""The programs of a box: their command lines, what each waits for, and how one sees that it is ready."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.toolchain.cluster.addresses import Addresses
from tests.toolchain.cluster.place import Place

DOMAIN = "cluster.local"
ISSUER = f"https://kubernetes.default.svc.{DOMAIN}"
SIGNER = "accounts"  # the pair that signs service accounts' tokens
AUDIT_POLICY = "audit.json"
AUDIT = {  # who asked what, once it was answered
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
AUDIT_MEBIBYTES = 4096  # beyond it the log would begin anew


@dataclass(frozen=True, slots=True)
class Probe:
    """Ready when `url` answers 2xx with `text` in it, or when the file is there."""

    url: str = ""
    text: str = ""
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """Started once all that it `needs` is ready, and again when it ends; without a probe ready at once.

    A `task` is ready when it has ended with 0, and is not started again.
    """

    name: str
    command: tuple[str, ...]
    probe: Probe | None = None
    needs: tuple[str, ...] = ()
    task: bool = False


def control_plane(place: Place, bin_: Path, at: Addresses) -> tuple[Program, ...]:
    """etcd, the API server, the controllers and the scheduler."""
    api = "kube-apiserver"
    account = f"{at.api}/api/v1/namespaces/default/serviceaccounts/default"
    return (
        Program("etcd", _etcd(place, bin_, at), Probe(f"http://{at.store}:2379/health")),
        Program(api, _api(place, bin_, at), Probe(f"{at.api}/readyz"), ("etcd",)),
        Program("kube-controller-manager", _controllers(place, bin_, at), Probe(account), (api,)),
        Program(
            "kube-scheduler", _scheduler(place, bin_, at), Probe(f"https://{at.own}:10259/readyz"), (api,)
        ),
    )


def fake_kubelets(place: Place, bin_: Path, at: Addresses, stages: Sequence[Path]) -> Program:
    """kwok: plays the kubelets of nodes annotated as fake, and of them alone."""
    port = 10247
    command = (
        str(bin_ / "kwok"),
        f"--kubeconfig={place.kubeconfig('kwok')}",
        "--manage-all-nodes=false",
        # Without it kwok keeps no leases, and its nodes are taken for lost after 50 s.
        "--node-lease-duration-seconds=40",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--server-address={at.own}:{port}",
        *(f"--config={stage}" for stage in stages),
    )
    return Program("kwok", command, Probe(f"http://{at.own}:{port}/healthz"), ("kube-controller-manager",))


def _etcd(place: Place, bin_: Path, at: Addresses) -> tuple[str, ...]:
    return (
        str(bin_ / "etcd"),
        f"--data-dir={place.data / 'etcd'}",
        "--unsafe-no-fsync",  # a box never outlives a power cut
        f"--listen-client-urls=http://{at.store}:2379",
        f"--advertise-client-urls=http://{at.store}:2379",
        f"--listen-peer-urls=http://{at.store}:2380",
        f"--initial-advertise-peer-urls=http://{at.store}:2380",
        f"--initial-cluster=default=http://{at.store}:2380",
        "--log-level=warn",
    )


def _api(place: Place, bin_: Path, at: Addresses) -> tuple[str, ...]:
    pki = place.pki
    return (
        str(bin_ / "kube-apiserver"),
        f"--etcd-servers=http://{at.store}:2379",
        f"--bind-address={at.own}",
        f"--advertise-address={at.announced}",
        "--secure-port=6443",
        f"--tls-cert-file={pki / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={pki / 'kube-apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--enable-bootstrap-token-auth",  # and the controllers for it: real nodes can join, as with kubeadm
        f"--service-account-key-file={pki / f'{SIGNER}.crt'}",
        f"--service-account-signing-key-file={pki / f'{SIGNER}.key'}",
        f"--service-account-issuer={ISSUER}",
        f"--service-cluster-ip-range={at.services}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        # Nobody has a certificate of this name: no request speaks for another user.
        f"--requestheader-client-ca-file={pki / 'ca.crt'}",
        "--requestheader-allowed-names=headrace-box-nobody",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--allow-privileged",
        f"--audit-policy-file={place.config / AUDIT_POLICY}",
        f"--audit-log-path={place.audit}",
        f"--audit-log-maxsize={AUDIT_MEBIBYTES}",
        "--profiling=false",
    )


def _controllers(place: Place, bin_: Path, at: Addresses) -> tuple[str, ...]:
    return (
        *_client(place, bin_, "kube-controller-manager"),
        f"--bind-address={at.own}",
        "--controllers=*,bootstrapsigner,tokencleaner",
        f"--service-account-private-key-file={place.pki / f'{SIGNER}.key'}",
        f"--root-ca-file={place.pki / 'ca.crt'}",
        "--use-service-account-credentials",
        f"--cluster-signing-cert-file={place.pki / 'ca.crt'}",
        f"--cluster-signing-key-file={place.pki / 'ca.key'}",
        # With its own 20 a second the taint of the last of 300 new nodes is gone after a minute and a half.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    )


def _scheduler(place: Place, bin_: Path, at: Addresses) -> tuple[str, ...]:
    return (*_client(place, bin_, "kube-scheduler"), f"--bind-address={at.own}")


def _client(place: Place, bin_: Path, name: str) -> tuple[str, ...]:
    config = place.kubeconfig(name)
    return (
        str(bin_ / name),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--leader-elect=false",
        f"--tls-cert-file={place.pki / f'{name}.crt'}",
        f"--tls-private-key-file={place.pki / f'{name}.key'}",
        "--profiling=false",
    )

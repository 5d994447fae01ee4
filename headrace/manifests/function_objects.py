"""What the controller makes for a function: its text for the workers, an account, a network policy, buckets.

Whoever calls these sends them by server-side apply; names depend on the function alone, so that the same call
made twice makes one object.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from headrace.manifests.gpu_claims import claim_spec, claim_template_name
from headrace.manifests.gpu_slices import API
from headrace.manifests.worker_pod import function_map_name
from headrace.model.function import Function
from headrace.model.labels import (
    API_VERSION,
    COMPONENT,
    DIGEST,
    FUNCTION,
    HEADRACE,
    MANAGED_BY,
    PART_OF,
    short_digest,
)
from headrace.model.settings import KubernetesSettings, Settings
from headrace.model.trace import TraceSettings
from headrace.placement.ways import claim_of

Manifest = Mapping[str, Any]

MANAGER = "headrace-controller"
FUNCTION_FILE = "function.yaml"
_DNS_PORT = 53
_DNS_NAMESPACE = "kube-system"
# Where a pod on EKS asks for its identity, by IPv4 and IPv6:
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
_IDENTITY = ("169.254.170.23", "fd00:ec2::23")
_IDENTITY_PORT = 80
_DNS_CACHE = "169.254.20.10/32"  # https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/
_NAMESPACE_NAME = "kubernetes.io/metadata.name"  # a label that the API server puts on every namespace


@dataclass(frozen=True, slots=True)
class Owner:
    """The object of a function, whose end takes along what is made for it."""

    name: str
    namespace: str
    uid: str

    @property
    def reference(self) -> Manifest:
        return {
            "apiVersion": API_VERSION,
            "kind": "Function",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


@dataclass(frozen=True, slots=True)
class Reach:
    """A server that workers reach; `component` names it where it runs in the platform's namespace.

    `namespace` is where its pods are instead, with all others there; empty: it is in no other.
    """

    host: str
    port: int
    component: str
    namespace: str = ""

    def peers(self, platform_namespace: str) -> list[Manifest]:
        """As a network policy tells them.

        A server outside the cluster is one address; where only its name is known, every address is let
        through at that port, as a policy knows no names.
        """
        if self.namespace:
            return [{"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: self.namespace}}}]
        if _is_inside(self.host, platform_namespace):
            pods = {"matchLabels": {PART_OF: HEADRACE, COMPONENT: self.component}}
            namespaces = {"matchLabels": {_NAMESPACE_NAME: platform_namespace}}
            return [{"namespaceSelector": namespaces, "podSelector": pods}]
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return [{"ipBlock": {"cidr": cidr}} for cidr in ("0.0.0.0/0", "::/0")]
        return [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}]


def reaches_of(settings: Settings) -> tuple[Reach, ...]:
    """The queue, the store, and who gives the workers' own credentials where the settings name none."""
    queue, store = urlsplit(settings.queue.url), urlsplit(settings.storage.address)
    default = 443 if store.scheme == "https" else 80
    identity = () if settings.storage.has_key else _IDENTITY
    return (
        Reach(queue.hostname or "", queue.port or 4222, "queue"),
        Reach(store.hostname or "", store.port or default, "store"),
        *(Reach(address, _IDENTITY_PORT, "identity") for address in identity),
        *((collector_reach(settings.trace),) if settings.trace is not None else ()),
    )


def collector_reach(trace: TraceSettings) -> Reach:
    """The collector of traces: a service of the cluster as `name.namespace.svc`, or one elsewhere."""
    address = urlsplit(trace.endpoint)
    host, default = address.hostname or "", 443 if address.scheme == "https" else 80
    steps = host.split(".")
    namespace = steps[1] if steps[2:3] == ["svc"] else ""
    return Reach(host, address.port or default, "collector", namespace)


def account_name(function: str) -> str:
    """Of the ServiceAccount of a function's workers, and of its NetworkPolicy."""
    return f"{HEADRACE}-{function}"


def config_map(function: Function, digest: str, owner: Owner) -> Manifest:
    """The whole function as its workers read it; never changed, as its name holds the digest."""
    metadata = _metadata(
        owner, function_map_name(function.metadata.name, digest), {DIGEST: short_digest(digest)}
    )
    data = {FUNCTION_FILE: function.to_json().decode()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": data}


def service_account(owner: Owner) -> Manifest:
    """An account without rights, whose token no pod gets."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(owner, account_name(owner.name)),
        "automountServiceAccountToken": False,
    }


def claim_template(function: Function, digest: str, owner: Owner) -> Manifest:
    """Of the claims of a function's workers for GPUs of servers. Raises ValueError where it wants no GPU."""
    if function.spec.gpu is None:
        raise ValueError(f"function {function.name} wants no GPU")
    name = claim_template_name(function.metadata.name, digest)
    return {
        "apiVersion": API,
        "kind": "ResourceClaimTemplate",
        "metadata": _metadata(owner, name, {DIGEST: short_digest(digest)}),
        "spec": {"spec": claim_spec(claim_of(function.spec.gpu))},
    }


def network_policy(
    owner: Owner, reaches: Sequence[Reach], place: KubernetesSettings, gpu_networks: Sequence[str] = ()
) -> Manifest:
    """Workers are reached by nobody, and reach names, the queue, the store, GPU servers at these ranges."""
    egress: list[Manifest] = [_names(place.name_servers)]
    for reach in reaches:
        ports = [{"protocol": "TCP", "port": reach.port}]
        egress.append({"to": reach.peers(place.platform_namespace), "ports": ports})
    if gpu_networks:  # each server tells its own port
        servers = [{"ipBlock": {"cidr": cidr}} for cidr in gpu_networks]
        egress.append({"to": servers, "ports": [{"protocol": "TCP"}]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(owner, account_name(owner.name)),
        "spec": {
            "podSelector": {"matchLabels": {FUNCTION: owner.name}},
            "policyTypes": ["Ingress", "Egress"],
            "egress": egress,
        },
    }


def _names(name_servers: Sequence[str]) -> Manifest:
    ports = [{"protocol": protocol, "port": _DNS_PORT} for protocol in ("UDP", "TCP")]
    system = {"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: _DNS_NAMESPACE}}}
    blocks = [{"ipBlock": {"cidr": cidr}} for cidr in (_DNS_CACHE, *name_servers)]
    return {"to": [system, *blocks], "ports": ports}


def bucket(logical: str, real: str, namespace: str) -> Manifest:
    """A bucket that functions name and nobody has declared.

    It belongs to no function: others may use it, and data outlives functions.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": "Bucket",
        "metadata": {
            "name": logical,
            "namespace": namespace,
            "labels": {PART_OF: HEADRACE, MANAGED_BY: MANAGER},
        },
        "spec": {} if real == logical else {"name": real},
    }


def _metadata(owner: Owner, name: str, labels: Mapping[str, str] | None = None) -> Manifest:
    own = {FUNCTION: owner.name, PART_OF: HEADRACE, MANAGED_BY: MANAGER}
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": own | dict(labels or {}),
        "ownerReferences": [owner.reference],
    }


def _is_inside(host: str, platform_namespace: str) -> bool:
    """Whether a host is a service's name in the platform's namespace, however much of it is written."""
    steps = host.split(".")
    return len(steps) > 1 and steps[1] == platform_namespace and (len(steps) == 2 or steps[2] == "svc")

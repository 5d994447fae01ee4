"""Doors of a cluster that stand open to everyone: services, ingresses, network policies."""

from collections.abc import Iterator, Sequence

from .kubernetes import Manifest, manifests
from .openings import POLICY, openings
from .reach import wide_open
from .tree import Node
from .values import Fault, Finding, Resource, Rule, Surroundings

_OUTSIDE = ("LoadBalancer", "NodePort")
# By which a cloud's controller keeps a load balancer in its own network.
_INTERNAL = {
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
    "networking.gke.io/load-balancer-type": "Internal",
    "alb.ingress.kubernetes.io/scheme": "internal",
}
_RANGES_OF_INGRESSES = (
    "alb.ingress.kubernetes.io/inbound-cidrs",
    "nginx.ingress.kubernetes.io/whitelist-source-range",
)


def _open_services(resources: Sequence[Resource], _: Surroundings) -> Iterator[Finding]:
    policies = [each for resource in resources for each in manifests(resource) if each.kind == POLICY]
    for resource in resources:
        for manifest in manifests(resource):
            if manifest.kind == "Service" and not _is_closed(manifest, policies):
                for fault in _service(manifest.body):
                    yield resource, fault
            if manifest.kind == "Ingress" and not (manifest.is_patch or _is_limited(manifest.body)):
                yield resource, _INGRESS


_INGRESS = Fault(
    "metadata.annotations",
    "an ingress for everyone",
    "one that is internal or names the ranges that may connect",
    f"write an annotation that your controller knows, as {_RANGES_OF_INGRESSES[0]}",
)


def _service(body: Node) -> Iterator[Fault]:
    spec = body.at("spec")
    if spec.at("externalIPs").entries():
        yield Fault("spec.externalIPs", spec.at("externalIPs").entries()[0].told, "none", "take them out")
    kind = spec.at("type").text
    if kind not in _OUTSIDE or (kind == "LoadBalancer" and _is_limited(body)):
        return
    yield Fault(
        "spec.type",
        f"{kind} that anyone may connect to",
        "ClusterIP; or a NetworkPolicy that says who may reach the pods behind it; or, of a LoadBalancer, "
        "loadBalancerSourceRanges",
        "say who may connect (headrace:….entrance.clients), or keep it in the cluster",
    )


def _is_limited(body: Node) -> bool:
    """Whether a load balancer or an ingress stays in its network, or lets only some ranges in."""
    notes = body.at("metadata", "annotations")
    if notes.is_unknown or any(notes.at(key).says(value) for key, value in _INTERNAL.items()):
        return True
    listed = body.at("spec", "loadBalancerSourceRanges")
    ranges = [each.text for each in listed.entries()]
    for key in _RANGES_OF_INGRESSES:
        ranges += [each.strip() for each in notes.at(key).text.split(",") if each.strip()]
    return listed.is_unknown or (bool(ranges) and not list(wide_open(ranges)))


def _is_closed(service: Manifest, policies: Sequence[Manifest]) -> bool:
    """Whether a policy holds for the pods behind a service, and none of those lets everyone in."""
    labels = service.body.at("spec", "selector")
    if labels.is_unknown or service.namespace.is_unknown:
        return True  # not known yet, and so not judged yet
    selecting = [
        policy
        for policy in policies
        if policy.namespace.value == service.namespace.value and _selects(policy, labels)
    ]
    return bool(selecting) and not any(_for_everyone(each) for each in selecting)


def _selects(policy: Manifest, labels: Node) -> bool:
    """Expressions are not worked out: a policy with some selects nothing here, and so closes nothing."""
    spec = policy.body.at("spec")
    kinds = spec.at("policyTypes").texts()
    if (kinds and "Ingress" not in kinds) or spec.at("podSelector", "matchExpressions").entries():
        return False
    wanted = spec.at("podSelector", "matchLabels").fields()
    return not labels.is_absent and all(labels.at(key).value == value.value for key, value in wanted)


def _for_everyone(policy: Manifest) -> bool:
    return any(each.is_for_everyone for each in openings(policy, "ingress"))


def _open_policies(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for policy in manifests(resource):
        for opening in openings(policy, "ingress") if policy.kind == POLICY else ():
            if opening.is_for_everyone:
                yield Fault(
                    f"ingress {opening.number}, {opening.told_ports}",
                    "everyone",
                    "pods, namespaces or ranges that have to connect",
                    "name them in `from`",
                )


SERVICES = Rule(
    "open-service",
    "No service of the cluster, the store first of all, is open to everyone",
    "services and ingresses, with the network policies beside them",
    "`LoadBalancer` and `NodePort` whose pods no network policy guards (nor `loadBalancerSourceRanges`, "
    "nor an internal load balancer), `externalIPs` likewise; an ingress that is neither internal nor limited",
    together=_open_services,
)
POLICIES = Rule(
    "open-network-policy",
    "A network policy lets in who has to come in",
    "network policies",
    "an ingress rule without `from`, or from a range that stands for everyone",
    each=_open_policies,
)

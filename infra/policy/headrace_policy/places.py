"""Namespaces, and what hides from these rules."""

from collections.abc import Iterator

from .kubernetes import manifests
from .values import Fault, Resource, Rule, Surroundings

_NAMESPACED = frozenset(
    [
        "Pod",
        "PodTemplate",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
        "CronJob",
        "Service",
        "ConfigMap",
        "Secret",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Ingress",
        "Function",
        "Bucket",
    ]
)
_ENFORCED = "pod-security.kubernetes.io/enforce"
_STANDARDS = ("restricted", "baseline")
_RELEASE = "kubernetes:helm.sh/v3:Release"


def _default(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for manifest in manifests(resource):
        named = manifest.namespace
        if named.is_absent:
            named = resource.provider.at("namespace")
        if manifest.kind in _NAMESPACED and (named.is_absent or named.says("default")):
            yield Fault(
                "metadata.namespace",
                "default" if named.text else "none, which is default",
                "a namespace of its own",
                "write metadata.namespace",
            )


def _unguarded(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for manifest in manifests(resource):
        level = manifest.body.at("metadata", "labels", _ENFORCED)
        if manifest.kind != "Namespace" or level.is_unknown or level.text in _STANDARDS:
            continue
        if not (manifest.is_patch and level.is_absent):
            yield Fault(
                "metadata.labels",
                f"{_ENFORCED}: {level.told}",
                " or ".join(_STANDARDS),
                f"write the label {_ENFORCED}: restricted",
            )


def _hidden(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    if resource.type == _RELEASE:
        yield Fault(
            "",
            "a Release of Helm, of whose objects no rule sees anything",
            "a chart whose objects are resources of the stack",
            "use kubernetes.helm.v4.Chart",
        )


DEFAULT = Rule(
    "default-namespace",
    "Nothing lies in the namespace default",
    "objects that have a namespace",
    "the namespace `default`, named or by omission",
    each=_default,
)
UNGUARDED = Rule(
    "namespace-standard",
    "A namespace enforces a pod security standard, also on pods that no stack declares",
    "namespaces",
    "the label `pod-security.kubernetes.io/enforce` missing or `privileged`",
    each=_unguarded,
)
HIDDEN = Rule(
    "hidden-objects",
    "What is declared can be judged",
    "releases of Helm",
    "`kubernetes.helm.v3.Release`: its objects are no resources of the stack; `helm.v4.Chart`'s are",
    each=_hidden,
)

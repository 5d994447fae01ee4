"""Objects of Kubernetes among a stack's resources: of which kind they are, and the pods in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .tree import Node
from .values import Resource

_TYPE = re.compile(r"^kubernetes:([a-z0-9.-]+)/v[a-z0-9]+:([A-Za-z]+)$")
_TEMPLATE = ("spec", "template", "spec")
_PODS = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "Deployment": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "ReplicationController": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": ("spec", "jobTemplate", *_TEMPLATE),
}
_GROUPS = ("core", "apps", "batch")  # of those kinds
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
FUNCTION = "Function"
_OWN_GROUP = "headrace.dev"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object; of a patch only what it changes is there, so nothing that is absent is a fault."""

    group: str
    kind: str
    body: Node
    is_patch: bool

    @property
    def namespace(self) -> Node:
        return self.body.at("metadata", "namespace")

    @property
    def is_function(self) -> bool:
        """Whether it is one of Headrace's own functions, whose pods the scaler makes."""
        return self.group == _OWN_GROUP and self.kind == FUNCTION


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod."""

    body: Node
    is_ephemeral: bool

    @property
    def where(self) -> str:
        return f"container {self.body.at('name').text or '?'}"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod's spec; of a patch only what it changes."""

    spec: Node
    is_patch: bool

    def leaves_alone(self, part: Node) -> bool:
        """Whether nothing can be said of a part yet, or a patch does not touch it."""
        return part.is_unknown or (self.is_patch and part.is_absent)

    def containers(self) -> Iterator[Container]:
        for key in _CONTAINERS:
            for body in self.spec.at(key).entries():
                yield Container(body, key == "ephemeralContainers")


def manifests(resource: Resource) -> Iterator[Manifest]:
    """The object that a resource is; of a list, those in it."""
    found = _TYPE.match(resource.type)
    if not found:
        return
    group, kind = found.groups()
    if kind.endswith("List"):
        for item in resource.inputs.at("items").entries():
            yield Manifest(group, item.at("kind").text or kind.removesuffix("List"), item, is_patch=False)
    else:
        yield Manifest(group, kind.removesuffix("Patch"), resource.inputs, kind.endswith("Patch"))


def pods(resource: Resource) -> Iterator[Pod]:
    """The pods that a resource makes, wherever they stand; kinds that nobody here knows are searched."""
    for manifest in manifests(resource):
        path = _PODS.get(manifest.kind) if manifest.group in _GROUPS else None
        if path is None:
            yield from (Pod(spec, manifest.is_patch) for spec in _pod_specs(manifest.body))
        else:
            yield Pod(manifest.body.at(*path), manifest.is_patch)


def _pod_specs(node: Node) -> Iterator[Node]:
    if any(not each.at("image").is_absent for each in node.at("containers").entries()):
        yield node
        return
    parts = node.entries() if isinstance(node.value, list | tuple) else [part for _, part in node.fields()]
    for part in parts:
        yield from _pod_specs(part)

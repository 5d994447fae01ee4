"""What the rest stands on: the two namespaces and the priorities."""

from headrace.model.function import Profile
from infra import names
from infra.manifests.parts import PRIORITY, WORKER_PRIORITY, Manifest

_STANDARD = "pod-security.kubernetes.io"


def namespace(name: str, component: str, security: Profile) -> Manifest:
    """A namespace that refuses pods beyond the standard, and warns of those beyond `restricted`."""
    levels = {f"{_STANDARD}/enforce": security.value, f"{_STANDARD}/warn": Profile.RESTRICTED.value}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {**names.labels(component), **levels}},
    }


def open_namespace(name: str, component: str) -> Manifest:
    """A namespace whose pods may use folders of their nodes."""
    level = {f"{_STANDARD}/enforce": "privileged"}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {**names.labels(component), **level}},
    }


def priorities() -> tuple[Manifest, Manifest]:
    """The platform's pods go before workers; workers push nothing aside, as another node can be had."""
    platform = {"value": 1_000_000, "description": "Headrace's services, queue and store"}
    worker = {"value": 0, "description": "Headrace's workers", "preemptionPolicy": "Never"}
    return _priority(PRIORITY, platform), _priority(WORKER_PRIORITY, worker)


def _priority(name: str, fields: dict[str, object]) -> Manifest:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name, "labels": names.labels("platform")},
        **fields,
    }

"""Names of what a stack declares: one function keeps them to a length, one place holds the fixed ones."""

import hashlib

from headrace.model.labels import COMPONENT, HEADRACE, MANAGED_BY, PART_OF, STATUS_SERVICE

LIMIT = 63  # of a DNS label: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_TAIL = 8

NATS, SEAWEEDFS = "nats", "seaweedfs"  # services of these names are what settings point to

# Components: values of the label, by which pods are found, also by what the controller writes.
QUEUE = "queue"
STORE = "store"
RECEIVER = "receiver"
SCALER = "scaler"
CONTROLLER = "controller"
API = "api"
STATUS = STATUS_SERVICE
WORKER = "worker"
OPERATOR = "operator"
PUBLISHER = "publisher"
GPU_PLUGIN = "gpu-plugin"
MONITORING = "monitoring"

DEVICE_PLUGIN = "device-plugin"

# Who looks in, on AWS: a group of Kubernetes, and what it may see
VIEWER = "viewer"
AUTHOR = "author"  # people of a tenant

# On AWS: the node group of the platform itself, the class of volumes
SYSTEM_GROUP = "system"
VOLUMES = "headrace-gp3"


def bounded(*parts: str, limit: int = LIMIT) -> str:
    """The parts with hyphens between them; beyond the limit the end gives way to a hash of the whole."""
    whole = "-".join(parts)
    if len(whole) <= limit:
        return whole
    tail = hashlib.sha256(whole.encode()).hexdigest()[:_TAIL]
    return f"{whole[: limit - _TAIL - 1].rstrip('-.')}-{tail}"


def own(name: str) -> str:
    """The name of what belongs to a service: its secret, its account, its roles."""
    return bounded(HEADRACE, name)


def labels(component: str) -> dict[str, str]:
    """What every object of a component carries."""
    return {**selector(component), MANAGED_BY: "pulumi"}


def selector(component: str) -> dict[str, str]:
    """What finds a component's pods; in a Deployment it can't change any more."""
    return {PART_OF: HEADRACE, COMPONENT: component}


def host(service: str, namespace: str) -> str:
    """A service's name for clients of every namespace."""
    return f"{service}.{namespace}.svc"

"""What Node and Pod objects of Kubernetes say of a pool's nodes. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from headrace.kube.mirror import Mirror
from headrace.kube.naming import annotations_of, is_ending, labels_of
from headrace.kube.port import Manifest
from headrace.model import labels
from headrace.model.errors import TransientError
from headrace.model.quantity import parse_bytes, parse_millicores, parse_quantity
from headrace.model.resources import CPU, EPHEMERAL_STORAGE, MEMORY, NOTHING, PODS, ResourceList, total
from headrace.nodes.port import Power, Sighting

BLIND_SECONDS = 30.0  # without an open watch, after which a mirror is no view of what is
# Set by Kubernetes on what can't take pods, https://kubernetes.io/docs/reference/labels-annotations-taints/
_AWAY = frozenset(f"node.kubernetes.io/{each}" for each in ("not-ready", "unreachable"))
_MIRROR_POD = "kubernetes.io/config.mirror"
_NEVER_HEARD = "NodeStatusNeverUpdated"  # of a node that was made and whose kubelet has not come yet


def stopping_since(node: Manifest) -> float | None:
    """When the order came to stop a node, in seconds since the epoch; None: none is in force."""
    told = annotations_of(node).get(labels.STOPPING, "")
    try:
        return float(told) if told else None
    except ValueError:
        return 0.0  # written by somebody else: long ago


def is_stopping(node: Manifest) -> bool:
    """Whether it is ordered to go."""
    return labels.STOPPING in annotations_of(node) or is_ending(node)


def sighting_of(node: Manifest, pods: Iterable[Manifest]) -> Sighting:
    """A node as its object and the pods on it show it.

    One that somebody else has cordoned is unknown: no worker fits it, and nothing is ordered of it.
    """
    name = node["metadata"]["name"]
    power = _power(node)
    if power is not Power.ON or not is_ready(node):
        return Sighting(name, power, address=_address(node))
    room = amounts_of(node.get("status", {}).get("allocatable", {}))
    taken = total(request_of_pod(pod) for pod in pods if not is_over(pod) and not is_worker(pod))
    return Sighting(name, power, joined=True, allocatable=room.minus(taken), address=_address(node))


def _power(node: Manifest) -> Power:
    if is_stopping(node):
        return Power.STOPPING
    if node.get("spec", {}).get("unschedulable"):
        return Power.UNKNOWN
    ready = _ready_condition(node)
    return Power.STARTING if ready is None or ready.get("reason") == _NEVER_HEARD else Power.ON


def is_ready(node: Manifest) -> bool:
    """Whether Kubernetes takes it for there; of a dead one it does so for most of a minute."""
    ready = _ready_condition(node)
    away = any(taint["key"] in _AWAY for taint in node.get("spec", {}).get("taints") or ())
    return ready is not None and ready["status"] == "True" and not away


def heard_at(node: Manifest) -> float:
    """When its kubelet last told how it is, by the node's clock, in seconds since the epoch; 0: never."""
    told = (_ready_condition(node) or {}).get("lastHeartbeatTime")
    return datetime.fromisoformat(told).timestamp() if told else 0.0


def _ready_condition(node: Manifest) -> Mapping[str, str] | None:
    conditions = node.get("status", {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == "Ready"), None)


def _address(node: Manifest) -> str:
    """Where a hook reaches it: by its address in the cluster, otherwise by its name."""
    told = node.get("status", {}).get("addresses") or ()
    by_type = {each["type"]: str(each["address"]) for each in told}
    return by_type.get("InternalIP") or by_type.get("Hostname") or ""


def by_node(pods: Mirror) -> Mapping[str, Sequence[Manifest]]:
    """The pods of each node."""
    found: dict[str, list[Manifest]] = defaultdict(list)
    for pod in pods.items.values():
        node = pod["spec"].get("nodeName")
        if node:
            found[node].append(pod)
    return found


def is_worker(pod: Manifest) -> bool:
    """Whether the scaler has placed it."""
    return labels_of(pod).get(labels.COMPONENT) == "worker" and labels.FUNCTION in labels_of(pod)


def is_over(pod: Manifest) -> bool:
    """Whether it runs no more, and takes nothing."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def stays(pod: Manifest) -> bool:
    """Whether it belongs to its node: a daemon set's, or one that the kubelet itself has made."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return _MIRROR_POD in annotations_of(pod) or any(
        each.get("controller") and each["kind"] == "DaemonSet" for each in owners
    )


def amounts_of(quantities: Mapping[str, Any]) -> ResourceList:
    """Kubernetes quantities by name, in the units of ResourceList."""
    return _amounts(tuple((name, str(each)) for name, each in quantities.items()))


@lru_cache(maxsize=4096)  # a pool's nodes are alike, and all are looked at several times a second
def _amounts(quantities: tuple[tuple[str, str], ...]) -> ResourceList:
    return ResourceList.of({name: _in_units(name, each) for name, each in quantities})


def _in_units(name: str, amount: str) -> int:
    if name == CPU:
        return parse_millicores(amount)
    if name in (MEMORY, EPHEMERAL_STORAGE) or name.startswith("hugepages-"):
        return parse_bytes(amount)
    return int(parse_quantity(amount))


def request_of_pod(pod: Manifest) -> ResourceList:
    """What a pod takes of its node, as the scheduler counts it.

    Its containers and sidecars together, or the most that one of its other init containers takes beside the
    sidecars begun before it; https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    """
    spec = pod["spec"]
    sidecars, most = NOTHING, NOTHING
    for container in spec.get("initContainers") or ():
        request = _request(container)
        if container.get("restartPolicy") == "Always":
            sidecars = sidecars.plus(request)
        else:
            most = _greatest(most, sidecars.plus(request))
    running = total(_request(each) for each in spec["containers"]).plus(sidecars)
    named = amounts_of((spec.get("resources") or {}).get("requests") or {})  # of the pod as a whole
    whole = _overridden(_greatest(most, running), named).plus(amounts_of(spec.get("overhead") or {}))
    return whole.plus(ResourceList.of({PODS: 1}))


def _request(container: Manifest) -> ResourceList:
    """The API server has filled in requests from limits."""
    return amounts_of((container.get("resources") or {}).get("requests") or {})


def _greatest(one: ResourceList, other: ResourceList) -> ResourceList:
    names = {name for each in (one, other) for name, _ in each}
    return ResourceList.of({name: max(one[name], other[name]) for name in names})


def _overridden(sums: ResourceList, named: ResourceList) -> ResourceList:
    return ResourceList.of(dict(sums) | dict(named))


def check_seen(*mirrors: Mirror) -> None:
    """Raise TransientError where a mirror shows nothing yet, or what is long past."""
    for mirror in mirrors:
        if not mirror.synced:
            raise TransientError("the API server has not listed nodes and pods yet; try again later")
        if mirror.silent_seconds > BLIND_SECONDS:
            raise TransientError(
                f"the API server has been out of reach for {mirror.silent_seconds:.0f} s; try again later"
            )

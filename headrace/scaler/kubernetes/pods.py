"""Reading worker pods. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headrace.kube.naming import is_ending, labels_of, uid_of
from headrace.kube.port import Manifest
from headrace.model import labels
from headrace.model.resources import ResourceList
from headrace.model.tenancy import qualified, tenant_of
from headrace.nodes.cluster import is_over, is_worker, request_of_pod

# https://kubernetes.io/docs/concepts/containers/images/#imagepullbackoff and kubelet's own reasons
STUCK = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    }
)


@dataclass(frozen=True, slots=True)
class WorkerPod:
    """One pod of a worker, by its name where tenants meet, which the worker tells.

    `started`: when it was created, in seconds since the epoch.

    `node` is where it runs, or is to run once the scheduler has bound it; `way` is how it comes to GPUs.
    `running`: its containers are; `well`: they have ended without a fault; `lost`: it was given a GPU whose
    server fell silent before they ran, and so will not run; `stuck`: one of them can't start;
    `out_of_reach`: nobody may end it now, nor tell whether it is wanted.
    `trouble` is why, or why it ended or nobody binds it, in Kubernetes' words; empty: nothing is known to
    hinder it.
    """

    name: str
    uid: str
    function: str
    digest: str
    node: str
    started: float
    request: ResourceList
    way: str = ""
    leaving: bool = False
    running: bool = False
    ended: bool = False
    well: bool = False
    lost: bool = False
    stuck: bool = False
    out_of_reach: bool = False
    trouble: str = ""

    @property
    def ordinal(self) -> int:
        """The number at its name's end."""
        return int(self.name.rpartition("-")[2])

    @property
    def died(self) -> bool:
        """Whether it has ended though nobody told it to.

        One that ended well has ended itself, as its GPU's server was lost: its successor may fare better.
        """
        return self.ended and not self.leaving and not self.well


def worker_pod_of(pod: Manifest, tenant: str = "") -> WorkerPod | None:
    """A tenant's pod as the scaler sees it, or one of the stack's own; None for one that no scaler made."""
    metadata, marks = pod["metadata"], labels_of(pod)
    if not is_worker(pod) or not metadata["name"].rpartition("-")[2].isdecimal():
        return None
    if tenant_of(metadata["name"]) or tenant_of(marks[labels.FUNCTION]):
        return None  # it would pass for another tenant's
    stuck = _stuck(pod)
    return WorkerPod(
        name=qualified(tenant, metadata["name"]),
        uid=uid_of(pod),
        function=qualified(tenant, marks[labels.FUNCTION]),
        digest=marks.get(labels.DIGEST, ""),
        node=_node_of(pod),
        started=datetime.fromisoformat(metadata["creationTimestamp"]).timestamp(),
        request=request_of_pod(pod),
        way=marks.get(labels.GPU_WAY, ""),
        leaving=is_ending(pod),
        running=pod.get("status", {}).get("phase") == "Running" and not stuck,
        ended=is_over(pod),
        well=pod.get("status", {}).get("phase") == "Succeeded",
        stuck=bool(stuck),
        trouble=stuck or (_death(pod) if is_over(pod) else _unbound(pod)),
    )


def _containers(pod: Manifest) -> Iterator[dict[str, Any]]:
    """Their statuses, sidecars first."""
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _stuck(pod: Manifest) -> str:
    """Why one of its containers can't start, and how it ended before where it did."""
    for each in _containers(pod):
        waiting = each.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in STUCK:
            before = _ending(each.get("lastState", {}).get("terminated"))
            return ": ".join(filter(None, (each["name"], waiting["reason"], before, waiting.get("message"))))
    return ""


def _death(pod: Manifest) -> str:
    """Why it ended: the kubelet's or the eviction's word, and how its containers did."""
    status = pod["status"]
    ends = (
        f"{each['name']}: {end}"
        for each in _containers(pod)
        if (end := _ending(each.get("state", {}).get("terminated")))
    )
    return "; ".join(filter(None, (status.get("reason"), status.get("message"), *ends)))


def _ending(terminated: Manifest | None) -> str:
    """How a container ended, unless it ended well."""
    if not terminated or not terminated.get("exitCode"):
        return ""
    return f"{terminated.get('reason', 'Error')}, exit status {terminated['exitCode']}"


def _unbound(pod: Manifest) -> str:
    """Why the scheduler finds no place for it."""
    for each in pod.get("status", {}).get("conditions") or ():
        if each["type"] == "PodScheduled" and each["status"] == "False":
            return ": ".join(filter(None, (each.get("reason"), each.get("message"))))
    return ""


def _node_of(pod: Manifest) -> str:
    spec = pod.get("spec", {})
    bound: str = spec.get("nodeName", "")
    if bound:
        return bound
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    for term in required.get("nodeSelectorTerms", ()):
        for field in term.get("matchFields", ()):
            wanted: str = field["values"][0]
            return wanted
    return ""

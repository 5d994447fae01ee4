"""Reading worker pods. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from headrace.kube.naming import uid_of
from headrace.kube.port import Manifest
from headrace.model import labels

ENDED = frozenset({"Succeeded", "Failed"})
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
    """One pod of a worker. `started`: when it was created, in seconds since the epoch.

    `trouble` is why its containers can't start, in Kubernetes' words; empty: nothing is known to hinder them.
    """

    name: str
    uid: str
    function: str
    digest: str
    node: str
    started: float
    leaving: bool
    ended: bool
    failed: bool
    trouble: str

    @property
    def ordinal(self) -> int:
        """The number at its name's end."""
        return int(self.name.rpartition("-")[2])


def worker_pod_of(pod: Manifest) -> WorkerPod | None:
    """A pod as the scaler sees it; None for one that no scaler made."""
    metadata = pod["metadata"]
    marks = metadata.get("labels") or {}
    if not metadata["name"].rpartition("-")[2].isdecimal() or labels.FUNCTION not in marks:
        return None
    phase = pod.get("status", {}).get("phase", "Pending")
    return WorkerPod(
        name=metadata["name"],
        uid=uid_of(pod),
        function=marks[labels.FUNCTION],
        digest=marks.get(labels.DIGEST, ""),
        node=_node_of(pod),
        started=_moment(metadata["creationTimestamp"]),
        leaving="deletionTimestamp" in metadata,
        ended=phase in ENDED,
        failed=phase == "Failed",
        trouble=trouble_of(pod),
    )


def trouble_of(pod: Manifest, stuck: Collection[str] = STUCK) -> str:
    """Why one of its containers can't start, or why nobody binds it; empty where nothing is known."""
    status = pod.get("status", {})
    for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        waiting = each.get("state", {}).get("waiting", {})
        if waiting.get("reason") in stuck:
            message = waiting.get("message", "")
            return f"{each['name']}: {waiting['reason']}" + (f": {message}" if message else "")
    return ""


def _node_of(pod: Manifest) -> str:
    """Where it runs, or is to run once the scheduler has bound it."""
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


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

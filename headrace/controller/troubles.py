"""Why worker pods do not work, as Kubernetes says it of them. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.kube.port import Manifest

MOST_WORDS = 300
# Of a container that waits: what the kubelet will not get over by itself.
# https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go
_STUCK = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreCreateHookError",
        "CrashLoopBackOff",
    }
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason, in one word and for people."""

    reason: str
    message: str


def trouble_of(pod: Manifest) -> Trouble | None:
    """What keeps a pod from working; None: nothing that is known."""
    status = pod.get("status", {})
    if status.get("phase") == "Failed":
        return _failure(status)
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _STUCK:
            return Trouble(waiting["reason"], f"{container['name']}: {waiting.get('message', '')}")
    return None


def worst(pods: Sequence[Manifest]) -> Trouble | None:
    """The reason that most pods have; its message says how many of how many."""
    found = [trouble for pod in pods if (trouble := trouble_of(pod)) is not None]
    if not found:
        return None
    reason, number = Counter(each.reason for each in found).most_common(1)[0]
    said = next(each.message for each in found if each.reason == reason)
    return Trouble(reason, f"{number} of {len(pods)} workers: {reason}: {said}"[:MOST_WORDS])


def _failure(status: Mapping[str, Any]) -> Trouble:
    """Of a pod that failed: the pod's own reason, like Evicted, or that of its first container that did."""
    if status.get("reason"):
        return Trouble(status["reason"], status.get("message", ""))
    for container in _containers(status):
        ended = container.get("state", {}).get("terminated") or {}
        if ended.get("exitCode"):
            told = f"{container['name']} ended with status {ended['exitCode']}"
            return Trouble(ended.get("reason") or "Error", f"{told}: {ended.get('message', '')}".strip(": "))
    return Trouble("Failed", status.get("message", "the pod failed"))


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    groups: Iterable[Any] = (status.get("containerStatuses"), status.get("initContainerStatuses"))
    for group in groups:
        yield from group or ()

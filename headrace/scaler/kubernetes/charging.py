"""What a worker's pod counts for with its tenant: what it holds, whatever its function says by now. Pure."""

from collections.abc import Sequence

from headrace.manifests.gpu_slices import Grant
from headrace.model.resources import ResourceList
from headrace.model.tenant import REMOTE_MEMORY, REMOTE_SESSIONS
from headrace.placement.ways import marked
from headrace.scaler.deciding.charges import charged, shares
from headrace.scaler.kubernetes.pods import WorkerPod


def charge_of(pod: WorkerPod, grants: Sequence[Grant]) -> ResourceList:
    """What it takes of its node, its GPUs there by their kind, and what it was granted of servers' GPUs."""
    remote = {REMOTE_SESSIONS: len(grants), REMOTE_MEMORY: sum(each.memory_bytes for each in grants)}
    return charged(pod.request, {**shares(*marked(pod.way, pod.request)), **remote})

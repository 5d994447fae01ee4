"""What a pod counts for with its tenant is what its function was charged for when it was made."""

import pytest

from headrace.manifests.gpu_slices import Grant
from headrace.manifests.worker_pod import worker_pod
from headrace.model.function import Access, Isolation
from headrace.model.resources import ResourceList
from headrace.placement.packing import RemoteRoom
from headrace.placement.suiting import listed, request_of
from headrace.placement.ways import NO_GPU, GpuClaim, Way
from headrace.scaler.deciding.charges import Charges
from headrace.scaler.kubernetes.charging import charge_of
from headrace.scaler.kubernetes.pods import WorkerPod, worker_pod_of
from headrace.scaler.snapshot import Snapshot
from tests.unit.scaler_cluster import PLACE, function_object, the_function

GIB = 2**30
ROOMS = tuple(RemoteRoom("s", number, 16 * GIB, 16 * GIB, 4) for number in range(2))
FUNCTION = the_function(function_object())
PART = Way(Access.REMOTE, ("p",), claim=GpuClaim(1, 6 * GIB, Isolation.NONE), servers=("s",))
WHOLE = Way(Access.REMOTE, ("p",), claim=GpuClaim(2, None, Isolation.NONE), servers=("s",))


def pod(way: Way) -> WorkerPod:
    made = worker_pod(FUNCTION, "d" * 64, ordinal=0, node="n", settings=PLACE, pool="p", way=way)
    made["metadata"] |= {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    found = worker_pod_of(made)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("way", "grants", "gpus"),
    [
        (NO_GPU, (), {}),
        (Way(Access.PASSTHROUGH, ("p",), "nvidia.com/gpu", 2), (), {}),
        (Way(Access.PASSTHROUGH, ("p",), "amd.com/gpu", 1), (), {}),
        (Way(Access.MIG, ("p",), "nvidia.com/mig-1g.5gb", 2), (), {"gpuShares.mig": 2}),
        (Way(Access.MPS, ("p",), "nvidia.com/gpu.shared", 1), (), {"gpuShares.mps": 1}),
        (Way(Access.TIMESLICE, ("p",), "nvidia.com/gpu.shared", 1), (), {"gpuShares.timeslice": 1}),
        (PART, (Grant("s", 1, 6 * GIB),), {"remoteGpuSessions": 1, "remoteGpuMemory": 6 * GIB}),
        (
            WHOLE, (Grant("s", 0, 16 * GIB), Grant("s", 1, 16 * GIB)),
            {"remoteGpuSessions": 2, "remoteGpuMemory": 32 * GIB},
        ),
    ],
)  # fmt: skip
def test_a_pod_is_charged_as_its_function_was_when_it_was_made(way, grants, gpus):
    assert PLACE.sidecar is not None
    request = request_of(FUNCTION, way).plus(listed(PLACE.sidecar.resources))
    charge = charge_of(pod(way), grants)
    assert charge == Charges(Snapshot((), (), remote=ROOMS)).by(request, way)
    assert charge == request.plus(ResourceList.of({"workers": 1, **gpus}))


def test_one_that_was_granted_nothing_yet_holds_nothing_of_servers():
    assert charge_of(pod(PART), ())["remoteGpuSessions"] == 0

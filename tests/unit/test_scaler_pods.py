"""What the scaler reads in a worker's pod."""

import pytest

from headrace.manifests.worker_pod import worker_pod
from headrace.model import labels
from headrace.model.function import Function
from headrace.model.resources import CPU, EPHEMERAL_STORAGE, MEMORY, PODS, ResourceList
from headrace.model.settings import KubernetesSettings, SidecarSettings
from headrace.scaler.kubernetes.pods import WorkerPod, worker_pod_of

DIGEST = "d" * 64
FUNCTION = Function.from_json(
    """{"apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": "my-echo"},
    "spec": {"image": "echo:1", "run": {"handler": "echo:Classifier"}, "input": [{"bucket": "uploads"}]}}"""
)
SETTINGS = KubernetesSettings(
    namespace="functions", platform_namespace="headrace", sidecar=SidecarSettings(image="headrace:1")
)
CREATED = {"uid": "u1", "creationTimestamp": "1970-01-01T00:01:40Z"}


def made(**status: object) -> dict:
    pod = worker_pod(FUNCTION, DIGEST, ordinal=12, node="n1", settings=SETTINGS, pool="p")
    return {**pod, "metadata": {**pod["metadata"], **CREATED}, "status": status}


def test_a_pod_that_the_scaler_made_is_read_back():
    assert worker_pod_of(made()) == WorkerPod(
        name=f"my-echo-{DIGEST[:10]}-12",
        uid="u1",
        function="my-echo",
        digest=DIGEST[:10],
        node="n1",
        started=100.0,
        request=ResourceList.of({CPU: 1100, MEMORY: 1280 * 2**20, EPHEMERAL_STORAGE: 1088 * 2**20, PODS: 1}),
    )


def test_its_ordinal_stands_in_its_name():
    assert worker_pod_of(made()).ordinal == 12


def test_a_bound_pod_is_where_it_is_bound():
    pod = made()
    bound = {**pod, "spec": {**pod["spec"], "nodeName": "n2"}}
    assert worker_pod_of(bound).node == "n2"


@pytest.mark.parametrize(
    ("phase", "running", "ended"),
    [
        ("Pending", False, False),
        ("Running", True, False),
        ("Succeeded", False, True),
        ("Failed", False, True),
    ],
)
def test_a_pod_has_ended_once_its_phase_says_so(phase, running, ended):
    found = worker_pod_of(made(phase=phase))
    died = phase == "Failed"  # one that ended well has ended itself: it lost its GPU's server
    assert (found.running, found.ended, found.died) == (running, ended, died)


def test_a_pod_that_was_told_to_end_has_not_died():
    pod = made(phase="Failed")
    pod["metadata"]["deletionTimestamp"] = "1970-01-01T00:02:00Z"
    assert not worker_pod_of(pod).died


def test_a_deleted_pod_is_leaving():
    pod = made()
    pod["metadata"]["deletionTimestamp"] = "1970-01-01T00:02:00Z"
    assert worker_pod_of(pod).leaving


@pytest.mark.parametrize("name", ["somebody-elses", "my-echo-x"])
def test_a_pod_without_an_ordinal_is_none_of_ours(name):
    pod = made()
    assert worker_pod_of({**pod, "metadata": {**pod["metadata"], "name": name}}) is None


def test_a_pod_without_the_functions_label_is_none_of_ours():
    pod = made()
    marks = {key: value for key, value in pod["metadata"]["labels"].items() if key != labels.FUNCTION}
    assert worker_pod_of({**pod, "metadata": {**pod["metadata"], "labels": marks}}) is None


def container(where: str, **state: object) -> dict:
    name = "supervisor" if where == "initContainerStatuses" else "function"
    return {where: [{"name": name, "state": state}]}


OUT_OF_MEMORY = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
LOOPING = {
    "name": "supervisor",
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    "lastState": OUT_OF_MEMORY,
}


@pytest.mark.parametrize(
    ("status", "stuck", "trouble"),
    [
        (
            container(
                "containerStatuses", waiting={"reason": "ImagePullBackOff", "message": "no such image"}
            ),
            True,
            "function: ImagePullBackOff: no such image",
        ),
        (
            container("initContainerStatuses", waiting={"reason": "CreateContainerConfigError"}),
            True,
            "supervisor: CreateContainerConfigError",
        ),
        (
            {"phase": "Running", "initContainerStatuses": [LOOPING]},
            True,
            "supervisor: CrashLoopBackOff: OOMKilled, exit status 137: back-off 10s",
        ),
        (container("containerStatuses", waiting={"reason": "ContainerCreating"}), False, ""),
        (container("containerStatuses", waiting={"reason": "PodInitializing"}), False, ""),
        (
            {"phase": "Failed", **container("containerStatuses", **OUT_OF_MEMORY)},
            False,
            "function: OOMKilled, exit status 137",
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            False,
            "Evicted; The node was low on resource: memory.",
        ),
        ({"phase": "Succeeded", **container("containerStatuses", terminated={"exitCode": 0})}, False, ""),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m"}
                ]
            },
            False,
            "Unschedulable: m",
        ),
        ({"conditions": [{"type": "PodScheduled", "status": "True"}]}, False, ""),
    ],
)
def test_what_hinders_a_worker_is_told_in_kubernetes_words(status, stuck, trouble):
    found = worker_pod_of(made(**status))
    assert (found.stuck, found.trouble) == (stuck, trouble)
    assert not (found.stuck and found.running)

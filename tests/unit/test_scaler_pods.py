"""What the scaler reads in a worker's pod."""

import pytest

from headrace.manifests.worker_pod import worker_pod
from headrace.model import labels
from headrace.model.function import Function
from headrace.model.settings import KubernetesSettings, SidecarSettings
from headrace.scaler.kubernetes.pods import WorkerPod, trouble_of, worker_pod_of

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
        leaving=False,
        ended=False,
        failed=False,
        trouble="",
    )


def test_its_ordinal_stands_in_its_name():
    assert worker_pod_of(made()).ordinal == 12


def test_a_bound_pod_is_where_it_is_bound():
    pod = made()
    bound = {**pod, "spec": {**pod["spec"], "nodeName": "n2"}}
    assert worker_pod_of(bound).node == "n2"


@pytest.mark.parametrize(
    ("phase", "ended", "failed"),
    [
        ("Pending", False, False),
        ("Running", False, False),
        ("Succeeded", True, False),
        ("Failed", True, True),
    ],
)
def test_a_pod_has_ended_once_its_phase_says_so(phase, ended, failed):
    found = worker_pod_of(made(phase=phase))
    assert (found.ended, found.failed) == (ended, failed)


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


@pytest.mark.parametrize(
    ("where", "waiting", "trouble"),
    [
        (
            "containerStatuses",
            {"reason": "ImagePullBackOff", "message": "no such image"},
            "function: ImagePullBackOff: no such image",
        ),
        (
            "initContainerStatuses",
            {"reason": "CreateContainerConfigError"},
            "function: CreateContainerConfigError",
        ),
        ("containerStatuses", {"reason": "ContainerCreating"}, ""),
        ("containerStatuses", {"reason": "PodInitializing"}, ""),
    ],
)
def test_why_a_container_can_not_start_is_told_in_kubernetes_words(where, waiting, trouble):
    assert trouble_of({"status": {where: [{"name": "function", "state": {"waiting": waiting}}]}}) == trouble

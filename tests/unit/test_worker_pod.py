"""The pod of a worker, field by field: every expectation is a whole value."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from headrace.manifests.worker_pod import leaving_seconds, pod_name, worker_pod, worker_settings
from headrace.model.errors import ConfigurationError
from headrace.model.function import Access, Function, Isolation
from headrace.model.pool import NodePool
from headrace.model.settings import (
    EksSettings,
    KubernetesSettings,
    RunnerKind,
    SidecarSettings,
    WorkerSettings,
)
from headrace.placement.inventory import inventory_of
from headrace.placement.suiting import suits, tolerations_of
from headrace.placement.ways import NO_GPU, GpuClaim, Way, choose_way

DIGEST = "0123456789abcdef"
SIDECAR = SidecarSettings(image="registry.example/headrace@sha256:1")
SETTINGS = KubernetesSettings(
    namespace="functions", platform_namespace="headrace", sidecar=SIDECAR
)  # fmt: skip


def function(**spec: object) -> Function:
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "echo"},
        "spec": {
            "image": "registry.example/echo@sha256:2",
            "run": {"handler": "echo:Classifier"},
            "input": [{"bucket": "uploads"}],
            **spec,
        },
    }
    return Function.from_json(json.dumps(document))


def pod(
    settings: KubernetesSettings = SETTINGS, pool: str = "cpu", way: Way = NO_GPU, **spec: object
) -> dict[str, Any]:
    return worker_pod(function(**spec), DIGEST, ordinal=3, node="n7", settings=settings, pool=pool, way=way)


def spec_of(**parts: Any) -> dict[str, Any]:
    return pod(**parts)["spec"]


def user(**spec: object) -> dict[str, Any]:
    (container,) = spec_of(**spec)["containers"]
    return container


RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
AMOUNTS = {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}
SUPERVISOR = {
    "name": "supervisor",
    "image": "registry.example/headrace@sha256:1",
    "restartPolicy": "Always",
    "command": ["python", "-m", "headrace.worker"],
    "args": ["--settings", "/etc/headrace/settings/settings.json", "--function", "echo"],
    "env": [{"name": "HEADRACE_WORKER", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    "resources": {
        "requests": {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "64Mi"},
        "limits": {"memory": "256Mi", "ephemeral-storage": "64Mi"},
    },
    "securityContext": {**RESTRICTED, "runAsUser": 65532, "readOnlyRootFilesystem": True},
    "startupProbe": {
        "exec": {"command": ["test", "-e", "/headrace/started"]},
        "periodSeconds": 1,
        "failureThreshold": 120,
    },
    "lifecycle": {"preStop": {"exec": {"command": ["touch", "/headrace/leaving"]}}},
    "volumeMounts": [
        {"name": "shared", "mountPath": "/headrace"},
        {"name": "function", "mountPath": "/etc/headrace/functions/echo", "readOnly": True},
        {"name": "settings", "mountPath": "/etc/headrace/settings", "readOnly": True},
    ],
}
NODE = {"name": "RESOURCE_ID", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
USER = {
    "name": "function",
    "image": "registry.example/echo@sha256:2",
    "command": [
        "python3",
        "-I",
        "-S",
        "/headrace/runner/init.py",
        "/headrace/work/pipes/requests",
        "/headrace/work/pipes/replies",
        "/headrace/runner/runner.py",
        "echo:Classifier",
    ],
    "env": [NODE, {"name": "OMP_NUM_THREADS", "value": "1"}],
    "resources": {"requests": AMOUNTS, "limits": AMOUNTS},
    "securityContext": {**RESTRICTED, "readOnlyRootFilesystem": True},
    "terminationMessagePolicy": "FallbackToLogsOnError",
    "volumeMounts": [
        {"name": "shared", "mountPath": "/headrace/work", "subPath": "work"},
        {"name": "shared", "mountPath": "/headrace/runner", "subPath": "runner", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
    ],
}
PLAIN = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "echo-0123456789-3",
        "namespace": "functions",
        "labels": {
            "app.kubernetes.io/part-of": "headrace",
            "app.kubernetes.io/component": "worker",
            "app.kubernetes.io/managed-by": "headrace-scaler",
            "headrace.dev/function": "echo",
            "headrace.dev/digest": "0123456789",
            "headrace.dev/pool": "cpu",
        },
    },
    "spec": {
        "restartPolicy": "Never",
        "serviceAccountName": "headrace-echo",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 630,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": 65532,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n7"]}]}
                    ]
                }
            }
        },
        "tolerations": [],
        "initContainers": [SUPERVISOR],
        "containers": [USER],
        "volumes": [
            {"name": "shared", "emptyDir": {}},
            {"name": "function", "configMap": {"name": "echo-0123456789"}},
            {"name": "settings", "secret": {"secretName": "headrace-worker"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    },
}


def test_a_plain_function_gives_exactly_this_pod():
    assert pod() == PLAIN


def test_on_eks_the_pods_identity_is_kept_from_the_users_container():
    on_eks = SETTINGS.model_copy(update={"eks": EksSettings(cluster="headrace", region="eu-central-1")})
    metadata, plain = pod(on_eks)["metadata"], pod()["metadata"]
    assert metadata == {**plain, "annotations": {"eks.amazonaws.com/skip-containers": "function"}}
    assert [each["name"] for each in pod(on_eks)["spec"]["containers"]] == ["function"]


def test_without_a_pool_the_pod_names_none():
    labels = dict(PLAIN["metadata"]["labels"])
    del labels["headrace.dev/pool"]
    assert pod(pool="")["metadata"]["labels"] == labels


def test_a_script_runs_from_its_text_in_any_image_with_a_shell():
    run = {"script": "script.sh", "source": "exit 0"}
    pipes = ["/headrace/work/pipes/requests", "/headrace/work/pipes/replies"]
    command = ["/bin/sh", "/headrace/runner/init.sh", *pipes, "/headrace/runner/script"]
    assert user(run=run) == USER | {"command": command}


@pytest.mark.parametrize(("port", "drained"), [(8080, 61017), (61017, 61018)])
def test_an_image_that_serves_keeps_its_command_and_ends_only_when_its_worker_has_finished(port, drained):
    run = {"http": {"port": port, "path": "/predict"}}
    found = user(run=run)
    expected = {key: value for key, value in USER.items() if key != "command"}
    assert found == expected | {
        "env": [*USER["env"], {"name": "PORT", "value": str(port)}],
        "lifecycle": {"preStop": {"httpGet": {"path": "/drained", "port": drained}}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }, "it sees no file of the supervisor's"
    assert spec_of(run=run)["initContainers"] == [SUPERVISOR]


def test_a_function_may_set_the_port_variable_itself():
    found = user(run={"http": {"port": 80}}, environment={"PORT": "x"})["env"]
    assert [each for each in found if each["name"] == "PORT"] == [{"name": "PORT", "value": "x"}]


@pytest.mark.parametrize(
    ("run", "batches"),
    [({"http": {"port": 80}}, 8), ({"script": "s", "source": "true"}, 1), ({"handler": "a:B"}, 8)],
)
def test_a_pod_that_leaves_has_the_time_of_what_it_may_have_in_hand(run, batches):
    batch, delivery = {"maxFiles": 8}, {"timeoutSeconds": 10}
    found = spec_of(run=run, batch=batch, delivery=delivery)["terminationGracePeriodSeconds"]
    assert found == 10 * batches + 30


def test_secrets_become_the_users_variables_and_folders_of_the_supervisor():
    found = spec_of(secrets=["token", "other"])
    mounts = [
        {"name": f"secret-{index}", "mountPath": f"/etc/headrace/secrets/{name}", "readOnly": True}
        for index, name in enumerate(("token", "other"))
    ]
    volumes = [
        {"name": "secret-0", "secret": {"secretName": "token"}},
        {"name": "secret-1", "secret": {"secretName": "other"}},
    ]
    assert found["initContainers"] == [SUPERVISOR | {"volumeMounts": [*SUPERVISOR["volumeMounts"], *mounts]}]
    references = [{"secretRef": {"name": "token"}}, {"secretRef": {"name": "other"}}]
    assert found["containers"] == [USER | {"envFrom": references}]
    assert found["volumes"] == [*PLAIN["spec"]["volumes"], *volumes]


def test_the_users_container_sees_no_settings_no_function_and_no_folder_of_secrets():
    mounts = user(secrets=["token"])["volumeMounts"]
    assert {mount["name"] for mount in mounts} == {"shared", "tmp"}
    assert all("subPath" in mount for mount in mounts if mount["name"] == "shared")


@pytest.mark.parametrize("value", ["a", "$(HOME)", "$HOME", "$$", "5$"])
def test_variables_arrive_as_they_are_written(value):
    environment = user(environment={"X": value, "OMP_NUM_THREADS": "4"}, resources={"cpu": "2500m"})["env"]
    assert environment == [
        NODE,
        {"name": "OMP_NUM_THREADS", "value": "4"},
        {"name": "X", "value": value.replace("$", "$$")},
    ], "Kubernetes reads $$ as $ and expands $(NAME)"


def test_threads_are_as_many_as_whole_cores():
    assert user(resources={"cpu": "2500m"})["env"] == [NODE, {"name": "OMP_NUM_THREADS", "value": "2"}]


def test_a_function_may_have_a_variable_of_the_nodes_name_itself():
    environment = user(environment={"RESOURCE_ID": "mine"})["env"]
    assert [each for each in environment if each["name"] == "RESOURCE_ID"] == [
        {"name": "RESOURCE_ID", "value": "mine"}
    ]


def test_gpus_are_limited_and_their_taint_is_tolerated():
    found = spec_of(way=Way(Access.PASSTHROUGH, ("gpu",), "nvidia.com/gpu", 2))
    amounts = {**AMOUNTS, "nvidia.com/gpu": "2"}
    assert found["containers"] == [USER | {"resources": {"requests": amounts, "limits": amounts}}]
    assert found["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


def test_a_share_is_limited_by_its_own_name_and_both_taints_are_tolerated():
    found = spec_of(way=Way(Access.MIG, ("gpu",), "nvidia.com/mig-1g.5gb", 1))
    amounts = {**AMOUNTS, "nvidia.com/mig-1g.5gb": "1"}
    assert found["containers"] == [USER | {"resources": {"requests": amounts, "limits": amounts}}]
    assert [each["key"] for each in found["tolerations"]] == ["nvidia.com/mig-1g.5gb", "nvidia.com/gpu"]


def test_a_remote_gpu_is_claimed_for_the_users_container_and_its_nodes_own_are_hidden():
    claim = GpuClaim(1, 4 * 2**30, Isolation.NONE)
    found = spec_of(way=Way(Access.REMOTE, ("cpu",), claim=claim, servers=("gpu1",)))
    resources = {"requests": AMOUNTS, "limits": AMOUNTS, "claims": [{"name": "gpu"}]}
    hidden = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}
    assert found["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "echo-0123456789"}]
    assert found["containers"] == [USER | {"resources": resources, "env": [*USER["env"], hidden]}]
    assert found["initContainers"][0]["resources"] == SUPERVISOR["resources"], "the supervisor has no GPU"
    assert found["tolerations"] == []


def test_own_tolerations_and_node_labels_are_kept():
    found = spec_of(
        tolerations=[{"key": "a", "operator": "Exists", "effect": "NoSchedule"}, {"key": "b", "value": "c"}],
        nodeSelector={"zone": "lab"},
    )
    assert found["tolerations"] == [
        {"key": "a", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "b", "operator": "Equal", "value": "c"},
    ]
    assert found["nodeSelector"] == {"zone": "lab"}


GPU_POOL = NodePool.from_json(
    json.dumps(
        {
            "apiVersion": "headrace.dev/v1alpha1",
            "kind": "NodePool",
            "metadata": {"name": "gpu"},
            "spec": {
                "driver": "kwok",
                "capacity": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": 1},
                "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
                "maxNodes": 2,
            },
        }
    )
)


def way_of(made: Function) -> Way:
    return choose_way(made, inventory_of([GPU_POOL], ())).way


def test_a_pool_tainted_by_a_device_suits_exactly_who_requests_it():
    wants, wants_not = function(gpu={"count": 1}), function()
    assert suits(wants, GPU_POOL, way_of(wants)) is True
    assert suits(wants_not, GPU_POOL, way_of(wants_not)) is False
    remote = function(gpu={"access": ["remote"]})
    assert suits(remote, GPU_POOL, way_of(remote)) is False


def test_an_implied_toleration_that_is_written_too_is_there_once():
    written = {"key": "nvidia.com/gpu", "operator": "Exists"}
    made = function(gpu={"count": 1}, tolerations=[written])
    assert len(tolerations_of(made, way_of(made))) == 1


@pytest.mark.parametrize(
    ("security", "of_pod", "of_user"),
    [
        ({"profile": "baseline"}, {}, {"readOnlyRootFilesystem": True}),
        ({"profile": "baseline", "runAsUser": 7}, {}, {"runAsUser": 7, "readOnlyRootFilesystem": True}),
        (
            {"runAsUser": 1000},
            {"runAsNonRoot": True},
            {**RESTRICTED, "runAsUser": 1000, "readOnlyRootFilesystem": True},
        ),
        ({"writableRoot": True}, {"runAsNonRoot": True}, {**RESTRICTED, "readOnlyRootFilesystem": False}),
    ],
)
def test_confinement_is_restricted_unless_the_function_says_otherwise(security, of_pod, of_user):
    found = spec_of(security=security)
    common = PLAIN["spec"]["securityContext"]
    assert found["securityContext"] == {k: v for k, v in common.items() if k != "runAsNonRoot"} | of_pod
    assert found["containers"][0]["securityContext"] == of_user
    assert found["initContainers"] == [SUPERVISOR], "the supervisor is restricted, whatever the function"


def test_an_image_whose_root_is_writable_keeps_its_own_tmp():
    found = spec_of(security={"writableRoot": True})
    assert found["containers"][0]["volumeMounts"] == USER["volumeMounts"][:2]
    assert found["volumes"] == PLAIN["spec"]["volumes"][:3]


def test_claims_are_mounted_into_the_users_container_alone():
    claims = [
        {"name": "models", "claim": "m", "mountPath": "/models"},
        {"name": "cache", "claim": "c", "mountPath": "/cache", "readOnly": False},
    ]
    found = spec_of(volumes=claims)
    assert found["containers"][0]["volumeMounts"][3:] == [
        {"name": "volume-models", "mountPath": "/models", "readOnly": True},
        {"name": "volume-cache", "mountPath": "/cache", "readOnly": False},
    ]
    assert found["volumes"][4:] == [
        {"name": "volume-models", "persistentVolumeClaim": {"claimName": "m", "readOnly": True}},
        {"name": "volume-cache", "persistentVolumeClaim": {"claimName": "c", "readOnly": False}},
    ]
    assert found["initContainers"] == [SUPERVISOR]


def test_pull_secrets_of_both_images_priority_and_the_sidecars_own_values_are_taken():
    sidecar = SIDECAR.model_copy(
        update={"image_pull_secrets": ("own", "both"), "priority_class": "low", "run_as_user": 77}
    )
    found = pod(SETTINGS.model_copy(update={"sidecar": sidecar}), imagePullSecrets=["both", "users"])["spec"]
    assert found["imagePullSecrets"] == [{"name": "both"}, {"name": "users"}, {"name": "own"}]
    assert (found["priorityClassName"], found["securityContext"]["fsGroup"]) == ("low", 77)
    assert found["initContainers"][0]["securityContext"]["runAsUser"] == 77


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, 600.0),
        ({"delivery": {"timeoutSeconds": 1.5}}, 1.5),
        ({"delivery": {"timeoutSeconds": 10}, "batch": {"maxFiles": 8}}, 80.0),
        (
            {
                "delivery": {"timeoutSeconds": 10},
                "batch": {"maxFiles": 8},
                "run": {"script": "s", "source": ":"},
            },
            10.0,
        ),
        ({"delivery": {"timeoutSeconds": 86400}}, 3570.0),
    ],
)
def test_a_pod_that_must_go_is_given_the_time_of_one_batch_and_an_hour_at_most(
    spec: Mapping[str, object], seconds: float
):
    assert leaving_seconds(function(**spec)) == seconds
    assert spec_of(**spec)["terminationGracePeriodSeconds"] == int(-(-seconds // 1)) + 30


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"run": {"http": {"port": 80}}, "image": None}, ["spec.image: found none"]),
        ({"image": None}, ["spec.image: found none"]),
        ({"run": {"script": "s.sh"}}, ["spec.run.source: found none"]),
        ({"run": {"script": "s.sh"}, "image": None}, ["spec.image", "spec.run.source"]),
        ({"secrets": ["own", "headrace-worker"]}, ["spec.secrets: found headrace-worker, which holds"]),
    ],
)
def test_what_cannot_run_in_a_pod_is_refused_with_every_fault(spec, found):
    with pytest.raises(ConfigurationError) as refusal:
        pod(**spec)
    assert [each in str(refusal.value) for each in ("'echo'", *found)] == [True] * (len(found) + 1)


def test_settings_without_a_sidecar_start_no_worker():
    with pytest.raises(ConfigurationError, match=r"kubernetes\.sidecar is missing"):
        pod(SETTINGS.model_copy(update={"sidecar": None}))


def test_the_longest_names_fit():
    assert len(pod_name("f" * 39, DIGEST, 9_999_999)) <= 63


def test_the_settings_of_a_worker_in_such_a_pod_name_its_folders():
    assert worker_settings() == WorkerSettings(
        runner=RunnerKind.CONTAINER, work_directory="/headrace", secrets_directory="/etc/headrace/secrets"
    )

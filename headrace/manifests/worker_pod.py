"""The pod of one worker: the supervisor as native sidecar, the user's container beside it. Pure.

The user's container runs a runner of ours, or, where the function serves HTTP, the image's own command.

Where things lie in both containers is fixed here, so that requests name the same paths on either side. The
supervisor sees the whole shared volume, the user's container only two folders of it: a path that the
supervisor follows never leads through a folder that the user's processes may rearrange.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from headrace.manifests.gpu_claims import CLAIM, claim_template_name
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function, Http, Profile
from headrace.model.labels import (
    COMPONENT,
    DIGEST,
    FUNCTION,
    GPU_WAY,
    HEADRACE,
    MANAGED_BY,
    PART_OF,
    POOL,
    SETTINGS_KEY,
    short_digest,
)
from headrace.model.pods import Toleration
from headrace.model.settings import KubernetesSettings, RunnerKind, SidecarSettings, WorkerSettings
from headrace.placement.suiting import tolerations_of
from headrace.placement.ways import NO_GPU, Way

Manifest = dict[str, Any]

SHARED = "/headrace"  # the shared volume, as the supervisor sees it
WORK = f"{SHARED}/work"  # tasks and pipes; all that the user's container sees beside RUNNER
RUNNER = f"{SHARED}/runner"  # read-only there
STARTED = f"{SHARED}/started"  # a file: the user's container may start
LEAVING = f"{SHARED}/leaving"  # a file: the pod has to go
SETTINGS = "/etc/headrace/settings"  # settings.json, ca.crt
FUNCTIONS = "/etc/headrace/functions"  # <function>/function.yaml
SECRETS = "/etc/headrace/secrets"  # <secret>/<key>

DRAINED = "/drained"  # where the kubelet asks whether the user's container may end
DRAINED_PORTS = (
    61017,
    61018,
)  # beyond those that Linux gives to connections; the one that is not the image's
METRICS_PORTS = (61019, 61020)  # likewise: where the supervisor answers Prometheus
METRICS = "metrics"  # that port's name

GPU_VARIABLE = "HEADRACE_GPU"  # of the supervisor: the way by which the pod comes to GPUs, for records
SUPERVISOR, USER = "supervisor", "function"  # the containers' names
SKIPPED_BY_IDENTITY = "eks.amazonaws.com/skip-containers"
SETTLING_SECONDS = 30  # beyond the file in hand: to commit it, and to hand back the rest
MOST_LEAVING_SECONDS = 3600 - SETTLING_SECONDS  # a node that must go waits no longer for a file


def worker_settings(*, prefetch_seconds: float = 2.0) -> WorkerSettings:
    """The part of a worker's settings that these pods prescribe."""
    return WorkerSettings(
        runner=RunnerKind.CONTAINER,
        work_directory=SHARED,
        secrets_directory=SECRETS,
        prefetch_seconds=prefetch_seconds,
    )


def pod_name(function: str, digest: str, ordinal: int) -> str:
    """The name of a worker's pod; by the function's name where tenants meet it is the worker's."""
    return f"{function}-{short_digest(digest)}-{ordinal}"


def function_map_name(function: str, digest: str) -> str:
    """The name of the ConfigMap that holds a function as of this digest."""
    return f"{function}-{short_digest(digest)}"


def leaving_seconds(function: Function) -> float:
    """How long a worker that has to leave may still work on what it has in hand: one batch's time limit."""
    spec = function.spec
    files = spec.batch.max_files if spec.run.script is None else 1
    return min(spec.delivery.timeout_seconds * files, MOST_LEAVING_SECONDS)


def drained_port(http: Http) -> int:
    """The supervisor's port that the user's container waits for before it ends."""
    return next(port for port in DRAINED_PORTS if port != http.port)


def metrics_port(function: Function) -> int:
    """Where the supervisor answers Prometheus."""
    http = function.spec.run.http
    return next(port for port in METRICS_PORTS if http is None or port != http.port)


def worker_pod(
    function: Function,
    digest: str,
    *,
    ordinal: int,
    node: str,
    settings: KubernetesSettings,
    pool: str = "",
    way: Way = NO_GPU,
) -> Manifest:
    """The pod of the function's worker `ordinal` on a node, which comes to its GPUs by `way`.

    The scheduler still binds it: it alone knows what else is on its way to the node. Raises
    ConfigurationError for a function that can't run in a pod, and for settings without a sidecar.
    """
    sidecar, own = _checked(function, settings), function.metadata.name
    labels = {
        PART_OF: HEADRACE,
        COMPONENT: "worker",
        MANAGED_BY: f"{HEADRACE}-scaler",
        FUNCTION: own,
        DIGEST: short_digest(digest),
        **({POOL: pool} if pool else {}),
        **({GPU_WAY: way.mark} if way.mark else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(own, digest, ordinal),
            "namespace": settings.namespace_of(function.name),
            "labels": labels,
            **_annotations(settings),
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": f"{HEADRACE}-{own}",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": ceil(leaving_seconds(function)) + SETTLING_SECONDS,
            "securityContext": _pod_security(function, sidecar),
            **_placement(function, node, way),
            **_claims(function, digest, way),
            **({"priorityClassName": sidecar.priority_class} if sidecar.priority_class else {}),
            **_pull_secrets(function, sidecar),
            "initContainers": [_supervisor(function, sidecar, way)],
            "containers": [_user(function, way)],
            "volumes": _volumes(function, digest, sidecar),
        },
    }


def _annotations(settings: KubernetesSettings) -> Manifest:
    """On EKS the pod's identity is the supervisor's alone: the user's container gets no token of it.

    https://github.com/aws/amazon-eks-pod-identity-webhook reads the annotation, for identities of both kinds.
    """
    return {"annotations": {SKIPPED_BY_IDENTITY: USER}} if settings.eks is not None else {}


def _checked(function: Function, settings: KubernetesSettings) -> SidecarSettings:
    spec, faults = function.spec, []
    if spec.image is None:
        faults.append("spec.image: found none, allowed an image; name the one that the function runs in")
    if spec.run.script is not None and spec.run.source is None:
        faults.append(
            "spec.run.source: found none, allowed the script's text, as a pod has no folder of the "
            "function; render the function from its folder"
        )
    if settings.sidecar is not None and settings.sidecar.settings_secret in spec.secrets:
        faults.append(
            f"spec.secrets: found {settings.sidecar.settings_secret}, which holds the platform's own keys, "
            "allowed any other; make a secret of the function's own"
        )
    if faults:
        raise ConfigurationError(f"function {function.name!r} can't run in a pod: {'; '.join(faults)}")
    if settings.sidecar is None:
        raise ConfigurationError(
            "settings: kubernetes.sidecar is missing, which who starts workers needs; add it with its image"
        )
    return settings.sidecar


def _claims(function: Function, digest: str, way: Way) -> Manifest:
    """GPUs of servers, which Kubernetes allocates before the pod is bound."""
    if way.claim is None:
        return {}
    template = claim_template_name(function.metadata.name, digest)
    return {"resourceClaims": [{"name": CLAIM, "resourceClaimTemplateName": template}]}


def _placement(function: Function, node: str, way: Way) -> Manifest:
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}},
        **({"nodeSelector": dict(function.spec.node_selector)} if function.spec.node_selector else {}),
        "tolerations": [_toleration(each) for each in tolerations_of(function, way)],
    }


def _toleration(toleration: Toleration) -> Manifest:
    return toleration.model_dump(exclude_none=True)


def _pod_security(function: Function, sidecar: SidecarSettings) -> Manifest:
    """fsGroup: what either container writes into the shared volume belongs to a group of both."""
    confined = function.spec.security.profile is Profile.RESTRICTED
    return {
        **({"runAsNonRoot": True} if confined else {}),
        "fsGroup": sidecar.run_as_user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _pull_secrets(function: Function, sidecar: SidecarSettings) -> Manifest:
    names = dict.fromkeys((*function.spec.image_pull_secrets, *sidecar.image_pull_secrets))
    return {"imagePullSecrets": [{"name": name} for name in names]} if names else {}


def _supervisor(function: Function, sidecar: SidecarSettings, way: Way) -> Manifest:
    needs = sidecar.resources
    amounts = {"memory": needs.memory, "ephemeral-storage": needs.ephemeral_storage}
    secrets = [
        {"name": _secret_volume(index), "mountPath": f"{SECRETS}/{name}", "readOnly": True}
        for index, name in enumerate(function.spec.secrets)
    ]
    return {
        "name": SUPERVISOR,
        "image": sidecar.image,
        "restartPolicy": "Always",
        "command": ["python", "-m", "headrace.worker"],
        "args": ["--settings", f"{SETTINGS}/{SETTINGS_KEY}", "--function", function.metadata.name],
        **({"ports": [_metrics(function)]} if sidecar.metrics else {}),
        "env": [
            {"name": "HEADRACE_WORKER", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            *([{"name": GPU_VARIABLE, "value": way.mark}] if way.mark else ()),
        ],
        # No limit on cpu: it stages for the model, which waits when the supervisor is throttled.
        "resources": {"requests": {"cpu": needs.cpu, **amounts}, "limits": amounts},
        "securityContext": {
            **_restricted(),
            "runAsNonRoot": True,
            "runAsUser": sidecar.run_as_user,
            "readOnlyRootFilesystem": True,
        },
        "startupProbe": {
            "exec": {"command": ["test", "-e", STARTED]},
            "periodSeconds": 1,
            "failureThreshold": 120,
        },
        # Run as soon as the pod has to go. TERM alone is lost on a first process that still starts: it gets
        # no signal before it has said what to do with it, and the pod would stay for its whole grace.
        "lifecycle": {"preStop": {"exec": {"command": ["touch", LEAVING]}}},
        "volumeMounts": [
            {"name": "shared", "mountPath": SHARED},
            {"name": "function", "mountPath": f"{FUNCTIONS}/{function.metadata.name}", "readOnly": True},
            {"name": "settings", "mountPath": SETTINGS, "readOnly": True},
            *secrets,
        ],
    }


def _metrics(function: Function) -> Manifest:
    return {"name": METRICS, "containerPort": metrics_port(function)}


def _user(function: Function, way: Way) -> Manifest:
    spec = function.spec
    return {
        "name": USER,
        "image": spec.image,
        **_start_and_end(function),
        "env": _environment(function, way),
        **({"envFrom": [{"secretRef": {"name": name}} for name in spec.secrets]} if spec.secrets else {}),
        "resources": _user_resources(function, way),
        "securityContext": _user_security(function),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _user_mounts(function),
    }


def _start_and_end(function: Function) -> Manifest:
    """Process 1 of ours, which tells of a TERM and goes on; or the image's own, whose TERM has to wait."""
    http = function.spec.run.http
    if http is None:
        return {"command": _command(function)}
    return {"lifecycle": {"preStop": {"httpGet": {"path": DRAINED, "port": drained_port(http)}}}}


def _command(function: Function) -> list[str]:
    """Process 1 of the user's container; what starts and ends the user's own processes."""
    pipes = [f"{WORK}/pipes/requests", f"{WORK}/pipes/replies"]
    handler = function.spec.run.handler
    if handler is not None:
        return ["python3", "-I", "-S", f"{RUNNER}/init.py", *pipes, f"{RUNNER}/runner.py", handler]
    return ["/bin/sh", f"{RUNNER}/init.sh", *pipes, f"{RUNNER}/script"]


def _environment(function: Function, way: Way) -> list[Manifest]:
    """RESOURCE_ID is the node, as OSCAR's jobs have it, unless the function has a variable of that name."""
    variables = _variables(function, way)
    node = {"name": "RESOURCE_ID", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    return [
        *([] if "RESOURCE_ID" in variables else [node]),
        *({"name": name, "value": _literal(value)} for name, value in variables.items()),
    ]


def _variables(function: Function, way: Way) -> Mapping[str, str]:
    spec = function.spec
    threads = max(1, spec.resources.cpu_millicores // 1000)
    port = {"PORT": str(spec.run.http.port)} if spec.run.http is not None else {}
    return {"OMP_NUM_THREADS": str(threads), **port, **spec.environment, **way.environment}


def _literal(value: str) -> str:
    """Keep `$(NAME)` from being expanded.

    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    return value.replace("$", "$$")


def _user_resources(function: Function, way: Way) -> Manifest:
    needs = function.spec.resources
    amounts = {
        "cpu": needs.cpu,
        "memory": needs.memory,
        "ephemeral-storage": needs.ephemeral_storage,
        **{name: str(number) for name, number in way.request},
    }
    claims = {"claims": [{"name": CLAIM}]} if way.claim is not None else {}
    return {"requests": amounts, "limits": dict(amounts), **claims}


def _user_security(function: Function) -> Manifest:
    security = function.spec.security
    confined = security.profile is Profile.RESTRICTED
    return {
        **(_restricted() if confined else {}),
        **({"runAsNonRoot": True} if confined else {}),
        **({"runAsUser": security.run_as_user} if security.run_as_user is not None else {}),
        "readOnlyRootFilesystem": not security.writable_root,
    }


def _restricted() -> Manifest:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _user_mounts(function: Function) -> list[Manifest]:
    spec = function.spec
    shared: list[Manifest] = [
        {"name": "shared", "mountPath": WORK, "subPath": "work"},
        {"name": "shared", "mountPath": RUNNER, "subPath": "runner", "readOnly": True},
    ]
    return [
        *(shared if spec.run.http is None else []),  # files are posted to who serves
        *([] if spec.security.writable_root else [{"name": "tmp", "mountPath": "/tmp"}]),  # noqa: S108  (in a pod of one function)
        *(
            {"name": f"volume-{each.name}", "mountPath": each.mount_path, "readOnly": each.read_only}
            for each in spec.volumes
        ),
    ]


def _volumes(function: Function, digest: str, sidecar: SidecarSettings) -> list[Manifest]:
    spec = function.spec
    return [
        {"name": "shared", "emptyDir": {}},
        {"name": "function", "configMap": {"name": function_map_name(function.metadata.name, digest)}},
        {"name": "settings", "secret": {"secretName": sidecar.settings_secret}},
        *([] if spec.security.writable_root else [{"name": "tmp", "emptyDir": {}}]),
        *(
            {"name": _secret_volume(index), "secret": {"secretName": name}}
            for index, name in enumerate(spec.secrets)
        ),
        *(
            {
                "name": f"volume-{each.name}",
                "persistentVolumeClaim": {"claimName": each.claim, "readOnly": each.read_only},
            }
            for each in spec.volumes
        ),
    ]


def _secret_volume(index: int) -> str:
    return f"secret-{index}"

"""Parts that the platform's pods have in common: confinement, placement, probes, resources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from headrace.model.labels import API_VERSION, POOL
from headrace.model.value import Value
from infra import names

Manifest = dict[str, Any]

HEALTH_PORT = 8081
USER = 65532  # no user of any image
PRIORITY, WORKER_PRIORITY = names.own("platform"), names.own(names.WORKER)
SETTINGS_MARK = "headrace.dev/settings"  # on a pod: changes with the secrets that its programs read at start


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a container asks for, and the memory and disk that it may not exceed; cpu is never throttled."""

    cpu: str
    memory: str
    most_memory: str
    disk: str = "64Mi"

    @property
    def manifest(self) -> Manifest:
        """As `resources` of a container."""
        return {
            "requests": {"cpu": self.cpu, "memory": self.memory, "ephemeral-storage": self.disk},
            "limits": {"memory": self.most_memory, "ephemeral-storage": self.disk},
        }


def pod_security() -> Manifest:
    """Of a pod, by Kubernetes' standard `restricted`; files of volumes belong to the group."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    """Of a container, by the same standard, with a root that can't be written."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def placement(component: str, static_pools: Sequence[str]) -> Manifest:
    """Off the nodes that are switched on and off, and apart from one another where that is possible.

    A pod of the platform on an elastic node would keep it from ever being empty.
    """
    outside: Manifest = {"matchExpressions": [{"key": POOL, "operator": "DoesNotExist"}]}
    always_on = {"matchExpressions": [{"key": POOL, "operator": "In", "values": list(static_pools)}]}
    terms = [outside, *([always_on] if static_pools else ())]
    return {
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": names.selector(component)},
            }
        ],
    }


def pull_secrets(found: Sequence[str]) -> Manifest:
    """Of a pod. An empty list would be dropped by the API server, and be a change at each `pulumi up`."""
    return {"imagePullSecrets": [{"name": name} for name in found]} if found else {}


def http_probe(path: str, port: str, *, period: int, failures: int) -> Manifest:
    """A GET by the kubelet."""
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def probes(*, live: str, ready: str, port: str) -> Manifest:
    """The three probes of a server that may take two minutes to start."""
    return {
        "startupProbe": http_probe(live, port, period=2, failures=60),
        "livenessProbe": http_probe(live, port, period=10, failures=6),
        "readinessProbe": http_probe(ready, port, period=5, failures=2),
    }


def metadata(name: str, namespace: pulumi.Input[str], component: str) -> Manifest:
    """Of an object of a component."""
    return {"name": name, "namespace": namespace, "labels": names.labels(component)}


def secret(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    contents: pulumi.Input[Mapping[str, str]],
    *,
    kind: str = "Opaque",
) -> Manifest:
    """A Secret with these texts by key."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(name, namespace, component),
        "type": kind,
        "stringData": contents,
    }


def config_map(name: str, namespace: str, component: str, contents: Mapping[str, str]) -> Manifest:
    """Texts by key that are no secret."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, namespace, component),
        "data": dict(contents),
    }


def disruption_budget(name: str, namespace: str, component: str) -> Manifest:
    """One pod at a time may be evicted. Where there is only one, that one: a drain must not hang for ever."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, namespace, component),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": names.selector(component)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def service(
    name: str, namespace: str, component: str, *, ports: Mapping[str, int], kind: str = "ClusterIP"
) -> Manifest:
    """A service on ports of its pods that bear the same names."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace, component),
        "spec": {
            "type": kind,
            "selector": names.selector(component),
            "ports": [{"name": each, "port": port, "targetPort": each} for each, port in ports.items()],
        },
    }


def claim(name: str, namespace: str, component: str, *, storage: str, storage_class: str) -> Manifest:
    """A volume of its own, not a template of a StatefulSet: that one may be replaced, this one may not."""
    chosen = {"storageClassName": storage_class} if storage_class else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(name, namespace, component),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": storage}},
            **chosen,
        },
    }


def deployment(
    component: str, namespace: str, *, replicas: int, pod: Manifest, notes: Manifest | None = None
) -> Manifest:
    """Pods of a service: one more comes before one goes, so that no server and no standby is missing."""
    annotations = {"annotations": notes} if notes else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(component, namespace, component),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": names.selector(component)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": names.labels(component), **annotations}, "spec": pod},
        },
    }


def service_container(
    name: str,
    image: str,
    module: str,
    *,
    args: Sequence[str],
    amounts: Amounts,
    port: int = HEALTH_PORT,
    live: str = "/healthz",
) -> Manifest:
    """A container that runs one of Headrace's own programs, which answers the kubelet at `http`."""
    return {
        "name": name,
        "image": image,
        "command": ["python", "-m", module],
        "args": list(args),
        "ports": [{"name": "http", "containerPort": port}],
        "resources": amounts.manifest,
        "securityContext": container_security(),
        **probes(live=live, ready="/readyz", port="http"),
    }


def written(kind: str, name: str, component: str, spec: Value) -> Manifest:
    """An object of Headrace's own kinds, with what its author wrote and no defaults."""
    dumped = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return own_object(kind, name, component, dumped)


def own_object(kind: str, name: str, component: str, spec: object) -> Manifest:
    """An object of Headrace's own kinds; its spec may be known only later."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "labels": names.labels(component)},
        "spec": spec,
    }


def service_pod(
    component: str, container: Manifest, *, static_pools: Sequence[str], pull: Sequence[str]
) -> Manifest:
    """The pod of one of Headrace's own services, with the account of its name."""
    return {
        "serviceAccountName": names.own(component),
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "priorityClassName": PRIORITY,
        **pull_secrets(pull),
        **placement(component, static_pools),
        "containers": [container],
    }


def server_pod(
    component: str,
    container: Manifest,
    volumes: Sequence[Manifest],
    *,
    static_pools: Sequence[str],
    pull: Sequence[str],
) -> Manifest:
    """The pod of a server that is not Headrace's own, and knows nothing of Kubernetes."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "priorityClassName": PRIORITY,
        **pull_secrets(pull),
        **placement(component, static_pools),
        "containers": [container],
        "volumes": list(volumes),
    }


def node_pod(
    component: str, containers: Sequence[Manifest], volumes: Sequence[Manifest], *, pull: Sequence[str]
) -> Manifest:
    """The pod of what serves its node, with the account of the component's name.

    The node's folders are root's; it may do nothing else that root may.
    """
    return {
        "serviceAccountName": names.own(component),
        "enableServiceLinks": False,
        "securityContext": {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}},
        "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}],
        **pull_secrets(pull),
        "containers": list(containers),
        "volumes": list(volumes),
    }


def daemon_set(name: str, namespace: str, component: str, *, pod: Manifest) -> Manifest:
    """Such a pod on each node that it fits."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(name, namespace, component),
        "spec": {
            "selector": {"matchLabels": names.selector(component)},
            "template": {"metadata": {"labels": names.labels(component)}, "spec": pod},
        },
    }


def stateful_set(
    name: str, namespace: str, component: str, *, mark: pulumi.Input[str], pod: Manifest
) -> Manifest:
    """One pod of a server that keeps its data in a claim; `mark` changes with what it reads at start."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(name, namespace, component),
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "selector": {"matchLabels": names.selector(component)},
            "template": {
                "metadata": {"labels": names.labels(component), "annotations": {SETTINGS_MARK: mark}},
                "spec": pod,
            },
        },
    }

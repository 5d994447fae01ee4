"""What the Prometheus operator and Grafana are given, and the network's openings for who watches. Pure.

Kubernetes adds up the policies of a pod: those here stand beside the ones that each part of the platform has.
"""

from collections.abc import Iterator, Mapping, Sequence

from headrace.manifests.function_objects import collector_reach
from headrace.manifests.worker_pod import METRICS, METRICS_PORTS
from headrace.metrics.family import PATH
from headrace.model.labels import COMPONENT, HEADRACE, PART_OF
from headrace.model.trace import TraceSettings
from infra import names
from infra.manifests.alerts import rules
from infra.manifests.dashboard import UID, dashboard
from infra.manifests.network import NAMESPACE_LABEL, Peer, incoming, outgoing
from infra.manifests.parts import HEALTH_PORT, Manifest, metadata
from infra.manifests.services import PORTS
from infra.monitoring_settings import Monitoring

API = "monitoring.coreos.com/v1"
HTTP = "http"  # the port's name in the services' own containers
SERVICES = (names.RECEIVER, names.SCALER, names.CONTROLLER, names.API, names.STATUS, names.PUBLISHER)
SERVICE_PORTS = tuple(sorted({HEALTH_PORT, *PORTS.values()}))


def pod_monitor(
    name: str, namespace: str, monitoring: Monitoring, components: Sequence[str], *, port: str = HTTP
) -> Manifest:
    """Has the operator read these components' pods in the namespace."""
    return {
        "apiVersion": API,
        "kind": "PodMonitor",
        "metadata": _labelled(name, namespace, monitoring.labels),
        "spec": {
            "selector": _chosen(components),
            "podMetricsEndpoints": [{"port": port, "path": PATH}],
        },
    }


def workers_monitor(namespace: str, monitoring: Monitoring) -> Manifest:
    """The same for workers of a namespace of functions."""
    return pod_monitor(names.WORKER, namespace, monitoring, (names.WORKER,), port=METRICS)


def prometheus_rule(namespace: str, monitoring: Monitoring) -> Manifest:
    """The alerts."""
    return {
        "apiVersion": API,
        "kind": "PrometheusRule",
        "metadata": _labelled("alerts", namespace, monitoring.labels),
        "spec": rules(monitoring.docs),
    }


def dashboard_map(namespace: str, monitoring: Monitoring) -> Manifest:
    """The dashboard, for Grafana's sidecar.

    https://github.com/grafana/helm-charts/tree/main/charts/grafana#sidecar-for-dashboards
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _labelled("dashboard", namespace, monitoring.dashboard_labels),
        "data": {f"{UID}.json": dashboard()},
    }


def reading(name: str, namespace: str, monitoring: Monitoring, components: Sequence[str]) -> Manifest:
    """Pods of Prometheus' namespace may connect to where these components' pods tell their metrics."""
    ports = METRICS_PORTS if names.WORKER in components else SERVICE_PORTS
    ingress = [incoming([_everybody_in(monitoring.namespace)], ports)]
    return _policy(name, namespace, components, {"policyTypes": ["Ingress"], "ingress": ingress})


def tracing(namespace: str, trace: TraceSettings) -> Manifest:
    """The receiver may connect to the collector; the controller opens the way for workers."""
    reach = collector_reach(trace)
    egress = [outgoing(map(dict, reach.peers(namespace)), [reach.port])]
    return _policy("traces", namespace, (names.RECEIVER,), {"policyTypes": ["Egress"], "egress": egress})


def objects(
    monitoring: Monitoring, *, platform: str, functions: Sequence[str], gpus: str
) -> Iterator[Manifest]:
    """All of it, for these namespaces; `gpus`: of the nodes' plugins, empty: there are none."""
    plugin = (names.GPU_PLUGIN,)
    yield reading("metrics", platform, monitoring, SERVICES)
    yield from (reading("metrics", space, monitoring, (names.WORKER,)) for space in functions)
    yield from (reading("metrics", space, monitoring, plugin) for space in (gpus,) if space)
    if monitoring.pod_monitors:
        yield pod_monitor("services", platform, monitoring, SERVICES)
        yield from (workers_monitor(space, monitoring) for space in functions)
        yield from (pod_monitor("gpu-plugin", space, monitoring, plugin) for space in (gpus,) if space)
    if monitoring.rules:
        yield prometheus_rule(platform, monitoring)
    if monitoring.dashboards:
        yield dashboard_map(platform, monitoring)


def _labelled(name: str, namespace: str, labels: Mapping[str, str]) -> Manifest:
    found = metadata(names.own(name), namespace, names.MONITORING)
    return {**found, "labels": {**found["labels"], **labels}}


def _policy(name: str, namespace: str, components: Sequence[str], spec: Manifest) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(names.own(name), namespace, names.MONITORING),
        "spec": {"podSelector": _chosen(components), **spec},
    }


def _chosen(components: Sequence[str]) -> Manifest:
    one_of = {"key": COMPONENT, "operator": "In", "values": list(components)}
    return {"matchLabels": {PART_OF: HEADRACE}, "matchExpressions": [one_of]}


def _everybody_in(namespace: str) -> Peer:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}}}

"""Alerts and dashboard ask only for what is told; the cluster is given what the operator and Grafana need."""

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from pydantic import ValidationError

from headrace.manifests.function_objects import collector_reach, reaches_of
from headrace.manifests.worker_pod import METRICS, METRICS_PORTS, metrics_port, worker_pod
from headrace.metrics.catalogue import FAMILIES
from headrace.metrics.family import Family, Kind
from headrace.model.function import Function
from headrace.model.settings import KubernetesSettings, Settings, SidecarSettings
from headrace.model.trace import TraceSettings
from infra import names
from infra.gpu_settings import RemoteGpus
from infra.manifests import monitoring as manifests
from infra.manifests.alerts import ALERTS, GROUPS, rules, runbook
from infra.manifests.dashboard import dashboard, queries
from infra.monitoring_settings import Monitoring
from infra.service_settings import Status
from infra.tenant_settings import TenantSettings
from tests.infra.recording import Secret
from tests.unit.test_infra_components import platform, stack

ROOT = Path(__file__).parents[2]
MONITORING = Monitoring(namespace="monitoring", labels={"release": "prometheus"})
TRACE = TraceSettings(endpoint="http://collector.tracing.svc:4318", headers={"authorization": "Bearer hush"})
SERIES: Mapping[str, Family] = {name: family for family in FAMILIES for name in family.series}
OF_SCRAPING = {"job", "instance", "namespace", "pod"}
ASKED = [*(alert.query for alert in ALERTS), *queries()]


def filled(query: str) -> str:
    """A query of the dashboard with what Grafana puts into it."""
    return re.sub(
        r"\$(tenant|function|pool)\b", ".*", query.replace("$__rate_interval", "5m").replace("$__range", "1h")
    )


def parts(query: str) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(filled(query)), found.append)
    return found


def selectors(query: str) -> Iterator[Any]:
    yield from (each for each in parts(query) if type(each).__name__ == "VectorSelector")


def labels_of(name: str) -> set[str]:
    family = SERIES[name]
    return {*family.labels, *OF_SCRAPING, *({"le"} if name.endswith("_bucket") else ())}


# What is asked


@pytest.mark.parametrize("query", ASKED)
def test_a_query_names_only_what_is_told_with_these_labels(query):
    asked = list(selectors(query))
    assert asked
    for each in asked:
        assert each.name in SERIES, "no service tells it"
        assert {matcher.name for matcher in each.matchers.matchers} <= labels_of(each.name)
    known = set().union(*(labels_of(each.name) for each in asked))
    for each in parts(query):
        if type(each).__name__ == "AggregateExpr" and each.modifier is not None:
            assert set(each.modifier.labels) <= known


@pytest.mark.parametrize("query", ASKED)
def test_a_counters_rise_is_asked_for_and_a_gauges_value(query):
    risen = set()
    for each in parts(query):
        if type(each).__name__ == "Call" and each.func.name in ("rate", "increase"):
            risen |= {
                inner.vector_selector.name for inner in each.args if type(inner).__name__ == "MatrixSelector"
            }
    for each in selectors(query):
        assert (each.name in risen) == (SERIES[each.name].kind is not Kind.GAUGE)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda each: each.name)
def test_an_alert_tells_only_labels_that_its_query_leaves(alert):
    shown = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description))
    grouped = [
        e for e in parts(alert.query) if type(e).__name__ == "AggregateExpr" and e.modifier is not None
    ]
    left = set().union(*(each.modifier.labels for each in grouped))
    for each in selectors(alert.query):  # `absent` gives the labels that it was asked for
        left |= {matcher.name for matcher in each.matchers.matchers} if "absent" in alert.query else set()
    assert shown <= left
    assert alert.summary[0].isupper() or alert.summary.startswith("{{")
    assert not alert.summary.endswith(".")
    assert alert.description.endswith(".")


def test_every_value_of_a_matcher_is_one_that_is_told():
    told = {
        "result": {"done", "failed", "gone", "superseded", "again", "returned", "repeated"},
        "outcome": {
            "taken",
            "refused",
            "unauthorised",
            "too-large",
            "postponed",
            "failed",
            "ready",
            "given-up",
        }
        | {"stored", "queued", "held", "done"},
        "reason": {"no-pool-fits", "left-alone"},
        "component": {"receiver", "scaler", "controller"},
        "source": {"http", "sqs", "listing"},
        "state": {"off", "booting", "idle", "busy", "draining", "stopping", "failed", "unknown"},
    }
    for query in ASKED:
        for name, values in re.findall(r'(\w+)=~?"([^"]*)"', query):
            if not values.startswith("$"):
                assert set(values.split("|")) <= told[name]


# Alerts


def test_alerts_are_a_rule_file_with_a_runbook_each():
    found = rules("https://docs.example/headrace")
    assert [group["name"] for group in found["groups"]] == list(GROUPS)
    written = [rule for group in found["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in written}) == len(written) == len(ALERTS)
    for rule in written:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        anchor = rule["alert"].lower()
        assert rule["annotations"]["runbook_url"] == f"https://docs.example/headrace/metrics/#{anchor}"
    assert runbook(ALERTS[0], "") == "docs/metrics.md#headracefilesoverdue"


def test_each_alert_has_a_section_that_says_what_to_do():
    page = (ROOT / "docs" / "metrics.md").read_text()
    told = re.findall(r"^### (Headrace\w+)$", page, re.MULTILINE)
    assert told == [alert.name for alert in ALERTS]
    sections = re.split(r"^#+ .*$", page, flags=re.MULTILINE)
    assert all(section.strip() for section in sections[1:])


# Dashboard


def test_the_dashboard_is_a_document_whose_panels_lie_beside_one_another():
    document = json.loads(dashboard())
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert all(0 <= x < 24 for x, _ in cells)
        taken |= cells
    charts = [panel for panel in document["panels"] if panel["type"] != "row"]
    assert all(panel["title"] and panel["description"].endswith(".") for panel in charts)
    assert [t["expr"] for panel in charts for t in panel["targets"]] == list(queries())
    assert {variable["name"] for variable in document["templating"]["list"]} == {
        "datasource", "tenant", "function", "pool",
    }  # fmt: skip


def test_a_legend_shows_only_labels_that_its_query_leaves():
    for panel in json.loads(dashboard())["panels"]:
        for target in panel.get("targets", ()):
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = [e for e in parts(target["expr"]) if type(e).__name__ == "AggregateExpr"]
            assert shown <= set().union(*(set(e.modifier.labels) for e in grouped if e.modifier)), target


# The generated files


def _documents() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location(
        "metrics_reference", ROOT / "tools" / "metrics_reference.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.documents()


@pytest.mark.parametrize("name", ["metrics.md", "alerts.yaml", "dashboard.json"])
def test_a_generated_file_is_current(name):
    content = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert content == _documents()[name], "run `make docs`"


def test_every_metric_is_documented():
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert set(re.findall(r"^\| `(headrace_\w+)` \|", page, re.MULTILINE)) == {each.name for each in FAMILIES}
    assert yaml.safe_load((ROOT / "docs" / "reference" / "alerts.yaml").read_text()) == rules()


# On the cluster


@cache
def watched():
    gpus = RemoteGpus(networks=("10.0.0.0/24",))
    return platform(
        stack(
            status=Status(),
            monitoring=MONITORING,
            trace=TRACE,
            tenants={"lab": TenantSettings()},
            remote_gpus=gpus,
        )
    )


def inputs(name: str) -> Any:
    return watched()[name].inputs


def test_nothing_of_it_is_declared_unless_it_is_asked_for():
    found = platform(stack())
    mine = [each for each in found.values() if "onitor" in each.type or "PrometheusRule" in each.type]
    assert [each.type for each in mine] == ["headrace:cluster:Monitoring"]
    assert not [name for name in found if "metrics" in name or "dashboard" in name or "traces" in name]


def test_all_of_it_is_declared_in_the_stacks_own_namespaces():
    mine = {name for name, each in watched().items() if each.parent == "monitoring"}
    assert mine == {
        "networkpolicy/headrace/headrace-metrics",
        "networkpolicy/headrace-functions/headrace-metrics",
        "networkpolicy/lab/headrace-metrics",
        "networkpolicy/headrace-gpu/headrace-metrics",
        "networkpolicy/headrace/headrace-traces",
        "podmonitor/headrace/headrace-services",
        "podmonitor/headrace-functions/headrace-worker",
        "podmonitor/lab/headrace-worker",
        "podmonitor/headrace-gpu/headrace-gpu-plugin",
        "prometheusrule/headrace/headrace-alerts",
        "configmap/headrace/headrace-dashboard",
    }


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, {"NetworkPolicy", "PodMonitor", "PrometheusRule", "ConfigMap"}),
        ({"pod_monitors": False}, {"NetworkPolicy", "PrometheusRule", "ConfigMap"}),
        ({"rules": False}, {"NetworkPolicy", "PodMonitor", "ConfigMap"}),
        ({"dashboards": False}, {"NetworkPolicy", "PodMonitor", "PrometheusRule"}),
    ],
)
def test_each_part_can_be_left_out(changes, kinds):
    chosen = Monitoring(namespace="monitoring", **changes)
    found = manifests.objects(chosen, platform="headrace", functions=("f",), gpus="")
    assert {each["kind"] for each in found} == kinds


def selected(spec: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """As Kubernetes reads a label selector."""
    named = all(labels.get(key) == value for key, value in spec.get("matchLabels", {}).items())
    return named and all(labels.get(e["key"]) in e["values"] for e in spec.get("matchExpressions", ()))


@pytest.mark.parametrize(
    ("pod", "space", "monitor"),
    [
        ("deployment/headrace/receiver", "headrace", "headrace-services"),
        ("deployment/headrace/scaler", "headrace", "headrace-services"),
        ("deployment/headrace/controller", "headrace", "headrace-services"),
        ("deployment/headrace/publisher", "headrace", "headrace-services"),
        ("deployment/headrace/status", "headrace", "headrace-services"),
        ("daemonset/headrace-gpu/gpu-plugin", "headrace-gpu", "headrace-gpu-plugin"),
    ],
)
def test_prometheus_finds_each_services_port_and_may_connect_there(pod, space, monitor):
    template = inputs(pod)["spec"]["template"]
    labels = template["metadata"]["labels"]
    (container,) = template["spec"]["containers"]
    (port,) = container["ports"]
    policy = inputs(f"networkpolicy/{space}/headrace-metrics")["spec"]
    assert selected(policy["podSelector"], labels)
    assert port["containerPort"] in [each["port"] for each in policy["ingress"][0]["ports"]]
    assert policy["ingress"][0]["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    spec = inputs(f"podmonitor/{space}/{monitor}")["spec"]
    assert selected(spec["selector"], labels)
    assert spec["podMetricsEndpoints"] == [{"port": port["name"], "path": "/metrics"}]


def test_nobody_else_is_let_in_and_the_queue_and_the_store_are_not_opened():
    for server in ("statefulset/headrace/nats", "statefulset/headrace/seaweedfs"):
        labels = inputs(server)["spec"]["template"]["metadata"]["labels"]
        assert not selected(inputs("networkpolicy/headrace/headrace-metrics")["spec"]["podSelector"], labels)


FUNCTION = Function.model_validate(
    {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "echo"},
        "spec": {
            "image": "registry.example/echo",
            "run": {"http": {"port": METRICS_PORTS[0], "path": "/"}},
            "input": [{"bucket": "uploads"}],
        },
    },
    strict=False,
)


def settings_of(reader: str, tenant: str = "") -> Settings:
    name = f"secret/{tenant or 'headrace'}/headrace-{reader}"
    if reader == names.WORKER and not tenant:
        name = "secret/headrace-functions/headrace-worker"
    secret = inputs(name)["stringData"]
    assert isinstance(secret, Secret)
    return Settings.from_json(secret.value["settings.json"])


def test_a_workers_pod_bears_the_port_that_its_monitor_reads_unless_nobody_does():
    place = settings_of(names.SCALER).kubernetes
    assert place.sidecar.metrics
    pod = worker_pod(FUNCTION, "0" * 64, ordinal=0, node="n", settings=place)
    (supervisor,) = pod["spec"]["initContainers"]
    assert supervisor["ports"] == [
        {"name": METRICS, "containerPort": METRICS_PORTS[1]}
    ]  # the image has the other
    spec = inputs("podmonitor/lab/headrace-worker")["spec"]
    assert selected(spec["selector"], pod["metadata"]["labels"])
    assert spec["podMetricsEndpoints"][0]["port"] == METRICS
    policy = inputs("networkpolicy/lab/headrace-metrics")["spec"]
    assert selected(policy["podSelector"], pod["metadata"]["labels"])
    assert {each["port"] for each in policy["ingress"][0]["ports"]} == set(METRICS_PORTS)
    unwatched = KubernetesSettings(
        namespace="f", platform_namespace="p", sidecar=SidecarSettings(image="registry.example/headrace")
    )
    (supervisor,) = worker_pod(FUNCTION, "0" * 64, ordinal=0, node="n", settings=unwatched)["spec"][
        "initContainers"
    ]
    assert "ports" not in supervisor
    assert metrics_port(FUNCTION) == METRICS_PORTS[1]


def test_the_operators_labels_are_on_what_it_selects():
    assert inputs("podmonitor/lab/headrace-worker")["metadata"]["labels"]["release"] == "prometheus"
    assert inputs("prometheusrule/headrace/headrace-alerts")["metadata"]["labels"]["release"] == "prometheus"
    assert inputs("prometheusrule/headrace/headrace-alerts")["spec"] == rules()
    labels = inputs("configmap/headrace/headrace-dashboard")["metadata"]["labels"]
    assert labels["grafana_dashboard"] == "1"
    assert inputs("configmap/headrace/headrace-dashboard")["data"] == {"headrace.json": dashboard()}


@pytest.mark.parametrize("docs", ["docs.example", "https://docs.example/", "ftp://x"])
def test_a_docs_address_is_one_that_paths_can_be_put_to(docs):
    with pytest.raises(ValidationError):
        Monitoring(namespace="monitoring", docs=docs)


# Traces on the cluster


def test_who_traces_is_told_of_the_collector_and_only_who_logs_in_of_its_token():
    assert settings_of(names.RECEIVER).trace == TRACE
    assert settings_of(names.WORKER).trace == TRACE
    assert settings_of(names.WORKER, "lab").trace == TRACE
    assert settings_of(names.CONTROLLER).trace == TRACE.model_copy(update={"headers": {}})
    assert settings_of(names.SCALER).trace is None


def test_the_collectors_token_is_a_secret_of_the_stack():
    assert ("trace", "headers", "authorization") in stack(trace=TRACE).secret_parts
    assert "trace" not in stack(trace=TraceSettings(endpoint="http://c:1")).secret_keys


def test_the_receiver_and_workers_are_let_out_to_the_collector():
    spec = inputs("networkpolicy/headrace/headrace-traces")["spec"]
    assert spec["policyTypes"] == ["Egress"]
    (way,) = spec["egress"]
    assert way == {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracing"}}}],
        "ports": [{"protocol": "TCP", "port": 4318}],
    }
    reach = reaches_of(settings_of(names.CONTROLLER))[-1]
    assert reach.peers("headrace") == way["to"]


@pytest.mark.parametrize(
    ("endpoint", "peers", "port"),
    [
        ("http://c.tracing.svc.cluster.local:4318", "tracing", 4318),
        ("http://10.0.0.7", [{"ipBlock": {"cidr": "10.0.0.7/32"}}], 80),
        ("https://otlp.example", [{"ipBlock": {"cidr": each}} for each in ("0.0.0.0/0", "::/0")], 443),
    ],
)
def test_a_collector_is_reached_where_it_is(endpoint, peers, port):
    reach = collector_reach(TraceSettings(endpoint=endpoint))
    if isinstance(peers, str):
        peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": peers}}}]
    assert (reach.peers("headrace"), reach.port) == (peers, port)

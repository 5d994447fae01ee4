"""A real Prometheus as a pod of the box: it reads what docs/metrics.md says, and is asked by its own API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests.documents.reading import ROOT, blocks_of
from tests.e2e.kubernetes.site import Site, wait_until

NAME, PORT = "prometheus", 9090
RULES = "alerts.yaml"
_ACCOUNT = {"kind": "ServiceAccount", "name": NAME}
_ASK = """\
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())
"""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs in `namespace`."""

    site: Site
    namespace: str

    def told(self, path: str, query: str = "") -> Any:
        """The `data` of its answer; https://prometheus.io/docs/prometheus/latest/querying/api/."""
        asked = urlencode({"query": query})
        answer = json.loads(self._read(f"http://127.0.0.1:{PORT}/api/v1/{path}?{asked}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    def page(self, instance: str) -> str:
        """What a target (host:port) tells it."""
        return self._read(f"http://{instance}/metrics")

    def _read(self, address: str) -> str:
        ask = ("exec", NAME, f"--namespace={self.namespace}", "--", "python", "-c", _ASK, address)
        return self.site.box.kubectl(*ask)

    def series(self, query: str) -> list[tuple[Mapping[str, str], float]]:
        """Labels and value of each that an instant query finds."""
        return [(each["metric"], float(each["value"][1])) for each in self.told("query", query)["result"]]


def prometheus_on(site: Site, namespace: str, programs: Path) -> Prometheus:
    """Start it, with the program of `programs` on the node's disk, and wait until it answers."""
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    rights = "rbac.authorization.k8s.io/v1"
    role = {"kind": "ClusterRole", "name": NAME, "apiGroup": "rbac.authorization.k8s.io"}
    site.box.kubectl("create", "namespace", namespace)
    site.box.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named(namespace)},
        {"apiVersion": rights, "kind": "ClusterRole", "metadata": {"name": NAME}, "rules": [rule]},
        {"apiVersion": rights, "kind": "ClusterRoleBinding", "metadata": {"name": NAME}, "roleRef": role,
         "subjects": [{**_ACCOUNT, "namespace": namespace}]},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named(namespace), "data": _files()},
        _pod(site, namespace, programs),
    )  # fmt: skip
    found = Prometheus(site, namespace)
    wait_until(
        lambda: site.get("pod", NAME, namespace)["status"].get("phase") == "Running", "Prometheus runs"
    )
    wait_until(lambda: _answers(found), "Prometheus answers")
    return found


def _named(namespace: str) -> dict[str, str]:
    return {"name": NAME, "namespace": namespace}


def _files() -> dict[str, str]:
    """The page's scrape configuration, read more often, and the rule file that the page names."""
    page = next(block.text for block in blocks_of("docs/metrics.md") if "scrape_configs" in block.text)
    seldom = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    rules = (ROOT / "docs/reference/alerts.yaml").read_text()
    return {"prometheus.yml": yaml.safe_dump({**yaml.safe_load(page), "global": seldom}), RULES: rules}


def _pod(site: Site, namespace: str, programs: Path) -> dict[str, Any]:
    command = ["/programs/prometheus", "--config.file=/config/prometheus.yml", "--storage.tsdb.path=/data"]
    mounts = {"programs": "/programs", "config": "/config", "data": "/data"}
    container = {
        "name": NAME,
        "image": site.images["headrace"],
        "command": [*command, f"--web.listen-address=:{PORT}"],
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
    }
    volumes = [
        {"name": "programs", "hostPath": {"path": str(programs), "type": "Directory"}},
        {"name": "config", "configMap": {"name": NAME}},
        {"name": "data", "emptyDir": {}},
    ]
    spec = {
        "containers": [container],
        "volumes": volumes,
        "serviceAccountName": NAME,
        "securityContext": {"fsGroup": 10001},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _named(namespace), "spec": spec}


def _answers(prometheus: Prometheus) -> bool:
    try:
        return bool(prometheus.told("status/buildinfo"))
    except Exception:  # noqa: BLE001  (whatever kubectl or the server say before it listens)
        return False

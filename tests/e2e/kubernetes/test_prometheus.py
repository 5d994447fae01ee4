"""A real Prometheus reads the stack as docs/metrics.md says: alerts fire, the dashboard has what it shows.

It is a pod of the namespace that the stack's policies let in. The tests build on one another.
"""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from infra import names
from infra.manifests.alerts import ALERTS
from infra.manifests.dashboard import ROWS
from tests.documents.reading import ROOT
from tests.e2e.evidence import plain_client
from tests.e2e.kubernetes.prometheus import Prometheus, prometheus_on
from tests.e2e.kubernetes.site import FUNCTIONS, GONE, Site, loaded, site_on, wait_until
from tests.toolchain.cluster.box import Box
from tests.toolchain.images.store import Images
from tests.toolchain.needed import toolchain
from tests.toolchain.places import Places

WATCHERS = "monitoring"
IMAGES = ("headrace", "headrace-test-nats", "headrace-test-seaweedfs", "headrace-test-debian")
SERVICES = {names.RECEIVER, names.API, names.SCALER, names.CONTROLLER, names.STATUS}
SCRIPT = """\
sleep 3
grep -q unreadable "$INPUT_FILE_PATH" && exit 3
cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/"
"""
FUNCTION = {
    "apiVersion": "headrace.dev/v1alpha1",
    "kind": "Function",
    "metadata": {"name": "copy", "namespace": FUNCTIONS},
    "spec": {
        "run": {"script": "copy.sh", "source": SCRIPT},
        "input": [{"bucket": "incoming", "prefix": "copy/"}],
        "output": [{"bucket": "copied"}],
        "resources": {"cpu": "50m", "memory": "64Mi", "ephemeralStorage": "64Mi"},
        "scale": {"maxWaitSeconds": 1, "idleSeconds": 120},  # a worker stays to be read
        "delivery": {"attempts": 1},
        "security": {"runAsUser": 1000},
    },
}
FILES = 6
# Of a stack without GPU servers and nodes to start, whose events came and whose files found room at once.
WITHOUT_DATA = {
    "GPU servers",
    "Seconds a boot",
    "Why nodes start and stop",
    "Files that only the listing found",
    "Files without room, and why",
}

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def programs() -> Places:
    return toolchain("prometheus", "promtool")


@pytest.fixture(scope="module")
def site(cluster: Box, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A platform, and a function that is applied alone."""
    references = loaded(cluster, images, IMAGES)
    found = site_on(cluster, references, tmp_path_factory.mktemp("site"))
    found.configure(
        monitoring={"namespace": WATCHERS, "podMonitors": False, "rules": False},  # no operator is there
        status={"title": "the box"},
        api={"users": {"ann": {}}},
    )
    found.platform.up()
    spec = {**FUNCTION["spec"], "image": references["headrace-test-debian"]}
    found.box.kubectl("apply", "-f", "-", stdin=json.dumps({**FUNCTION, "spec": spec}))
    wait_until(lambda: found.status("copy").get("digest"), "everything that the function needs is there")
    yield found
    found.platform.configure(platformBucket=GONE)
    found.platform.up()
    found.platform.destroy()


@pytest.fixture(scope="module")
def prometheus(site: Site, programs: Places) -> Prometheus:
    return prometheus_on(site, WATCHERS, programs.bin)


def test_every_service_is_found_and_read(prometheus: Prometheus) -> None:
    def read() -> set[str]:
        return {labelled["component"] for labelled, _ in prometheus.series("headrace_build_info")}

    wait_until(lambda: read() >= SERVICES, "each service is read")
    assert prometheus.series("up == 0") == []


def test_files_are_counted_and_the_alert_of_a_failed_one_fires(site: Site, prometheus: Prometheus) -> None:
    assert prometheus.told("alerts")["alerts"] == []
    with site.connected() as commands:
        store = json.loads((commands.state / "settings.json").read_text())["storage"]
        client = plain_client(store["endpoint"], store["accessKey"], store["secretKey"])
        for number in range(FILES):
            client.put_object(Bucket="incoming", Key=f"copy/{number}", Body=b"a picture")
        client.put_object(Bucket="incoming", Key="copy/broken", Body=b"unreadable")
        wait_until(lambda: site.status("copy").get("failed") == 1, "one has failed")
        wait_until(lambda: site.status("copy").get("done") == FILES, "the others are done")
    done = 'max by (function) (headrace_files_done{function="copy"})'
    wait_until(lambda: prometheus.series(done) == [({"function": "copy"}, FILES)], "they are counted")
    attempts = 'sum by (result) (max_over_time(headrace_worker_attempts_total{function="copy"}[5m]))'
    assert {each["result"]: n for each, n in prometheus.series(attempts)}["done"] >= 1
    wait_until(lambda: _firing(prometheus) == {"HeadraceFilesFailed"}, "the alert fires, and no other")


def _firing(prometheus: Prometheus) -> set[str]:
    return {
        each["labels"]["alertname"]
        for each in prometheus.told("alerts")["alerts"]
        if each["state"] == "firing"
    }


def test_every_rule_is_well(prometheus: Prometheus, programs: Places) -> None:
    rules = [rule for group in prometheus.told("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"]: (rule["health"], rule.get("lastError")) for rule in rules} == {
        alert.name: ("ok", None) for alert in ALERTS
    }
    command = [programs.bin / "promtool", "check", "rules", "--lint=all", "--lint-fatal"]
    done = subprocess.run(
        [*command, ROOT / "docs/reference/alerts.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_shows_what_there_is(prometheus: Prometheus) -> None:
    empty = {
        panel.title
        for row in ROWS
        for panel in row.panels
        if not any(prometheus.series(_as_grafana_asks(query.text)) for query in panel.queries)
    }
    assert empty == WITHOUT_DATA


def _as_grafana_asks(query: str) -> str:
    """With everything chosen, for the last five minutes."""
    query = re.sub(r"\$__(rate_interval|range)", "5m", query)
    return re.sub(r"\$(tenant|function|pool)\b", ".*", query)


def test_what_each_service_tells_is_by_the_conventions(prometheus: Prometheus, programs: Places) -> None:
    found = prometheus.series("headrace_build_info")
    assert {labelled["component"] for labelled, _ in found} == {*SERVICES, "worker"}
    for labelled, _ in found:
        command = [programs.bin / "promtool", "check", "metrics"]
        page = prometheus.page(labelled["instance"])
        done = subprocess.run(command, input=page, capture_output=True, text=True, check=False)
        assert done.stdout + done.stderr == "", labelled

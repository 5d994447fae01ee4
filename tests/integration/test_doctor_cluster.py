"""`headrace doctor` on a real API server: each thing broken on purpose is found, with what to do about it."""

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from headrace.cli.main import app
from headrace.kube.asking import Wish
from headrace.kube.kinds import FUNCTIONS, NODES, SECRETS
from headrace.kube.lightkube import LightKube
from headrace.manifests.definitions import definitions
from headrace.model.labels import COMPONENT, CONTROLLER_LEASE, HEADRACE, OPERATOR_SECRET, PART_OF
from headrace.model.settings import (
    KubernetesSettings,
    QueueSettings,
    ReceiverSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)
from tests.fixtures.kube import settings_of
from tests.toolchain.cluster.box import Box
from tests.unit.scaler_cluster import pool_object

NOWHERE = "127.0.0.1:9"  # nothing is forwarded to it, and nothing listens there


@dataclass(frozen=True)
class Site:
    """A platform's namespace with objects but without processes."""

    box: Box
    folder: Path
    platform: str

    def doctor(self, *options: str, kubeconfig: Path | None = None) -> Result:
        path = str(kubeconfig or self.box.kubeconfig)
        arguments = ["doctor", "--kubeconfig", path, "--namespace", self.platform, *options]
        return CliRunner().invoke(app, arguments)

    def findings(self, *, kubeconfig: Path | None = None) -> dict[str, dict[str, str]]:
        result = self.doctor("--json", kubeconfig=kubeconfig)
        assert result.exit_code in {0, 1}, result.output
        assert "the operator's password" not in result.output
        return {each["code"]: each for each in json.loads(result.stdout)["findings"]}

    def settle(self) -> None:
        """The secret for people's commands, as `pulumi up` writes it."""
        settings = Settings(
            storage=StorageSettings(endpoint=f"http://{NOWHERE}", access_key="x", secret_key="y"),
            queue=QueueSettings(url=f"nats://{NOWHERE}", user="operator", password="the operator's password"),
            receiver=ReceiverSettings(port=9, token="x"),
            worker=WorkerSettings(work_directory="x", secrets_directory="x"),
            kubernetes=KubernetesSettings(namespace=self.platform, platform_namespace=self.platform),
        )
        data = {"settings.json": base64.b64encode(settings.to_json()).decode()}
        self.box.apply(self.made("v1", "Secret", OPERATOR_SECRET, data=data))

    def made(self, version: str, kind: str, name: str, **parts: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.platform, **parts.pop("metadata", {})}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}

    def service(self, name: str, tag: str) -> dict[str, Any]:
        """A Deployment whose pods never come: nobody has its image."""
        labels = {PART_OF: HEADRACE, COMPONENT: name}
        container = {"name": "main", "image": f"localhost/headrace:{tag}"}
        return self.made(
            "apps/v1",
            "Deployment",
            name,
            metadata={"labels": labels},
            spec={
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        )


@pytest.fixture
def site(control_plane: Box, tmp_path: Path) -> Iterator[Site]:
    found = Site(control_plane, tmp_path, f"doctor-{uuid4().hex[:12]}")
    control_plane.apply(*(dict(each) for each in definitions()))
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.platform}})
    yield found
    control_plane.apply(*(dict(each) for each in definitions()))
    control_plane.kubectl("delete", "namespace", found.platform, "--wait=false")


def test_a_cluster_without_a_platform_says_what_is_missing(site: Site) -> None:
    found = site.findings()
    assert found["cluster-reach"]["severity"] == "ok"
    assert found["cluster-platform"]["severity"] == "fault"
    assert found["cluster-platform"]["remedy"].startswith("pulumi up")
    assert found["cluster-services"]["found"] == "not deployed: queue, receiver, scaler, controller"
    assert "nobody has ever led" in found["cluster-leases"]["found"]
    assert found["queue-reach"]["severity"] == "skipped"
    assert found["cluster-kinds"]["severity"] == "ok", found["cluster-kinds"]["found"]


def test_an_old_definition_is_found_and_one_that_is_missing(site: Site) -> None:
    old = json.loads(json.dumps(definitions()[0]))
    columns = old["spec"]["versions"][0]
    del columns["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["workers"]
    columns["additionalPrinterColumns"] = []
    site.box.apply(old)
    assert site.findings()["cluster-kinds"] | {"see": "", "group": ""} == {
        "code": "cluster-kinds",
        "group": "",
        "severity": "fault",
        "found": "of another version than this command: functions.headrace.dev",
        "remedy": "pulumi up  # with the version of Headrace that this command is of",
        "see": "",
    }


def test_services_that_are_not_ready_and_of_another_version_are_found(site: Site) -> None:
    site.settle()
    site.box.apply(*(site.service(name, "0.0.1") for name in ("queue", "receiver", "scaler", "controller")))
    found = site.findings()
    assert found["cluster-platform"]["severity"] == "ok"
    assert found["cluster-services"]["severity"] == "fault"
    assert "scaler 0 of 1" in found["cluster-services"]["found"]
    assert found["version-services"]["severity"] == "warning"
    assert "they are 0.0.1" in found["version-services"]["found"]


def test_a_lease_that_nobody_renews_is_found(site: Site) -> None:
    stale = {
        "holderIdentity": "controller-1",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-01-01T00:00:00.000000Z",
    }
    site.box.apply(site.made("coordination.k8s.io/v1", "Lease", CONTROLLER_LEASE, spec=stale))
    assert "controller-1 has not renewed it for" in site.findings()["cluster-leases"]["found"]


def test_a_function_and_a_pool_that_nobody_has_looked_at_are_found(site: Site) -> None:
    site.settle()
    pool = pool_object(name=site.platform)
    spec = {"image": "localhost/x:1", "run": {"handler": "a:B"}, "input": [{"bucket": "uploads"}]}
    site.box.apply(site.made("headrace.dev/v1alpha1", "Function", "echo", spec=spec), pool)
    try:
        found = site.findings()
    finally:
        site.box.delete(pool)
    assert found["cluster-objects"]["severity"] == "fault"
    assert "Function echo: nobody has looked at it yet" in found["cluster-objects"]["found"]
    assert "describe functions.headrace.dev echo" in found["cluster-objects"]["remedy"]
    assert f"{site.platform}: nobody has looked at it yet" in found["nodes-pools"]["found"]


def test_rights_that_are_missing_are_told_and_nothing_that_needs_them_is_a_fault(site: Site) -> None:
    site.settle()
    nobody = site.box.kubeconfig_of(f"nobody-{site.platform}")
    found = site.findings(kubeconfig=nobody)
    assert found["rights-connect"]["severity"] == "warning"
    assert f"get secrets/{OPERATOR_SECRET} in {site.platform}" in found["rights-connect"]["found"]
    assert found["rights-gpus"]["severity"] == "warning"
    assert found["nodes-ready"]["severity"] == "skipped"
    assert found["rights-drivers"]["severity"] == "skipped"
    assert site.findings()["rights-connect"]["severity"] == "ok", "the administrator may"


def test_clocks_are_read_from_the_api_server_and_its_nodes(site: Site) -> None:
    found = site.findings()
    assert found["clock-servers"]["severity"] == "ok"
    assert "the API server agrees" in found["clock-servers"]["found"]
    assert found["clock-nodes"]["severity"] in {"ok", "warning"}


def test_an_api_server_that_does_not_answer_can_not_be_asked(site: Site) -> None:
    away = site.folder / "away.kubeconfig"
    text = site.box.kubeconfig.read_text().replace(site.box.api, "https://127.0.0.1:9")
    away.write_text(text)
    result = site.doctor("--json", kubeconfig=away)
    found = {each["code"]: each for each in json.loads(result.stdout)["findings"]}
    assert (result.exit_code, found["cluster-reach"]["severity"]) == (2, "fault")
    assert found["cluster-kinds"]["severity"] == "skipped"


def test_a_kubeconfig_that_is_none_can_not_be_asked(site: Site) -> None:
    path = site.folder / "none.kubeconfig"
    path.write_text("{")
    result = site.doctor(kubeconfig=path)
    assert (result.exit_code, str(path) in result.stderr) == (2, True)
    assert result.stderr.splitlines()[-1].endswith("troubleshooting.md#the-kubeconfig-cant-be-used")


async def test_the_server_says_what_somebody_may_do(site: Site) -> None:
    nobody = site.box.kubeconfig_of(f"other-{site.platform}")
    able, unable = (LightKube.of(settings_of(path)) for path in (site.box.kubeconfig, nobody))
    wish = Wish("get", SECRETS, site.platform, OPERATOR_SECRET)
    try:
        assert [await able.may(wish), await unable.may(wish)] == [True, False]
        assert not await able.may(Wish("patch", NODES), user=f"other-{site.platform}")
        assert await able.may(Wish("list", FUNCTIONS))
        greeting = await able.greet()
        assert greeting.version.startswith("v1.")
        assert greeting.date is not None
    finally:
        await asyncio.gather(able.close(), unable.close())

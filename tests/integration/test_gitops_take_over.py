"""Rendered files take over a platform that `pulumi up` made, as docs/gitops.md says: a real control plane."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fixtures.cluster import own_control_plane  # noqa: F401  (a fixture)
from tests.infra.project import Project, projects
from tests.integration.test_pulumi import FUNCTIONS, PLATFORM, POOL, ready, volume
from tests.toolchain.cluster.box import Box
from tests.toolchain.running import ToolchainError

WORKLOADS = "deployments,statefulsets"
MARK = "headrace.dev/settings"

pytestmark = pytest.mark.timeout(600)


def gitops(project: Project, *arguments: str) -> str:
    """What `python -m infra.gitops` tells, in the checkout."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.gitops", *arguments],
        cwd=project.folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def secrets(box: Box) -> Mapping[str, Mapping[str, str]]:
    """Data by namespace and name."""
    found = [
        each
        for space in (PLATFORM, FUNCTIONS)
        for each in box.get("secrets", f"--namespace={space}")["items"]
    ]
    return {
        f"{each['metadata']['namespace']}/{each['metadata']['name']}": each.get("data", {}) for each in found
    }


def marks(box: Box) -> Mapping[str, str]:
    """The marks of settings on pods, by workload."""
    found = box.get(WORKLOADS, f"--namespace={PLATFORM}")["items"]
    return {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["annotations"][MARK] for each in found
    }


def uids(box: Box) -> set[str]:
    kinds = f"{WORKLOADS},services,persistentvolumeclaims,buckets"
    return {each["metadata"]["uid"] for each in box.get(kinds, f"--namespace={PLATFORM}")["items"]}


def test_files_take_over_what_up_made_by_force_and_with_secrets_of_their_own(
    own_control_plane: Box,  # noqa: F811
    tmp_path: Path,
):
    box, (platform, _) = own_control_plane, projects(tmp_path / "pulumi")
    platform.configure(kubeconfig=str(box.kubeconfig), context="box", pools={"elastic": POOL})
    box.fake_nodes(1, prefix="always-on")
    box.apply(volume("nats", "5Gi"), volume("seaweedfs", "20Gi"))
    with ready(box):
        platform.up()
    made, marked, there = secrets(box), marks(box), uids(box)
    gitops(platform, "render", "test", "--out", str(tmp_path / "files"))
    stages = [f"--kustomize={tmp_path / 'files' / stage}" for stage in ("ground", "platform")]
    with pytest.raises(ToolchainError, match="conflict"):
        box.kubectl("apply", "--server-side", stages[1])
    for stage in stages:
        box.kubectl("apply", "--server-side", "--force-conflicts", stage)
    assert all(marks(box)[name] != mark for name, mark in marked.items())
    told = gitops(platform, "secrets", "test", "--take-over")
    assert f"secrets: {len(made)} changed" in told
    assert all(secrets(box)[name] != data for name, data in made.items())
    kept = platform.stack.read_text()
    platform.run("stack", "rm", "test", "--force", "--yes", "--preserve-config")
    assert platform.stack.read_text() == kept
    assert uids(box) == there
    assert "secrets: 8 unchanged; restarted: nothing" in gitops(platform, "secrets", "test")

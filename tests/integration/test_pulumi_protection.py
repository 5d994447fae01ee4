"""Pulumi's own CLI on real control planes: data stays, renames move nothing, another cluster is refused.

A part of the platform is enough for it: tests/infra/small.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.cluster import control_plane, running  # noqa: F401  (a fixture)
from tests.infra.project import Project, small
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.keep import Kind

POOL = {"driver": "kwok", "capacity": {"cpu": "4", "memory": "8Gi"}, "maxNodes": 5}
NAMESPACES = {"namespace": "guarded", "functionsNamespace": "guarded-functions"}


@pytest.fixture(scope="module")
def kubeconfig(control_plane: Box, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A file of a person's, which may come to lead elsewhere."""
    path = tmp_path_factory.mktemp("kube") / "config"
    path.write_text(control_plane.kubeconfig.read_text())
    return path


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Box]:
    """Another cluster, whose context has the same name."""
    yield from running(tmp_path_factory.mktemp("elsewhere"), Kind.CONTROL_PLANE, request.session)


@pytest.fixture(scope="module")
def project(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Up, and gone at the end."""
    found = small(tmp_path_factory.mktemp("small"))
    found.configure(kubeconfig=str(kubeconfig), context="box", pools={"guarded": POOL}, **NAMESPACES)
    found.up()
    yield found
    found.configure(protect=None, clusterUid=None)
    found.up()
    found.destroy()


def names(box: Box) -> set[str]:
    """What there is of the project's, with who it is."""
    kinds = "namespaces,nodepools"
    found = [
        *box.get(kinds)["items"],
        *box.get("statefulsets,services,persistentvolumeclaims,secrets", "-nguarded")["items"],
    ]
    return {
        f"{each['kind']}/{each['metadata']['name']}/{each['metadata']['uid']}"
        for each in found
        if "guarded" in each["metadata"]["name"] or each["metadata"].get("namespace") == "guarded"
    }


def uid(box: Box) -> str:
    """Which cluster it is."""
    found: str = box.get("namespace", "kube-system")["metadata"]["uid"]
    return found


# Data


def test_a_protected_stack_is_not_destroyed_and_its_namespace_not_renamed(
    project: Project,
    control_plane: Box,  # noqa: F811
):
    project.configure(protect=True)
    project.up()
    before = names(control_plane)
    for more in ((), ("--skip-preview",)):
        assert "is protected" in project.run("destroy", "--yes", *more, fails=True)
        assert names(control_plane) == before
    project.configure(namespace="guarded-renamed")
    told = project.up(fails=True)
    project.configure(**NAMESPACES)
    assert "namespace: found 'guarded-renamed', allowed 'guarded'" in told
    assert names(control_plane) == before
    project.up("--expect-no-changes")


def test_a_stack_that_is_no_longer_protected_may_go(project: Project):
    project.configure(protect=False)
    project.up()
    assert "protected" not in project.run("stack", "export").replace('"protect": false', "")


# Renames


def test_a_component_that_is_renamed_with_an_alias_changes_nothing(
    project: Project,
    control_plane: Box,  # noqa: F811
):
    before = names(control_plane)
    (project.folder / "renamed").write_text("node-pools")
    without = project.run("preview", "--diff")
    assert "1 to delete" in without, "there is something for the alias to do"
    (project.folder / "alias").touch()
    project.run("preview", "--expect-no-changes")
    project.up("--expect-no-changes")
    assert names(control_plane) == before
    (project.folder / "alias").unlink()
    project.up("--expect-no-changes")  # its state has the new name


# Clusters


def test_another_cluster_is_refused_when_it_goes_up_and_when_it_goes(
    project: Project,
    kubeconfig: Path,
    control_plane: Box,  # noqa: F811
    elsewhere: Box,
):
    own, other = uid(control_plane), uid(elsewhere)
    before, there = names(control_plane), elsewhere.get("namespaces")["items"]
    kubeconfig.write_text(elsewhere.kubeconfig.read_text())
    try:
        for command in (
            "preview",
            "up --yes --skip-preview",
            "destroy --yes --skip-preview",
            "refresh --yes",
        ):
            told = project.run(*command.split(), fails=True)
            assert "leads to another cluster than this stack's" in told, command
            assert f"found uid {other} (of namespace kube-system), allowed {own}." in told, command
    finally:
        kubeconfig.write_text(control_plane.kubeconfig.read_text())
    assert elsewhere.get("namespaces")["items"] == there
    assert names(control_plane) == before
    project.up("--expect-no-changes")


def test_a_cluster_that_was_built_anew_is_taken_once_a_person_says_so(
    project: Project,
    kubeconfig: Path,
    control_plane: Box,  # noqa: F811
    elsewhere: Box,
):
    before = names(control_plane)
    kubeconfig.write_text(elsewhere.kubeconfig.read_text())
    try:
        project.configure(clusterUid=uid(elsewhere))
        project.up("--target", "**::pin*", "--target", "**:providers:kubernetes::cluster")
        project.up("--refresh")
        there = {each.rpartition("/")[0] for each in names(elsewhere)}
        assert {each.rpartition("/")[0] for each in before} <= there
    finally:
        kubeconfig.write_text(control_plane.kubeconfig.read_text())
        project.configure(clusterUid=uid(control_plane))
        project.up()
        project.configure(clusterUid=None)
        project.up("--refresh")
    assert {each for each in before if each.startswith(("Namespace", "PersistentVolumeClaim"))} <= names(
        control_plane
    )


def test_a_cluster_that_is_not_the_one_that_is_written_down_is_refused(
    project: Project,
    control_plane: Box,  # noqa: F811
):
    project.configure(clusterUid="00000000-0000-4000-8000-000000000000")
    told = project.run("preview", fails=True)
    assert "allowed 00000000-0000-4000-8000-000000000000" in told
    project.configure(clusterUid=uid(control_plane))
    project.up()
    project.configure(clusterUid=None)


def test_a_kubeconfig_that_is_a_secret_stays_one(project: Project, kubeconfig: Path):
    kept = project.stack.read_text()
    try:
        project.configure(kubeconfig=None)
        project.run("config", "set", "--secret", "kubeconfig", kubeconfig.read_text())
        told = project.up("--diff") + project.run("stack", "export")
    finally:
        project.stack.write_text(kept)
        project.up()
    state = Path(project.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
    told += "".join(path.read_text() for path in state.rglob("*") if path.is_file())
    keys = [line.split()[-1] for line in kubeconfig.read_text().splitlines() if "client-key-data" in line]
    assert keys
    assert [key[:6] for key in keys if key in told] == []

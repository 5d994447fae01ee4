"""The policy pack by Pulumi's own CLI on a real control plane: what is refused, what passes."""

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml

from tests.fixtures.cluster import control_plane  # noqa: F401  (a fixture)
from tests.infra.policy import PACK, make_python
from tests.infra.project import Project, projects
from tests.toolchain.cluster.box import Box
from tests.toolchain.places import CHECKOUT

BY_PACK = ("--policy-pack", str(PACK))
REASON = "The agent reads the node's own log, which is nowhere else"
PROGRAM = """\
import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import dynamic


class Reference(dynamic.Resource):
    value: pulumi.Output[str]

    def __init__(self, name, value):
        super().__init__(Later(), name, {"given": value, "value": None})


class Later(dynamic.ResourceProvider):
    def create(self, props):
        return dynamic.CreateResult("later", {**props, "value": props["given"]})


config = pulumi.Config()
cluster = kubernetes.Provider("cluster", kubeconfig=config.require("kubeconfig"), context="box")
opts = pulumi.ResourceOptions(provider=cluster)
label = {"pod-security.kubernetes.io/enforce": config.get("standard") or "baseline"}
space = kubernetes.core.v1.Namespace(
    "space", metadata={"name": config.require("space"), "labels": label}, opts=opts
)
image = config.require("image")
spec = config.require_object("pod")
spec["containers"][0]["image"] = Reference("reference", image).value if config.get_bool("later") else image
kubernetes.apps.v1.Deployment(
    "agent",
    metadata={
        "name": "agent",
        "namespace": space.metadata["name"],
        "annotations": {"pulumi.com/skipAwait": "true"},
    },
    spec={
        "replicas": 0,
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {"metadata": {"labels": {"app": "agent"}}, "spec": spec},
    },
    opts=opts,
)
"""
SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SOUND = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "agent",
            "securityContext": SECURITY,
            "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "32Mi"}},
        }
    ],
}
LOGS = {"volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}]}
PINNED = f"example/agent@sha256:{'0a' * 32}"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """Both projects; the pack's own Python is there."""
    found = projects(tmp_path_factory.mktemp("policy"))
    make_python()
    return found


@pytest.fixture
def agent(both: tuple[Project, Project], control_plane: Box, tmp_path: Path) -> Iterator[Project]:  # noqa: F811
    """A stack of production with one sound workload in a namespace of its own, not yet up."""
    (tmp_path / "Pulumi.yaml").write_text("name: agent\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    project = Project(tmp_path, tmp_path / "Pulumi.prod.yaml", {**both[0].environ, **_backend(tmp_path)})
    project.run("stack", "init", "prod")
    project.configure(kubeconfig=str(control_plane.kubeconfig), space=space(project), image=PINNED, pod=SOUND)
    yield project
    control_plane.kubectl("delete", "namespace", space(project), "--ignore-not-found", "--wait=false")


def _backend(folder: Path) -> dict[str, str]:
    (folder / "backend").mkdir()
    return {"PULUMI_BACKEND_URL": (folder / "backend").as_uri()}


def space(project: Project) -> str:
    """A namespace takes its time to go: so each test has another."""
    return f"policy-{hashlib.sha256(str(project.folder).encode()).hexdigest()[:8]}"


def declared(project: Project) -> list[str]:
    """Resources in the state."""
    exported = json.loads(project.run("stack", "export"))
    return [each["urn"] for each in exported["deployment"].get("resources", [])]


def is_there(project: Project, box: Box) -> bool:
    return bool(box.kubectl("get", "namespace", space(project), "--ignore-not-found"))


def test_a_stack_with_faults_is_refused_before_anything_is_made(agent: Project, control_plane: Box):  # noqa: F811
    bare = {"containers": [{"name": "agent"}], **LOGS}
    agent.configure(image="example/agent:1.2", pod=bare, standard="privileged")
    agent.configure(
        "headrace-policy", exceptions=[{"rule": "pod-hots", "resource": "*::agent", "until": "2020-01-01"}]
    )
    told = agent.run("up", "--yes", *BY_PACK, fails=True)
    assert declared(agent) == []
    assert not is_there(agent, control_plane)
    for part in (
        "agent: container agent: found image example/agent:1.2, which may be another one tomorrow, allowed",
        "in production a reference with a digest, NAME@sha256:…; write the digest that the registry tells",
        "agent: container agent: found no memory limit, allowed one; write resources.limits.memory",
        "agent: container agent: found runAsNonRoot: nothing, allowed true; write securityContext.runAs",
        "agent: volume logs: found hostPath /var/log, allowed volumes that are no folder of a node",
        "space: metadata.labels: found pod-security.kubernetes.io/enforce: privileged, allowed restricted or",
        "headrace-policy:exceptions [1]: rule: found 'pod-hots', allowed bucket-block, ",
        "headrace-policy:exceptions [1]: reason: found none, allowed a text; write one",
        "headrace-policy:exceptions [1]: until: found 2020-01-01, which is over",
    ):
        assert part in told, part


def test_an_exception_lets_one_fault_pass_and_its_reason_is_told(agent: Project, control_plane: Box):  # noqa: F811
    agent.configure(pod={**SOUND, **LOGS})
    entry = {"rule": "pod-host", "resource": "kubernetes:apps/v1:Deployment::agent", "at": "volume logs"}
    other = {"rule": "pod-root", "resource": "*::gone", "reason": REASON}
    agent.configure(
        "headrace-policy", exceptions=[{**entry, "reason": REASON, "until": date(2199, 1, 1)}, other]
    )
    told = agent.run("up", "--yes", *BY_PACK)
    assert is_there(agent, control_plane)
    assert "pod-host let pass: agent: volume logs: found hostPath /var/log" in told
    assert f"by headrace-policy:exceptions [1]: {REASON}" in told
    assert "headrace-policy:exceptions [2]: pod-root of *::gone: found no such resource" in told


def test_what_a_preview_cannot_know_is_refused_once_it_is_known(agent: Project, control_plane: Box):  # noqa: F811
    agent.configure(image="example/agent:1.2", later=True)
    previewed, _, updated = agent.run("up", "--yes", *BY_PACK, fails=True).partition("Updating (prod)")
    assert "found image" not in previewed
    assert "agent: container agent: found image example/agent:1.2" in updated
    assert not [urn for urn in declared(agent) if "Deployment" in urn]


def test_headraces_own_platform_passes_and_tells_its_exceptions(
    both: tuple[Project, Project],
    control_plane: Box,  # noqa: F811
):
    platform = both[0]
    lab = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.onprem.yaml").read_text())["config"]
    platform.configure(
        kubeconfig=str(control_plane.kubeconfig),
        context="box",
        images={name: f"{name}@sha256:{'0a' * 32}" for name in ("headrace", "nats", "seaweedfs")},
        pools={
            "lab": {
                "driver": "static",
                "capacity": {"cpu": "8", "memory": "32Gi"},
                "minNodes": 1,
                "maxNodes": 1,
            }
        },
        remoteGpus=lab["headrace:remoteGpus"],
    )
    platform.configure("headrace-policy", production=True)
    told = platform.run("preview", *BY_PACK)
    assert (
        "pod-host let pass: daemonset/headrace-gpu/gpu-plugin: volume cdi: found hostPath /var/run/cdi"
        in told
    )
    assert "by exceptions.yaml of the pack [1]: The plugin of the DRA driver speaks with the kubelet" in told

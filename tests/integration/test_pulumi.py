"""Both projects by Pulumi's own CLI on a real control plane: up, unchanged, no secret shown, destroyed.

No container runs here: kwok plays the kubelet, and a stand-in for the controller says that objects are ready.
"""

import base64
import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.model.settings import Settings
from infra.gitops import projects as gitops
from infra.gitops.files import write
from infra.gitops.rendering import rendered_files
from infra.objects import resource_name
from tests.fixtures.cluster import control_plane  # noqa: F401  (a fixture)
from tests.infra.project import Project, projects
from tests.infra.rendered import objects, would_change
from tests.toolchain.cluster.box import Box
from tests.toolchain.running import ToolchainError

PLATFORM, FUNCTIONS = "headrace", "headrace-functions"
POOL = {"driver": "kwok", "capacity": {"cpu": "4", "memory": "8Gi"}, "maxNodes": 5}
TOKEN = "a-secret-of-a-person"
STAMP = """
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata: {name: stamp}
spec: {run: {script: script.sh}, input: [{bucket: uploads}], secrets: [token]}
"""
SERVE = [
    {
        "name": "Serve",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Write the GpuServer",
                "ansible.builtin.copy": {
                    "dest": "{{ rcuda_server_manifest_folder }}/{{ inventory_hostname }}.yaml",
                    "mode": "0644",
                    "content": "{apiVersion: headrace.dev/v1alpha1, kind: GpuServer, metadata: {name: "
                    "{{ inventory_hostname }}}, spec: {address: 10.9.0.11, port: {{ port }}, backend: rcuda, "
                    "maxSessions: 2, devices: [{model: T4, memory: 16Gi}]}}",
                },
            }
        ],
    }
]
PUBLIC = {"ca.crt", "tls.crt"}


@pytest.fixture(scope="module")
def both(control_plane: Box, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:  # noqa: F811
    """Both projects, configured for the box and not yet up."""
    platform, functions = projects(tmp_path_factory.mktemp("pulumi"))
    cluster = {"kubeconfig": str(control_plane.kubeconfig), "context": "box"}
    platform.configure(**cluster, pools={"elastic": POOL})
    functions.configure(
        **cluster,
        platform="organization/headrace/test",
        functions=["echo", "thumbnail"],
        images={"echo": "headrace-echo:1", "thumbnail": "debian:12"},
    )
    return platform, functions


@pytest.fixture(scope="module")
def platform(both: tuple[Project, Project], control_plane: Box) -> Iterator[Project]:  # noqa: F811
    """The platform, up: with nodes that kwok plays, and volumes by hand."""
    control_plane.fake_nodes(1, prefix="always-on")
    control_plane.apply(volume("nats", "5Gi"), volume("seaweedfs", "20Gi"))
    with ready(control_plane):
        both[0].up()
        yield both[0]


def volume(claim: str, storage: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": claim},
        "spec": {
            "capacity": {"storage": storage},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": f"/nowhere/{claim}"},
            "claimRef": {"namespace": PLATFORM, "name": claim},
            "storageClassName": "",
        },
    }


@contextmanager
def ready(box: Box) -> Iterator[None]:
    """Say that every Bucket and Function is ready, as the controller does."""
    over = threading.Event()

    def play() -> None:
        while not over.wait(0.3):
            for kind in ("buckets", "functions"):
                with_items = _quietly(lambda kind=kind: box.get(kind, "--all-namespaces")["items"]) or []
                for item in with_items:
                    if "status" not in item:
                        _quietly(lambda kind=kind, item=item: _say_ready(box, kind, item["metadata"]))

    player = threading.Thread(target=play)
    player.start()
    try:
        yield
    finally:
        over.set()
        player.join()


def _quietly(step: Any) -> Any:
    try:
        return step()
    except ToolchainError:  # the kind or the object is not there (any more)
        return None


def _say_ready(box: Box, kind: str, metadata: dict[str, Any]) -> None:
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Played",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {"observedGeneration": metadata["generation"], "conditions": [condition]}
    if kind == "buckets":
        status |= {"objects": 0, "deletable": True}
    set_status(box, kind, metadata["name"], metadata["namespace"], status)


def set_status(box: Box, kind: str, name: str, namespace: str, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    box.kubectl(
        "patch", kind, name, f"--namespace={namespace}", "--subresource=status", "--type=merge", f"-p={patch}"
    )


def secret_values(box: Box) -> set[str]:
    """Every plain secret that the stack keeps on the cluster, each also as it would be seen in base64."""
    found = set()
    for namespace in (PLATFORM, FUNCTIONS):
        for secret in box.get("secrets", f"--namespace={namespace}")["items"]:
            for name, data in secret.get("data", {}).items():
                if name not in PUBLIC:
                    found |= set(_values(name, base64.b64decode(data).decode()))
    return found | {base64.b64encode(each.encode()).decode() for each in found}


def _values(name: str, text: str) -> Iterator[str]:
    if name == "settings.json":
        settings = Settings.from_json(text)
        yield from (settings.storage.secret_key, settings.queue.password)
        yield from (each for each in [settings.receiver.token] if each)
    elif name == "s3.json":
        for identity in json.loads(text)["identities"]:
            yield from (each["secretKey"] for each in identity["credentials"])
    elif name.endswith(".key"):
        yield text.splitlines()[1]  # the later lines hold the public key, which the certificate shows, too
    elif not name.endswith(".toml"):
        yield text


# The platform


def test_all_of_the_platform_is_there_and_its_pods_are_admitted(platform: Project, control_plane: Box):  # noqa: F811
    pods = control_plane.get("pods", f"--namespace={PLATFORM}")["items"]
    components = sorted(pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods)
    assert components == ["controller"] * 2 + ["queue"] + ["receiver"] * 2 + ["scaler"] * 2 + ["store"]
    assert control_plane.get("nodepools")["items"][0]["spec"] == POOL


def test_the_second_up_changes_nothing(platform: Project):
    told = platform.up("--expect-no-changes")
    assert "unchanged" in told


def test_a_nightly_look_finds_what_somebody_changed_and_nothing_else(
    platform: Project,
    control_plane: Box,  # noqa: F811
):
    look = ("preview", "--refresh", "--expect-no-changes")
    platform.run(*look)
    scale = ("scale", "deployment", "scaler", f"--namespace={PLATFORM}")
    control_plane.kubectl(*scale, "--replicas=1")
    assert "scaler" in platform.run(*look, fails=True)
    control_plane.kubectl(*scale, "--replicas=2")
    platform.run(*look)


def test_rendered_files_are_taken_and_are_what_up_created_but_for_secrets(
    platform: Project,
    control_plane: Box,  # noqa: F811
    tmp_path: Path,
):
    files = rendered_files(gitops.PLATFORM, platform.folder, "test")
    found = objects(files)
    assert would_change(control_plane, found) == {}
    more, less = (copy.deepcopy(each) for each in found if each["kind"] == "StatefulSet")
    more["spec"]["minReadySeconds"] = 5
    del less["spec"]["template"]["spec"]["enableServiceLinks"]
    assert len(would_change(control_plane, [more, less])) == 2, "what differs is seen"
    state = json.loads(platform.run("stack", "export"))["deployment"]["resources"]
    up = {each["urn"].rpartition("::")[2]: each["type"] for each in state}
    secrets = {name for name in up if name.startswith("secret/")}
    made = {name for name, kind in up.items() if kind.startswith("kubernetes:")} - {"awaited/receiver"}
    assert {resource_name(each) for each in found} == made - secrets
    assert len(secrets) == 8
    write(tmp_path / "out", files)
    built = control_plane.kubectl("kustomize", str(tmp_path / "out"))
    assert len(list(yaml.safe_load_all(built))) == len(found)


def test_no_secret_is_in_the_export_the_outputs_the_state_or_what_is_printed(
    platform: Project,
    control_plane: Box,  # noqa: F811
):
    platform.configure(rotation={"passwords": 2, "authority": 2})
    shown = platform.run("preview", "--diff")
    shown += platform.up("--diff")
    shown += platform.run("stack", "export") + platform.run("stack", "output", "--json")
    state = Path(platform.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
    shown += "".join(path.read_text() for path in state.rglob("*") if path.is_file())
    secrets = secret_values(control_plane)
    assert len(secrets) > 20
    assert [each[:4] for each in secrets if each in shown] == []


def test_a_rotation_changes_every_password_and_restarts_whoever_reads_it(
    platform: Project,
    control_plane: Box,  # noqa: F811
):
    def marks() -> dict[str, str]:
        kinds = control_plane.get("deployments,statefulsets", f"--namespace={PLATFORM}")["items"]
        found = {each["metadata"]["name"]: each["spec"]["template"]["metadata"] for each in kinds}
        return {name: each["annotations"]["headrace.dev/settings"] for name, each in found.items()}

    secrets, before = secret_values(control_plane), marks()
    platform.configure(rotation={"passwords": 7, "authority": 7})
    platform.up()
    assert secret_values(control_plane) & secrets == set()
    after = marks()
    assert before.keys() == after.keys()
    assert not {name for name in before if before[name] == after[name]}


def test_services_have_their_rights_and_no_more(platform: Project, control_plane: Box):  # noqa: F811
    def may(service: str, verb: str, what: str, namespace: str) -> bool:
        who = f"--as=system:serviceaccount:{PLATFORM}:headrace-{service}"
        try:
            told = control_plane.kubectl("auth", "can-i", verb, what, who, f"--namespace={namespace}")
        except ToolchainError:  # it says "no" by its exit code, too
            return False
        return told.strip() == "yes"

    assert may("scaler", "create", "pods", FUNCTIONS)
    assert may("scaler", "create", "nodes", PLATFORM)
    assert may("controller", "patch", "functions.headrace.dev/status", FUNCTIONS)
    assert may("controller", "create", "networkpolicies.networking.k8s.io", FUNCTIONS)
    assert may("receiver", "watch", "functions.headrace.dev", FUNCTIONS)
    assert may("receiver", "update", "leases.coordination.k8s.io/headrace-listing", PLATFORM)
    assert not may("receiver", "update", "leases.coordination.k8s.io/headrace-scaler", PLATFORM)
    assert not may("scaler", "create", "pods", PLATFORM)
    for service in ("scaler", "controller", "receiver"):
        assert not may(service, "get", "secrets", FUNCTIONS)
        assert not may(service, "get", "secrets", PLATFORM)


def test_every_fault_of_a_configuration_is_told_at_once(both: tuple[Project, Project]):
    wrong = {"wait": "maybe", "namespce": "x", "queue": {"disk": {"storage": "5 GB"}}}
    kept = both[0].stack.read_text()
    try:
        both[0].configure(**wrong)
        told = both[0].run("preview", fails=True)
    finally:
        both[0].stack.write_text(kept)
    for part in ("wait: found 'maybe'", "namespce: found an unknown key", "queue.disk.storage: found '5 GB'"):
        assert part in told
    assert "Traceback" not in told


def test_a_cluster_is_never_guessed(both: tuple[Project, Project]):
    kept = both[0].stack.read_text()
    try:
        both[0].configure(kubeconfig=None)
        assert "found no kubeconfig and no aws, allowed with one" in both[0].run("preview", fails=True)
    finally:
        both[0].stack.write_text(kept)


# Hosts on premises


@pytest.mark.long
def test_hosts_that_ansible_set_up_are_gpu_servers_on_the_cluster_after_one_up(
    platform: Project,
    control_plane: Box,  # noqa: F811
):
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    files = {"lab.yml": {"all": {"hosts": {"gpu1": local, "gpu2": local}}}, "serve.yml": SERVE}
    for name, content in files.items():
        (platform.folder / name).write_text(yaml.safe_dump(content))
    hosts = {"inventory": "lab.yml", "playbooks": ["serve.yml"], "variables": {"port": 8308}}
    platform.configure(
        remoteGpus={"networks": ["10.9.0.0/24"]}, hosts={**hosts, "gpuServers": ["gpu1", "gpu2"]}
    )
    platform.up()
    found = control_plane.get("gpuservers")["items"]
    assert {each["metadata"]["name"]: each["spec"]["port"] for each in found} == {"gpu1": 8308, "gpu2": 8308}
    platform.up("--expect-no-changes")
    hosts["variables"] = {"port": 8309}
    platform.configure(hosts={**hosts, "gpuServers": ["gpu1", "gpu3"]})
    told = platform.up(fails=True)
    assert "hosts.gpuServers: found gpu3, which no playbook wrote a GpuServer for, allowed gpu1, gpu2" in told
    assert [each["spec"]["port"] for each in control_plane.get("gpuservers")["items"]] == [8308, 8308]
    platform.configure(hosts={**hosts, "gpuServers": ["gpu1"]})
    platform.up()
    found = control_plane.get("gpuservers")["items"]
    assert {each["metadata"]["name"]: each["spec"]["port"] for each in found} == {"gpu1": 8309}


# Functions


def test_functions_go_up_stay_unchanged_and_go(
    platform: Project,
    both: tuple[Project, Project],
    control_plane: Box,  # noqa: F811
):
    functions = both[1]
    functions.up()
    functions.up("--expect-no-changes")
    rendered = objects(rendered_files(gitops.FUNCTIONS, platform.folder, "test"))
    assert len(rendered) == 4
    assert would_change(control_plane, rendered) == {}
    found = {
        each["metadata"]["name"]: each for each in control_plane.get("functions", f"-n{FUNCTIONS}")["items"]
    }
    assert set(found) == {"echo", "thumbnail"}
    assert found["thumbnail"]["spec"]["run"]["source"].startswith("#!/bin/sh")
    buckets = control_plane.get("buckets", f"-n{FUNCTIONS}")["items"]
    assert {each["metadata"]["name"]: each["spec"] for each in buckets} == {
        name: {"name": name, "onDelete": "refuse"} for name in ("results", "uploads")
    }
    functions.destroy()
    assert control_plane.get("functions,buckets", f"-n{FUNCTIONS}")["items"] == []


def test_a_functions_secret_is_taken_encrypted_only_and_nowhere_shown(
    platform: Project,
    both: tuple[Project, Project],
    control_plane: Box,  # noqa: F811
):
    functions, kept = both[1], both[1].stack.read_text()
    (folder := functions.folder / "stamp").mkdir()
    (folder / "function.yaml").write_text(STAMP)
    (folder / "script.sh").write_text("#!/bin/sh\n")
    try:
        functions.configure(
            functions=["stamp"], images={"stamp": "debian:12"}, secrets={"token": {"KEY": TOKEN}}
        )
        told = functions.run("preview", fails=True)
        assert "secrets: found in plain text" in told
        functions.configure(secrets=None)
        functions.run("config", "set", "--secret", "--path", "secrets.token.KEY", TOKEN)
        functions.run("config", "set", "--plaintext", "--path", "secrets.token.OTHER", "plain")
        told = functions.run("preview", fails=True)
        assert "secrets.token.OTHER: found in plain text" in told
        functions.run("config", "rm", "--path", "secrets.token.OTHER")
        told = functions.up("--diff") + functions.run("stack", "export")
        secret = control_plane.get("secret", "token", f"--namespace={FUNCTIONS}")
        assert base64.b64decode(secret["data"]["KEY"]).decode() == TOKEN
        assert TOKEN not in told
        assert TOKEN not in functions.stack.read_text()
    finally:
        functions.destroy()
        functions.stack.write_text(kept)


# The end


def test_destroy_is_refused_while_data_is_there_and_leaves_nothing_otherwise(
    platform: Project,
    control_plane: Box,  # noqa: F811
):
    """The last test: it takes the platform away."""
    here = ("all,configmaps,secrets,buckets", f"--namespace={PLATFORM}", "--output=name")
    before = control_plane.kubectl("get", *here)
    held = {"objects": 3, "deletable": False, "message": "s3://uploads holds 3 objects"}
    set_status(control_plane, "buckets", "headrace-platform", PLATFORM, held)
    assert "s3://uploads" in platform.destroy(fails=True)
    assert control_plane.kubectl("get", *here) == before, "nothing is gone"
    set_status(control_plane, "buckets", "headrace-platform", PLATFORM, {"objects": 0, "deletable": True})
    platform.destroy()
    kinds = "namespaces,crds,clusterroles,clusterrolebindings,priorityclasses,validatingadmissionpolicies"
    left = control_plane.kubectl("get", kinds, "--output=name").split()
    assert [each for each in left if "headrace" in each] == []

"""The cluster in a box itself: what it promises to the tests that stand on it."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.cluster import need
from tests.toolchain.cluster import commands, finding, hosting
from tests.toolchain.cluster.addresses import tag
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.keep import Kind
from tests.toolchain.cluster.keeping import Keeper
from tests.toolchain.cluster.oci import Image
from tests.toolchain.cluster.place import Place
from tests.toolchain.cluster.probing import Prober
from tests.toolchain.cluster.programs import Program
from tests.toolchain.places import CHECKOUT, Places
from tests.toolchain.running import ToolchainError, output_of

PATIENCE_SECONDS = 90
TOOLS = "localhost/tools:1"
READ = "exec 3<>/dev/tcp/{}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.2)


def is_ready(item: dict) -> bool:
    conditions = item["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def pod(name: str, command: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    container = {"name": "c", "image": TOOLS, "command": ["bash", "-c", command]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"name": name, **(labels or {})}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, "nodeName": "node-0"},
    }


def server(name: str) -> dict[str, Any]:
    return pod(name, f"mkdir /www; echo {name} >/www/index.html; exec busybox httpd -f -p 80 -h /www")


def service(name: str, target: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"name": target}, "ports": [{"port": 80}], **spec},
    }


class Space:
    """A namespace of one test on the real node."""

    def __init__(self, box: Box, name: str):
        self.box, self.name = box, name
        box.kubectl("create", "namespace", name)

    def apply(self, *manifests: dict[str, Any]) -> None:
        placed = [{**each, "metadata": {"namespace": self.name, **each["metadata"]}} for each in manifests]
        self.box.apply(*placed)

    def get(self, *arguments: str) -> Any:
        return self.box.get(*arguments, "-n", self.name)

    def run(self, pod: str, *command: str) -> str:
        return self.box.kubectl("exec", "-n", self.name, pod, "--", *command)

    def wait_for_pods(self, *names: str) -> None:
        for name in names:
            wait_for(f"pod {name} is ready", lambda name=name: is_ready(self.get("pod", name)))

    def read(self, pod: str, address: str) -> str:
        """The last line that a pod reads from a web server, or what hinders it."""
        try:
            answer = self.run(pod, "busybox", "timeout", "3", "bash", "-c", READ.format(address))
        except ToolchainError:
            return "no answer"
        return answer.strip().splitlines()[-1]


@pytest.fixture(scope="session")
def tools(cluster: Box, tmp_path_factory: pytest.TempPathFactory) -> Box:
    """The cluster with an image of a few programs of this machine."""
    names = ("bash", "busybox", "cat", "getent", "mkdir", "sleep")
    programs = [Path(found) for name in names if (found := shutil.which(name))]
    assert len(programs) == len(names), f"this machine lacks one of {names}"
    archive = tmp_path_factory.mktemp("tools") / "tools.tar"
    Image.of_programs(TOOLS, ["/bin/sleep", "infinity"], *programs).write(archive)
    cluster.load_image(archive)
    return cluster


# The control plane


def test_three_hundred_fake_nodes_become_ready_and_play_their_pods(control_plane: Box):
    names = control_plane.fake_nodes(300, pool="many", prefix="many")
    select = ["nodes", "-l", "headrace.dev/pool=many"]
    wait_for("300 ready nodes", lambda: sum(map(is_ready, control_plane.get(*select)["items"])) == 300)
    played = pod("played", "true")
    del played["spec"]["nodeName"]
    played["spec"]["nodeSelector"] = {"headrace.dev/pool": "many"}
    control_plane.apply(played)
    wait_for("the pod runs", lambda: control_plane.get("pod", "played")["status"].get("phase") == "Running")
    assert control_plane.get("pod", "played")["spec"]["nodeName"] in names
    control_plane.kubectl("delete", "nodes", "-l", "headrace.dev/pool=many", "--wait=false")


def test_a_user_may_do_what_rbac_allows_it_and_nothing_else(control_plane: Box):
    control_plane.kubectl("create", "namespace", "rbac")
    control_plane.kubectl("create", "rolebinding", "see", "--clusterrole=view", "--group=lookers", "-n=rbac")
    jane = control_plane.kubeconfig_of("jane", "lookers")
    control_plane.kubectl("get", "pods", "-n", "rbac", as_=jane)
    with pytest.raises(ToolchainError, match='User "jane" cannot list resource "secrets"'):
        control_plane.kubectl("get", "secrets", "-n", "rbac", as_=jane)


def test_a_killed_api_server_comes_back_with_what_it_knew(own_control_plane: Box):
    own_control_plane.kubectl("create", "namespace", "kept")
    own_control_plane.kill("kube-apiserver")
    wait_for("its end is told", lambda: own_control_plane.ends == {"kube-apiserver": 1})

    def knows() -> bool:
        with suppress(ToolchainError):
            return own_control_plane.get("namespace", "kept")["metadata"]["name"] == "kept"
        return False

    wait_for("the API server answers", knows)


def test_started_twice_it_is_the_same_box(control_plane: Box):
    again = commands.up(control_plane.place, Kind.CONTROL_PLANE, Places.of(os.environ))
    assert (again.box, again.keeper) == (control_plane, None)


# The real node


def test_names_of_services_resolve_in_pods_and_answer(tools: Box):
    space = Space(tools, "names")
    space.apply(server("web"), pod("client", "sleep infinity"))
    space.apply(service("proxied", "web"), service("direct", "web", clusterIP="None"))
    space.wait_for_pods("web", "client")
    for name in ("proxied", "direct.names", "direct.names.svc.cluster.local"):
        wait_for(f"{name} answers", lambda name=name: space.read("client", name) == "web")
    assert space.get("pod", "web")["status"]["podIP"] in space.run("client", "getent", "hosts", "direct")
    address = space.get("service", "proxied")["spec"]["clusterIP"]
    assert space.read("web", address) == "web", "a pod reaches itself by its service"
    here = output_of(["bash", "-c", READ.format(address)], limit=10)
    assert here.strip().endswith("web"), "this machine reaches services, too"
    with pytest.raises(ToolchainError, match="exit code 2"):
        space.run("client", "getent", "hosts", "example.com")


def test_a_claim_keeps_its_data_over_a_pods_death_and_is_removed_with_it(tools: Box):
    space = Space(tools, "claims")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    spec = pod("x", "echo started >>/data/log; sleep infinity")["spec"]
    spec["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    spec["securityContext"] = {"runAsUser": 1000, "runAsGroup": 1000}
    del spec["nodeName"]
    keeper = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "keeper"},
        "spec": {
            "serviceName": "keeper",
            "selector": {"matchLabels": {"name": "keeper"}},
            "template": {"metadata": {"labels": {"name": "keeper"}}, "spec": spec},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }
    space.apply(keeper)
    wait_for("the pod is there", lambda: bool(space.get("pods")["items"]))
    space.wait_for_pods("keeper-0")
    first = space.get("pod", "keeper-0")["metadata"]["uid"]
    tools.kubectl("delete", "pod", "keeper-0", "-n", "claims")
    wait_for(
        "another pod runs",
        lambda: any(is_ready(x) and x["metadata"]["uid"] != first for x in space.get("pods")["items"]),
    )
    assert space.run("keeper-0", "cat", "/data/log").split() == ["started", "started"]
    folders = list(tools.place.volumes.iterdir())
    assert len(folders) == 1
    tools.kubectl("delete", "statefulset/keeper", "pvc/data-keeper-0", "-n", "claims")
    wait_for("no volume is left", lambda: not tools.get("persistentvolumes")["items"])
    assert list(tools.place.volumes.iterdir()) == []


def test_a_network_policy_lets_through_what_it_names_and_nothing_else(tools: Box):
    space = Space(tools, "policies")
    space.apply(
        server("guarded"), server("open"), pod("friend", "sleep infinity"), pod("other", "sleep infinity")
    )
    space.wait_for_pods("guarded", "open", "friend", "other")
    guarded, open_ = (space.get("pod", name)["status"]["podIP"] for name in ("guarded", "open"))
    assert [space.read(who, guarded) for who in ("friend", "other")] == ["guarded", "guarded"]
    source = {"podSelector": {"matchLabels": {"name": "friend"}}}
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "guard"},
        "spec": {
            "podSelector": {"matchLabels": {"name": "guarded"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [source], "ports": [{"port": 80}]}],
        },
    }
    space.apply(policy)
    wait_for("the other is kept out", lambda: space.read("other", guarded) == "no answer")
    assert space.read("friend", guarded) == "guarded"
    assert space.read("guarded", open_) == "no answer", "no egress is allowed"
    assert space.read("other", open_) == "open", "pods without a policy are free"


# The keeper


def kept(folder: Path, *programs: Program) -> Keeper:
    place = Place(folder)
    return Keeper.of(place, Prober(urllib.request.build_opener()), programs, os.environ, lambda ends: None)


def test_a_program_that_does_not_start_is_named_with_the_end_of_its_log(tmp_path: Path):
    keeper = kept(
        tmp_path,
        Program("first", ("sleep", "60")),
        Program("broken", ("sh", "-c", "echo no such port; exit 3"), needs=("first",), task=True),
    )
    with pytest.raises(ToolchainError, match=r"broken ended with 3 at its start:\nno such port"):
        keeper.start_all()
    keeper.kill_all()


def test_what_needs_a_task_waits_until_it_is_done(tmp_path: Path):
    done = tmp_path / "done"
    keeper = kept(
        tmp_path,
        Program("last", ("sh", "-c", f"test -f {done} && exec sleep 60"), needs=("task",)),
        Program("task", ("sh", "-c", f"sleep 0.3; touch {done}"), task=True),
    )
    keeper.start_all()
    assert keeper.kept["last"].child is not None
    keeper.kill_all()


START = """
import os, sys, time
from pathlib import Path
from tests.fixtures.cluster import die_with_test
from tests.toolchain.cluster import commands
from tests.toolchain.cluster.keep import Kind
from tests.toolchain.cluster.place import Place
from tests.toolchain.places import Places
commands.up(Place(Path(sys.argv[1])), Kind.CLUSTER, Places.of(os.environ), bound=die_with_test)
print("up", flush=True)
time.sleep(600)
"""


def test_nothing_is_left_where_whoever_started_a_cluster_is_killed(tmp_path: Path):
    need(Kind.CLUSTER, Places.of(os.environ))
    place = Place(tmp_path / "box")
    with subprocess.Popen(
        [sys.executable, "-c", START, place.root], cwd=CHECKOUT, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        family = finding.family(place)
        link = Path("/sys/class/net", tag(place.root))
        assert len(family) > 10
        assert link.exists()
        starter.send_signal(signal.SIGKILL)
    wait_for("its processes are gone", lambda: not any(map(finding.lives, family)))
    wait_for("its link is gone", lambda: not link.exists())
    assert commands.down(place)
    assert not hosting.groups(place)
    assert not place.root.exists()
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if str(place.root) in line]
    assert not commands.down(place), "a second time there is nothing to do"

"""The role cluster_node on real hosts over ssh: they join a real cluster by kubeadm, and pods run on them.

The tests of one host build on one another.
"""

import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace.model.labels import POOL
from tests.ansible.archive import Archive
from tests.ansible.nodes import GROUP, PLAYBOOK, wait_until
from tests.ansible.playing import Played, Stage, inventory
from tests.fixtures.joinable import Yard
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.oci import Image
from tests.toolchain.machines import Machine
from tests.toolchain.running import ToolchainError

NAME = "worker1"
IMAGE = "localhost/node-tests:1"
FOREVER = "trap exit TERM; while true; do sleep 0.2; done"
TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
LABELS = {"zone": "lab", "node-role.kubernetes.io/gpu": ""}
CHANGES = (
    "find /etc /opt /usr/local /usr/bin /var/lib/kubelet /run/headrace-join -newer /var/tmp/mark -type f"
    " -not -path '/etc/systemd/network/*' 2>/dev/null; true"
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def host(grounds: Yard) -> Iterator[Machine]:
    """A bare one."""
    machine = grounds.add(NAME, packages=False)
    machine.start()
    yield machine
    machine.cut()


class Scene:
    """One host, and what it is told."""

    def __init__(self, grounds: Yard, host: Machine, stage: Stage, node_programs: Archive) -> None:
        self.grounds, self.host, self.stage, self.archive = grounds, host, stage, node_programs

    @property
    def box(self) -> Box:
        return self.grounds.box

    @property
    def usual(self) -> dict[str, Any]:
        return {
            **self.grounds.variables,
            "cluster_node_archive": str(self.archive.path),
            "cluster_node_archive_sha256": self.archive.sha256,
            "cluster_node_pool": "gpu",
            "cluster_node_labels": LABELS,
            "cluster_node_taints": [TAINT],
            "cluster_node_ready_seconds": 60,
        }

    def play(self, *arguments: str, **variables: Any) -> Played:
        return self.stage.play(
            PLAYBOOK, inventory(GROUP, self.host, **{**self.usual, **variables}), *arguments
        )

    def told_unchanged(self, cases: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
        """What runs say that fail and change nothing: all of them at once, on the one host by many names."""
        self.host.told("touch /var/tmp/mark")
        time.sleep(0.05)
        hosts = inventory(GROUP, self.host, **{**self.usual, "cluster_node_clock_seconds": 2**31})
        (known,) = hosts[GROUP]["hosts"].values()
        hosts[GROUP]["hosts"] = {name: {**known, **variables} for name, variables in cases.items()}
        played = self.stage.play(PLAYBOOK, hosts, "--forks=8")
        assert played.count("failures") == dict.fromkeys(cases, 1), played.output
        assert (self.host.told(CHANGES), played.changed()) == ("", [])
        messages = played.failures()
        assert [each for each in messages if not each.endswith("Nothing was changed")] == []
        return {name: [each for each in messages if each.startswith(f"{name}: ")] for name in cases}

    def node(self) -> dict[str, Any]:
        found: dict[str, Any] = self.box.get("node", NAME)
        return found


@pytest.fixture
def scene(grounds: Yard, host: Machine, stage: Stage, node_programs: Archive) -> Scene:
    return Scene(grounds, host, stage, node_programs)


# Nothing is changed where something is not as it has to be

# Of a host of that name: other variables, and what it says. Looks at the same thing are told together.
CASES: Mapping[str, tuple[Mapping[str, Any], Sequence[str]]] = {
    "options": (
        {
            "cluster_node_api_server": "https://a",
            "cluster_node_ca_hashes": [],
            "cluster_node_kubeconfig": "",
        },
        (
            'found "https://a", allowed host:port',
            "found none, and no cluster_node_discovery_file",
            "node-role.kubernetes.io/gpu, which no node may give itself",
        ),
    ),
    "form": ({"cluster_node_token": "short"}, ["found another form, allowed a bootstrap token"]),
    "kernel": (
        {
            "cluster_node_kubelet": {},
            "cluster_node_modules": ["of_mars"],
            "cluster_node_time_unit": "chrony.service",
            "cluster_node_clock_seconds": 5,
        },
        (
            "/sys/fs/cgroup: found tmpfs, allowed cgroup2fs",
            "swap: found /dev/sda2, allowed none",
            "kernel modules: found no of_mars",
            "s from that of the machine that runs Ansible, allowed 5 s",
            "found no unit chrony.service",
        ),
    ),
    "bare": (
        {"cluster_node_archive": ""},
        ["found no kubelet, kubeadm, containerd, containerd-shim-runc-v2, runc, allowed all"],
    ),
    "packages": (
        {"cluster_node_archive": "", "cluster_node_install": True},
        ["packages containerd.io, kubeadm, kubelet: found Unable to locate package"],
    ),
    "route": ({"cluster_node_api_server": "198.18.255.1:6443"}, ["found no connection from this host"]),
    "token": (
        {"cluster_node_token": "abcdef.0000000000000000"},
        ["found that it does not take the token: it has expired, or was never made there"],
    ),
    "hash": (
        {"cluster_node_ca_hashes": [f"sha256:{'0' * 64}"]},
        ["found an authority with the hash sha256:"],
    ),
    "name": ({"cluster_node_name": "node-0"}, ["found a node of this name that is Ready"]),
    "nowhere": (
        {"cluster_node_kubeconfig": "~/nowhere"},
        [f"cluster_node_kubeconfig ~/nowhere: found error: stat {Path.home()}/nowhere: no such file"],
    ),
}


STOPPED_AT = 1_000_000_000  # what the spoilt clock says, in seconds since 1970
# Swap and clock are the kernel's, for all machines: the host is shown others.
SPOIL = f"""\
printf 'Filename Type Size Used Priority\\n/dev/sda2 partition 4194300 0 -2\\n' >/var/tmp/swaps
mount --bind /var/tmp/swaps /proc/swaps
printf '#!/bin/sh\\nexec /usr/bin/date -d @{STOPPED_AT} "$@"\\n' >/usr/local/sbin/date
chmod +x /usr/local/sbin/date
"""
MEND = "umount /proc/swaps; rm /usr/local/sbin/date"


SOON = ("options", "kernel", "bare", "route", "token")


def test_what_is_not_as_it_has_to_be_is_told(scene: Scene) -> None:
    scene.host.told(SPOIL)
    begun = int(time.time())
    told = scene.told_unchanged({name: CASES[name][0] for name in SOON})
    ended = int(time.time())
    scene.host.told(MEND)
    check(told)
    late = re.search(r"clock: found it (\d+) s from that", told["kernel"][3])
    assert late is not None
    assert begun - STOPPED_AT <= int(late[1]) <= ended - STOPPED_AT


@pytest.mark.long
def test_what_else_is_not_as_it_has_to_be_is_told(scene: Scene) -> None:
    check(scene.told_unchanged({name: case for name, (case, _) in CASES.items() if name not in SOON}))


def check(told: Mapping[str, Sequence[str]]) -> None:
    for name, said in told.items():
        wanted = CASES[name][1]
        assert [part for part, each in zip(wanted, said, strict=True) if part not in each] == []


# From bare to a node


@pytest.mark.long
def test_a_dry_run_on_a_bare_host_tells_what_would_change_and_changes_nothing(scene: Scene) -> None:
    scene.host.told("touch /var/tmp/mark")
    time.sleep(0.05)
    played = scene.play("--check")
    assert played.code == 0, played.output
    assert {"Write containerd's settings", "Join"} <= set(played.changed())
    assert scene.host.told(CHANGES) == ""


def test_a_bare_host_joins_with_the_labels_and_taints_of_its_pool(scene: Scene) -> None:
    played = scene.play()
    assert played.code == 0, played.output
    assert scene.grounds.token not in played.output
    node = scene.node()
    wanted = {POOL: "gpu", **LABELS}
    assert {key: node["metadata"]["labels"].get(key) for key in wanted} == wanted
    assert node["spec"]["taints"] == [TAINT]
    assert scene.grounds.is_ready(scene.host)
    assert scene.host.told("systemctl is-enabled kubelet containerd") == "enabled\nenabled"


def test_no_token_is_left_on_it(scene: Scene) -> None:
    assert scene.host.told(f"grep -rls {scene.grounds.token} /etc /run /var /root 2>/dev/null; true") == ""


def test_the_second_run_changes_nothing_and_needs_no_token(scene: Scene) -> None:
    played = scene.play(cluster_node_token="")
    assert (played.code, played.changed(), played.count("changed")) == (0, [], {}), played.output


def test_a_pod_runs_on_it_and_still_does_after_a_power_off(scene: Scene, tmp_path: Path) -> None:
    programs = [Path(shutil.which(name) or "") for name in ("bash", "busybox", "sleep")]
    Image.of_programs(IMAGE, ["/bin/sleep", "1000"], *programs).write(tmp_path / "image.tar")
    scene.grounds.load_sandbox(scene.host)
    scene.grounds.load_image(scene.host, tmp_path / "image.tar")
    scene.grounds.approve()
    scene.box.apply(pod("on-worker", "busybox nslookup kubernetes.default.svc.cluster.local; " + FOREVER))
    wait_until(lambda: phase(scene.box, "on-worker") == "Running")
    address = scene.box.get("service", "kubernetes")["spec"]["clusterIP"]
    wait_until(lambda: f"Address: {address}" in log(scene.box, "on-worker"))
    scene.host.power_off()
    scene.host.start()
    scene.grounds.back(scene.host)
    wait_until(lambda: restarts(scene.box, "on-worker") == 1)


def test_the_kubelet_holds_pods_in_control_groups_of_systemd(scene: Scene) -> None:
    assert "kubepods.slice" in scene.host.told("systemctl list-units --type=slice --plain --no-legend")


def pod(name: str, command: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["/bin/bash", "-c", command],
        "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}},
    }
    spec = {
        "nodeSelector": {POOL: "gpu"},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def phase(box: Box, name: str) -> str:
    found: str = box.get("pod", name)["status"]["phase"]
    return found


def restarts(box: Box, name: str) -> int:
    (found,) = box.get("pod", name)["status"]["containerStatuses"]
    return int(found["restartCount"]) if found["ready"] else 0


def log(box: Box, name: str) -> str:
    try:
        return box.kubectl("logs", name)
    except ToolchainError as error:
        return str(error)

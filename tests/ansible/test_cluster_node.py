"""The role cluster_node on real hosts over ssh: they join a real cluster by kubeadm, and pods run on them.

The tests of one host build on one another. k3s can't be built here: a stand-in plays it.
"""

import hashlib
import re
import shutil
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.model.labels import POOL
from tests.ansible.archive import Archive
from tests.ansible.node_archive import node_archive
from tests.ansible.nodes import GROUP, PLAYBOOK, joined
from tests.ansible.playing import Played, Stage, inventory
from tests.fixtures.joinable import ENGINES, Yard, yard
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.certificates import Authority
from tests.toolchain.cluster.oci import Image
from tests.toolchain.machines import Machine, Machines
from tests.toolchain.needed import toolchain
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
def grounds(cluster: Box, site: Machines) -> Iterator[Yard]:
    toolchain(*ENGINES)
    with yard(cluster, site) as found:
        yield found


@pytest.fixture(scope="module")
def archive(cluster: Box, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return node_archive(tmp_path_factory.mktemp("archives") / "node-1.36.3.tar", cluster.bin)


@pytest.fixture(scope="module")
def host(grounds: Yard) -> Iterator[Machine]:
    """A bare one."""
    machine = grounds.add(NAME, packages=False)
    machine.start()
    yield machine
    machine.cut()


class Scene:
    """One host, and what it is told."""

    def __init__(self, grounds: Yard, host: Machine, stage: Stage, archive: Archive) -> None:
        self.grounds, self.host, self.stage, self.archive = grounds, host, stage, archive

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
        hosts = inventory(GROUP, self.host, **{**self.usual, "cluster_node_clock_seconds": 90})
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
def scene(grounds: Yard, host: Machine, stage: Stage, archive: Archive) -> Scene:
    return Scene(grounds, host, stage, archive)


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
        ["packages containerd, kubeadm, kubelet: found Unable to locate package"],
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
    "nowhere": ({"cluster_node_kubeconfig": "/nowhere"}, ["cluster_node_kubeconfig /nowhere: found"]),
}


# Swap and clock are the kernel's, for all machines: the host is shown others.
SPOIL = """\
printf 'Filename Type Size Used Priority\\n/dev/sda2 partition 4194300 0 -2\\n' >/var/tmp/swaps
mount --bind /var/tmp/swaps /proc/swaps
printf '#!/bin/sh\\nexec /usr/bin/date -d "-60 seconds" "$@"\\n' >/usr/local/sbin/date
chmod +x /usr/local/sbin/date
"""
MEND = "umount /proc/swaps; rm /usr/local/sbin/date"


SOON = ("options", "kernel", "bare", "route", "token")


def test_what_is_not_as_it_has_to_be_is_told(scene: Scene) -> None:
    scene.host.told(SPOIL)
    told = scene.told_unchanged({name: CASES[name][0] for name in SOON})
    scene.host.told(MEND)
    check(told)
    late = re.search(r"clock: found it (\d+) s from that", told["kernel"][3])
    assert late is not None
    assert 58 <= int(late[1]) <= 75


@pytest.mark.long
def test_what_else_is_not_as_it_has_to_be_is_told(scene: Scene) -> None:
    check(scene.told_unchanged({name: case for name, (case, _) in CASES.items() if name not in SOON}))


def check(told: Mapping[str, Sequence[str]]) -> None:
    for name, said in told.items():
        wanted = CASES[name][1]
        assert [part for part, each in zip(wanted, said, strict=True) if part not in each] == []


# From bare to a node


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


@pytest.mark.long
def test_hosts_with_the_vendors_packages_join_together_and_come_back(stage: Stage, grounds: Yard) -> None:
    hosts = joined(grounds, stage, "worker2", "worker3", cluster_node_pool="lab")
    for each in hosts:
        each.power_off()
    for each in hosts:
        each.power_on()
    for each in hosts:
        grounds.back(each)
    # What changes after the join is set from outside, and in the kubelet.
    other = {**TAINT, "value": "yes"}
    variables = {**grounds.variables, "cluster_node_pool": "large", "cluster_node_taints": [other]}
    variables["cluster_node_kubelet"] = {**variables["cluster_node_kubelet"], "maxPods": 7}
    played = stage.play(PLAYBOOK, inventory(GROUP, hosts[0], **variables))
    assert played.code == 0, played.output
    assert played.changed() == [
        "Write the kubelet's settings",
        "Restart the kubelet",
        "Give it the labels that it has not",
        "Give it the taints that it has not",
    ]
    found = grounds.box.get("node", "worker2")
    assert (found["metadata"]["labels"][POOL], found["spec"]["taints"]) == ("large", [other])
    wait_until(lambda: grounds.box.get("node", "worker2")["status"]["capacity"]["pods"] == "7")


LEAVE = """\
- hosts: cluster_nodes
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: headrace.hosts.cluster_node
        tasks_from: leave.yml
"""


@pytest.mark.long
def test_with_every_option_changed_it_joins_and_it_leaves(
    grounds: Yard, stage: Stage, archive: Archive, tmp_path: Path
) -> None:
    host = grounds.add("worker4", packages=False)
    unit = "[Service]\\nExecStart=/usr/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n"
    host.start()
    host.told(f"printf '{unit}' >/etc/systemd/system/keeper.service; systemctl daemon-reload")
    info = grounds.box.get("configmap", "cluster-info", "--namespace=kube-public")
    (tmp_path / "discovery.yaml").write_text(info["data"]["kubeconfig"])
    kubelet = {**grounds.variables["cluster_node_kubelet"], "maxPods": 9}
    runtime = {"restrict_oom_score_adj": True, "max_container_log_line_size": 4096}
    changed = {
        "cluster_node_ca_hashes": [], "cluster_node_discovery_file": str(tmp_path / "discovery.yaml"),
        "cluster_node_name": "other-name", "cluster_node_address": host.address,
        "cluster_node_pool": "lab", "cluster_node_labels": {"zone": "b"},
        "cluster_node_taints": [{**TAINT, "value": "a", "effect": "NoExecute"}],
        "cluster_node_archive": str(archive.path), "cluster_node_archive_sha256": archive.sha256,
        "cluster_node_root": "/srv/node", "cluster_node_kept_versions": 3,
        "cluster_node_packages": ["kubelet-1.36"], "cluster_node_containerd_runtime": runtime,
        "cluster_node_kubelet": kubelet, "cluster_node_modules": ["overlay"],
        "cluster_node_sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0"},
        "cluster_node_time_unit": "keeper.service", "cluster_node_clock_seconds": 30,
        "cluster_node_ready_seconds": 90, "cluster_node_drain_seconds": 20,
    }  # fmt: skip
    hosts = inventory(GROUP, host, **{**grounds.variables, **changed})
    played = stage.play(PLAYBOOK, hosts)
    assert played.code == 0, played.output
    node = grounds.box.get("node", "other-name")
    assert node["spec"]["taints"] == [{**TAINT, "value": "a", "effect": "NoExecute"}]
    assert (node["metadata"]["labels"]["zone"], node["status"]["capacity"]["pods"]) == ("b", "9")
    assert host.told("systemctl is-active keeper; cat /etc/modules-load.d/headrace-node.conf").endswith(
        "overlay"
    )
    assert stage.play(PLAYBOOK, hosts).changed() == []
    (tmp_path / "leave.yml").write_text(LEAVE)
    played = stage.play(str(tmp_path / "leave.yml"), hosts)
    assert played.code == 0, played.output
    assert "other-name" not in grounds.box.kubectl("get", "nodes")
    assert host.ssh("test -e /etc/kubernetes/kubelet.conf || systemctl is-active kubelet").returncode != 0
    assert stage.play(str(tmp_path / "leave.yml"), hosts).changed() == []


@pytest.mark.long
def test_a_stand_in_of_k3s_is_told_its_server_labels_and_taints(
    grounds: Yard, stage: Stage, tmp_path: Path
) -> None:
    host = grounds.add("worker5", packages=False)
    host.start()
    binary = Path(__file__).parent / "stand_in" / "k3s"
    with k3s_server(grounds.site.gateway, tmp_path) as (server, authority):
        token = f"K10{authority}::server:secret"
        variables = {
            "cluster_node_kind": "k3s", "cluster_node_api_server": server, "cluster_node_token": token,
            "cluster_node_k3s_binary": str(binary),
            "cluster_node_k3s_binary_sha256": hashlib.sha256(binary.read_bytes()).hexdigest(),
            "cluster_node_pool": "gpu", "cluster_node_taints": [TAINT],
            "cluster_node_kubelet": grounds.variables["cluster_node_kubelet"],
        }  # fmt: skip
        wrong = {**variables, "cluster_node_token": f"K10{'0' * 64}::server:secret"}
        played = stage.play(PLAYBOOK, inventory(GROUP, host, **wrong))
        assert f"found an authority with the SHA-256 {authority}, allowed {'0' * 64}" in played.failures()[-1]
        assert played.changed() == []
        played = stage.play(PLAYBOOK, inventory(GROUP, host, **variables))
        assert played.code == 0, played.output
        assert "secret" not in played.output
        assert yaml.safe_load(host.told("cat /etc/rancher/k3s/config.yaml")) == {
            "server": f"https://{server}",
            "token-file": "/etc/rancher/k3s/token",
            "node-name": "worker5",
            "node-label": [f"{POOL}=gpu"],
            "node-taint": ["nvidia.com/gpu=:NoSchedule"],
        }
        assert host.told("stat -c %a /etc/rancher/k3s/token; cat /etc/rancher/k3s/token") == f"600\n{token}"
        assert host.told("systemctl is-active k3s-agent; systemctl is-enabled k3s-agent") == "active\nenabled"
        assert stage.play(PLAYBOOK, inventory(GROUP, host, **variables)).changed() == []
        (tmp_path / "leave.yml").write_text(LEAVE)
        played = stage.play(str(tmp_path / "leave.yml"), inventory(GROUP, host, **variables))
        assert played.code == 0, played.output
        assert host.ssh("systemctl is-active k3s-agent || test -e /etc/rancher/k3s/token").returncode != 0


class _Authorities(BaseHTTPRequestHandler):
    """What a k3s server tells everybody."""

    pem = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.pem)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the library's name)
        pass


@contextmanager
def k3s_server(address: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Where it listens, and the SHA-256 of its authority."""
    now = datetime.now(UTC)
    authority = Authority.new(now)
    authority.issue("k3s", (), (address,), now).write(folder, "server")
    handler = type("Authorities", (_Authorities,), {"pem": authority.pair.certificate})
    server = ThreadingHTTPServer((address, 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield (
            f"{address}:{server.server_address[1]}",
            hashlib.sha256(authority.pair.certificate).hexdigest(),
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)

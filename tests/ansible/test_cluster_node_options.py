"""The role cluster_node on real hosts: the vendors' packages, every option changed, k3s, hosts that leave.

k3s can't be built here: a stand-in plays it.
"""

import hashlib
from pathlib import Path

import pytest
import yaml

from headrace.model.labels import POOL
from tests.ansible.archive import Archive
from tests.ansible.k3s import k3s_server
from tests.ansible.nodes import GROUP, PLAYBOOK, joined, wait_until
from tests.ansible.playing import Stage, inventory
from tests.fixtures.joinable import Yard

TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]


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
        tasks_from: reset.yml
"""


def test_with_every_option_changed_it_joins_and_it_leaves(
    grounds: Yard, stage: Stage, node_programs: Archive, tmp_path: Path
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
        "cluster_node_archive": str(node_programs.path), "cluster_node_archive_sha256": node_programs.sha256,
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
    grounds.box.kubectl("label", "node", "other-name", "zone-")
    grounds.box.kubectl("taint", "node", "other-name", f"{TAINT['key']}-")
    told = stage.play("verify", hosts).failures()
    assert "found it without zone=b, nvidia.com/gpu=a:NoExecute, allowed all labels and taints" in told[-1]
    (tmp_path / "reset.yml").write_text(LEAVE)
    played = stage.play(str(tmp_path / "reset.yml"), hosts)
    assert played.code == 0, played.output
    assert "other-name" not in grounds.box.kubectl("get", "nodes")
    assert host.ssh("test -e /etc/kubernetes/kubelet.conf || systemctl is-active kubelet").returncode != 0
    assert stage.play(str(tmp_path / "reset.yml"), hosts).changed() == []


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
        (tmp_path / "reset.yml").write_text(LEAVE)
        played = stage.play(str(tmp_path / "reset.yml"), inventory(GROUP, host, **variables))
        assert played.code == 0, played.output
        assert host.ssh("systemctl is-active k3s-agent || test -e /etc/rancher/k3s/token").returncode != 0

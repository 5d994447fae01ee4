"""What follows from the options of the collection's roles (vars/main.yml), as Ansible itself works it out."""

import json
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from tools.roles_reference import ROLES


def worked_out(role: str, name: str, **given: Any) -> Any:
    """A variable of the role, where the others are as its defaults say or as given."""
    loader = DataLoader()
    parts = [
        loader.load_from_file(str(ROLES / role / part / "main.yml"), trusted_as_template=True)
        for part in ("defaults", "vars")
    ]
    return Templar(loader, variables={**parts[0], **parts[1], **given}).template(parts[1][name])


def test_the_kubeconfig_of_a_persons_home_is_found_without_a_shell() -> None:
    told = worked_out("cluster_node", "cluster_node__kubectl", cluster_node_kubeconfig="~/.kube/config")
    assert told == ["kubectl", f"--kubeconfig={Path.home()}/.kube/config", "--request-timeout=20s"]


def test_versions_that_apt_would_install_are_read() -> None:
    lines = [
        "Inst runc [1.1.5-1] (1.1.5+ds1-1+deb12u1 Debian:12.5/stable [amd64])",
        "Inst containerd (1.6.20~ds1-1+deb12u1 Debian:12/stable [amd64])",
        "Inst containerd.io (2.1.4-1~debian.12~bookworm Docker CE:stable [amd64])",
        "Inst kubeadm (1:1.36.3-1.1 isv:kubernetes:core:stable:v1.36:pkgs.k8s.io [amd64]) []",
        "Conf kubeadm (1.36.3-1.1 isv:kubernetes:core [amd64])",
    ]
    coming = worked_out(
        "cluster_node", "cluster_node__coming", cluster_node__simulated={"stdout_lines": lines}
    )
    assert coming == [
        ["runc", "1.1.5"], ["containerd", "1.6.20"], ["containerd.io", "2.1.4"], ["kubeadm", "1.36.3"],
    ]  # fmt: skip


def test_labels_and_taints_that_a_node_lacks_are_named() -> None:
    taint = {"key": "nvidia.com/gpu", "value": "yes", "effect": "NoSchedule"}
    node = {"metadata": {"labels": {"zone": "a", "rack": "1"}}, "spec": {"taints": [taint]}}
    given = {
        "inventory_hostname_short": "node1", "cluster_node__seen": {"stdout": json.dumps(node)},
        "cluster_node_pool": "lab", "cluster_node_labels": {"zone": "b", "rack": 1},
        "cluster_node_taints": [taint, {"key": "night", "effect": "NoExecute"}],
    }  # fmt: skip
    assert worked_out("cluster_node", "cluster_node__unlabelled", **given) == [
        "headrace.dev/pool=lab",
        "zone=b",
    ]
    assert worked_out("cluster_node", "cluster_node__untainted", **given) == ["night=:NoExecute"]

"""What roles of the collection work out (vars/main.yml) and say (asserts), as Ansible itself works it out."""

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from tools.roles_reference import ROLES

PLAYBOOKS = ROLES.parent / "playbooks"
LOADER = DataLoader()


def loaded(path: Path) -> Any:
    return LOADER.load_from_file(str(path), trusted_as_template=True)


def worked_out(role: str, name: str, **given: Any) -> Any:
    """A variable of the role, where the others are as its defaults say or as given."""
    known = variables(role)
    return Templar(LOADER, variables={**known, **given}).template(known[name])


def variables(role: str) -> dict[str, Any]:
    parts = [loaded(ROLES / role / part / "main.yml") for part in ("defaults", "vars")]
    return {**parts[0], **parts[1]}


def complaint(role: str, part: str, **given: Any) -> str:
    """What the first assert of a role's tasks says that does not hold; empty: all hold."""
    for task in loaded(ROLES / role / "tasks" / f"{part}.yml"):
        known = {**variables(role), **given, **task.get("vars", {})}
        for item in Templar(LOADER, variables=known).template(task.get("loop", [None])):
            judged = Templar(LOADER, variables={**known, "item": item})
            asked = task.get("ansible.builtin.assert")
            if asked and not judged.evaluate_conditional(asked["that"]):
                return str(judged.template(asked["fail_msg"]))
    return ""


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


GPU_HOST = {"inventory_hostname": "node1", "gpu_host__devices": {"stdout_lines": ["nvidia.com/gpu=0"]}}


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({"loaded": True, "refused": "", "steps": [], "devices": 1}, ""),
        ({"loaded": True, "refused": "", "steps": [], "devices": 2}, "found 1 devices, allowed the 2"),
        ({"loaded": False, "refused": ""}, "NVIDIA's driver: found no kernel module that is loaded, allowed"),
        ({"loaded": True, "refused": "exit code 9"}, "NVIDIA's driver: found exit code 9, allowed one that"),
    ],
)  # fmt: skip
def test_a_driver_that_no_longer_answers_is_told_by_verify(seen: dict[str, Any], told: str) -> None:
    looked = {"rc": 0, "stdout": json.dumps(seen)}
    said = complaint("gpu_host", "verify", **GPU_HOST, gpu_host__after=looked)
    assert (said != "", told in said) == (told != "", True)


def test_a_host_whose_gpus_were_never_set_up_is_told_by_verify() -> None:
    said = complaint("gpu_host", "verify", **GPU_HOST, gpu_host__after={"rc": 2, "stdout": ""})
    assert "found exit code 2 (it said nothing), allowed 0; play headrace.hosts.gpu_hosts" in said


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"msg": "gpu1: swap: found one"}, "gpu1: swap: found one"),
        ({"msg": "exit code 1", "stderr_lines": ["", "no rights"]}, "exit code 1 (no rights)"),
        ({}, "it failed and said nothing"),
        (
            {"msg": "One or more items failed", "results": [
                {"failed": True, "msg": "a"}, {"msg": "All assertions passed"}, {"failed": True, "msg": "b"},
            ]},
            "a; b",
        ),
    ],
)  # fmt: skip
def test_verify_tells_what_a_task_says_that_failed(result: dict[str, Any], told: str) -> None:
    (block,) = loaded(PLAYBOOKS / "tasks" / "verify_role.yml")
    (task,) = block["rescue"]
    given = {
        "role_of_group": {"gpu_hosts": "gpu_host"}, "verify_group": "gpu_hosts",
        "ansible_failed_result": result,
    }  # fmt: skip
    templar = Templar(LOADER, variables={**task.get("vars", {}), **given})
    found = templar.template(task["ansible.builtin.set_fact"]["verify_results"])
    assert found == {"gpu_host": told}


@pytest.mark.parametrize(
    ("part", "answer", "said", "changed"),
    [
        ("uncordon", "node_power__let", "node/node1 uncordoned", True),
        ("uncordon", "node_power__let", "node/node1 already uncordoned", False),
        ("drain_kubernetes", "node_power__emptied", "node/node1 cordoned", True),
        ("drain_kubernetes", "node_power__emptied", "node/node1 already cordoned\nevicting pod a/b", True),
        ("drain_kubernetes", "node_power__emptied", "node/node1 already cordoned", False),
    ],
)
def test_a_node_that_was_open_or_empty_before_was_not_changed(
    part: str, answer: str, said: str, changed: bool
) -> None:
    task = loaded(ROLES / "node_power" / "tasks" / f"{part}.yml")[0]
    templar = Templar(LOADER, variables={answer: {"stdout": said}})
    assert templar.evaluate_conditional(task["changed_when"]) == changed


def test_a_machine_without_ipmitool_is_told_before_a_bmc_is_asked() -> None:
    own = {
        "inventory_hostname": "gpu1", "node_power_method": "ipmi", "node_power_bmc_address": "10.0.1.11",
        "node_power_bmc_password": "x",
    }  # fmt: skip
    told = complaint("node_power", "options", **own, node_power__ipmitool="")
    assert told.startswith("gpu1: ipmitool: found none on the machine that runs Ansible, allowed one")
    assert complaint("node_power", "options", **own, node_power__ipmitool="/usr/bin/ipmitool") == ""

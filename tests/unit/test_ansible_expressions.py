"""What follows from the options of the collection's roles (vars/main.yml), as Ansible itself works it out."""

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

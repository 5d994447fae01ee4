"""Hosts as pages for on premises have them: at their addresses but for the network, and a control plane."""

from typing import Any

from tests.fixtures.joinable import Yard
from tests.toolchain.machines import Machine, Machines

NETWORK = "10.0.0."  # of the pages' hosts
SHOWN = ("api_server", "token", "ca_hashes", "kubeconfig")  # of a node's variables, in pages' inventories


def ours(lab: Machines) -> dict[str, str]:
    """What stands for the pages' network here."""
    return {NETWORK: f"{lab.network.rpartition('.')[0]}."}


def started(lab: Machines, name: str, number: int) -> Machine:
    """A bare host with that end of its address."""
    machine = lab.add(name, number=number)
    machine.start()
    return machine


def beside(grounds: Yard) -> dict[str, Any]:
    """What the tests' nodes need beside the variables that pages' inventories have."""
    shown = {f"cluster_node_{each}" for each in SHOWN}
    return {name: value for name, value in grounds.variables.items() if name not in shown}


def put_head(grounds: Yard) -> Machine:
    """A control plane as a shell on it sees it, switched off; the API server is the box's own."""
    shown = [f"{grounds.box.bin / name}:/usr/bin/{name}" for name in ("kubeadm", "kubectl")]
    head = grounds.site.add("head", number=10, shown=shown)
    grounds.link(head)
    config = grounds.box.kubeconfig.read_text()
    for path in ("etc/kubernetes/admin.conf", "root/.kube/config"):
        target = head.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(config)
    return head

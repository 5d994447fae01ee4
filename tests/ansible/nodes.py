"""Real nodes for tests: hosts that the role cluster_node has joined to a box.

    with yard(cluster, site) as found:                       # fixtures `cluster` and `site`
        a, b, c = joined(found, stage, "a", "b", "c", cluster_node_pool="lab")
        a.power_off()                                         # kubelet and pods end with it
        a.power_on()                                          # and it is Ready again within seconds
        found.back(a)

A pod's image comes from `found.load_image(a, archive)`; it stays over a power-off.
"""

import time
from collections.abc import Callable
from typing import Any

from tests.ansible.playing import Stage, inventory
from tests.fixtures.joinable import Yard
from tests.toolchain.machines import Machine

GROUP = PLAYBOOK = "cluster_nodes"


def joined(yard: Yard, stage: Stage, *names: str, **variables: Any) -> list[Machine]:
    """Hosts of these names with the vendors' packages, Ready, with the sandbox's image."""
    hosts = [yard.add(name) for name in names]
    for host in hosts:
        host.power_on()
    for host in hosts:
        host.start()
    played = stage.play(PLAYBOOK, inventory(GROUP, *hosts, **{**yard.variables, **variables}))
    assert played.code == 0, played.output
    for host in hosts:
        yard.load_sandbox(host)
    yard.approve()
    return hosts


def wait_until(holds: Callable[[], bool]) -> None:
    """Within 40 s."""
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)

"""What the role cluster_node does before there is a cluster: on a host over ssh, without one.

Stand-ins play k3s and apt. The tests build on one another.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ansible.k3s import k3s_server
from tests.ansible.nodes import GROUP, PLAYBOOK
from tests.ansible.playing import Stage, inventory
from tests.toolchain.machines import Machine, Machines

K3S = Path(__file__).parent / "stand_in" / "k3s"
APT = """\
#!/bin/sh
echo "Inst containerd (1.6.20~ds1-1+deb12u3 Debian:12.15/oldstable [amd64])"
echo "Inst kubeadm (1.36.3-1.1 isv:kubernetes:core:stable:v1.36 [amd64])"
"""
# Of the machine that plays the host, not of the role.
HERE = {
    "cluster_node_kubelet": {"failCgroupV1": False, "failSwapOn": False},
    "cluster_node_modules": [],
    "cluster_node_sysctl": {},
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def host(site: Machines) -> Machine:
    return site.started("worker1")


@contextmanager
def served(site: Machines, folder: Path, end: str) -> Iterator[dict[str, Any]]:
    """Variables of a host that joins a server of k3s by a token that ends so."""
    with k3s_server(site.gateway, folder) as (server, authority):
        yield {
            **HERE,
            "cluster_node_kind": "k3s", "cluster_node_api_server": server,
            "cluster_node_token": f"K10{authority}::server:{end}",
            "cluster_node_k3s_binary": str(K3S),
            "cluster_node_k3s_binary_sha256": hashlib.sha256(K3S.read_bytes()).hexdigest(),
        }  # fmt: skip


def test_packages_that_are_too_old_are_told_before_they_are_installed(host: Machine, stage: Stage) -> None:
    host.told(f"cat >/usr/local/bin/apt-get <<'E'\n{APT}E\nchmod +x /usr/local/bin/apt-get")
    variables = {
        **HERE,
        "cluster_node_api_server": "10.0.0.1:6443", "cluster_node_token": "abcdef.0123456789abcdef",
        "cluster_node_ca_hashes": [f"sha256:{'0' * 64}"],
        "cluster_node_install": True, "cluster_node_packages": ["containerd", "kubeadm", "kubelet"],
    }  # fmt: skip
    played = stage.play(PLAYBOOK, inventory(GROUP, host, **variables))
    assert (played.code, played.changed()) == (2, []), played.output
    (told,) = played.failures()
    assert "worker1: package containerd: found 1.6.20 as what apt would install, allowed 2.1 or later" in told
    assert told.endswith("Nothing was changed")


def test_a_k3s_that_can_not_join_is_told_and_taken_back(
    site: Machines, host: Machine, stage: Stage, tmp_path: Path
) -> None:
    with served(site, tmp_path, "expired") as variables:
        hosts = inventory(GROUP, host, **variables, cluster_node_ready_seconds=3)
        played = stage.play(PLAYBOOK, hosts)
        assert played.code == 2, played.output
        told = played.failures()[-1]
        assert "k3s: found activating after 3 s (" in told
        assert "k3s: the server does not take the token" in told
        assert told.endswith("The host is in no cluster, k3s is stopped, what was installed stays")
        assert "expired" not in played.output
    assert host.ssh("systemctl is-active k3s-agent").stdout == "inactive\n"
    assert host.ssh("systemctl is-enabled k3s-agent").stdout == "disabled\n"
    assert host.told("ls /etc/rancher/k3s") == "config.yaml"


def test_it_joins_by_another_token(site: Machines, host: Machine, stage: Stage, tmp_path: Path) -> None:
    with served(site, tmp_path, "secret") as variables:
        hosts = inventory(GROUP, host, **variables, cluster_node_ready_seconds=20)
        played = stage.play(PLAYBOOK, hosts)
        assert played.code == 0, played.output
        assert host.told("systemctl is-active k3s-agent; systemctl is-enabled k3s-agent") == "active\nenabled"
        assert stage.play(PLAYBOOK, hosts).changed() == []

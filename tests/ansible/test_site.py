"""The playbooks site, verify and reset on a GPU server and a client, over ssh.

The tests build on one another.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ansible.archive import Archive, made
from tests.ansible.playing import Played, Stage, inventory
from tests.ansible.test_rcuda_client import PROBE
from tests.ansible.test_rcuda_server import DEVICES, PORT, put_cuda
from tests.fixtures.bmc import PASSWORD, USER, bmcs
from tests.toolchain.machines import Machine, Machines

UNIT = "rcuda-server@0.service"
QUESTION = "Write yes to go on"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return made(tmp_path_factory.mktemp("archives") / "rCUDAv20.07-CUDA9.0-linux64.tgz")


@pytest.fixture(scope="module")
def hosts(site: Machines) -> dict[str, Machine]:
    found = {name: site.started(name) for name in ("gpu1", "node1")}
    put_cuda(found["gpu1"])
    return found


@pytest.fixture(scope="module")
def bmc_port(hosts: dict[str, Machine]) -> Iterator[int]:
    with bmcs({"gpu1": hosts["gpu1"]}) as found:
        yield found["gpu1"].port


class Lab:
    """gpu1 serves, node1 uses it; gpu1 has a BMC."""

    def __init__(self, site: Machines, hosts: dict[str, Machine], archive: Archive, bmc_port: int) -> None:
        self.gpu1, self.node1 = hosts["gpu1"], hosts["node1"]
        common = {"archive": str(archive.path), "archive_sha256": archive.sha256}
        server = {f"rcuda_server_{name}": value for name, value in common.items()} | {
            "rcuda_server_networks": [site.network], "rcuda_server_devices": DEVICES,
            "rcuda_server_ready_seconds": 10,
        }  # fmt: skip
        client = {f"rcuda_client_{name}": value for name, value in common.items()} | {
            "rcuda_client_devices": [{"address": self.gpu1.address, "port": PORT}],
            "rcuda_client_probe": ["python3", "-c", PROBE],
            "rcuda_client_probe_seconds": 20,
        }  # fmt: skip
        power = {
            "node_power_method": "ipmi", "node_power_bmc_address": "127.0.0.1",
            "node_power_bmc_port": bmc_port, "node_power_bmc_user": USER,
            "node_power_bmc_password": PASSWORD, "node_power_answer_seconds": 1,
        }  # fmt: skip
        self.inventory = {
            **inventory("rcuda_servers", self.gpu1, **server),
            **inventory("rcuda_clients", self.node1, **client),
            **inventory("powered", self.gpu1, **power),
        }

    def play(self, stage: Stage, playbook: str, *arguments: str, **variables: Any) -> Played:
        return stage.play(playbook, self.inventory, *arguments, **variables)


@pytest.fixture(scope="module")
def lab(site: Machines, hosts: dict[str, Machine], archive: Archive, bmc_port: int) -> Lab:
    return Lab(site, hosts, archive, bmc_port)


def test_bare_hosts_become_a_server_and_a_client_that_computes_on_it(lab: Lab, stage: Stage) -> None:
    played = lab.play(stage, "site")
    assert played.code == 0, played.output
    assert lab.gpu1.told(f"systemctl is-active {UNIT}") == "active"
    assert lab.node1.told("grep -c RCUDA_DEVICE_0 /etc/rcuda/client.env") == "1"


@pytest.mark.long
def test_the_second_run_changes_nothing(lab: Lab, stage: Stage) -> None:
    played = lab.play(stage, "site")
    assert (played.code, played.changed()) == (0, []), played.output


def test_all_is_verified_and_told_as_json(lab: Lab, stage: Stage, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    played = lab.play(stage, "verify", report=str(report))
    assert (played.code, played.changed()) == (0, []), played.output
    assert "2 hosts are as they should be" in played.output
    assert json.loads(report.read_text()) == {
        "ok": True,
        "hosts": {"gpu1": {"node_power": "ok", "rcuda_server": "ok"}, "node1": {"rcuda_client": "ok"}},
    }


def test_what_is_not_as_it_should_be_and_who_is_not_reached_is_named(
    lab: Lab, stage: Stage, tmp_path: Path
) -> None:
    lab.gpu1.told(f"systemctl stop {UNIT}")
    lab.node1.power_off()
    report = tmp_path / "report.json"
    played = lab.play(stage, "verify", report=str(report), rcuda_server_ready_seconds=2)
    found = json.loads(report.read_text())
    assert (played.code != 0, found["ok"]) == (True, False)
    assert found["hosts"]["gpu1"]["node_power"] == "ok"
    assert "gpu1: rCUDA, instance 0: found no line by which it says" in found["hosts"]["gpu1"]["rcuda_server"]
    assert "it was not reached over ssh (" in found["hosts"]["node1"]["reached"]
    told = played.failures()[-1]
    assert "2 of 2 hosts' roles are not as they should be" in told
    assert "node1, reached: it was not reached over ssh" in told


def test_where_no_host_is_reached_this_is_told_where_it_was_called_and_no_older_report_stays(
    lab: Lab, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.gpu1.power_off()
    report = tmp_path / "report.json"
    report.write_text('{"ok": true}')
    monkeypatch.setenv("PWD", str(tmp_path))
    played = lab.play(stage, "verify", report="report.json")
    found = json.loads(report.read_text())
    assert (played.code, found["ok"], found["hosts"].keys()) == (2, False, {"gpu1", "node1"})
    assert {role for told in found["hosts"].values() for role in told} == {"reached"}
    assert "2 of 2 hosts' roles are not as they should be" in played.failures()[-1]
    for each in (lab.gpu1, lab.node1):
        each.start()


def test_nothing_is_taken_away_before_somebody_said_yes(lab: Lab, stage: Stage) -> None:
    played = lab.play(stage, "reset", answers={QUESTION: "no"})
    assert (played.code, played.changed()) == (2, [])
    assert 'found the answer "no", allowed yes. Nothing was changed' in played.failures()[0]


def test_all_that_was_set_up_is_taken_away(lab: Lab, stage: Stage) -> None:
    played = lab.play(stage, "reset", answers={QUESTION: "yes"})
    assert played.code == 0, played.output
    assert lab.gpu1.told("ls -d /opt/rcuda /etc/systemd/system/rcuda-* 2>/dev/null; true") == ""
    assert "headrace" not in lab.gpu1.told("nft list tables")
    assert lab.gpu1.told("getent passwd rcuda; true") == ""
    assert lab.node1.told("ls -d /opt/rcuda-client /etc/rcuda/client.env 2>/dev/null; true") == ""
    again = lab.play(stage, "reset", reset_confirmed=True)
    assert (again.code, again.changed()) == (0, []), again.output

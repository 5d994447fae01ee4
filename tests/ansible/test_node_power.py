"""The role node_power and the playbook power, on real hosts: a BMC, magic packets, commands on another host.

The tests build on one another.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.model.errors import TransientError
from headrace.model.pool import PowerSpec
from headrace.model.settings import HostsSettings
from headrace.nodes.port import Power
from headrace.nodes.power.board import Word
from headrace.nodes.power.plays import PlayBoard
from tests.ansible.nodes import wait_until
from tests.ansible.playing import Played, Stage, inventory
from tests.fixtures.bmc import PASSWORD, USER, Bmc, bmcs
from tests.fixtures.switches import Packets, switched_by_files, woken_by_packets
from tests.toolchain.machines import Machine, Machines
from tools.roles_reference import ROLES

LAB = ROLES.parent / "inventories" / "lab"
SWITCH = "/var/tmp/switch"  # on the host whose commands switch another
# Stands in for ethtool: virtual cards know no Wake-on-LAN.
ETHTOOL = """\
#!/bin/sh
[ "$1" = --change ] && echo "$*" >>/var/tmp/ethtool && echo "$4" >/run/wake-on && exit
echo "Settings for $1:"
echo "	Supports Wake-on: pumbg"
echo "	Wake-on: $(cat /run/wake-on || echo d)"
"""

# Stands in for kubectl; by `no.yaml` nobody may uncordon.
KUBECTL = """\
#!/bin/sh
echo "$*" >>/var/tmp/kubectl.log
[ "$1 $2" = "no.yaml uncordon" ] && echo "no rights" >&2 && exit 1
[ "$2" = drain ] && echo "node/$3 cordoned"
[ "$2" = uncordon ] && echo "node/$3 uncordoned"
exit 0
"""
ATTEMPTS = 3  # node_power_attempts, by default
KUBECTL_AT = "/usr/local/bin/ctl"

pytestmark = pytest.mark.timeout(300)


def put_kubectl(machine: Machine) -> None:
    machine.told(f"cat >{KUBECTL_AT} <<'E'\n{KUBECTL}E\nchmod +x {KUBECTL_AT}")


@dataclass
class Scene:
    """gpu1 behind a BMC, node1 woken by packets, node2 switched by commands on gpu1."""

    stage: Stage
    site: Machines
    bmc: Bmc
    packets: Packets
    folder: Path

    def __post_init__(self) -> None:
        self.gpu1, self.node1, self.node2 = (self.site.all[each] for each in ("gpu1", "node1", "node2"))

    def play(
        self, playbook: str, *arguments: str, of: Mapping[str, Any] | None = None, **variables: Any
    ) -> Played:
        """`of`: host -> variables of its own beside the usual."""
        hosts = inventory("powered", self.gpu1, self.node1, self.node2)
        for name, own in self.usual().items():
            hosts["powered"]["hosts"][name].update({**own, **(of or {}).get(name, {})})
        return self.stage.play(playbook, hosts, *arguments, **variables)

    def usual(self) -> dict[str, dict[str, Any]]:
        password = self.folder / "password"
        password.write_text(f"{PASSWORD}\n")
        return {
            "gpu1": {
                "node_power_method": "ipmi",
                "node_power_bmc_address": "127.0.0.1",
                "node_power_bmc_port": self.bmc.port,
                "node_power_bmc_user": USER,
                "node_power_bmc_password_file": str(password),
                "node_power_answer_seconds": 1,
                "node_power_retry_seconds": 0,
            },
            "node1": {
                "node_power_method": "wake_on_lan",
                "node_power_mac": mac_of(self.node1).upper(),
                "node_power_interface": "host0",
                "node_power_broadcast": f"{self.site.network.rpartition('.')[0]}.255",
                "node_power_wake_port": self.packets.port,
                "node_power_answer_seconds": 1,
            },
            "node2": {
                "node_power_method": "ssh",
                "node_power_switch_host": "gpu1",
                "node_power_on_command": ["sh", "-c", f"echo on >{SWITCH}/node2.order"],
                "node_power_state_command": ["test", "-e", f"{SWITCH}/node2.on"],
                "node_power_answer_seconds": 1,
            },
        }

    def on(self) -> set[str]:
        return {each.name for each in self.site.all.values() if each.is_on}


def mac_of(machine: Machine) -> str:
    if machine.name not in MACS:
        (link,) = json.loads(machine.told("ip --json link show host0"))
        MACS[machine.name] = link["address"]
    return MACS[machine.name]


MACS: dict[str, str] = {}  # as the machines told them while they were on


def states(played: Played) -> dict[str, str]:
    """What the playbook tells of each host at its end."""
    results = [each["event_data"] for each in played.events if each["event"] == "runner_on_ok"]
    told = {each["host"]: each["res"].get("msg") for each in results}  # the last of each host
    return {host: message["state"] for host, message in told.items() if isinstance(message, dict)}


@pytest.fixture(scope="module")
def powered(site: Machines) -> Iterator[tuple[Bmc, Packets]]:
    """The machines, and what switches them."""
    for name in ("gpu1", "node1", "node2"):
        site.started(name)
    switch = site.all["gpu1"].root / SWITCH.lstrip("/")
    switch.mkdir()
    with ExitStack() as closing:
        found = closing.enter_context(bmcs({"gpu1": site.all["gpu1"]}))
        packets = closing.enter_context(woken_by_packets({mac_of(site.all["node1"]): site.all["node1"]}))
        closing.enter_context(switched_by_files({"node2": site.all["node2"]}, switch))
        yield found["gpu1"], packets
        for machine in site.all.values():
            machine.cut()


@pytest.fixture
def scene(stage: Stage, site: Machines, powered: tuple[Bmc, Packets], tmp_path: Path) -> Scene:
    bmc, packets = powered
    bmc.orders.clear()
    bmc.deaf = bmc.hangs = packets.lost = False  # whatever the test before left
    return Scene(stage, site, bmc, packets, tmp_path)


def test_what_is_wrong_of_each_host_is_told(scene: Scene) -> None:
    played = scene.play(
        "powered",
        of={
            "gpu1": {"node_power_bmc_password": "x"},
            "node1": {"node_power_mac": "no"},
            "node2": {"node_power_on_command": []},
        },
    )
    assert played.code == 2
    told = "\n".join(played.failures())
    assert "gpu1: node_power_bmc_password and node_power_bmc_password_file: found both, allowed one" in told
    assert 'node1: node_power_mac: found "no", allowed an address such as 52:54:00:12:34:56' in told
    assert "node2: node_power_on_command: found none, allowed a program and its arguments" in told


def test_a_card_without_ethtool_or_of_another_address_is_told_and_a_silent_bmc_too(scene: Scene) -> None:
    played = scene.play("powered", of={"gpu1": {"node_power_bmc_port": 1}})
    told = "\n".join(played.failures())
    assert played.code == 2
    assert "node1: ethtool host0: found" in told
    assert "allowed what it tells of the card; install ethtool. Nothing was changed" in told
    assert "gpu1: asked by ipmi, found unknown (Error: Unable to establish IPMI v2 / RMCP+ session)" in told
    assert scene.node1.told("ls /etc/systemd/system/node-power*; true") == ""


def test_hosts_are_made_ready_and_checked(scene: Scene) -> None:
    scene.node1.told(f"cat >/usr/local/bin/ethtool <<'E'\n{ETHTOOL}E\nchmod +x /usr/local/bin/ethtool")
    checked = scene.play("powered", "--check")
    assert (checked.code, checked.count("changed")) == (0, {"node1": 1}), checked.output
    played = scene.play("powered")
    assert (played.code, played.changed()[0]) == (0, "Write the unit that sets the card at each start")
    assert "--change host0 wol g" in scene.node1.told("cat /var/tmp/ethtool")
    again = scene.play("powered")
    assert (again.code, again.changed()) == (0, []), again.output


def test_a_card_that_something_has_set_back_is_told(scene: Scene) -> None:
    scene.node1.told("ethtool --change host0 wol d")
    hosts = scene.play("verify", "--limit=node1,localhost")
    scene.node1.told("ethtool --change host0 wol g")
    assert "card host0: found that Wake-on-LAN is set to d, allowed g (magic packet)" in hosts.failures()[-1]


def test_all_go_off_in_order_and_say_so(scene: Scene) -> None:
    assert states(scene.play("power", power="state")) == {"gpu1": "on", "node1": "on", "node2": "on"}
    scene.gpu1.told("rm -f /var/tmp/ended")
    played = scene.play("power", "--limit=node1,node2", power="off")
    assert (played.code, states(played)) == (0, {"node1": "off", "node2": "off"}), played.output
    assert scene.on() == {"gpu1"}
    played = scene.play("power", "--limit=gpu1", power="off")
    assert (played.code, states(played), scene.bmc.orders) == (0, {"gpu1": "off"}, ["soft"]), played.output
    assert scene.on() == set()


def test_an_order_off_to_what_is_off_changes_nothing(scene: Scene) -> None:
    played = scene.play("power", "--limit=gpu1,node1", power="off")
    assert (played.code, played.changed(), scene.bmc.orders) == (0, [], []), played.output


def test_all_are_switched_on_and_waited_for(scene: Scene) -> None:
    played = scene.play("power", "--limit=gpu1,node1", power="on", node_power_on_seconds=40)
    assert (played.code, states(played), scene.bmc.orders) == (0, {"gpu1": "on", "node1": "on"}, ["on"])
    played = scene.play("power", "--limit=node2", power="on", node_power_on_seconds=40)
    assert (played.code, states(played)) == (0, {"node2": "on"}), played.output
    assert "--change host0 wol g" in scene.node1.told("tail -1 /var/tmp/ethtool")  # anew at each start


def test_packets_are_sent_until_they_are_heard(scene: Scene) -> None:
    scene.node1.power_off()
    before, scene.packets.lost = scene.packets.heard, True
    with ThreadPoolExecutor(1) as beside:
        order = {"power": "on", "node_power_on_seconds": 90, "node_power_wake_seconds": 1}
        played = beside.submit(scene.play, "power", "--limit=node1", **order)
        try:
            wait_until(lambda: scene.packets.heard > before + ATTEMPTS)  # sent again
        finally:
            scene.packets.lost = False
    assert states(played.result()) == {"node1": "on"}, played.result().output


def test_a_host_that_was_emptied_and_does_not_go_off_is_open_again(scene: Scene) -> None:
    put_kubectl(scene.node1)
    drains = {
        "node_power_drains": ["rcuda", "kubernetes"], "node_power_drain_seconds": 5,
        "node_power_kubectl": [KUBECTL_AT, "lab.yaml"], "node_power_kubectl_host": "node1",
    }  # fmt: skip
    scene.bmc.deaf = True
    played = scene.play("power", "--limit=gpu1", of={"gpu1": drains}, power="off")
    assert {"Empty the node", "Close the door", "Open the door"} <= set(played.changed()), played.output
    assert played.code == 2
    message = played.failures()[-1]
    assert "gpu1: order off by ipmi: found exit code 1" in message
    assert message.endswith("It is not off; let in again: kubernetes, rcuda")
    assert scene.node1.told("tail -1 /var/tmp/kubectl.log") == "lab.yaml uncordon gpu1"
    assert "headrace" not in scene.gpu1.told("nft list tables")
    own = {"node_power_drains": ["kubernetes"], "node_power_kubectl": [KUBECTL_AT, "no.yaml"]}
    played = scene.play("power", "--limit=gpu1", of={"gpu1": {**drains, **own}}, power="off")
    scene.bmc.deaf = False
    assert played.failures()[-1].endswith("It is not off; still shut out: kubernetes (no rights)")


def test_a_host_that_hangs_is_cut_off(scene: Scene) -> None:
    scene.bmc.hangs = True
    played = scene.play("power", "--limit=gpu1", power="off", node_power_off_seconds=4)
    scene.bmc.hangs = False
    assert (played.code, states(played), scene.bmc.orders) == (0, {"gpu1": "off"}, ["soft", "off"]), (
        played.output
    )


def test_a_bmc_that_takes_no_order_is_told_after_several_attempts(scene: Scene) -> None:
    scene.bmc.deaf = True
    played = scene.play("power", "--limit=gpu1", power="on", node_power_wait=False)
    scene.bmc.deaf = False
    assert played.code == 2
    (message,) = played.failures()
    assert "gpu1: order on by ipmi: found exit code 1 (Set Chassis Power Control to Up/On failed" in message
    assert "3 times, allowed 0; does the BMC answer, and are its user and password right?" in message


def test_a_password_is_in_no_output(scene: Scene) -> None:
    own = {"node_power_bmc_password_file": "", "node_power_bmc_password": PASSWORD}
    played = scene.play(
        "power", "--limit=gpu1", "-vvv", of={"gpu1": own}, power="on", node_power_on_seconds=40
    )
    assert (played.code, states(played)) == (0, {"gpu1": "on"}), played.output
    assert PASSWORD not in played.output
    assert PASSWORD not in str([each for each in played.events if each["event"] != "verbose"])


async def test_the_scaler_s_board_asks_and_switches(scene: Scene, collections: Path) -> None:
    hosts = inventory("powered", scene.gpu1, scene.node1, scene.node2)
    for name, own in scene.usual().items():
        hosts["powered"]["hosts"][name].update(own)
    hosts["powered"]["hosts"]["node2"]["node_power_method"] = "none"
    path = scene.folder / "inventory.json"
    path.write_text(json.dumps(hosts))
    board = PlayBoard(
        HostsSettings(inventory=str(path), collections=str(collections)), "powered", PowerSpec()
    )
    seen = {report.name: report async for report in board.tell(Word.STATE)}
    assert (seen["gpu1"].power, seen["node1"].power) == (Power.ON, Power.ON)
    assert seen["gpu1"].address == scene.gpu1.address
    assert 'node_power_method: found "none", allowed ipmi, wake_on_lan or ssh' in seen["node2"].fault
    (gone,) = [report async for report in board.tell(Word.OFF, ["gpu1"])]
    assert (gone.power, scene.bmc.orders) == (Power.OFF, ["soft"])
    (back,) = [report async for report in board.tell(Word.ON, ["gpu1"])]
    assert (back.power, scene.bmc.orders) == (Power.ON, ["soft", "on"])
    nowhere = PlayBoard(HostsSettings(inventory="/nowhere", collections=str(collections)), "all", PowerSpec())
    with pytest.raises(TransientError, match="found no host to play on"):
        _ = [report async for report in nowhere.tell(Word.STATE)]


async def test_the_scaler_switches_by_ssh_and_packets_as_the_labs_inventory_and_the_files_beside_it_say(
    scene: Scene, collections: Path
) -> None:
    lab = shutil.copytree(LAB / "group_vars", scene.folder / "lab" / "group_vars").parent
    for name in ("id_ed25519", "known_hosts"):
        (lab / name).touch(mode=0o600)
    (lab / "id_ed25519").write_bytes(scene.site.key.read_bytes())
    (lab / "known_hosts").write_text("".join(known(each) for each in (scene.gpu1, scene.node1)))
    (lab / "hosts.yml").write_text(yaml.safe_dump(lab_of(scene)))
    settings = HostsSettings(inventory=str(lab / "hosts.yml"), collections=str(collections))
    board = PlayBoard(settings, "cluster_nodes", PowerSpec())
    (gone,) = [report async for report in board.tell(Word.OFF, ["node1"])]
    assert (gone.power, gone.fault, scene.node1.is_on) == (Power.OFF, "", False)
    (told,) = [report async for report in board.tell(Word.ON, ["node1"])]
    assert told.fault == ""
    wait_until(lambda: scene.node1.is_on)
    scene.node1.start()  # the packets have switched it on: it is waited for
    assert [(each.name, each.power) async for each in board.tell(Word.STATE)] == [("node1", Power.ON)]


def lab_of(scene: Scene) -> dict[str, Any]:
    """The lab's hosts, of which there are two here; head is gpu1, which is always on."""
    own = ("mac", "interface", "broadcast", "wake_port", "answer_seconds")
    usual = {f"node_power_{each}": scene.usual()["node1"][f"node_power_{each}"] for each in own}
    python = {"ansible_python_interpreter": "/usr/bin/python3"}
    return {
        "control_plane": {"hosts": {"head": {"ansible_host": scene.gpu1.address, **python}}},
        "cluster_nodes": {"hosts": {"node1": {"ansible_host": scene.node1.address, **python, **usual}}},
        "powered": {"children": {"cluster_nodes": {}}},
    }


def known(machine: Machine) -> str:
    """A line of known_hosts."""
    return f"{machine.address} {machine.told('cat /etc/ssh/ssh_host_ed25519_key.pub')}\n"


def test_an_order_that_is_none_is_told(scene: Scene) -> None:
    played = scene.play("power", "--limit=gpu1", power="up")
    assert "power: found up, allowed on, off or state; give one with -e power=state" in played.failures()[0]


@pytest.mark.long
def test_a_host_is_not_waited_for_beyond_the_time_it_has_however_slow_an_answer_is(scene: Scene) -> None:
    look = ["sh", "-c", "echo >>/var/tmp/looks; sleep 3"]  # it says on
    own = {"node_power_state_command": look, "node_power_off_seconds": 4, "node_power_retry_seconds": 1}
    played = scene.play("power", "--limit=node2", of={"node2": own}, power="off")
    assert "after 4 s found on, allowed off" in played.failures()[-1]
    # One before the order, two in 4 s, four in the 10 s of a host that was cut off, one after each.
    assert int(scene.gpu1.told("wc -l </var/tmp/looks")) <= 10
    scene.node2.wait_until_off()
    scene.node2.start()


@pytest.mark.long
def test_a_command_that_does_not_take_the_power_away_is_repeated_and_says_why(scene: Scene) -> None:
    own = {
        "node_power_state_command": ["true"], "node_power_off_seconds": 1, "node_power_retry_seconds": 0,
        "node_power_off_command": ["sh", "-c", "echo no such outlet >&2; exit 3"],
    }  # fmt: skip
    played = scene.play("power", "--limit=node2", of={"node2": own}, power="off")
    told = "node2: order off by ssh: found exit code 3 (no such outlet) 3 times, allowed 0; see"
    assert told in played.failures()[-1]
    scene.node2.wait_until_off()
    scene.node2.start()


# Every option


@pytest.mark.long
def test_every_option_changed_a_node_is_emptied_and_one_that_does_not_shut_down_is_cut_off(
    scene: Scene,
) -> None:
    put_kubectl(scene.gpu1)
    scene.node2.told("systemctl mask --runtime poweroff.target")
    common = {
        "node_power_attempts": 2, "node_power_retry_seconds": 1, "node_power_answer_seconds": 2,
        "node_power_on_seconds": 50, "node_power_off_seconds": 6, "node_power_drain_seconds": 33,
    }  # fmt: skip
    changed = {
        "gpu1": {
            **common, "node_power_bmc_privilege": "ADMINISTRATOR", "node_power_force": False,
        },
        "node1": {
            **common, "node_power_wake_host": "gpu1", "node_power_drains": ["kubernetes"],
            "node_power_kubectl": [KUBECTL_AT, "lab.yaml"], "node_power_kubectl_host": "gpu1",
            "node_power_node": "n-1",
        },
        "node2": {
            **common,
            "node_power_off_command": ["sh", "-c", f"echo off >{SWITCH}/node2.order"],
        },
    }  # fmt: skip
    played = scene.play("power", "--limit=node1,node2", of=changed, power="off")
    assert (played.code, states(played)) == (0, {"node1": "off", "node2": "off"}), played.output
    log = scene.gpu1.told("cat /var/tmp/kubectl.log")
    assert "lab.yaml drain n-1 --ignore-daemonsets --delete-emptydir-data --timeout 33s" in log
    played = scene.play("power", "--limit=node1,node2", of=changed, power="on")
    assert (played.code, states(played)) == (0, {"node1": "on", "node2": "on"}), played.output
    assert "lab.yaml uncordon n-1" in scene.gpu1.told("tail -1 /var/tmp/kubectl.log")
    scene.bmc.hangs = True
    played = scene.play("power", "--limit=gpu1", of=changed, power="off")
    scene.bmc.hangs = False
    assert (played.code, scene.bmc.orders) == (2, ["soft"])
    assert "after 6 s found on, allowed off; look at its console" in played.failures()[-1]

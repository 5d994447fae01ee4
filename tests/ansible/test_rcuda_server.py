"""The role rcuda_server on real hosts over ssh, with a stand-in for the operator's archive.

The tests of one host build on one another.
"""

import asyncio
import hashlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from headrace.gpu.stub import control
from headrace.gpu.stub.client.headrace_stub import Device, Place
from headrace.model.gpu_server import Backend, GpuServer
from tests.ansible.archive import Archive, made
from tests.ansible.playing import Played, Stage, inventory
from tests.toolchain.machines import Machine, Machines

PORT = 8308
BUSY = 8400
LISTEN = f'import socket, time; s = socket.create_server(("", {BUSY})); time.sleep(60)'
UNIT = "rcuda-server@0.service"
OLD, NEW = "rCUDAv18.03beta-CUDA9.0-linux64", "rCUDAv20.07-CUDA9.0-linux64"
DEVICES = [{"model": "stub", "memory": "1Gi"}]
WHATEVER_CHANGES = "find /etc /opt /usr /var/log/rcuda -newer /var/tmp/mark -type f 2>/dev/null; true"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Archive]:
    folder = tmp_path_factory.mktemp("archives")
    broken = made(folder / "rCUDAv20.10beta.tgz", works=False)
    return {"old": made(folder / f"{OLD}.tgz"), "new": made(folder / f"{NEW}.tgz"), "broken": broken}


@pytest.fixture(scope="module")
def host(site: Machines) -> Machine:
    """A bare one with a stand-in for CUDA."""
    machine = site.started("gpu1")
    put_cuda(machine)
    return machine


def put_cuda(machine: Machine, version: str = "9.0") -> None:
    libraries = "/usr/local/cuda/lib64"
    machine.told(
        f"mkdir -p {libraries}; touch {libraries}/libcudart.so.{version} {libraries}/libcudnn.so.7.2.1"
    )


class Scene:
    """One host, and what it is told."""

    def __init__(self, site: Machines, host: Machine, stage: Stage, archives: dict[str, Archive]) -> None:
        self.site, self.host, self.stage, self.archives = site, host, stage, archives
        self.manifests = site.folder / "manifests"

    def play(
        self, *arguments: str, archive: str = "old", playbook: str = "rcuda", **variables: Any
    ) -> Played:
        usual = self.usual(self.archives[archive])
        hosts = inventory("rcuda_servers", self.host, **{**usual, **variables})
        return self.stage.play(playbook, hosts, *arguments)

    def usual(self, chosen: Archive) -> dict[str, Any]:
        return {
            "rcuda_server_archive": str(chosen.path),
            "rcuda_server_archive_sha256": chosen.sha256,
            "rcuda_server_networks": [self.site.network],
            "rcuda_server_devices": DEVICES,
            "rcuda_server_manifest_folder": str(self.manifests),
            "rcuda_server_ready_seconds": 10,
        }

    def version(self) -> str:
        return self.host.told("readlink /opt/rcuda/current").removeprefix("versions/")

    def told_unchanged(self, cases: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """What runs say that fail and change nothing: all of them at once, on the one host by many names."""
        self.host.told("touch /var/tmp/mark")
        time.sleep(0.05)
        chosen = self.archives["old"]
        hosts = inventory("rcuda_servers", self.host, **self.usual(chosen))
        (known,) = hosts["rcuda_servers"]["hosts"].values()
        hosts["rcuda_servers"]["hosts"] = {name: {**known, **own} for name, own in cases.items()}
        played = self.stage.play("rcuda", hosts, "--forks=8")
        assert played.count("failures") == dict.fromkeys(cases, 1), played.output
        assert (self.host.told(WHATEVER_CHANGES), played.changed()) == ("", [])
        return {message.partition(": ")[0]: message for message in played.failures()}


@pytest.fixture
def scene(site: Machines, host: Machine, stage: Stage, archives: dict[str, Archive]) -> Scene:
    return Scene(site, host, stage, archives)


def answers(machine: Machine, source: str, port: int = PORT) -> bool:
    try:
        with socket.create_connection((machine.address, port), timeout=1.5, source_address=(source, 0)):
            return True
    except OSError:
        return False


def device(machine: Machine, session: str, port: int = PORT) -> Device:
    return Device(Place(machine.address, port, session))


# Nothing is changed where something is not as it has to be


def test_what_is_wrong_is_told_and_nothing_is_changed(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "other.tgz"
    other.write_bytes(b"rubbish")
    rubbish = {"archive": str(other), "archive_sha256": hashlib.sha256(b"rubbish").hexdigest()}
    wanted, found = "0" * 64, scene.archives["old"].sha256
    scene.host.told(
        f"setsid python3 -c '{LISTEN}' >/dev/null 2>&1 </dev/null & echo $! >/var/tmp/pid; sleep 0.5"
    )
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "sha": (
            {"archive_sha256": wanted},
            f"found SHA-256 {found}, allowed SHA-256 {wanted}; get the archive anew",
        ),
        "absent": ({"archive": "/nowhere.tgz"}, "/nowhere.tgz: found no such file"),
        "rubbish": (rubbish, "allowed an archive with one bin/rCUDAd; name the maker's own archive."),
        "cuda": (
            {"cuda_root": "/opt/cuda"},
            "CUDA in /opt/cuda: found no libcudart, allowed 8.0 to 10.2; install such a CUDA",
        ),
        "old": ({"cuda_min": "10.0"}, "found 9.0, allowed 10.0 to 10.2"),
        "cudnn": (
            {"cudnn_version": "8"},
            "cuDNN in /usr/local/cuda and of the system: found 7, allowed 8; install it, or change",
        ),
        "port": (
            {"port": BUSY},
            f"port {BUSY}: found it in use by python3, allowed a free port",
        ),
        "networks": ({"networks": []}, "rcuda_server_networks: found none, allowed at least one"),
        "name": (
            {"networks": ["lab"]},
            "rcuda_server_networks: found lab, allowed networks like 10.0.0.0/24",
        ),
        "mask": ({"networks": ["10.0.0.0/33"]}, "found 10.0.0.0/33, allowed what nft takes; it says: "),
    }
    told = scene.told_unchanged(
        {
            name: {f"rcuda_server_{option}": value for option, value in own.items()}
            for name, (own, _) in cases.items()
        }
    )
    scene.host.told("kill $(cat /var/tmp/pid)")
    for name, (_, message) in cases.items():
        assert message in told[name]


# From bare to serving


def test_a_dry_run_on_a_bare_host_tells_what_would_change_and_changes_nothing(scene: Scene) -> None:
    scene.host.told("touch /var/tmp/mark")
    time.sleep(0.05)
    played = scene.play("--check")
    assert played.code == 0, played.output
    assert "Write the unit" in played.changed()
    assert scene.host.told(WHATEVER_CHANGES) == ""


def test_a_bare_host_serves_under_systemd_as_a_user_of_its_own(scene: Scene) -> None:
    played = scene.play()
    assert played.code == 0, played.output
    assert scene.host.told(f"systemctl is-active {UNIT}; systemctl is-enabled {UNIT}") == "active\nenabled"
    assert scene.host.told("stat -c %U /proc/$(systemctl show -p MainPID --value rcuda-server@0)") == "rcuda"
    assert scene.version() == f"{OLD}-{scene.archives['old'].sha256[:8]}"


def test_the_second_run_changes_nothing(scene: Scene) -> None:
    played = scene.play()
    assert (played.code, played.changed(), played.count("changed")) == (0, [], {}), played.output


def test_what_it_wrote_down_is_a_gpu_server(scene: Scene) -> None:
    (found,) = yaml.safe_load_all((scene.manifests / "gpu1.yaml").read_text())
    server = GpuServer.from_json(json.dumps(found))
    assert (server.name, server.spec.backend, server.spec.address, server.spec.port) == (
        "gpu1", Backend.RCUDA, scene.host.address, PORT,
    )  # fmt: skip
    assert (server.spec.max_sessions, server.spec.devices[0].memory) == (16, "1Gi")


async def test_a_client_computes_through_it(scene: Scene) -> None:
    await control.open_session(scene.host.address, PORT, session="a", gpu=0, memory_bytes=2**24)
    rng = np.random.default_rng(7)
    a, b = rng.random((40, 20), np.float32), rng.random((20, 30), np.float32)
    with device(scene.host, "a") as gpu:
        np.testing.assert_allclose(gpu.matmul(a, b), a @ b, rtol=1e-5)
    await control.close_session(scene.host.address, PORT, session="a")


def test_only_the_named_network_may_connect(scene: Scene) -> None:
    assert answers(scene.host, scene.site.gateway)
    assert not answers(scene.host, scene.site.outside)
    assert answers(scene.host, scene.site.outside, port=22)  # nothing else is closed


def test_it_serves_again_after_it_was_killed_and_after_the_hosts_power_off(scene: Scene) -> None:
    scene.host.told(f"kill -9 $(systemctl show -p MainPID --value {UNIT})")
    wait_until_it_answers(scene)
    scene.host.power_off()
    scene.host.start()
    wait_until_it_answers(scene)
    assert not answers(scene.host, scene.site.outside)


def wait_until_it_answers(scene: Scene) -> None:
    deadline = time.monotonic() + 30
    while not answers(scene.host, scene.site.gateway):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_door_stays_closed_where_the_hosts_own_rules_are_loaded_anew(scene: Scene) -> None:
    """They begin with `flush ruleset`."""
    scene.host.told("[ -e /etc/nftables.conf ] && grep -q 'flush ruleset' /etc/nftables.conf")
    before = scene.host.told(f"systemctl show -p MainPID --value {UNIT}")
    for order in ("start", "reload", "restart", "stop"):
        scene.host.told(f"systemctl {order} nftables")
        assert not answers(scene.host, scene.site.outside), order
        assert answers(scene.host, scene.site.gateway), order
    assert scene.host.told(f"systemctl show -p MainPID --value {UNIT}") == before


def test_rules_that_somebody_flushed_are_missed_and_loaded_again(scene: Scene) -> None:
    scene.host.told("nft flush ruleset")
    verified = scene.play(playbook="verify", report=str(scene.site.folder / "report.json"))
    assert verified.code == 2
    assert "firewall: found no table inet headrace_rcuda, allowed one" in verified.output
    played = scene.play()
    told = ["Load them again where something flushed them", "Load the firewall"]
    assert (played.code, played.changed()) == (0, told)
    assert not answers(scene.host, scene.site.outside)


def test_logs_are_rotated_and_nobody_takes_that_for_a_server_that_does_not_serve(scene: Scene) -> None:
    before = scene.host.told(f"systemctl show -p MainPID --value {UNIT}")
    scene.host.told("logrotate --force /etc/logrotate.d/rcuda-server")
    assert scene.host.told("ls /var/log/rcuda").split() == ["0.log", "0.log.1"]
    assert "succesfully started" not in scene.host.told("cat /var/log/rcuda/0.log")
    played = scene.play()
    assert (played.code, played.changed()) == (0, []), played.output
    assert scene.host.told(f"systemctl show -p MainPID --value {UNIT}") == before


@pytest.mark.long
def test_another_network_is_admitted_without_ending_a_session(scene: Scene) -> None:
    before = scene.host.told(f"systemctl show -p MainPID --value {UNIT}")
    networks = [scene.site.network, f"{scene.site.outside}/32", "fd00::/64"]
    assert scene.play(rcuda_server_networks=networks).code == 0
    assert answers(scene.host, scene.site.outside)
    assert scene.host.told(f"systemctl show -p MainPID --value {UNIT}") == before


# Another version


def test_a_version_that_does_not_serve_is_taken_back(scene: Scene) -> None:
    before = scene.version()
    played = scene.play(archive="broken", rcuda_server_ready_seconds=4)
    assert played.code == 2
    message = played.failures()[-1]
    assert "did not serve within 4 s; its log says: " in message
    assert "cuInit failed" in message
    assert f"The former version {before} serves again" in message
    assert scene.version() == before
    assert scene.host.told("ls /opt/rcuda/versions") == before
    wait_until_it_answers(scene)
    assert not answers(scene.host, scene.site.outside)  # of the networks too it was this run's


def test_options_by_which_it_does_not_serve_are_taken_back_too(scene: Scene) -> None:
    before = scene.version(), scene.host.told("cat /etc/rcuda/0.env")
    played = scene.play(rcuda_server_flags=["--no-such-flag"], rcuda_server_ready_seconds=4)
    assert played.code == 2
    assert f"The former version {before[0]} serves again" in played.failures()[-1]
    assert (scene.version(), scene.host.told("cat /etc/rcuda/0.env")) == before
    wait_until_it_answers(scene)


def test_servers_are_upgraded_one_by_one_and_the_next_is_left_alone_where_one_fails(scene: Scene) -> None:
    """The one host by two names, of which the first can't be upgraded."""
    hosts = inventory("rcuda_servers", scene.host, **scene.usual(scene.archives["new"]))
    (known,) = hosts["rcuda_servers"]["hosts"].values()
    wrong = {**known, "rcuda_server_archive_sha256": "0" * 64}
    hosts["rcuda_servers"]["hosts"] = {"first": wrong, "second": known}
    before = scene.version()
    played = scene.stage.play("upgrade", hosts)
    assert (played.code, played.count("failures"), played.count("ok").keys()) == (2, {"first": 1}, {"first"})
    assert scene.version() == before


async def test_an_upgrade_to_another_port_waits_for_sessions_at_the_former_one(scene: Scene) -> None:
    await control.open_session(scene.host.address, PORT, session="d", gpu=0, memory_bytes=2**24)
    with device(scene.host, "d") as gpu:
        gpu.matmul(np.ones((2, 2)), np.ones((2, 2)))
        played = await asyncio.to_thread(
            scene.play, playbook="upgrade", rcuda_server_port=PORT + 1, rcuda_server_drain_seconds=4
        )
        assert played.code == 2
        assert "1 connections of sessions were still open after 4 s" in played.failures()[-1]
        gpu.matmul(np.ones((2, 2)), np.ones((2, 2)))


async def test_an_upgrade_waits_until_the_sessions_ended(scene: Scene) -> None:
    await control.open_session(scene.host.address, PORT, session="b", gpu=0, memory_bytes=2**24)
    with device(scene.host, "b") as gpu:
        gpu.matmul(np.ones((2, 2)), np.ones((2, 2)))
        played = await asyncio.to_thread(
            scene.play, archive="new", playbook="upgrade", rcuda_server_drain_seconds=4
        )
        assert played.code == 2
        assert "1 connections of sessions were still open after 4 s" in played.failures()[-1]
        assert scene.version().startswith(OLD)
        gpu.matmul(np.ones((2, 2)), np.ones((2, 2)))  # the session is as it was
    assert answers(scene.host, scene.site.gateway)  # its door is open again
    played = await asyncio.to_thread(
        scene.play,
        archive="new", playbook="upgrade", rcuda_server_drain_seconds=20, rcuda_server_kept_versions=1,
    )  # fmt: skip
    assert played.code == 0, played.output
    assert scene.version().startswith(NEW)
    assert scene.host.told("ls /opt/rcuda/versions") == scene.version()  # the old one is not kept
    wait_until_it_answers(scene)


@pytest.mark.long
async def test_a_host_with_a_session_is_not_switched_off_and_its_door_is_open_again(scene: Scene) -> None:
    power = {
        "node_power_method": "ssh", "node_power_on_command": ["true"], "node_power_answer_seconds": 1,
        "node_power_drains": ["rcuda"], "node_power_drain_seconds": 4,
    }  # fmt: skip
    hosts = inventory("powered", scene.host, **{**scene.usual(scene.archives["new"]), **power})
    await control.open_session(scene.host.address, PORT, session="c", gpu=0, memory_bytes=2**24)
    with device(scene.host, "c") as gpu:
        gpu.matmul(np.ones((2, 2)), np.ones((2, 2)))
        played = await asyncio.to_thread(scene.stage.play, "power", hosts, power="off")
        assert played.code == 2
        assert "1 connections of sessions were still open after 4 s" in played.failures()[-1]
        assert answers(scene.host, scene.site.gateway)
    played = await asyncio.to_thread(scene.stage.play, "power", hosts, power="off")
    assert played.code == 0, played.output
    assert not scene.host.is_on
    scene.host.start()


@pytest.mark.long
def test_an_instance_a_gpu_with_every_option_changed(scene: Scene) -> None:
    changed = {
        "rcuda_server_devices": DEVICES * 2, "rcuda_server_instance_per_gpu": True, "rcuda_server_port": 9000,
        "rcuda_server_max_sessions": 6, "rcuda_server_root": "/srv/rcuda",
        "rcuda_server_config": "/etc/rcuda2", "rcuda_server_log_folder": "/var/log/rcuda2",
        "rcuda_server_user": "gpu", "rcuda_server_group": "gpus", "rcuda_server_cuda_root": "/opt/cuda-9",
        "rcuda_server_cuda_min": "9.0", "rcuda_server_cuda_max": "9.2", "rcuda_server_cudnn_version": "7",
         "rcuda_server_protocol": "TCP", "rcuda_server_flags": ["-v"],
        "rcuda_server_environment": {"A_NAME": 'a "value"'}, "rcuda_server_kept_versions": 3,
        "rcuda_server_log_rotations": 2, "rcuda_server_log_size": "1M", "rcuda_server_drain_seconds": 5,
        "rcuda_server_name": "box", "rcuda_server_address": "box.lab", "rcuda_server_pool": "boxes",
        "rcuda_server_node_selector": {"zone": "lab"}, "rcuda_server_firewall": False,
        "rcuda_server_networks": [],
    }  # fmt: skip
    scene.host.told("mkdir -p /opt/cuda-9; cp -a /usr/local/cuda/lib64 /opt/cuda-9")
    played = scene.play(archive="new", **changed)
    assert played.code == 0, played.output
    assert scene.play(archive="new", **changed).changed() == []
    assert answers(scene.host, scene.site.outside, 9000)
    assert answers(scene.host, scene.site.outside, 9001)
    found = list(yaml.safe_load_all((scene.manifests / "box.yaml").read_text()))
    servers = [GpuServer.from_json(json.dumps(each)) for each in found]
    assert [(each.name, each.spec.port, each.spec.max_sessions) for each in servers] == [
        ("box-0", 9000, 3), ("box-1", 9001, 3),
    ]  # fmt: skip
    assert {(each.spec.pool, each.spec.address) for each in servers} == {("boxes", "box.lab")}


def test_a_host_that_is_off_is_named(scene: Scene) -> None:
    scene.host.power_off()
    played = scene.play()
    assert (played.code, played.count("dark")) == (4, {"gpu1": 1})
    assert f"connect to host {scene.host.address} port 22" in played.failures()[0]


@pytest.fixture(scope="module", autouse=True)
def _ends(host: Machine) -> Iterator[None]:
    yield
    host.cut()

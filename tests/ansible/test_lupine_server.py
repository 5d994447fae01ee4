"""The role lupine_server on a real host over ssh, with stand-ins for Lupine's server and for nvidia-smi.

The tests build on one another. What it has in common with rCUDA's is tested with that.
"""

import json
import time
from typing import Any

import numpy as np
import pytest
import yaml

from headrace.gpu.stub import control
from headrace.gpu.stub.client.headrace_stub import Device, Place
from headrace.model.gpu_server import Backend, GpuServer
from headrace.placement.remoting import misfit
from tests.ansible import gpus
from tests.ansible.archive import LUPINE, Archive, made
from tests.ansible.playing import Played, Stage, inventory
from tests.ansible.test_rcuda_server import answers
from tests.toolchain.machines import Machine, Machines

PORT = 14833
UNIT = "lupine-server@0.service"
DEVICES = [{"model": "stub", "memory": "1Gi"}] * 2
WHATEVER_CHANGES = "find /etc /opt /usr -newer /var/tmp/mark -type f 2>/dev/null; true"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Archive]:
    folder = tmp_path_factory.mktemp("archives")
    broken = made(folder / "lupine-2.2.0.tgz", program=LUPINE, works=False)
    return {"good": made(folder / "lupine-2.1.0.tgz", program=LUPINE), "broken": broken}


@pytest.fixture(scope="module")
def host(site: Machines) -> Machine:
    """One with a stand-in for NVIDIA's driver, and nothing else."""
    machine = site.started("gpu2")
    gpus.put_driver(machine)
    return machine


class Scene:
    """The host, and what it is told."""

    def __init__(self, site: Machines, host: Machine, stage: Stage, archives: dict[str, Archive]) -> None:
        self.site, self.host, self.stage, self.archives = site, host, stage, archives
        self.manifests = site.folder / "manifests"

    def play(
        self, *arguments: str, archive: str = "good", playbook: str = "lupine", **variables: Any
    ) -> Played:
        chosen = self.archives[archive]
        usual = {
            "lupine_server_archive": str(chosen.path),
            "lupine_server_archive_sha256": chosen.sha256,
            "lupine_server_networks": [self.site.network],
            "lupine_server_devices": DEVICES,
            "lupine_server_manifest_folder": str(self.manifests),
            "lupine_server_ready_seconds": 10,
        }
        hosts = inventory("lupine_servers", self.host, **{**usual, **variables})
        return self.stage.play(playbook, hosts, *arguments)

    def told_unchanged(self, **variables: Any) -> str:
        """The one message of a run that fails and changes nothing."""
        self.host.told("touch /var/tmp/mark")
        time.sleep(0.05)
        played = self.play(**variables)
        assert played.code == 2, played.output
        assert self.host.told(WHATEVER_CHANGES) == ""
        (message,) = played.failures()
        return message

    def servers(self, name: str) -> list[GpuServer]:
        """What verify wrote down."""
        found = yaml.safe_load_all((self.manifests / f"{name}.yaml").read_text())
        return [GpuServer.from_json(json.dumps(each)) for each in found]


@pytest.fixture
def scene(site: Machines, host: Machine, stage: Stage, archives: dict[str, Archive]) -> Scene:
    return Scene(site, host, stage, archives)


# Nothing is changed where something is not as it has to be


@pytest.mark.long
def test_a_wrong_sha256_is_told(scene: Scene) -> None:
    wanted = "0" * 64
    assert f"allowed SHA-256 {wanted}; get the archive anew" in scene.told_unchanged(
        lupine_server_archive_sha256=wanted
    )


def test_a_driver_that_does_not_answer_is_told(scene: Scene) -> None:
    scene.host.told(f"systemctl stop {gpus.UNIT}")
    message = scene.told_unchanged()
    scene.host.told(f"systemctl start {gpus.UNIT}")
    assert "gpu2: NVIDIA's driver: found nvidia-smi NVIDIA-SMI has failed because it couldn't" in message
    assert "set the host up by headrace.hosts.gpu_hosts" in message


@pytest.mark.long
def test_a_driver_of_a_cuda_that_it_does_not_serve_is_told(scene: Scene) -> None:
    message = scene.told_unchanged(lupine_server_cuda_min="12.4")
    assert "NVIDIA's driver: found one of CUDA 12.2, allowed 12.4 to 13.3; install such a driver" in message


@pytest.mark.long
def test_a_port_in_use_is_told_with_the_program_that_has_it(scene: Scene) -> None:
    listen = f"import socket, time; s = socket.create_server(('', {PORT + 1})); time.sleep(60)"
    scene.host.told(
        f'setsid python3 -c "{listen}" >/dev/null 2>&1 </dev/null & echo $! >/var/tmp/pid; sleep 0.5'
    )
    message = scene.told_unchanged()
    scene.host.told("kill $(cat /var/tmp/pid)")
    assert f"gpu2: port {PORT + 1}: found it in use by python3, allowed a free port" in message
    assert "choose another lupine_server_port. Nothing was changed" in message


# From bare to serving


@pytest.mark.long
def test_a_dry_run_on_a_bare_host_tells_what_would_change_and_changes_nothing(scene: Scene) -> None:
    scene.host.told("touch /var/tmp/mark")
    time.sleep(0.05)
    played = scene.play("--check")
    assert played.code == 0, played.output
    assert "Write the unit" in played.changed()
    assert scene.host.told(WHATEVER_CHANGES) == ""


def test_a_bare_host_serves_each_gpu_under_systemd_as_a_user_of_its_own(scene: Scene) -> None:
    played = scene.play()
    assert played.code == 0, played.output
    for number in (0, 1):
        unit = f"lupine-server@{number}"
        assert (
            scene.host.told(f"systemctl is-active {unit}; systemctl is-enabled {unit}") == "active\nenabled"
        )
        process = f"/proc/$(systemctl show -p MainPID --value {unit})"
        assert scene.host.told(f"stat -c %U {process}") == "lupine"
        assert f"CUDA_VISIBLE_DEVICES={number}" in scene.host.told(f"tr '\\0' '\\n' <{process}/environ")


def test_the_second_run_changes_nothing_and_leaves_a_clients_variables_alone(scene: Scene) -> None:
    scene.host.told("touch /etc/lupine/client.env")
    played = scene.play()
    assert (played.code, played.changed(), played.count("changed")) == (0, [], {}), played.output
    scene.host.told("[ -e /etc/lupine/client.env ]")


def test_what_it_wrote_down_is_a_gpu_server_a_gpu(scene: Scene) -> None:
    servers = scene.servers("gpu2")
    assert [(each.name, each.spec.port, each.spec.max_sessions, each.spec.backend) for each in servers] == [
        ("gpu2-0", PORT, 8, Backend.LUPINE), ("gpu2-1", PORT + 1, 8, Backend.LUPINE),
    ]  # fmt: skip
    assert [misfit(each) for each in servers] == ["", ""]


async def test_a_client_computes_through_it(scene: Scene) -> None:
    place = scene.host.address, PORT + 1
    await control.open_session(*place, session="a", gpu=0, memory_bytes=2**24)
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    with Device(Place(*place, "a")) as gpu:
        np.testing.assert_allclose(gpu.matmul(a, a.T), a @ a.T)
    await control.close_session(*place, session="a")


def test_only_the_named_network_may_connect(scene: Scene) -> None:
    assert answers(scene.host, scene.site.gateway, PORT)
    assert not answers(scene.host, scene.site.outside, PORT)
    assert answers(scene.host, scene.site.outside, 22)  # nothing else is closed


@pytest.mark.long
def test_a_version_that_does_not_serve_is_taken_back(scene: Scene) -> None:
    before = scene.host.told("readlink /opt/lupine-server/current")
    played = scene.play(archive="broken", lupine_server_ready_seconds=3)
    assert played.code == 2
    message = played.failures()[-1]
    assert "Lupine lupine-2.2.0-" in message
    assert "did not serve within 3 s; its log says: " in message
    assert "cuInit failed" in message  # systemd's journal has it
    assert f"The former version {before.removeprefix('versions/')} serves again" in message
    assert scene.host.told("readlink /opt/lupine-server/current") == before
    deadline = time.monotonic() + 30
    while not answers(scene.host, scene.site.gateway, PORT):
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.long
def test_an_upgrade_to_every_option_changed(scene: Scene) -> None:
    changed = {
        "lupine_server_devices": DEVICES[:1], "lupine_server_port": 9000, "lupine_server_max_sessions": 0,
        "lupine_server_cuda_min": "12.0", "lupine_server_cuda_max": "12.9",
        "lupine_server_environment": {"A_NAME": 'a "value"'}, "lupine_server_root": "/srv/lupine",
        "lupine_server_config": "/etc/lupine2", "lupine_server_user": "gpu", "lupine_server_group": "gpus",
        "lupine_server_kept_versions": 3, "lupine_server_drain_seconds": 5, "lupine_server_name": "box",
        "lupine_server_address": "box.lab", "lupine_server_pool": "boxes",
        "lupine_server_node_selector": {"zone": "lab"}, "lupine_server_firewall": False,
        "lupine_server_networks": [],
    }  # fmt: skip
    played = scene.play(playbook="upgrade", **changed)
    assert played.code == 0, played.output
    assert scene.play(**changed).changed() == []
    assert answers(scene.host, scene.site.outside, 9000)
    environment = scene.host.told(
        f"tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value {UNIT})/environ"
    )
    assert 'A_NAME=a "value"' in environment.splitlines()
    (server,) = scene.servers("box")
    assert (server.name, server.spec.port, server.spec.max_sessions, server.spec.pool) == (
        "box-0", 9000, 1000, "boxes",
    )  # fmt: skip

"""The role gpu_host on a real host over ssh, with stand-ins for NVIDIA's driver and programs: no GPU here.

The tests build on one another.
"""

import json
import time
from typing import Any

import pytest

from tests.ansible import gpus
from tests.ansible.playing import Played, Stage, inventory
from tests.toolchain.machines import Machine, Machines

WHATEVER_CHANGES = "find /etc /opt /usr /run/cdi -newer /var/tmp/mark -type f 2>/dev/null; true"
UNITS = ("headrace-gpu-host.service", "headrace-cdi.path")
PROFILES = {"1g.5gb": 2, "3g.20gb": 1}
SLICED = [["3g.20gb", "1g.5gb", "1g.5gb"]] * 2  # the largest first
SLICED_DEVICES = ["0:0", "0:1", "0:2", "1:0", "1:1", "1:2"]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def host(site: Machines) -> Machine:
    """A bare one: no driver yet."""
    return site.started("node1")


class Scene:
    """The host, and what it is told."""

    def __init__(self, host: Machine, stage: Stage) -> None:
        self.host, self.stage = host, stage

    def play(self, *arguments: str, **variables: Any) -> Played:
        return self.stage.play("gpu_hosts", inventory("gpu_hosts", self.host, **variables), *arguments)

    def told_unchanged(self, **variables: Any) -> str:
        """The one message of a run that fails and changes nothing."""
        self.host.told("touch /var/tmp/mark")
        time.sleep(0.05)
        played = self.play(**variables)
        assert played.code == 2, played.output
        assert self.host.told(WHATEVER_CHANGES) == ""
        (message,) = played.failures()
        assert message.endswith("Nothing was changed")
        return message

    def gpus(self, what: str) -> list[Any]:
        """What the GPUs are set to."""
        return [each[what] for each in json.loads(self.host.told("cat /run/stand-in-gpu.json"))]

    def devices(self) -> list[str]:
        """Those of the CDI specification."""
        specification = json.loads(self.host.told("cat /etc/cdi/nvidia.yaml"))
        return [each["name"] for each in specification["devices"]]


@pytest.fixture
def scene(host: Machine, stage: Stage) -> Scene:
    return Scene(host, stage)


# Nothing is changed where something is not as it has to be


def test_a_missing_driver_is_told_with_the_kernel(scene: Scene) -> None:
    gpus.put_programs(scene.host, gpus.TOOLKIT)
    message = scene.told_unchanged()
    kernel = scene.host.told("uname -r")
    assert f"node1: kernel module nvidia: found none for the kernel {kernel}, allowed a loaded one" in message
    assert "install NVIDIA's driver for this kernel" in message


def test_nouveau_is_told(scene: Scene) -> None:
    gpus.put_driver(scene.host)
    scene.host.told("mount -t tmpfs tmpfs /sys/module; mkdir /sys/module/nouveau")
    message = scene.told_unchanged()
    scene.host.told("umount /sys/module")
    assert "kernel module nouveau: found it loaded, allowed NVIDIA's own alone; blacklist nouveau" in message


def test_a_driver_that_is_too_old_is_told(scene: Scene) -> None:
    message = scene.told_unchanged(gpu_host_driver_min="550.54", gpu_host_driver_max="560")
    assert "NVIDIA's driver: found 535.104.05, allowed 550.54 to 560; install such a driver" in message


def test_a_missing_toolkit_is_told(scene: Scene) -> None:
    scene.host.told("mv /usr/bin/nvidia-ctk /var/tmp")
    message = scene.told_unchanged()
    scene.host.told("mv /var/tmp/nvidia-ctk /usr/bin")
    assert (
        "found no /usr/bin/nvidia-ctk, allowed one; install nvidia-container-toolkit, or let the" in message
    )


# From bare to ready


def test_a_dry_run_on_a_bare_host_tells_what_would_change_and_changes_nothing(scene: Scene) -> None:
    scene.host.told("touch /var/tmp/mark")
    time.sleep(0.05)
    played = scene.play("--check", gpu_host_mig=PROFILES)
    assert played.code == 0, played.output
    assert {"Write the settings", "Tell what the GPUs lack"} <= set(played.changed())
    assert scene.host.told(WHATEVER_CHANGES) == ""
    scene.host.told("[ ! -e /run/stand-in-gpu.json ]")  # no GPU was set to anything


def test_a_bare_host_gives_its_gpus_to_containers(scene: Scene) -> None:
    played = scene.play(gpu_host_gpus=2)
    assert played.code == 0, played.output
    assert scene.gpus("persistence") == ["Enabled", "Enabled"]
    assert scene.devices() == ["0", "1"]
    for unit in UNITS:
        assert (
            scene.host.told(f"systemctl is-active {unit}; systemctl is-enabled {unit}") == "active\nenabled"
        )


def test_the_second_run_changes_nothing(scene: Scene) -> None:
    played = scene.play(gpu_host_gpus=2)
    assert (played.code, played.changed(), played.count("changed")) == (0, [], {}), played.output


def test_a_mig_layout_is_made_and_made_again_at_each_boot(scene: Scene) -> None:
    played = scene.play(gpu_host_mig=PROFILES)
    assert played.code == 0, played.output
    assert (scene.gpus("instances"), scene.devices()) == (SLICED, SLICED_DEVICES)
    scene.host.power_off()
    (scene.host.root / "etc/cdi/nvidia.yaml").unlink()
    scene.host.start()
    scene.host.told("systemctl is-system-running --wait; true")
    assert (scene.gpus("instances"), scene.devices()) == (SLICED, SLICED_DEVICES)
    assert scene.gpus("persistence") == ["Enabled", "Enabled"]


def test_another_driver_renews_the_specification(scene: Scene) -> None:
    """As its package does it: depmod writes modules.dep anew."""
    modules = "/lib/modules/$(uname -r)"
    scene.host.told(f"rm /etc/cdi/nvidia.yaml; mkdir -p {modules}; echo >{modules}/modules.dep")
    scene.host.told("for i in $(seq 50); do [ -e /etc/cdi/nvidia.yaml ] && break; sleep 0.1; done")
    assert scene.devices() == SLICED_DEVICES


def test_a_gpu_at_work_keeps_its_layout(scene: Scene) -> None:
    gpus.put_gpus(scene.host, processes=["4711, python3"])
    message = scene.told_unchanged(gpu_host_mig={"7g.40gb": 1})
    gpus.put_gpus(scene.host)
    assert "GPU 0: found 1 processes on it (4711, python3), allowed none while its MIG layout is" in message
    assert scene.gpus("instances") == SLICED


def test_a_profile_that_the_gpu_does_not_have_is_told_with_those_it_has(scene: Scene) -> None:
    message = scene.told_unchanged(gpu_host_mig={"1g.18gb": 1})
    assert "GPU 0: found no MIG profile 1g.18gb, allowed 1g.10gb, 1g.5gb, 2g.10gb, 3g.20gb" in message
    assert scene.gpus("instances") == SLICED


@pytest.mark.long
def test_a_layout_that_the_driver_refuses_is_replaced_by_the_one_before(scene: Scene) -> None:
    played = scene.play(gpu_host_mig={"3g.20gb": 2, "1g.5gb": 1})  # slices enough, and too little memory
    assert played.code == 2
    assert "-cgi 3g.20gb,3g.20gb,1g.5gb -C: exit code 19" in played.failures()[-1]
    assert (
        "Insufficient Resources. What was asked for is in /etc/headrace/gpu-host.json"
        in played.failures()[-1]
    )
    assert scene.gpus("instances") == SLICED


def test_a_mig_mode_that_waits_for_a_reset_is_told(scene: Scene) -> None:
    gpus.put_gpus(scene.host, pending=True)
    off = json.dumps({"persistence": True, "compute_mode": "DEFAULT", "mig": {}, "mig_gpus": []})
    done = scene.host.ssh(f"headrace-gpu-host apply '{off}'")
    gpus.put_gpus(scene.host)
    assert done.returncode == 1
    assert "GPU 0: its MIG mode changes when it is reset; reboot the host" in done.stderr
    assert scene.gpus("instances") == SLICED


@pytest.mark.long
def test_every_option_changed(scene: Scene) -> None:
    gpus.put_programs(scene.host, gpus.MPS)
    changed = {
        "gpu_host_driver_min": "535", "gpu_host_driver_max": "536", "gpu_host_gpus": 2,
        "gpu_host_toolkit_install": True, "gpu_host_toolkit_package": "another",
        "gpu_host_persistence": False, "gpu_host_compute_mode": "exclusive",
        "gpu_host_mps": True, "gpu_host_mps_memory": "4G",
        "gpu_host_mig": {}, "gpu_host_mig_gpus": [0, 1],
    }  # fmt: skip
    played = scene.play(**changed)
    assert played.code == 0, played.output
    assert scene.play(**changed).changed() == []
    assert scene.gpus("mig") == ["Disabled", "Disabled"]
    assert scene.gpus("compute") == ["Exclusive_Process", "Exclusive_Process"]
    assert scene.devices() == ["0", "1"]
    assert scene.host.told("systemctl is-active headrace-mps; cat /tmp/nvidia-mps/told").splitlines() == [
        "active", "set_default_device_pinned_mem_limit 0 4G", "set_default_device_pinned_mem_limit 1 4G",
    ]  # fmt: skip
    played = scene.play(gpu_host_config="/etc/headrace2", gpu_host_mig={"1g.5gb": 7}, gpu_host_mig_gpus=[1])
    assert played.code == 0, played.output
    assert scene.gpus("instances") == [[], ["1g.5gb"] * 7]
    assert scene.host.told("systemctl is-active headrace-mps; true") == "inactive"

"""Stand-ins for what a host with NVIDIA GPUs has: the driver's traces in /proc and its programs."""

import json
import shutil
from typing import Any

from tests.ansible.archive import STAND_IN
from tests.toolchain.machines import Machine

DRIVER = ("nvidia-smi",)
TOOLKIT = ("nvidia-ctk",)
MPS = ("nvidia-cuda-mps-control",)
UNIT = "stand-in-driver.service"


def put_driver(machine: Machine) -> None:
    """Its module is there at each start, too."""
    put_programs(machine, DRIVER)
    put_gpus(machine)
    shutil.copy(STAND_IN / "gpu" / UNIT, machine.root / "etc/systemd/system")
    machine.told(f"systemctl daemon-reload; systemctl enable --now {UNIT}")


def put_programs(machine: Machine, names: tuple[str, ...]) -> None:
    """Programs of NVIDIA's."""
    for name in names:
        shutil.copy(STAND_IN / "gpu" / name, machine.root / "usr/bin")
        (machine.root / "usr/bin" / name).chmod(0o755)


def put_gpus(machine: Machine, **what: Any) -> None:
    """What the stand-ins tell of the host: `gpus`, `driver`, `processes`, `mig`; two GPUs as usual."""
    (machine.root / "etc/stand-in-gpu.json").write_text(json.dumps(what))

"""Makes the box's own mounts and network, from inside its new namespaces."""

import time
from pathlib import Path

from tests.toolchain.cluster.addresses import Subnets
from tests.toolchain.cluster.node import KUBELET_ROOT
from tests.toolchain.cluster.place import Place
from tests.toolchain.running import ToolchainError, output_of

UPLINK = "uplink"
LINK_SECONDS = 20.0
# Folders that programs write to wherever they are told to: the box has its own in their place.
REPLACED = (Path("/run"), Path("/var/lib"), Path("/var/log"))
# What kubelet wants of the whole machine (pkg/kubelet/cm/container_manager_linux.go): shown to it, not set.
KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def wait_for_number(place: Place) -> Subnets:
    """The network that this machine has given. Raises ToolchainError where it gives none."""
    deadline = time.monotonic() + LINK_SECONDS
    while not place.number.exists():
        if time.monotonic() > deadline:
            raise ToolchainError("the box was not linked to this machine; whoever started it is gone")
        time.sleep(0.02)
    return Subnets(int(place.number.read_text()))


def make_mounts(place: Place) -> None:
    """Pods' volumes and logs lie in the state folder, where they can be read from outside."""
    run, lib, log = REPLACED
    output_of(["mount", "-t", "tmpfs", "-o", "mode=755", "box", str(run)])
    _bind(place.logs / "pods", log)
    _cover(lib, place.data / "var-lib")
    KUBELET_ROOT.mkdir(exist_ok=True)
    _bind(place.data / "kubelet", KUBELET_ROOT)
    # Mounts that kubelet makes are seen by containers that ask for it.
    output_of(["mount", "--make-rshared", "/"])
    _show_kernel_settings(place.config / "kernel")


def _bind(source: Path, target: Path) -> None:
    source.mkdir(parents=True, exist_ok=True)
    output_of(["mount", "--bind", str(source), str(target)])


def _cover(target: Path, own: Path) -> None:
    """What is there stays to be read; what is written goes to the folder `own`."""
    upper, work = own / "written", own / "work"
    for folder in (upper, work):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={target},upperdir={upper},workdir={work}"
    output_of(["mount", "-t", "overlay", "-o", options, "box", str(target)])


def _show_kernel_settings(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, value in KERNEL.items():
        shown = folder / name.replace("/", ".")
        shown.write_text(f"{value}\n")
        output_of(["mount", "--bind", str(shown), f"/proc/sys/{name}"])


def make_network(net: Subnets) -> None:
    """This machine and nothing beyond it: all other addresses answer at once that they can't be reached."""
    for step in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{net.node}/32", "dev", UPLINK),
        ("link", "set", UPLINK, "up"),
        ("route", "add", f"{net.host}/32", "dev", UPLINK, "src", net.node),
        ("route", "add", "unreachable", "default"),
    ):
        output_of(["ip", *step])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    _see_bridged_packets()


def _see_bridged_packets() -> None:
    """Answers of a service's pod to a pod of the same bridge must pass the rules, too."""
    switch = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not switch.exists():
        raise ToolchainError("the kernel's module br_netfilter is missing; load it: modprobe br_netfilter")
    switch.write_text("1")

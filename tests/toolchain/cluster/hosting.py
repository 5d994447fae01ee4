"""What this machine holds of a box with a node: a link with its routes, and control groups. All can go."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from tests.toolchain import groups as control
from tests.toolchain.cluster.addresses import Subnets, candidates, tag
from tests.toolchain.cluster.inside import UPLINK
from tests.toolchain.cluster.place import Place
from tests.toolchain.running import ToolchainError, output_of, told_by

END_SECONDS = 15.0
SPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private")


def unshare() -> tuple[str, ...]:
    """Begins the command line of a process with namespaces of its own."""
    return ("unshare", *SPACES)


def prepare(place: Place) -> None:
    """Before the box starts: its control groups, and what only the whole machine can load."""
    control.make(tag(place.root))
    if not Path("/proc/sys/net/bridge").exists():
        told_by(Path("modprobe"), ["br_netfilter"])  # the box says what is missing if that fails


def connect(place: Place, holder: int) -> None:
    """Link the namespaces of the process `holder`, route to them, write the number. Raises ToolchainError."""
    _wait_for_space(holder)
    name = tag(place.root)
    output_of(["ip", "link", "add", name, "type", "veth", "peer", "name", UPLINK, "netns", str(holder)])
    output_of(["ip", "link", "set", name, "up"])
    net = _claim(place, name)
    output_of(["ip", "address", "add", f"{net.host}/32", "dev", name])
    for subnet in (net.services, net.pods):
        output_of(["ip", "route", "add", subnet, "via", net.node, "dev", name, "onlink"])
    new = place.number.with_suffix(".new")
    new.write_text(str(net.number))
    new.replace(place.number)


def _wait_for_space(holder: int) -> None:
    deadline = time.monotonic() + END_SECONDS
    while _space(holder) == _space(os.getpid()):
        if time.monotonic() > deadline:
            raise ToolchainError(f"process {holder} made no namespaces")
        time.sleep(0.01)


def _space(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _claim(place: Place, link: str) -> Subnets:
    """The kernel refuses a route that is there: whose route it took, its number it is."""
    for number in candidates(place.root):
        net = Subnets(number)
        with suppress(ToolchainError):
            output_of(["ip", "route", "add", f"{net.node}/32", "dev", link])
            return net
    raise ToolchainError("all networks of 198.18.0.0/15 are taken by other boxes")


def release(place: Place) -> None:
    """Once its processes are gone: whatever is left. Raises ToolchainError for what won't go."""
    name = tag(place.root)
    deadline = time.monotonic() + END_SECONDS
    while left := [*_link(name), *groups(place)]:
        if time.monotonic() > deadline:
            raise ToolchainError(f"these are left of the box in {place.root}: {', '.join(map(str, left))}")
        if _link(name):
            told_by(Path("ip"), ["link", "delete", name])
        control.sweep(name)


def _link(name: str) -> list[Path]:
    return [link for link in [Path("/sys/class/net") / name] if link.exists()]


def groups(place: Place) -> list[Path]:
    """The control groups of a box, the innermost first."""
    return control.below(tag(place.root))


def plugins() -> Path | None:
    """Where CNI's programs are."""
    places = [Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni")]
    return next((place for place in places if (place / "bridge").exists()), None)


def missing_programs() -> list[str]:
    """Of those from the system's packages."""
    wanted = ("runc", "nft", "iptables", "ipset", "conntrack", "ip", "mount", "unshare")
    absent = [name for name in wanted if shutil.which(name) is None]
    return absent if plugins() else [*absent, "CNI's bridge"]

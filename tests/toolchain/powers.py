"""What a host gets beyond a bare one, so that a kubelet and a container runtime of its own run on it.

Its control groups are its own, with what kubelet writes to: version 2 gives that to a host by itself. Kernel
settings other than its network's stay closed to it: kubelet is shown the values that it wants.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.toolchain import groups
from tests.toolchain.cluster.inside import KERNEL

# A layered file system does not go on top of another one.
OWN_FOLDERS = ("/var/lib/containerd", "/var/lib/kubelet")
ENVIRON = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
SHOWN = "/usr/lib/shown-kernel"
# systemd-nspawn lets nobody write to control groups of version 1; whoever may mount can change that.
INIT = f"""\
while read -r _ where kind _; do
  [ "$kind" = cgroup ] && mount -o remount,bind,rw "$where"
done </proc/mounts
for each in {" ".join(KERNEL)}; do
  mount --bind "{SHOWN}/$each" "/proc/sys/$each"
done
exec /sbin/init
"""


def environ() -> Mapping[str, str]:
    """Of systemd-nspawn."""
    return {**os.environ, **ENVIRON}


def entering(name: str) -> Sequence[str]:
    """Begins a command line that runs in the control groups of this name."""
    enter = "".join(f'echo $$ >"{group}/cgroup.procs"; ' for group in groups.make(name))
    return ("sh", "-c", f'{enter}exec "$@"', "sh")


def options(folder: Path, root: Path) -> Sequence[str]:
    """Of systemd-nspawn; `folder` holds what stays over a power-off beside the files in `root`."""
    for setting, value in KERNEL.items():
        shown = root / SHOWN.lstrip("/") / setting
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
    binds = ["--bind=/dev/kmsg"]
    for target in OWN_FOLDERS:
        own = folder / Path(target).name
        own.mkdir(exist_ok=True)
        binds.append(f"--bind={own}:{target}")
    return ("--capability=all", "--system-call-filter=@keyring bpf", *binds)

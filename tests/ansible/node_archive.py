"""The operator's archive of a node's programs, as the role cluster_node takes it: the toolchain's own."""

import hashlib
import shutil
import tarfile
from pathlib import Path

from tests.ansible.archive import Archive
from tests.toolchain.cluster import hosting
from tests.toolchain.running import ToolchainError

ENGINES = ("kubelet", "kubeadm", "containerd", "containerd-shim-runc-v2", "ctr")
PLUGINS = ("bridge", "host-local", "loopback")


def node_archive(path: Path, bin_: Path, *, without: str = "") -> Archive:
    """A plain tar, as packing hundreds of megabytes takes longer than copying them."""
    plugins, runc = hosting.plugins(), shutil.which("runc")
    if plugins is None or runc is None:
        raise ToolchainError("runc or CNI's programs are not on this machine; run: make toolchain")
    files = {f"bin/{name}": bin_ / name for name in ENGINES if name != without}
    files |= {"bin/runc": Path(runc), **{f"cni/{name}": plugins / name for name in PLUGINS}}
    top = path.name.partition(".tar")[0]
    with tarfile.open(path, "w") as archive:
        for name, file in files.items():
            archive.add(file.resolve(), f"{top}/{name}")
    with path.open("rb") as body:
        return Archive(path, hashlib.file_digest(body, "sha256").hexdigest())

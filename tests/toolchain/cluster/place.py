"""What lies where in a box's state folder."""

from dataclasses import dataclass
from pathlib import Path

LIMIT_BYTES = 80  # containerd's sockets lie below; a socket's path has at most 107 bytes


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one box."""

    root: Path

    @property
    def pki(self) -> Path:
        """Certificates and keys of the authority and of every program."""
        return self.root / "pki"

    @property
    def kubeconfigs(self) -> Path:
        return self.root / "kubeconfigs"

    @property
    def admin(self) -> Path:
        """The kubeconfig of cluster-admin."""
        return self.kubeconfig("admin")

    @property
    def logs(self) -> Path:
        """One file a program; the keeper's own is keeper.log."""
        return self.root / "logs"

    @property
    def audit(self) -> Path:
        """What the API server was asked, a JSON line a request."""
        return self.logs / "audit.jsonl"

    @property
    def config(self) -> Path:
        """The programs' configuration files."""
        return self.root / "config"

    @property
    def data(self) -> Path:
        """What the programs store: etcd, containerd, kubelet, volumes."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """Sockets."""
        return self.root / "run"

    @property
    def standing(self) -> Path:
        """A Standing, written by the keeper."""
        return self.root / "box.json"

    @property
    def lock(self) -> Path:
        """Held by the keeper while it lives."""
        return self.root / "lock"

    @property
    def number(self) -> Path:
        """The number of a box with a network of its own; whoever links it to this machine writes it."""
        return self.root / "number"

    @property
    def containerd(self) -> Path:
        """containerd's socket."""
        return self.run / "containerd.sock"

    @property
    def volumes(self) -> Path:
        """What claims of the class `local` hold."""
        return self.data / "volumes"

    def kubeconfig(self, name: str) -> Path:
        return self.kubeconfigs / f"{name}.kubeconfig"

    def log(self, program: str) -> Path:
        return self.logs / f"{program}.log"

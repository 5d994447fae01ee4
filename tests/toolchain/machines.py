"""Hosts for Ansible's tests: Debian machines with systemd and an ssh server, in a network of their own.

Each is a systemd-nspawn container with what a bare host has, over one tree that debootstrap makes once. Its
`systemctl poweroff` ends it, and starting it again is its power-on. Needs root.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.toolchain import groups, powers
from tests.toolchain.images.base import Source, debootstrap, source_here
from tests.toolchain.places import Places
from tests.toolchain.running import ToolchainError, output_of, told_by

PROGRAMS = ("debootstrap", "ip", "mount", "ssh", "ssh-keygen", "systemd-nspawn", "unshare")
# What a bare host has: not more, as roles have to say what they need.
INCLUDED = (
    "dbus", "iproute2", "kmod", "logrotate", "nftables", "openssh-server", "procps", "python3", "systemd",
    "systemd-sysv",
)  # fmt: skip
FORMAT = 1  # goes up when this module makes another tree
START_SECONDS = 40.0
STOP_SECONDS = 40.0
MOST_SITES = 250
CAPABILITIES = "CAP_NET_ADMIN"  # for nftables
# Killed, systemd-nspawn leaves its machine running; the first process of a namespace takes all along.
SPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private")
QUIET_SSH = (
    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "ConnectTimeout=2", "-o", "BatchMode=yes",
)  # fmt: skip


def lacking() -> tuple[str, ...]:
    """Why this machine can't have such hosts; empty where it can."""
    programs = tuple(f"{name} (make toolchain)" for name in PROGRAMS if shutil.which(name) is None)
    return programs if os.geteuid() == 0 else (*programs, "root, for systemd-nspawn")


def tree(places: Places) -> Path:
    """The tree under all hosts, made once a machine, in about a minute. Raises ToolchainError."""
    source = source_here()
    folder = places.root / "machines"
    folder.mkdir(parents=True, exist_ok=True)
    found = folder / _digest(source)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            _bootstrap(found, source, places)
    return found


def _digest(source: Source) -> str:
    return hashlib.sha256(repr((FORMAT, source.suite, INCLUDED)).encode()).hexdigest()[:12]


def _bootstrap(found: Path, source: Source, places: Places) -> None:
    new = found.with_suffix(".new")
    places.logs.mkdir(parents=True, exist_ok=True)
    debootstrap(new, source, INCLUDED, places.logs / "machines.log")
    for name in ("etc/hostname", "etc/machine-id", "etc/apt/sources.list"):
        (new / name).unlink(missing_ok=True)
    for debs in new.glob("var/cache/apt/archives/*.deb"):
        debs.unlink()
    new.rename(found)


@dataclass
class Machine:
    """One host. `address` is where it is reached; what is written on it stays over its power-off."""

    name: str
    address: str
    folder: Path
    key: Path
    space: str  # its network namespace
    bound: Callable[[], None] | None
    runs_containers: bool = False
    shown: tuple[str, ...] = ()  # folders and files of this machine that it sees, PATH:PATH
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def root(self) -> Path:
        """Its files."""
        return self.folder / "root"

    @property
    def is_on(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Switch it on, and wait until ssh answers. Raises ToolchainError."""
        self.power_on()
        deadline = time.monotonic() + START_SECONDS
        while self.ssh("true").returncode != 0:
            if not self.is_on or time.monotonic() > deadline:
                log = self.folder / "console.log"
                raise ToolchainError(f"machine {self.name} does not answer; see {log}")
            time.sleep(0.1)

    def power_on(self) -> None:
        """Switch it on; it boots by itself."""
        if self.is_on:
            return
        command = [
            *SPACES, "systemd-nspawn", "--register=no", "--keep-unit", f"--directory={self.root}",
            f"--network-namespace-path=/run/netns/{self.space}", f"--machine={self.name}", "--console=pipe",
            *(f"--bind-ro={each}" for each in self.shown),
        ]  # fmt: skip
        if self.runs_containers:
            command = [*powers.entering(self.space), *command, *powers.options(self.folder, self.root)]
            command += ["/bin/sh", "-c", powers.INIT]
        else:
            command += [f"--capability={CAPABILITIES}", "--boot"]
        with (self.folder / "console.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=powers.environ() if self.runs_containers else None,
                preexec_fn=self.bound,  # noqa: PLW1509  (it only asks the kernel)
            )

    def power_off(self) -> None:
        """Switch it off as a person would: its services end first."""
        if self.is_on:
            self.ssh("systemctl poweroff")
            self.wait_until_off()

    def wait_until_off(self) -> None:
        """Once it has been told to. Raises ToolchainError."""
        if self.process is None:
            return
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ToolchainError(f"machine {self.name} is not off after {STOP_SECONDS:g} s") from error

    def cut(self) -> None:
        """Take its power away."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ssh(self, command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command on it as root."""
        return subprocess.run(
            ["ssh", "-i", str(self.key), *QUIET_SSH, f"root@{self.address}", command],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def told(self, command: str) -> str:
        """What a command prints. Raises ToolchainError where it fails."""
        done = self.ssh(command)
        if done.returncode != 0:
            raise ToolchainError(f"{self.name}: {command}: {done.stdout}{done.stderr}")
        return done.stdout.strip()


@dataclass
class Machines:
    """Hosts in one network; `gateway` is this machine's address in it, `outside` one that is not."""

    number: int
    folder: Path
    tree: Path
    bound: Callable[[], None] | None
    all: dict[str, Machine] = field(default_factory=dict)

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def link(self) -> str:
        return f"hrm{self.number}"

    @property
    def network(self) -> str:
        return f"10.99.{self.number}.0/24"

    @property
    def gateway(self) -> str:
        return f"10.99.{self.number}.1"

    @property
    def outside(self) -> str:
        """An address of this machine from which hosts are reached too, but which is not of their network."""
        return f"10.98.{self.number}.1"

    def add(
        self, name: str, *, number: int = 0, runs_containers: bool = False, shown: Sequence[str] = ()
    ) -> Machine:
        """A bare host, switched off; `shown`: what it sees of this machine, each PATH:PATH.

        `number` is the end of its address; 0, the next one: give it to all of a network, or to none. With
        `runs_containers` a kubelet and containerd of its own can run on it.
        """
        index = number or len(self.all) + 2
        address, space = f"10.99.{self.number}.{index}", f"{self.link}-{name}"
        machine = Machine(
            name, address, self.folder / name, self.key, space, self.bound, runs_containers, tuple(shown)
        )
        self.all[name] = machine  # first: what is half made goes at the end too
        self._lay(machine)
        self._wire(machine, index)
        return machine

    def started(self, name: str) -> Machine:
        """A bare host that is on. Raises ToolchainError."""
        machine = self.add(name)
        machine.start()
        return machine

    def _lay(self, machine: Machine) -> None:
        layers = [machine.folder / each for each in ("changes", "work", "root")]
        for each in layers:
            each.mkdir(parents=True)
        options = f"lowerdir={self.tree},upperdir={layers[0]},workdir={layers[1]}"
        output_of(["mount", "-t", "overlay", "overlay", "-o", options, str(machine.root)])
        keys = machine.root / "root" / ".ssh"
        keys.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self.key.with_suffix(".pub"), keys / "authorized_keys")
        (machine.root / "etc/hostname").write_text(f"{machine.name}\n")
        # As Debian's installer leaves it; there is no name server to ask, and asking takes 10 s.
        (machine.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n")
        (machine.root / "etc/resolv.conf").write_text("")

    def _wire(self, machine: Machine, index: int) -> None:
        far, near = f"{self.link}f{index}", self._near(machine)
        inside = ["ip", "-n", machine.space]
        for command in (
            ["ip", "netns", "add", machine.space],
            ["ip", "link", "add", near, "type", "veth", "peer", "name", far],
            ["ip", "link", "set", near, "master", self.link, "up"],
            ["ip", "link", "set", far, "netns", machine.space],
            [*inside, "link", "set", far, "name", "host0", "up"],
            [*inside, "link", "set", "lo", "up"],
            [*inside, "address", "add", f"{machine.address}/24", "dev", "host0"],
            [*inside, "route", "add", "default", "via", self.gateway],
        ):
            output_of(command)

    def _near(self, machine: Machine) -> str:
        """This machine's end of its link."""
        return f"{self.link}n{machine.address.rpartition('.')[2]}"

    def end(self) -> None:
        """Nothing of them stays but their folders."""
        for machine in self.all.values():
            machine.cut()
            # Its namespace would take it along, but later than the next network of this number may come.
            told_by(Path("ip"), ["link", "delete", self._near(machine)])
            with suppress(ToolchainError):
                output_of(["ip", "netns", "delete", machine.space])
            told_by(Path("umount"), ["--lazy", str(machine.root)])
            _sweep(machine)
        told_by(Path("ip"), ["link", "delete", self.link])


@contextmanager
def machines(folder: Path, places: Places, *, bound: Callable[[], None] | None = None) -> Iterator[Machines]:
    """A network without hosts yet; all of it goes at the end. Raises ToolchainError.

    `bound` runs in each host's first process before it starts.
    """
    below = tree(places)
    found = Machines(_claimed(), folder, below, bound)
    try:
        output_of(["ip", "address", "add", f"{found.gateway}/24", "dev", found.link])
        output_of(["ip", "address", "add", f"{found.outside}/32", "dev", found.link])
        output_of(["ip", "link", "set", found.link, "up"])
        output_of(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(found.key)])
        yield found
    finally:
        found.end()


def _sweep(machine: Machine) -> None:
    """Its control groups, once the last of its processes ended."""
    deadline = time.monotonic() + STOP_SECONDS
    while groups.below(machine.space) and time.monotonic() < deadline:
        groups.sweep(machine.space)
        time.sleep(0.01)


def _claimed() -> int:
    """A number whose bridge nobody had; the kernel refuses one that is there."""
    for number in range(1, MOST_SITES):
        if any(Path("/sys/class/net").glob(f"hrm{number}[a-z]*")):
            continue  # the kernel has yet to take away what was linked to the last one of this number
        with suppress(ToolchainError):
            output_of(["ip", "link", "add", f"hrm{number}", "type", "bridge"])
            return number
    raise ToolchainError(f"{MOST_SITES} networks of hosts are there already: ip link delete hrm1, …")

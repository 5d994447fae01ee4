"""The keeper's life: makes a box from nothing, tells how it stands, ends with it."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from tests.toolchain.cluster import addons, hosting, identities, inside, programs, standing
from tests.toolchain.cluster.addresses import Addresses, Subnets, loopback, tag
from tests.toolchain.cluster.box import PROXIES
from tests.toolchain.cluster.keeping import Keeper
from tests.toolchain.cluster.node import NAME, SANDBOX, Node
from tests.toolchain.cluster.oci import Image
from tests.toolchain.cluster.place import Place
from tests.toolchain.cluster.probing import Prober
from tests.toolchain.cluster.programs import Program
from tests.toolchain.cluster.standing import Facts, Standing
from tests.toolchain.places import Places
from tests.toolchain.running import ToolchainError

# `general` knows no sidecars and lets a pod that is to go live on for its whole grace; `pod-complete` would
# end each Job's pod at once.
ENGINES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok")
NODE_ENGINES = (
    *("containerd", "containerd-shim-runc-v2", "ctr", "pause"),
    *("kubelet", "kube-proxy", "coredns", "kube-router"),
)
STAGES = ("node/fast/*", "node/heartbeat-with-lease/*", "pod/fast/pod-ready*")
OWN = Path(__file__).parent / "kwok"


class Kind(StrEnum):
    """What a box holds."""

    CONTROL_PLANE = "control-plane"  # and fake nodes
    CLUSTER = "cluster"  # with a real node too


@dataclass(frozen=True, slots=True)
class Plan:
    """A box before anything of it exists."""

    facts: Facts
    addresses: Addresses
    who: tuple[identities.Identity, ...]
    what: tuple[Program, ...]
    files: Mapping[str, str] = field(default_factory=dict)  # by name in the box's `config`


def plan_control_plane(place: Place, engines: Places) -> Plan:
    """On an address of this machine alone; needs neither root nor packages."""
    at = loopback(place.root)
    return Plan(
        Facts(str(engines.bin), at.api),
        at,
        identities.of_control_plane(at),
        _common(place, engines, at),
        _common_files(),
    )


def plan_cluster(place: Place, engines: Places, net: Subnets) -> Plan:
    """In namespaces of its own, with a network by its number. Raises ToolchainError."""
    plugins = hosting.plugins()
    if plugins is None:
        raise ToolchainError("CNI's programs are not on this machine; run: make toolchain")
    at = net.addresses
    node = Node(place, engines.bin, plugins, Path(sys.executable), net, tag(place.root))
    files = {**_common_files(), **node.files(), "addons.json": json.dumps(addons.manifests())}
    return Plan(
        Facts(str(engines.bin), at.api, NAME, net.host),
        at,
        (*identities.of_control_plane(at), *identities.of_node(at)),
        (*_common(place, engines, at), *node.programs()),
        files,
    )


def _common(place: Place, engines: Places, at: Addresses) -> tuple[Program, ...]:
    return (
        *programs.control_plane(place, engines.bin, at),
        programs.fake_kubelets(place, engines.bin, at, stages(engines)),
    )


def _common_files() -> Mapping[str, str]:
    return {programs.AUDIT_POLICY: json.dumps(programs.AUDIT)}


def live_cluster(place: Place, engines: Places) -> None:
    """Process 1 of its namespaces. Raises ToolchainError for what can't start or stay."""
    net = inside.wait_for_number(place)
    inside.make_mounts(place)
    inside.make_network(net)
    Image.of_programs(SANDBOX, ["/bin/pause"], engines.bin / "pause").write(place.data / "pause.tar")
    live(place, plan_cluster(place, engines, net))


def stages(engines: Places) -> list[Path]:
    """The files by which kwok plays nodes and pods. Raises ToolchainError where they are missing."""
    found = [file for name in STAGES for file in sorted((engines.share / "kwok").glob(f"{name}.yaml"))]
    if not found:
        raise ToolchainError(f"kwok's stages are not in {engines.share / 'kwok'}; run: make toolchain")
    return [*found, *sorted(OWN.glob("*.yaml"))]


def live(place: Place, plan: Plan) -> None:
    """From the certificates to the end. Raises ToolchainError for what can't start or stay."""
    for folder in (place.data, place.run):
        folder.mkdir(exist_ok=True)
    for name, text in plan.files.items():
        (place.config / name).parent.mkdir(parents=True, exist_ok=True)
        (place.config / name).write_text(text)
    identities.write(place, plan.addresses, plan.who, datetime.now(UTC))
    now = Standing("starting", plan.facts)
    standing.write(place, now)
    keeper = Keeper.of(
        place,
        Prober.of(place),
        plan.what,
        environment(Path(plan.facts.bin)),
        lambda ends: standing.write(place, replace(now, phase="ready", ends=ends)),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop(keeper))
    try:
        keeper.start_all()
        standing.write(place, replace(now, phase="ready"))
        keeper.keep()
    except ToolchainError as fault:
        standing.write(place, replace(now, phase="failed", trouble=str(fault)))
        raise
    finally:
        keeper.kill_all()


def _stop(keeper: Keeper) -> None:
    keeper.stopping = True


def environment(bin_: Path) -> Mapping[str, str]:
    """What the programs see: the engines first on PATH, no proxy and nobody's kubeconfig."""
    dropped = {*PROXIES, "KUBECONFIG"}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in dropped}
    return {**kept, "PATH": f"{bin_}:{kept.get('PATH', os.defpath)}"}


def missing(engines: Places, kind: Kind) -> list[str]:
    """What this machine lacks for such a box, for people."""
    names = [*ENGINES, *(NODE_ENGINES if kind is Kind.CLUSTER else ())]
    absent = [name for name in names if not os.access(engines.bin / name, os.X_OK)]
    lacks = [f"{', '.join(absent)} in {engines.bin} (run: make toolchain)"] if absent else []
    if kind is Kind.CLUSTER:
        if os.geteuid() != 0:
            lacks.append("root (containers, mounts and networks are made)")
        if programs_absent := hosting.missing_programs():
            lacks.append(f"{', '.join(programs_absent)} of the system's packages (run: make toolchain)")
    return lacks

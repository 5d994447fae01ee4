"""GPUs: servers that do not serve, plugins that do not run, nodes whose GPUs do not show. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.catalog.deployed import pool_of, sound
from headrace.doctor.cluster import Seen, component_of
from headrace.doctor.finding import Check, Finding, Ground, listed
from headrace.kube.naming import key_of, labels_of
from headrace.kube.port import Manifest
from headrace.model.errors import HeadraceError
from headrace.model.labels import POOL
from headrace.operations.gpus import Gpus
from headrace.placement.inventory import inventory_of

GROUP = "gpus"
PLUGINS = ("gpu-plugin", "device-plugin", "device-plugin-mps", "publisher")

SERVERS = Check(
    "gpu-servers", GROUP,
    "Does each GPU server serve?",
    "kubectl --kubeconfig {kubeconfig} describe gpuservers.headrace.dev {server}",
)  # fmt: skip
NODE_GPUS = Check(
    "gpu-nodes", GROUP,
    "Do the nodes of pools with GPUs offer them?",
    "kubectl --kubeconfig {kubeconfig} describe node {node}  # its device plugin, its driver",
)  # fmt: skip
PLUGIN = Check(
    "gpu-plugins", GROUP,
    "Do the plugins run on all their nodes?",
    "kubectl --kubeconfig {kubeconfig} get pods --all-namespaces "
    "--selector app.kubernetes.io/component={component}",
)  # fmt: skip
CHECKS = (SERVERS, NODE_GPUS, PLUGIN)


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """GPUs as they are now, and objects, or why they can't be seen."""

    gpus: Gpus | HeadraceError
    pools: Seen = ()
    nodes: Seen = ()
    daemons: Seen = ()


def judged(facts: GpuFacts, ground: Ground) -> Sequence[Finding]:
    """Everything that can be said of them."""
    return (_servers(facts.gpus, ground), _nodes(facts, ground), _plugins(facts.daemons, ground))


def _servers(found: Gpus | HeadraceError, ground: Ground) -> Finding:
    if isinstance(found, HeadraceError):
        return SERVERS.skipped(str(found))
    if not found.servers:
        return SERVERS.ok("no GPU server is declared")
    silent = {each.name: each.trouble for each in found.servers if each.trouble}
    if silent:
        told = listed(f"{name}: {why}" for name, why in silent.items())
        return SERVERS.fault(ground, told, server=min(silent))
    return SERVERS.ok(f"all {len(found.servers)} serve")


def _nodes(facts: GpuFacts, ground: Ground) -> Finding:
    if isinstance(facts.pools, HeadraceError):
        return NODE_GPUS.skipped(str(facts.pools))
    if isinstance(facts.nodes, HeadraceError):
        return NODE_GPUS.skipped(str(facts.nodes))
    wanted = {each.pool: each.resource for each in inventory_of(sound(facts.pools, pool_of), ()).local}
    if not wanted:
        return NODE_GPUS.ok("no pool has GPUs")
    hidden = [each for each in facts.nodes if _hides(each, wanted)]
    if hidden:
        told = listed(f"{key_of(each)[1]}: no {wanted[labels_of(each)[POOL]]}" for each in hidden)
        return NODE_GPUS.fault(ground, told, node=key_of(hidden[0])[1])
    return NODE_GPUS.ok(f"those of {listed(sorted(wanted))} do, as far as they are on")


def _hides(node: Manifest, wanted: Mapping[str, str]) -> bool:
    resource = wanted.get(labels_of(node).get(POOL, ""))
    if resource is None:
        return False
    return str(node.get("status", {}).get("allocatable", {}).get(resource, "0")) == "0"


def _plugins(found: Seen, ground: Ground) -> Finding:
    if isinstance(found, HeadraceError):
        return PLUGIN.skipped(str(found))
    own = [each for each in found if component_of(each) in PLUGINS]
    if not own:
        return PLUGIN.ok("none is deployed")
    lacking = {component_of(each): told for each in own if (told := _lacking(each))}
    if lacking:
        told = ", ".join(f"{name} on {each}" for name, each in sorted(lacking.items()))
        return PLUGIN.fault(ground, f"ready only {told} nodes", component=min(lacking))
    return PLUGIN.ok(f"running: {', '.join(sorted(component_of(each) for each in own))}")


def _lacking(daemons: Manifest) -> str:
    status = daemons.get("status", {})
    ready, wanted = status.get("numberReady", 0), status.get("desiredNumberScheduled", 0)
    return "" if ready >= wanted else f"{ready} of {wanted}"

"""Nodes and pools: pools that can't be used, nodes that do not come up or are not ready. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.doctor.cluster import Seen, unready
from headrace.doctor.finding import Check, Finding, Ground, Severity, listed
from headrace.kube.naming import key_of, labels_of
from headrace.kube.port import Manifest
from headrace.model.errors import HeadraceError
from headrace.model.labels import POOL
from headrace.model.node import NodeState
from headrace.scaler.explaining import Explanation
from headrace.scaler.plan import ReasonCode

GROUP = "nodes"
_STUCK = (NodeState.FAILED, NodeState.UNKNOWN)

POOLS = Check(
    "nodes-pools", GROUP,
    "Can every pool be used, and may it have nodes?",
    "kubectl --kubeconfig {kubeconfig} describe nodepools.headrace.dev {pool}",
)  # fmt: skip
BOOTS = Check(
    "nodes-boots", GROUP,
    "Do nodes come up and go, and can their drivers tell how they stand?",
    "headrace node list --state {state}  # why, a node a line",
    worst=Severity.WARNING,
)  # fmt: skip
READINESS = Check(
    "nodes-ready", GROUP,
    "Are the nodes that are on ready?",
    "kubectl --kubeconfig {kubeconfig} describe node {node}",
    worst=Severity.WARNING,
)  # fmt: skip
DISABLED = Check(
    "nodes-disabled", GROUP,
    "Has a person kept nodes from taking work?",
    "headrace node enable {node} --state {state}",
    worst=Severity.WARNING,
)  # fmt: skip
UNMET = Check(
    "nodes-unmet", GROUP,
    "Is there a place for the workers of all files that wait?",
    "headrace explain {function} --state {state}",
)  # fmt: skip
CHECKS = (POOLS, BOOTS, READINESS, DISABLED, UNMET)


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """Objects on a cluster (None: there is none), and what the scaler told of its newest decision."""

    pools: Seen | None = None
    nodes: Seen | None = None
    explained: Explanation | None = None
    unexplained: str = field(default="the scaler has told nothing yet")


def judged(facts: PoolFacts, ground: Ground) -> Sequence[Finding]:
    """Everything that can be said of them."""
    return (
        _pools(facts.pools, facts.nodes, ground),
        _boots(facts, ground),
        _ready(facts.nodes, ground),
        _disabled(facts, ground),
        _unmet(facts, ground),
    )


def _pools(found: Seen | None, nodes: Seen | None, ground: Ground) -> Finding:
    if found is None:
        return POOLS.skipped("this machine is its only node")
    if isinstance(found, HeadraceError):
        return POOLS.skipped(str(found))
    if not found:
        declare = "pulumi up  # with `pools` in the stack, or kubectl apply a NodePool"
        return POOLS.fault(ground, "there is no pool, so no worker is ever started", instead=declare)
    bad = {key_of(each)[1]: told for each in found if (told := unready(each) or _empty(each))}
    if bad:
        return POOLS.fault(ground, listed(f"{name}: {told}" for name, told in bad.items()), pool=min(bad))
    if bare := _bare(found, nodes):
        told = f"of driver static, whose nodes nobody makes, and no node bears its label: {listed(bare)}"
        label = f"kubectl --kubeconfig {{kubeconfig}} label node NODE {POOL}={{pool}}"
        return POOLS.warning(ground, told, instead=label, pool=bare[0])
    return POOLS.ok(f"usable: {listed(key_of(each)[1] for each in found)}")


def _empty(pool: Manifest) -> str:
    spec: Mapping[str, Any] = pool.get("spec", {})
    return "its maxNodes is 0" if spec.get("maxNodes") == 0 else ""


def _bare(found: Sequence[Manifest], nodes: Seen | None) -> list[str]:
    """Pools of driver static that have no node; hosts that serve GPUs are none."""
    if nodes is None or isinstance(nodes, HeadraceError):
        return []
    there = {labels_of(each).get(POOL) for each in nodes}
    specs = {key_of(each)[1]: each.get("spec", {}) for each in found}
    static = [name for name, spec in specs.items() if spec.get("driver") == "static"]
    return [name for name in static if name not in there and specs[name].get("provides") != "gpuServers"]


def _boots(facts: PoolFacts, ground: Ground) -> Finding:
    if facts.explained is None:
        return BOOTS.skipped(facts.unexplained)
    stuck = [f"{n.name} is {n.state}: {n.reason.text}" for n in facts.explained.nodes if n.state in _STUCK]
    if stuck:
        return BOOTS.warning(ground, listed(stuck))
    return BOOTS.ok(f"failed: none of {len(facts.explained.nodes):,}")


def _ready(found: Seen | None, ground: Ground) -> Finding:
    if found is None:
        return READINESS.skipped("this machine is its only node")
    if isinstance(found, HeadraceError):
        return READINESS.skipped(str(found))
    silent = [key_of(each)[1] for each in found if not _is_ready(each)]
    if silent:
        of_pools = sum(1 for each in found if POOL in labels_of(each) and key_of(each)[1] in silent)
        told = f"not ready: {listed(silent)}; {of_pools} of them in pools"
        return READINESS.warning(ground, told, node=silent[0])
    return READINESS.ok(f"all {len(found):,} are ready" if found else "none is on")


def _is_ready(node: Manifest) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _disabled(facts: PoolFacts, ground: Ground) -> Finding:
    if facts.explained is None:
        return DISABLED.skipped(facts.unexplained)
    kept = [each.name for each in facts.explained.nodes if not each.enabled]
    if kept:
        return DISABLED.warning(ground, f"disabled by a person: {listed(kept)}", node=kept[0])
    return DISABLED.ok("none")


def _unmet(facts: PoolFacts, ground: Ground) -> Finding:
    if facts.explained is None:
        return UNMET.skipped(facts.unexplained)
    unfit = [
        (each.name, short.reason.text)
        for each in facts.explained.functions
        for short in each.unmet
        if short.reason.code is ReasonCode.NO_POOL_FITS
    ]
    if unfit:
        told = listed(f"{name}: {why}" for name, why in unfit)
        return UNMET.fault(ground, told, function=unfit[0][0])
    return UNMET.ok("every function fits somewhere")

"""The document's nodes, pools, workers and tenants, from the scaler's plan and what workers tell. Pure."""

from collections.abc import Mapping, Sequence

from headrace.model.amounts import amount_text
from headrace.model.node import NodeState
from headrace.scaler.explaining import Explanation, NodeStory, PoolStory, TenantStory
from headrace.status.answers import NodeShown, RunShown
from headrace.status.decisions import why
from headrace.status.document import (
    MOST_NODES,
    MOST_REASONS,
    MOST_RUNS,
    MOST_WORKERS,
    Nodes,
    PoolShown,
    TenantShown,
    Why,
    Workers,
)
from headrace.status.history import price_of
from headrace.status.runs import Runs, compact
from headrace.status.sight import Heard, Sight
from headrace.status.words import bounded

STATES = tuple(NodeState)
_INDEX = {state: number for number, state in enumerate(STATES)}
_LEAVING = frozenset({NodeState.OFF, NodeState.STOPPING, NodeState.DRAINING, NodeState.UNKNOWN})
# What one node is said to have: figures that bound nothing are left out.
_UNTOLD = frozenset({"pods", "ephemeral-storage"})


def nodes_shown(sight: Sight, runs: Mapping[str, Runs]) -> Nodes:
    """By pool and name; of too many those that are off go first."""
    known = sight.plan.nodes if sight.plan is not None else ()
    chosen = sorted(known, key=lambda node: node.state is NodeState.OFF)[:MOST_NODES]
    nodes = sorted(chosen, key=lambda node: (node.pool, node.name))
    pools = sorted({node.pool for node in nodes})
    places = {name: number for number, name in enumerate(pools)}
    whys, reasons = _reasons(nodes)
    return Nodes(
        total=len(known) if sight.plan is not None else None,
        pool_names=tuple(pools),
        state_names=tuple(state.value for state in STATES),
        whys=whys,
        names=tuple(node.name for node in nodes),
        pools=tuple(places[node.pool] for node in nodes),
        states=tuple(_INDEX[node.state] for node in nodes),
        since=tuple(round(_since(node, runs)) for node in nodes),
        workers=tuple(sum((node.workers or {}).values()) for node in nodes),
        enabled=tuple(node.enabled for node in nodes),
        why=reasons,
        expected=tuple(None if node.expected is None else round(node.expected) for node in nodes),
        runs=tuple(compact(runs.get(node.name, ()), _INDEX, MOST_RUNS) for node in nodes),
    )


def _since(node: NodeStory, runs: Mapping[str, Runs]) -> float:
    own = runs.get(node.name)
    return own[-1].start if own else node.since


def _reasons(nodes: Sequence[NodeStory]) -> tuple[tuple[Why, ...], tuple[int | None, ...]]:
    """Each reason once, and by node which; beyond the room for them none."""
    found: dict[Why, int] = {}
    chosen: list[int | None] = []
    for node in nodes:
        reason = why(node.reason)
        if reason not in found and len(found) < MOST_REASONS:
            found[reason] = len(found)
        chosen.append(found.get(reason))
    return tuple(found), tuple(chosen)


def node_shown(plan: Explanation | None, runs: Mapping[str, Runs], name: str) -> NodeShown | None:
    """One of them by itself; None: there is none of that name."""
    node = next((each for each in (plan.nodes if plan is not None else ()) if each.name == name), None)
    if node is None:
        return None
    return NodeShown(
        name=node.name,
        pool=node.pool,
        state=node.state.value,
        since=round(_since(node, runs)),
        enabled=node.enabled,
        why=Why(code=node.reason.code.value, text=node.reason.text),
        workers=dict(node.workers or {}),
        expected=None if node.expected is None else round(node.expected),
        runs=tuple(RunShown(state=run.state.value, start=round(run.start)) for run in runs.get(name, ())),
    )


def pools_shown(sight: Sight) -> tuple[PoolShown, ...] | None:
    """By name."""
    if sight.plan is None:
        return None
    ordered: dict[str, int] = {}
    for node in sight.plan.nodes:
        if node.state is NodeState.OFF and node.expected is not None:
            ordered[node.pool] = ordered.get(node.pool, 0) + 1
    stories = sorted(sight.plan.pools, key=lambda pool: pool.name)
    return tuple(_pool(story, sight, ordered.get(story.name, 0)) for story in stories)


def _pool(story: PoolStory, sight: Sight, ordered: int) -> PoolShown:
    found = (sight.pools or {}).get(story.name)
    here = sum(number for state, number in story.nodes.items() if state not in _LEAVING)
    return PoolShown(
        name=story.name,
        driver=found.spec.driver.value if found else None,
        provides=found.spec.provides.value if found else None,
        capacity={
            name: amount_text(name, amount) for name, amount in story.capacity.items() if name not in _UNTOLD
        },
        states={state.value: number for state, number in story.nodes.items() if number},
        wanted=here + ordered,
        min_nodes=story.min_nodes,
        max_nodes=story.max_nodes,
        boot_seconds=round(story.boot.usual_seconds, 1),
        safe_boot_seconds=round(story.boot.safe_seconds, 1),
        boots_failing=story.boot.failing,
        price_per_hour=price_of(sight, story.name),
        left_out=bounded(story.left_out) or None,
    )


def workers_shown(heard: Heard | None) -> Workers:
    """Those that hold files longest first, then those that are idle longest."""
    standings = heard.standings if heard is not None else {}
    order = sorted(standings.values(), key=lambda each: (not each.held, each.since, each.worker))
    chosen = order[:MOST_WORKERS]
    nodes = heard.nodes if heard is not None else {}
    return Workers(
        total=len(order) if heard is not None else None,
        names=tuple(each.worker for each in chosen),
        functions=tuple(each.function for each in chosen),
        nodes=tuple(nodes.get(each.worker) for each in chosen),
        held=tuple(each.held for each in chosen),
        since=tuple(round(each.since) for each in chosen),
    )


def tenant_shown(story: TenantStory) -> TenantShown:
    """One of them."""
    return TenantShown(
        name=story.name,
        weight=story.weight,
        priority=story.priority,
        waiting=story.waiting,
        workers=story.workers,
        share=round(story.share, 4),
        resource=story.resource,
        used=dict(story.used),
        quota=dict(story.quota),
    )

"""A decision told: why each function has its workers, why each node is on or off, what can't be met. Pure.

The same value is what a running scaler leaves for whoever asks, and the document of `headrace explain`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.model.amounts import amount_text
from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.model.value import StoredValue
from headrace.placement.ways import NO_GPU
from headrace.scaler.deciding.budgets import Budget
from headrace.scaler.deciding.charges import Charges
from headrace.scaler.deciding.parties import Parties
from headrace.scaler.deciding.shortages import bareness
from headrace.scaler.plan import Plan, Reason, ReasonCode, Unmet, Workers
from headrace.scaler.snapshot import (
    BootEstimate,
    FunctionView,
    NodeView,
    PoolView,
    ServiceEstimate,
    Snapshot,
    TenantView,
    WorkerView,
)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Files for which nothing is done now, and why; `until`: when that is looked at again at the latest."""

    reason: Reason
    files: int
    until: float | None = None


@dataclass(frozen=True, slots=True)
class FunctionStory:
    """One function: `workers` that are there, `working` of them have a file; `wanted` by node.

    `oldest` is when its oldest waiting file arrived, in seconds since the epoch; `request` is what one
    worker needs, in the units of ResourceList; `gpu` tells its way to a GPU and why, empty: it needs none;
    `tenant` is the one that is declared.
    """

    name: str
    reason: Reason
    waiting: int
    working: int
    workers: int
    wanted: Mapping[str, int]
    request: Mapping[str, int]
    service: ServiceEstimate
    oldest: float | None = None
    unmet: tuple[Shortfall, ...] = ()
    gpu: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class NodeStory:
    """One node: its workers by function, why it is as it is; `expected`: when it is thought to be there."""

    name: str
    pool: str
    state: NodeState
    since: float
    reason: Reason
    enabled: bool = True
    workers: Mapping[str, int] | None = None
    expected: float | None = None


@dataclass(frozen=True, slots=True)
class PoolStory:
    """One pool: its nodes by state, what workers may use of one, its limits and its boots.

    `left_out`: why it is not used at all; empty: it is.
    """

    name: str
    capacity: Mapping[str, int]
    nodes: Mapping[NodeState, int]
    min_nodes: int
    max_nodes: int
    boot: BootEstimate
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class TenantStory:
    """One tenant that is declared: `workers` that its functions shall have, and files that wait.

    `share` is the part of `resource` that these workers have, of all that there may be; of no other resource
    they have a greater one. `used`, by them and by those that are leaving, and `quota` are by what is
    counted.
    """

    name: str
    weight: float
    priority: int
    waiting: int
    workers: int
    share: float
    resource: str
    used: Mapping[str, int]
    quota: Mapping[str, int]


class Explanation(StoredValue):
    """A decision at a moment (seconds since the epoch)."""

    at: float
    functions: tuple[FunctionStory, ...] = ()
    nodes: tuple[NodeStory, ...] = ()
    pools: tuple[PoolStory, ...] = ()
    tenants: tuple[TenantStory, ...] = ()

    def about(self, name: str) -> "Explanation | None":
        """Only the function and the node of that name, with what matters to them; None without any."""
        functions = tuple(each for each in self.functions if each.name == name)
        nodes = tuple(each for each in self.nodes if each.name == name)
        if not functions and not nodes:
            return None
        named = {each.pool for each in nodes}
        pools = tuple(each for each in self.pools if not nodes or each.name in named)
        owners = {each.tenant for each in functions}
        tenants = tuple(each for each in self.tenants if each.name in owners)
        return Explanation(at=self.at, functions=functions, nodes=nodes, pools=pools, tenants=tenants)


def explanation(snapshot: Snapshot, plan: Plan, moment: float) -> Explanation:
    """All of it, in the order of the snapshot."""
    return Explanation(
        at=moment,
        functions=tuple(
            _function(function, snapshot, workers, plan.unmet)
            for function, workers in zip(snapshot.functions, plan.workers, strict=True)
        ),
        nodes=_nodes(snapshot, plan, moment),
        pools=tuple(_pool(pool, snapshot.nodes) for pool in snapshot.pools),
        tenants=_tenants(snapshot, plan.workers) if snapshot.tenants else (),
    )


def misfit(function: FunctionView, pools: Sequence[PoolView]) -> Reason | None:
    """Why no pool has nodes for the function's workers; None where one has, or the function is paused."""
    suited = [pool for pool in pools if pool.name in function.pools]
    if function.paused or any(function.request.fits(pool.capacity) for pool in suited):
        return None
    if function.way.reason:
        return Reason(ReasonCode.NO_POOL_FITS, function.way.reason)
    if not suited:
        return Reason(ReasonCode.NO_POOL_FITS, "no pool suits its nodeSelector and tolerations")
    lacks = "; ".join(f"pool {pool.name}: {_lacking(function.request, pool.capacity)}" for pool in suited)
    return Reason(ReasonCode.NO_POOL_FITS, f"a worker fits no node: {lacks}")


def _lacking(request: ResourceList, capacity: ResourceList) -> str:
    return ", ".join(
        f"{name} {amount_text(name, amount)} wanted, {amount_text(name, capacity[name])} there"
        for name, amount in request
        if amount > capacity[name]
    )


def _function(
    function: FunctionView, snapshot: Snapshot, wanted: Workers, unmet: Sequence[Unmet]
) -> FunctionStory:
    own = [worker for worker in snapshot.workers if worker.function == function.name]
    return FunctionStory(
        name=function.name,
        reason=misfit(function, snapshot.pools) or wanted.reason,
        waiting=function.files_waiting,
        working=sum(worker.busy for worker in own),
        workers=len(own),
        wanted=dict(wanted.on),
        request=dict(function.request),
        service=function.service,
        oldest=function.waiting[0].arrived if function.waiting else None,
        unmet=tuple(
            Shortfall(each.reason, each.files, each.until) for each in unmet if each.function == function.name
        ),
        gpu="" if function.way == NO_GPU else function.gpu.told,
        tenant=function.tenant if any(each.name == function.tenant for each in snapshot.tenants) else "",
    )


def _tenants(snapshot: Snapshot, wanted: Sequence[Workers]) -> tuple[TenantStory, ...]:
    """In the order of the snapshot; one without functions has nothing."""
    charges = Charges(snapshot)
    parties = Parties(snapshot, charges, always=True)
    counts = {each.function: each.count for each in wanted}
    for function in snapshot.functions:
        parties.of(function).take(parties.cost(function), counts[function.name])
    return tuple(_tenant(each, snapshot, counts, charges, parties) for each in snapshot.tenants)


def _tenant(
    tenant: TenantView, snapshot: Snapshot, counts: Mapping[str, int], charges: Charges, parties: Parties
) -> TenantStory:
    own = [each for each in snapshot.functions if each.tenant == tenant.name]
    share, resource = parties.greatest(own[0]) if own else (0.0, "")
    budget = Budget.of(tenant)
    for each in own:
        budget.take(budget.wish(charges.of(each)), counts[each.name])
    for worker in snapshot.leaving:
        if worker.tenant == tenant.name:
            budget.take(budget.wish(worker.charge), 1)
    return TenantStory(
        name=tenant.name,
        weight=tenant.weight,
        priority=tenant.priority,
        waiting=sum(each.files_waiting for each in own),
        workers=sum(counts[each.name] for each in own),
        share=share,
        resource=resource,
        used=budget.figures,
        quota=dict(tenant.bounds),
    )


def _nodes(snapshot: Snapshot, plan: Plan, moment: float) -> tuple[NodeStory, ...]:
    pools = {pool.name: pool for pool in snapshot.pools}
    reasons = dict(plan.kept) | {each.node: each.reason for each in plan.stop}
    hosted: dict[str, list[WorkerView]] = {node.name: [] for node in snapshot.nodes}
    for worker in snapshot.workers:
        hosted.setdefault(worker.node, []).append(worker)
    stories = {
        node.name: _node(node, hosted[node.name], pools[node.pool], reasons.get(node.name))
        for node in snapshot.nodes
    }
    for each in plan.start:
        new = NodeStory(each.node, each.pool, NodeState.OFF, moment, each.reason)
        expected = moment + pools[each.pool].boot.safe_seconds
        stories[each.node] = replace(stories.get(each.node, new), reason=each.reason, expected=expected)
    return tuple(stories.values())


def _node(node: NodeView, workers: Sequence[WorkerView], pool: PoolView, reason: Reason | None) -> NodeStory:
    booting = node.state is NodeState.BOOTING
    return NodeStory(
        node.name,
        node.pool,
        node.state,
        node.since,
        reason or _standing(node, workers, pool),
        node.enabled,
        Counter(worker.function for worker in workers),
        node.ordered + pool.boot.safe_seconds if booting else None,
    )


def _standing(node: NodeView, workers: Sequence[WorkerView], pool: PoolView) -> Reason:
    """Why a node of which nothing is ordered is as it is."""
    if not node.enabled:
        return Reason(ReasonCode.DISABLED, "a person disabled it: it takes no new work")
    busy = sum(worker.busy for worker in workers)
    if node.state in (NodeState.BUSY, NodeState.DRAINING) or busy:
        return Reason(ReasonCode.FILES_WAIT, f"{busy} of its workers have files")
    if node.state is NodeState.FAILED:
        return Reason(
            ReasonCode.RECOVERY, f"failed {node.failures} times in a row", {"failures": node.failures}
        )
    if node.state is NodeState.BOOTING:
        return Reason(ReasonCode.FILES_WAIT, "ordered before, and on its way")
    if node.hindrance:
        return Reason(ReasonCode.NO_CAPACITY, node.hindrance)
    if node.state is NodeState.OFF and pool.by_hand:
        return Reason(ReasonCode.NO_CAPACITY, f"it is gone, or lacks the pool's label: {pool.by_hand}")
    return Reason(ReasonCode.NOTHING_WAITS, "no file needs it")


def _pool(pool: PoolView, nodes: Sequence[NodeView]) -> PoolStory:
    states = Counter(node.state for node in nodes if node.pool == pool.name)
    return PoolStory(
        pool.name,
        dict(pool.capacity),
        states,
        pool.min_nodes,
        pool.max_nodes,
        pool.boot,
        left_out=bareness(pool, nodes),
    )

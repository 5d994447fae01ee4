"""What a decision says to Prometheus. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from headrace.metrics import catalogue
from headrace.metrics.family import Figure
from headrace.model.node import NodeState
from headrace.model.tenancy import own_name, tenant_of
from headrace.scaler.bill import Bill
from headrace.scaler.plan import Plan
from headrace.scaler.snapshot import FunctionView, Snapshot


def figures(snapshot: Snapshot, plan: Plan, now: float) -> Sequence[Figure]:
    """Of a decision, as things stand `now`, in seconds since the epoch."""
    return (
        *(figure for function in snapshot.functions for figure in _of_files(function, snapshot, now)),
        *_unmet(plan),
        *_workers(snapshot, plan),
        *_nodes(snapshot),
    )


def of_bill(bill: Bill) -> Iterator[Figure]:
    """What nodes have cost so far."""
    for family, amounts in (
        (catalogue.NODE_SECONDS, bill.seconds),
        (catalogue.NODE_COST, bill.cost),
        (catalogue.ALWAYS_ON_COST, bill.always_on),
    ):
        yield from (Figure(family, amount, (pool,)) for pool, amount in amounts.items())


def promise_seconds(function: FunctionView, snapshot: Snapshot) -> float:
    """After how long a file starts at the latest: one boot of the slowest pool that suits may come first."""
    boots = [pool.boot.usual_seconds for pool in snapshot.pools if pool.name in function.pools]
    return function.max_wait_seconds + max(boots, default=0.0)


def _of_files(function: FunctionView, snapshot: Snapshot, now: float) -> Iterator[Figure]:
    labels, promise = _labels(function.name), promise_seconds(function, snapshot)
    oldest = max((now - files.arrived for files in function.waiting), default=0.0)
    overdue = sum(files.count for files in function.waiting if now - files.arrived > promise)
    yield Figure(catalogue.WAITING, function.files_waiting, labels)
    yield Figure(catalogue.RUNNING, len(function.running), labels)
    yield Figure(catalogue.OLDEST_WAIT, max(0.0, oldest), labels)
    yield Figure(catalogue.PROMISE, promise, labels)
    yield Figure(catalogue.OVERDUE, overdue, labels)


def _unmet(plan: Plan) -> Iterator[Figure]:
    files: Counter[tuple[str, str]] = Counter()
    for each in plan.unmet:
        files[each.function, each.reason.code.value] += each.files
    for (function, reason), number in files.items():
        yield Figure(catalogue.UNMET, number, (*_labels(function), reason))


def _workers(snapshot: Snapshot, plan: Plan) -> Iterator[Figure]:
    for wanted in plan.workers:
        yield Figure(catalogue.WORKERS_WANTED, wanted.count, _labels(wanted.function))
    there = Counter((each.function, each.busy) for each in snapshot.workers)
    for function in snapshot.functions:
        for state, is_busy in (("busy", True), ("idle", False)):
            labels = (*_labels(function.name), state)
            yield Figure(catalogue.WORKERS, there[function.name, is_busy], labels)
    leaving = Counter(each.tenant for each in snapshot.leaving)
    for tenant in sorted({"", *leaving, *(each.name for each in snapshot.tenants)}):
        yield Figure(catalogue.WORKERS_LEAVING, leaving[tenant], (tenant,))


def _nodes(snapshot: Snapshot) -> Iterator[Figure]:
    there = Counter((each.pool, each.state) for each in snapshot.nodes)
    for pool in snapshot.pools:
        yield Figure(catalogue.NODES_MOST, pool.max_nodes, (pool.name,))
        for state in NodeState:
            yield Figure(catalogue.NODES, there[pool.name, state], (pool.name, state.value))


def _labels(function: str) -> tuple[str, str]:
    return own_name(function), tenant_of(function)

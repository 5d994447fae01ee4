"""What nodes have cost, beside what they would have cost had all of them been on all the time. Pure.

A node costs while it is not off: booting, stopping, failed and unknown ones too, as whoever rents them out
counts. Time that nobody looked is in neither sum.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from headrace.status.document import Cost, PoolCost

HOUR_SECONDS = 3600.0
LONGEST_SECONDS = 30.0  # between two looks; a longer time is one that nobody looked


@dataclass(frozen=True, slots=True)
class PoolSight:
    """One pool now: nodes that are not off, nodes at most, and what one costs an hour, if that is known."""

    name: str
    nodes: int
    most: int
    price_per_hour: float | None


@dataclass(frozen=True, slots=True)
class Account:
    """Sums of one pool. Money is that of the prices as they were at the time."""

    node_seconds: float = 0.0
    always_on_seconds: float = 0.0
    cost: float = 0.0
    always_on: float = 0.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Sums by pool since `since`, for `observed_seconds` of the time; `looked` is the last look."""

    since: float | None = None
    looked: float | None = None
    observed_seconds: float = 0.0
    accounts: Mapping[str, Account] = field(default_factory=dict)


def looked(ledger: Ledger, pools: Iterable[PoolSight], now: float) -> Ledger:
    """After one more look, which stands for the time since the last one."""
    since = now if ledger.since is None else ledger.since
    passed = 0.0 if ledger.looked is None else now - ledger.looked
    if not 0.0 < passed <= LONGEST_SECONDS:
        return replace(ledger, since=since, looked=now)
    own = {pool.name: _after(ledger.accounts.get(pool.name, Account()), pool, passed) for pool in pools}
    return Ledger(since, now, ledger.observed_seconds + passed, {**ledger.accounts, **own})


def unseen(ledger: Ledger) -> Ledger:
    """After a time that nobody could look: it is not counted."""
    return replace(ledger, looked=None)


def _after(account: Account, pool: PoolSight, seconds: float) -> Account:
    price = (pool.price_per_hour or 0.0) / HOUR_SECONDS
    return Account(
        account.node_seconds + pool.nodes * seconds,
        account.always_on_seconds + pool.most * seconds,
        account.cost + pool.nodes * seconds * price,
        account.always_on + pool.most * seconds * price,
    )


def cost_shown(ledger: Ledger, prices: Mapping[str, float | None]) -> Cost:
    """Of the pools that are there (by their prices) or were once; those that have no price have no cost."""
    shown = [
        _pool(name, ledger.accounts.get(name, Account()), prices.get(name))
        for name in sorted({*ledger.accounts, *prices})
    ]
    priced = [each for each in shown if each.cost is not None]
    return Cost(
        since=None if ledger.since is None else round(ledger.since),
        observed_seconds=round(ledger.observed_seconds, 1),
        cost=round(sum(each.cost or 0.0 for each in priced), 4) if priced else None,
        always_on=round(sum(each.always_on or 0.0 for each in priced), 4) if priced else None,
        unpriced=tuple(each.pool for each in shown if each.cost is None),
        pools=tuple(shown),
    )


def _pool(name: str, account: Account, price: float | None) -> PoolCost:
    known = price is not None or account.cost > 0  # a pool that is gone keeps what it has cost
    return PoolCost(
        pool=name,
        price_per_hour=price,
        node_seconds=round(account.node_seconds, 1),
        always_on_node_seconds=round(account.always_on_seconds, 1),
        cost=round(account.cost, 4) if known else None,
        always_on=round(account.always_on, 4) if known else None,
    )

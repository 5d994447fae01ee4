"""What nodes cost beside "always on", by tables reckoned by hand; time that nobody looked counts nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.status.ledger import LONGEST_SECONDS, Ledger, PoolSight, cost_shown, looked, unseen


def _over(looks: list[tuple[float, list[PoolSight]]]) -> Ledger:
    ledger = Ledger()
    for at, pools in looks:
        ledger = looked(ledger, pools, at)
    return ledger


def gpu(nodes: int, price: float | None = 0.75) -> PoolSight:
    return PoolSight("gpu", nodes, 3, price)


@pytest.mark.parametrize(
    ("looks", "node_seconds", "always_on_seconds", "cost", "always_on"),
    [
        # the first look only begins
        ([(0.0, [gpu(2)])], 0.0, 0.0, 0.0, 0.0),
        # 2 of 3 nodes for 20 s at 0.75 an hour: 40 x 0.75 / 3600, 60 x 0.75 / 3600
        ([(0.0, [gpu(2)]), (20.0, [gpu(2)])], 40.0, 60.0, 0.0083, 0.0125),
        # 2 nodes for 10 s, then none for 10 s
        ([(0.0, [gpu(2)]), (10.0, [gpu(2)]), (20.0, [gpu(0)])], 20.0, 60.0, 0.0042, 0.0125),
        # 600 s without a look are not counted: only the last 10 s
        ([(0.0, [gpu(2)]), (600.0, [gpu(2)]), (610.0, [gpu(1)])], 10.0, 30.0, 0.0021, 0.0063),
        # a price that changes: 3600 node-seconds would cost 1, then 2; here 10 s each
        (
            [(0.0, [gpu(1, 360.0)]), (10.0, [gpu(1, 360.0)]), (20.0, [gpu(1, 720.0)])],
            20.0, 60.0, 3.0, 9.0,
        ),
        # a clock that is set back counts nothing
        ([(50.0, [gpu(2)]), (40.0, [gpu(2)])], 0.0, 0.0, 0.0, 0.0),
    ],
)  # fmt: skip
def test_node_seconds_and_money(looks, node_seconds, always_on_seconds, cost, always_on):
    (found,) = cost_shown(_over(looks), {"gpu": 0.75}).pools
    assert (found.node_seconds, found.always_on_node_seconds) == (node_seconds, always_on_seconds)
    assert (found.cost, found.always_on) == (cost, always_on)


def test_a_pool_without_a_price_has_no_cost_and_is_named():
    ledger = _over([(at, [gpu(1), PoolSight("cpu", 2, 4, None)]) for at in (0.0, 20.0)])
    found = cost_shown(ledger, {"gpu": 0.75, "cpu": None})
    assert [(each.pool, each.cost, each.node_seconds) for each in found.pools] == [
        ("cpu", None, 40.0),
        ("gpu", 0.0042, 20.0),
    ]
    assert (found.unpriced, found.cost, found.always_on) == (("cpu",), 0.0042, 0.0125)


def test_where_no_pool_has_a_price_there_is_no_sum():
    found = cost_shown(_over([(at, [gpu(1, None)]) for at in (0.0, 30.0)]), {"gpu": None})
    assert (found.cost, found.always_on) == (None, None)


def test_a_price_of_nothing_is_a_price():
    found = cost_shown(_over([(at, [gpu(1, 0.0)]) for at in (0.0, 30.0)]), {"gpu": 0.0})
    assert (found.cost, found.always_on, found.unpriced) == (0.0, 0.0, ())


def test_a_pool_that_is_gone_keeps_what_it_has_cost():
    ledger = _over([(0.0, [gpu(3, 3600.0)]), (10.0, [gpu(3, 3600.0)]), (20.0, [])])
    found = cost_shown(ledger, {})
    assert [(each.pool, each.cost, each.price_per_hour) for each in found.pools] == [("gpu", 30.0, None)]
    assert (found.cost, found.observed_seconds, found.since) == (30.0, 20.0, 0)


def test_after_a_time_unseen_the_next_look_only_begins():
    ledger = looked(unseen(_over([(0.0, [gpu(1)]), (10.0, [gpu(1)])])), [gpu(1)], 15.0)
    assert (ledger.observed_seconds, ledger.since, ledger.looked) == (10.0, 0.0, 15.0)


@given(st.lists(st.tuples(st.floats(0.0, 2 * LONGEST_SECONDS), st.integers(0, 3)), max_size=20))
def test_nothing_ever_costs_more_than_always_on_nor_is_more_seen_than_passed(steps):
    ledger, at = Ledger(), 0.0
    for seconds, nodes in steps:
        at += seconds
        ledger = looked(ledger, [gpu(nodes)], at)
    account = ledger.accounts.get("gpu")
    assert ledger.observed_seconds <= at
    if account is not None:
        assert 0.0 <= account.node_seconds <= account.always_on_seconds
        assert account.always_on_seconds == pytest.approx(3 * ledger.observed_seconds)

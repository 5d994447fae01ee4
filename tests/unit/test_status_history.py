"""How things went: sampled, bounded, and the same after it was written down and read again."""

from itertools import pairwise

import pytest

from headrace.model.node import NodeState
from headrace.status.document import MOST_POINTS
from headrace.status.history import POINT_SECONDS, Followed, History, after, course_of, price_of
from headrace.status.sight import Sight
from tests.unit.status_bench import NOW, node, node_pool, plan, pool_story, story

BUSY = plan(
    story(wanted=2, workers=2),
    node("gpu-0", NodeState.BUSY, since=NOW - 100),
    pool_story("gpu", {NodeState.BUSY: 1, NodeState.OFF: 2}),
)


def sight(found=BUSY, **more):
    return Sight(sources=(), plan=found, plan_is_fresh=True, **more)


def _followed(*looks: tuple[float, Sight]) -> Followed:
    known = Followed(History())
    for at, seen in looks:
        known = after(known, seen, at)
    return known


def test_the_course_has_a_point_each_half_minute_and_keeps_a_bounded_number():
    looks = [(NOW + 10 * number, sight()) for number in range(3 * (MOST_POINTS + 20))]
    points = _followed(*looks).history.points
    assert len(points) == MOST_POINTS
    assert {after.at - before.at for before, after in pairwise(points)} == {POINT_SECONDS}
    assert all(point.at % POINT_SECONDS == 0 for point in points)


def test_before_anything_is_known_there_is_no_point():
    assert _followed((NOW, Sight(sources=()))).history.points == ()


def test_a_course_is_columns_and_tells_nodes_that_are_on():
    found = course_of(_followed((NOW, sight()), (NOW + 30, sight())).history.points)
    assert found.workers == (2, 2)
    assert found.waiting == (None, None)
    assert found.pools == {"gpu": {"busy": (1, 1)}}


def test_what_is_written_down_is_read_again_and_the_time_between_is_not_counted():
    pools = {"gpu": node_pool("gpu", price=3600.0)}
    changed = plan(*BUSY.functions, node("gpu-0", NodeState.IDLE, since=NOW + 15), at=NOW + 15)
    known = _followed(
        (NOW, sight(pools=pools)), (NOW + 10, sight(pools=pools)), (NOW + 20, sight(changed, pools=pools))
    )
    found = History.of_kept(known.history.kept())
    assert found is not None
    assert found.ledger.looked is None
    assert found == known.history.model_copy(update={"ledger": found.ledger})
    assert found.ledger.accounts["gpu"].cost == pytest.approx(10.0)
    assert [run.state for run in found.runs["gpu-0"]] == [NodeState.BUSY, NodeState.IDLE]


@pytest.mark.parametrize("data", [b"", b"nothing", History().to_json(), History().kept()[:-9]])
def test_what_is_no_history_is_none(data):
    assert History.of_kept(data) is None


def test_while_the_plan_is_old_nothing_is_counted():
    old = Sight(sources=(), plan=BUSY, plan_is_fresh=False)
    known = _followed((NOW, sight()), (NOW + 10, sight()), (NOW + 20, old), (NOW + 30, sight()))
    assert known.history.ledger.observed_seconds == 10.0


def test_decisions_of_the_first_plan_are_none_and_of_later_ones_are_told():
    later = plan(story(wanted=3), *BUSY.nodes, at=NOW + 5)
    known = _followed((NOW, sight()), (NOW + 5, sight(later)))
    assert [(each.before, each.after) for each in known.history.decisions] == [("2", "3")]
    assert known.history.decisions_total == 1


@pytest.mark.parametrize(("price", "told"), [(None, None), (0.0, 0.0), (0.75, 0.75), (1.0, 1.0)])
def test_a_price_that_nobody_wrote_is_none(price, told):
    assert price_of(sight(pools={"gpu": node_pool("gpu", price=price)}), "gpu") == told


def test_a_pool_that_has_no_object_has_no_price():
    assert price_of(sight(pools={}), "gpu") is None
    assert price_of(sight(), "gpu") is None

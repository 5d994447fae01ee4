"""How many workers each function gets on the nodes that are on: a table."""

from dataclasses import replace

import pytest

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.deciding.workers import share_out
from headrace.scaler.plan import ReasonCode
from headrace.scaler.snapshot import (
    BootEstimate,
    Files,
    FunctionView,
    NodeView,
    PoolView,
    ServiceEstimate,
    Snapshot,
    WorkerView,
)

NOW = 1000.0
ONE = ResourceList.of({"cpu": 1000})
POOL = PoolView("local", ResourceList.of({"cpu": 2000}), BootEstimate(0.0, 0.0))
HERE = NodeView("here", "local", NodeState.IDLE, 0.0)
ECHO = FunctionView("echo", ONE, ("local",))


def waits(name: str, files: int, *, age: float = 1.0, **more: object) -> FunctionView:
    return replace(ECHO, name=name, waiting=(Files(NOW - age, files),) if files else (), **more)


def workers(function: str, *busy: bool, age: float = 1.0, node: str = "here") -> tuple[WorkerView, ...]:
    return tuple(
        WorkerView(f"{function}-{number}", function, node, NOW - age, has_file)
        for number, has_file in enumerate(busy)
    )


def given(
    *functions: FunctionView, there: tuple[WorkerView, ...] = (), nodes: tuple[NodeView, ...] = (HERE,)
) -> dict[str, tuple[int, ReasonCode]]:
    plan = share_out(Snapshot(functions, (POOL,), nodes, there), NOW)
    return {each.function: (each.count, each.reason.code) for each in plan}


@pytest.mark.parametrize(
    ("functions", "there", "expected"),
    [
        ([waits("a", 0)], (), {"a": (0, ReasonCode.NOTHING_WAITS)}),
        ([waits("a", 1)], (), {"a": (1, ReasonCode.FILES_WAIT)}),
        ([waits("a", 9)], (), {"a": (2, ReasonCode.NO_ROOM)}),
        ([waits("a", 9, max_workers=1)], (), {"a": (1, ReasonCode.LIMIT)}),
        ([waits("a", 9, paused=True)], (), {"a": (0, ReasonCode.PAUSED)}),
        ([waits("a", 0, min_workers=1)], (), {"a": (1, ReasonCode.MIN_WORKERS)}),
        ([waits("a", 0)], workers("a", False, False), {"a": (2, ReasonCode.KEPT_WARM)}),
        ([waits("a", 0)], workers("a", False, False, age=90.0), {"a": (0, ReasonCode.NOTHING_WAITS)}),
        ([waits("a", 0, paused=True)], workers("a", False), {"a": (0, ReasonCode.PAUSED)}),
        ([waits("a", 1)], workers("a", True, False), {"a": (2, ReasonCode.FILES_WAIT)}),
        (
            [waits("a", 9), waits("b", 9)],
            (),
            {"a": (1, ReasonCode.NO_ROOM), "b": (1, ReasonCode.NO_ROOM)},
        ),
        (
            [waits("a", 9), waits("b", 9, priority=1)],
            (),
            {"a": (0, ReasonCode.NO_ROOM), "b": (2, ReasonCode.NO_ROOM)},
        ),
        (  # the idle workers of one end where another's files wait
            [waits("a", 0), waits("b", 9)],
            workers("a", False, False),
            {"a": (0, ReasonCode.NOTHING_WAITS), "b": (2, ReasonCode.NO_ROOM)},
        ),
        (  # those that work never do
            [waits("a", 0), waits("b", 9, priority=9)],
            workers("a", True, True),
            {"a": (2, ReasonCode.FILES_WAIT), "b": (0, ReasonCode.NO_ROOM)},
        ),
    ],
)
def test_shares(functions: list, there: tuple, expected: dict) -> None:
    assert given(*functions, there=there) == expected


def test_the_one_whose_file_is_due_first_comes_first() -> None:
    three = (waits("a", 1, age=1.0), waits("b", 1, age=50.0), waits("c", 1, age=20.0))
    assert given(*three) == {
        "a": (0, ReasonCode.NO_ROOM),
        "b": (1, ReasonCode.FILES_WAIT),
        "c": (1, ReasonCode.FILES_WAIT),
    }


def test_a_second_worker_must_be_worth_its_start() -> None:
    slow = ServiceEstimate(start_seconds=30.0, file_seconds=2.0)
    assert given(waits("a", 10, service=slow))["a"] == (1, ReasonCode.FILES_WAIT)
    assert given(waits("a", 20, service=slow))["a"] == (2, ReasonCode.FILES_WAIT)


def test_work_goes_where_the_model_is_loaded_and_else_to_the_oldest_node() -> None:
    nodes = (replace(HERE, name="new", ordered=9.0), replace(HERE, name="old", ordered=1.0))
    warm = workers("a", False, node="new")
    plan = share_out(Snapshot((waits("a", 2), waits("b", 1)), (POOL,), nodes, warm), NOW)
    assert [dict(each.on) for each in plan] == [{"new": 1, "old": 1}, {"old": 1}]


def test_nodes_that_are_not_on_or_disabled_or_of_another_pool_get_nothing() -> None:
    for node in (
        replace(HERE, state=NodeState.BOOTING),
        replace(HERE, state=NodeState.DRAINING),
        replace(HERE, enabled=False),
    ):
        assert given(waits("a", 1), nodes=(node,))["a"] == (0, ReasonCode.NO_ROOM)
    assert given(waits("a", 1, pools=("other",)))["a"] == (0, ReasonCode.NO_ROOM)

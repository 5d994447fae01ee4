"""Who makes room for a function that has no worker: a table."""

from dataclasses import replace

import pytest

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.snapshot import (
    BootEstimate,
    Files,
    FunctionView,
    NodeView,
    PoolView,
    Running,
    ServiceEstimate,
    Snapshot,
    WorkerView,
)
from headrace.scaler.turns import FINISH_SECONDS, TURN_SECONDS, with_room

NOW = 1000.0
ONE, TWO = ResourceList.of({"cpu": 1000}), ResourceList.of({"cpu": 2000})
POOL = PoolView("local", TWO, BootEstimate(0.0, 0.0))
HERE = NodeView("here", "local", NodeState.BUSY, 0.0)
LONG = ServiceEstimate(file_seconds=1.0, seconds_per_byte=FINISH_SECONDS / 100)


def function(name: str, *, age: float = 1.0, busy: int = 0, **more: object) -> FunctionView:
    view = FunctionView(name, ONE, ("local",), waiting=(Files(NOW - age, 9),), max_wait_seconds=60.0)
    return replace(view, running=tuple(Running(NOW - 9.0 + n, "here", 100) for n in range(busy)), **more)


def leaving(*functions: FunctionView, node: NodeView = HERE) -> set[str]:
    """The busy workers that are told as free."""
    workers = tuple(
        WorkerView(f"{each.name}{number}", each.name, "here", file.started, busy=True)
        for each in functions
        for number, file in enumerate(each.running)
    )
    found = with_room(Snapshot(functions, (POOL,), (node,), workers), NOW)
    for each in found.functions:
        assert len(each.running) == sum(w.busy for w in found.workers if w.function == each.name)
    return {worker.name for worker in found.workers if not worker.busy}


def test_room_that_others_pods_have_is_not_there_to_be_had() -> None:
    """A node of two cores, one of which is others'."""
    half = replace(HERE, taken=ONE)
    assert leaving(function("a", busy=1, age=30.0), function("b", age=60.0), node=half) == {"a0"}
    assert leaving(function("a", busy=1, age=30.0), function("b", age=60.0)) == set()


TABLE = [
    ("who has several gives the youngest at once", [function("a", busy=2), function("b")], {"a1"}),
    ("there is room", [function("a", busy=1), function("b")], set()),
    ("nobody waits", [function("a", busy=2), function("b", waiting=())], set()),
    ("a paused one waits for nobody", [function("a", busy=2), function("b", paused=True)], set()),
    ("one that fits nowhere gets nothing",
     [function("a", busy=2), function("b", request=ResourceList.of({"cpu": 2001}))], set()),
    ("a large one gets all that it needs",
     [function("a", busy=2), function("b", request=TWO, priority=1)], {"a0", "a1"}),
    ("nothing is given for a part of it",
     [function("a", busy=2), function("b", request=TWO)], set()),
    ("two wait, and each owner keeps one", [function("a", busy=2), function("b"), function("c")], {"a1"}),
    ("a single worker stays while nobody's file is due",
     [function("a", busy=1), function("b", busy=1), function("c", age=59.0)], set()),
    ("it goes to the one whose file is due first",
     [function("a", busy=1, age=30.0), function("b", busy=1), function("c", age=60.0)], {"a0"}),
    ("who is due even earlier keeps it",
     [function("a", busy=1, age=90.0), function("b", busy=1, age=90.0), function("c", age=60.0)], set()),
    ("a start takes its time",
     [function("a", busy=1), function("b", busy=1),
      function("c", age=59.0, service=ServiceEstimate(start_seconds=1.0))], {"a0"}),
    ("a file that takes long is not cut off",
     [function("a", busy=2, service=LONG), function("b", age=90.0)], set()),
    ("the higher priority comes first",
     [function("a", busy=1), function("b", busy=1), function("c", priority=1)], {"a0"}),
    ("the lower one never", [function("a", busy=2), function("b", age=90.0, priority=-1)], set()),
]  # fmt: skip


@pytest.mark.parametrize(("functions", "gone"), [r[1:] for r in TABLE], ids=[r[0] for r in TABLE])
def test_who_makes_room(functions: list[FunctionView], gone: set[str]) -> None:
    assert leaving(*functions) == gone


def test_a_single_worker_has_its_core_for_a_turn_at_least() -> None:
    functions = [function(name, busy=1) for name in "ab"]
    starved = function("c", age=90.0)
    for seconds, gone in ((TURN_SECONDS - 1, set()), (TURN_SECONDS, {"a0"})):
        young = [replace(each, running=(Running(NOW - seconds, "here"),)) for each in functions]
        assert leaving(*young, starved) == gone


@pytest.mark.parametrize(
    "node",
    [replace(HERE, enabled=False), replace(HERE, state=NodeState.DRAINING)],
    ids=["disabled", "draining"],
)
def test_nobody_goes_on_on_a_node_that_takes_no_new_work(node: NodeView) -> None:
    assert leaving(function("a", busy=2, service=LONG), node=node) == {"a0", "a1"}

"""What is left on a node that stops: a table."""

from typing import Any

import pytest

from headrace.kube.kinds import NODES
from headrace.kube.memory import MemoryKube
from headrace.model.labels import STOPPING
from headrace.nodes.draining import Drain, cordon, drain_of

OWN = {"kind": "DaemonSet", "apiVersion": "apps/v1", "name": "d", "uid": "d", "controller": True}


def node(since: str | None = "1000") -> dict[str, Any]:
    return {"metadata": {"name": "n", "annotations": {} if since is None else {STOPPING: since}}}


def pod(name: str, *, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "s", **metadata},
        "spec": {"nodeName": "n"},
        "status": {"phase": phase},
    }


RUNS = pod("runs")
ENDS = pod("ends", deletionTimestamp="2026-01-01T00:00:00Z")
DAEMON = pod("daemon", ownerReferences=[OWN])
OVER = pod("over", phase="Succeeded")


@pytest.mark.parametrize(
    ("pods", "now", "expected", "done"),
    [
        ([], 1000.0, Drain((), (), overdue=False), True),
        ([DAEMON, OVER], 1000.0, Drain((), (), overdue=False), True),
        ([RUNS], 1000.0, Drain((RUNS,), (), overdue=False), False),
        ([RUNS, ENDS], 1060.0, Drain((RUNS,), (ENDS,), overdue=False), False),
        ([ENDS], 1060.0, Drain((), (ENDS,), overdue=False), False),
        ([ENDS], 1061.0, Drain((), (ENDS,), overdue=True), True),
        ([RUNS], 9999.0, Drain((RUNS,), (), overdue=True), False),
    ],
    ids=["empty", "its own", "runs", "both", "ends", "ends too late", "does not leave"],
)
def test_how_far_a_drain_is(pods: list[dict[str, Any]], now: float, expected: Drain, done: bool) -> None:
    drain = drain_of(node(), pods, now=now, bound=60.0)
    assert (drain, drain.done) == (expected, done)


@pytest.mark.parametrize(("since", "overdue"), [(None, False), ("1000", True), ("yesterday", True)])
def test_an_order_counts_from_when_the_node_says_it_came(since: str | None, overdue: bool) -> None:
    assert drain_of(node(since), [ENDS], now=2000.0).overdue is overdue


def test_what_is_left_is_told_and_not_at_length() -> None:
    drain = Drain(tuple(pod(f"p{number}") for number in range(12)), (ENDS,), overdue=True)
    assert drain.told == ", ".join(f"s/p{number}" for number in range(10)) + " and 3 more"


async def test_a_cordon_of_a_node_that_is_gone_or_was_replaced_is_none() -> None:
    kube = MemoryKube()
    first = await kube.create(NODES, {"metadata": {"name": "n"}, "spec": {}})
    await kube.delete(NODES, "n")
    assert await cordon(kube, first, now=1.0) is None
    second = await kube.create(NODES, {"metadata": {"name": "n"}, "spec": {}})
    assert await cordon(kube, first, now=1.0) is None
    assert await kube.get(NODES, "n") == second
    assert (await cordon(kube, second, now=1.0))["spec"] == {"unschedulable": True}

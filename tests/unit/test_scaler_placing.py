"""Which worker pods are created and deleted for what is wished, also by two scalers at once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.observation import Standing
from headrace.scaler.kubernetes.placing import Actions, Birth, Farewell, Wish, actions
from headrace.scaler.kubernetes.pods import WorkerPod

DIGEST, OTHER = "d" * 64, "e" * 64
NODES = frozenset({"n1", "n2"})


def pod(ordinal: int, node: str = "n1", digest: str = DIGEST, **changes: object) -> WorkerPod:
    found = WorkerPod(
        name=f"echo-{digest[:10]}-{ordinal}",
        uid=f"uid-{digest[0]}-{ordinal}",
        function="echo",
        digest=digest[:10],
        node=node,
        started=100.0,
        leaving=False,
        ended=False,
        failed=False,
        trouble="",
    )
    return replace(found, **changes)


def held(ordinal: int, tasks: int) -> dict[str, Standing]:
    name = pod(ordinal).name
    return {name: Standing(function="echo", worker=name, held=tasks, since=100.0)}


def decided(
    *pods: WorkerPod, on: dict[str, int], standings: dict[str, Standing] | None = None, held_up: bool = False
) -> Actions:
    wish = Wish(DIGEST, on, held_up=held_up)
    return actions(pods, {"echo": wish}, nodes=NODES, standings=standings or {})


def farewell(ordinal: int, digest: str = DIGEST, *, abrupt: bool = False) -> Farewell:
    gone = pod(ordinal, digest=digest)
    return Farewell(gone.name, gone.uid, abrupt=abrupt)


@pytest.mark.parametrize(
    ("pods", "on", "wanted"),
    [
        pytest.param(
            [], {"n1": 2}, Actions((Birth("echo", 0, "n1"), Birth("echo", 1, "n1"))), id="from nothing"
        ),
        pytest.param([pod(0), pod(1)], {"n1": 2}, Actions(), id="as wished"),
        pytest.param([pod(1)], {"n1": 2}, Actions((Birth("echo", 0, "n1"),)), id="the lowest free ordinal"),
        pytest.param(
            [pod(0, leaving=True)],
            {"n1": 1},
            Actions((Birth("echo", 1, "n1"),)),
            id="a leaving one keeps its name",
        ),
        pytest.param(
            [pod(0), pod(1)],
            {"n1": 1},
            Actions(farewells=[farewell(1)]),
            id="the highest ordinal of the idle",
        ),
        pytest.param(
            [pod(0)],
            {"n2": 1},
            Actions((Birth("echo", 1, "n2"),), [farewell(0)]),
            id="another node, another pod",
        ),
        pytest.param([pod(0)], {}, Actions(farewells=[farewell(0)]), id="none"),
        pytest.param(
            [pod(0, digest=OTHER)],
            {"n1": 1},
            Actions((Birth("echo", 0, "n1"),), [farewell(0, OTHER)]),
            id="another digest leaves, and its ordinals are its own",
        ),
        pytest.param(
            [pod(0, ended=True, failed=True)],
            {"n1": 1},
            Actions((Birth("echo", 1, "n1"),), [farewell(0)]),
            id="an ended one is deleted and replaced",
        ),
        pytest.param(
            [pod(0, node="gone")],
            {"n1": 1},
            Actions((Birth("echo", 1, "n1"),), [farewell(0, abrupt=True)]),
            id="one on a node that is gone is deleted at once",
        ),
        pytest.param(
            [pod(0, node="gone", leaving=True)],
            {},
            Actions(farewells=[farewell(0, abrupt=True)]),
            id="also when it was leaving, as nobody is there to end it",
        ),
    ],
)
def test_pods_are_brought_to_what_is_wished(pods, on, wanted):
    assert decided(*pods, on=on) == Actions(tuple(wanted.births), tuple(wanted.farewells))


def test_those_that_hold_least_leave_first():
    standings = held(0, 0) | held(1, 2) | held(2, 1)
    found = decided(pod(0), pod(1), pod(2), on={"n1": 1}, standings=standings)
    assert [each.name for each in found.farewells] == [pod(0).name, pod(2).name]


def test_pods_of_a_function_that_is_not_wished_leave():
    assert actions([pod(0)], {}, nodes=NODES, standings={}) == Actions(farewells=(farewell(0),))


def test_nothing_is_started_where_it_is_held_up_and_surplus_still_leaves():
    assert decided(pod(0), on={"n2": 3}, held_up=True) == Actions(farewells=(farewell(0),))


# Two scalers at once

WISHES = st.dictionaries(st.sampled_from(sorted(NODES)), st.integers(0, 4))


class Cluster:
    """Pods by name, as the API server keeps them: a name once, a deletion by uid."""

    def __init__(self) -> None:
        self.pods: dict[str, WorkerPod] = {}
        self.made = 0

    def carry_out(self, todo: Actions) -> None:
        for each in todo.farewells:
            if each.name in self.pods and self.pods[each.name].uid == each.uid:
                del self.pods[each.name]
        for birth in todo.births:
            new = pod(birth.ordinal, birth.node)
            if new.name not in self.pods:
                self.made += 1
                self.pods[new.name] = replace(new, uid=f"uid-{self.made}")


@given(before=WISHES, on=WISHES, data=st.data())
def test_two_scalers_with_old_views_never_make_more_than_one_wishes_and_come_to_rest(before, on, data):
    cluster = Cluster()
    cluster.carry_out(decided(on=before))
    views = [tuple(cluster.pods.values())] * 2
    for _ in range(6):
        who = data.draw(st.sampled_from([0, 1]))
        if data.draw(st.booleans()):
            views[who] = tuple(cluster.pods.values())
        cluster.carry_out(decided(*views[who], on=on))
        assert len(cluster.pods) <= max(sum(on.values()), sum(before.values()))
    for _ in range(3):
        cluster.carry_out(decided(*cluster.pods.values(), on=on))
    found = {node: sum(each.node == node for each in cluster.pods.values()) for node in NODES}
    assert found == {node: on.get(node, 0) for node in NODES}

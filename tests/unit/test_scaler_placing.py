"""Which worker pods are created and deleted for what is wished, also by two scalers at once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.resources import CPU, ResourceList
from headrace.scaler.kubernetes.placing import Actions, Birth, Farewell, Wish, actions
from headrace.scaler.kubernetes.pods import WorkerPod

DIGEST, OTHER = "d" * 64, "e" * 64
NODES = frozenset({"n1", "n2"})
CORE = ResourceList.of({CPU: 1000})


def pod(ordinal: int, node: str = "n1", digest: str = DIGEST, **changes: object) -> WorkerPod:
    found = WorkerPod(
        name=f"echo-{digest[:10]}-{ordinal}",
        uid=f"uid-{digest[0]}-{ordinal}",
        function="echo",
        digest=digest[:10],
        node=node,
        started=100.0,
        request=CORE,
    )
    return replace(found, **changes)


def decided(
    *pods: WorkerPod,
    on: dict[str, int],
    held: dict[int, int] | None = None,
    held_up: bool = False,
    free: dict[str, int] | None = None,
) -> Actions:
    wish, left = Wish(DIGEST, on, CORE, held_up=held_up), free or {}
    return actions(
        pods,
        {"echo": wish},
        nodes=NODES,
        held=lambda each: (held or {}).get(each.ordinal, 0),
        free=lambda node: CORE.times(left.get(node, 99)),
    )


def farewell(ordinal: int, digest: str = DIGEST, *, node: str = "n1", abrupt: bool = False) -> Farewell:
    gone = pod(ordinal, digest=digest)
    return Farewell(gone.name, gone.uid, node, abrupt=abrupt)


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
            [pod(0, ended=True)],
            {"n1": 1},
            Actions((Birth("echo", 1, "n1"),), [farewell(0)]),
            id="an ended one is deleted and replaced",
        ),
        pytest.param(
            [pod(0, node="gone")],
            {"n1": 1},
            Actions((Birth("echo", 1, "n1"),), [farewell(0, node="gone", abrupt=True)]),
            id="one on a node that is gone is deleted at once",
        ),
        pytest.param(
            [pod(0, node="gone", leaving=True)],
            {},
            Actions(farewells=[farewell(0, node="gone", abrupt=True)]),
            id="also when it was leaving, as nobody is there to end it",
        ),
    ],
)
def test_pods_are_brought_to_what_is_wished(pods, on, wanted):
    assert decided(*pods, on=on) == Actions(tuple(wanted.births), tuple(wanted.farewells))


def test_those_that_hold_least_leave_first():
    found = decided(pod(0), pod(1), pod(2), on={"n1": 1}, held={1: 2, 2: 1})
    assert [each.name for each in found.farewells] == [pod(0).name, pod(2).name]


def test_pods_of_a_function_that_is_not_wished_leave():
    found = actions([pod(0)], {}, nodes=NODES, held=lambda _: 0, free=lambda _: CORE)
    assert found == Actions(farewells=(farewell(0),))


def test_nothing_is_started_where_it_is_held_up_and_surplus_still_leaves():
    assert decided(pod(0), on={"n2": 3}, held_up=True) == Actions(farewells=(farewell(0),))


def test_a_pod_is_born_only_where_there_is_room_for_it_by_now():
    found = decided(on={"n1": 3, "n2": 2}, free={"n1": 1, "n2": 2})
    assert found.births == (Birth("echo", 0, "n1"), Birth("echo", 1, "n2"), Birth("echo", 2, "n2"))


def test_functions_share_the_room_of_a_node():
    wish = Wish(DIGEST, {"n1": 2}, CORE)
    found = actions([], {"a": wish, "b": wish}, nodes=NODES, held=lambda _: 0, free=lambda _: CORE.times(3))
    assert [each.function for each in found.births] == ["a", "a", "b"]


def test_a_node_is_looked_at_only_when_a_pod_is_to_be_born_there():
    def free(node: str) -> ResourceList:
        pytest.fail(f"{node} was looked at")

    wish = Wish(DIGEST, {"n1": 1}, CORE)
    assert actions([pod(0)], {"echo": wish}, nodes=NODES, held=lambda _: 0, free=free) == Actions()


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

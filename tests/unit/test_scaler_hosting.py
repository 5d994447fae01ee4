"""Workers as pods of an API server in memory: who is there, who comes, who goes, what is left alone."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from headrace.kube.kinds import NODES, PODS, Kind
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError, HeadraceError, TransientError
from headrace.model.function import Function, digest_of
from headrace.model.labels import NODE, short_digest
from headrace.model.resources import CPU
from headrace.placement.ways import NO_GPU
from headrace.queue.memory import MemoryQueue
from headrace.scaler.kubernetes.hearing import ALL_HEARD_SECONDS
from headrace.scaler.kubernetes.unseen import UNSEEN_SECONDS
from headrace.scaler.kubernetes.watching import Watching
from headrace.scaler.kubernetes.workers import PodHost
from headrace.scaler.ports import Wanted
from tests.unit.scaler_cluster import PLACE, SPACE, Cluster, function_object


class Scene:
    """A host, what it sees, and a fence that a test lets down."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.leads = True
        self.watching = Watching(self.cluster.kube, PLACE)
        self.host = PodHost(
            self.cluster.kube,
            PLACE,
            self.watching.seen,
            self.cluster.queue,
            leading=lambda: self.leads,
            now=self.cluster.clock.now,
        )

    async def settle(self) -> None:
        """Until the mirrors show what is there: a mark is written, and seen."""
        for mirror, kind in ((self.watching.pods, PODS), (self.watching.nodes, NODES)):
            listing = await self.cluster.kube.list(kind)
            wanted = {
                (each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
                for each in listing.items
            }
            while dict(mirror.items) != wanted:
                await mirror.changed(5.0, since=mirror.revision)
        await self.watching.changed(0.0, since=self.watching.revision)

    async def deploy(self, **spec: Any) -> Function:
        before = self.watching.revision
        function = await self.cluster.deploy(function_object(**spec))
        await self.watching.changed(5.0, since=before)
        await self.settle()
        return function

    async def reconcile(self, on: Mapping[str, int], function: str = "echo") -> None:
        await self.settle()
        request = self.host.request(self.watching.functions.by_name[function].function, NO_GPU)
        await self.host.reconcile({function: Wanted(on, request)})
        await self.settle()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    found = Scene()
    async with found.watching.following():
        for node in ("n1", "n2"):
            await found.cluster.add_node(node)
        yield found


def name_of(function: Function, ordinal: int) -> str:
    return f"echo-{short_digest(digest_of(function, {}))}-{ordinal}"


async def test_a_worker_needs_what_its_function_and_its_supervisor_take(scene: Scene) -> None:
    function = await scene.deploy()
    assert scene.host.request(function, NO_GPU)[CPU] == 1000


async def test_functions_are_taken_once_the_controller_has_made_this_very_digest_ready(scene: Scene) -> None:
    function = await scene.cluster.deploy(function_object(), ready=False)
    await scene.settle()
    assert not scene.host.takes(function)
    await scene.deploy()
    assert scene.host.takes(function)
    changed = await scene.cluster.deploy(function_object(priority=5), ready=False)
    await scene.watching.changed(5.0, since=scene.watching.revision)
    assert not scene.host.takes(changed)


async def test_pods_come_to_the_nodes_that_were_named_and_only_once(scene: Scene) -> None:
    function = await scene.deploy()
    for _ in range(2):
        await scene.reconcile({"n1": 2, "n2": 1})
    assert await scene.cluster.places() == [
        (name_of(function, 0), "n1"), (name_of(function, 1), "n1"), (name_of(function, 2), "n2"),
    ]  # fmt: skip
    assert scene.cluster.asked("create", PODS) == 3


async def test_a_clouds_node_is_known_by_its_label_to_the_scaler_and_by_its_object_to_kubernetes(
    scene: Scene,
) -> None:
    await scene.cluster.kube.patch(NODES, "n2", {"metadata": {"labels": {NODE: "sim-7"}}})
    function = await scene.deploy()
    await scene.reconcile({"n1": 1, "sim-7": 1, "sim-8": 1})
    assert await scene.cluster.places() == [(name_of(function, 0), "n1"), (name_of(function, 1), "n2")]
    assert [each.node for each in await scene.host.present()] == ["n1", "sim-7"]
    await scene.reconcile({"sim-7": 1})
    assert await scene.cluster.places() == [(name_of(function, 1), "n2")]


async def test_of_two_objects_that_bear_one_nodes_name_the_newer_one_is_that_node(scene: Scene) -> None:
    scene.cluster.clock.advance(60.0)
    await scene.cluster.add_node("n0")
    for name in ("n0", "n1"):  # the instance of n1 is gone, and its object not yet
        await scene.cluster.kube.patch(NODES, name, {"metadata": {"labels": {NODE: "sim-7"}}})
    function = await scene.deploy()
    await scene.reconcile({"sim-7": 1})
    assert await scene.cluster.places() == [(name_of(function, 0), "n0")]


async def test_surplus_workers_leave_those_that_work_last_and_in_their_own_time(scene: Scene) -> None:
    function = await scene.deploy()
    names = [await scene.cluster.add_worker(function, ordinal, "n1") for ordinal in range(2)]
    await scene.host.listen()
    await scene.cluster.stand("echo", names[0], 0)
    await scene.cluster.stand("echo", names[1], 3)
    await scene.host.listen()
    await scene.reconcile({"n1": 1})
    assert await scene.cluster.leaving() == [names[0]]
    await scene.reconcile({"n1": 1})
    assert scene.cluster.asked("delete", PODS) == 1, "it was told once"


async def test_a_worker_is_there_from_its_creation_on_though_the_mirror_does_not_show_it_yet(
    scene: Scene,
) -> None:
    function = await scene.deploy()
    await scene.settle()
    request = scene.host.request(function, NO_GPU)
    await scene.watching.pods.stop()  # what happens from now on is seen later
    for _ in range(2):
        await scene.host.reconcile({"echo": Wanted({"n1": 1}, request)})
        assert [(each.name, each.node, each.leaving) for each in await scene.host.present()] == [
            (name_of(function, 0), "n1", False)
        ]
    assert scene.cluster.asked("create", PODS) == 1
    scene.watching.pods.start()
    await scene.settle()
    assert len(await scene.host.present()) == 1, "it is not there twice"
    await scene.cluster.kube.delete(PODS, name_of(function, 0), namespace=SPACE, grace_seconds=0)
    await scene.settle()
    assert await scene.host.present() == []


async def test_a_worker_that_came_and_went_before_it_was_seen_is_forgotten(scene: Scene) -> None:
    function = await scene.deploy()
    await scene.settle()
    request = scene.host.request(function, NO_GPU)
    await scene.watching.pods.stop()
    await scene.host.reconcile({"echo": Wanted({"n1": 1}, request)})
    await scene.cluster.kube.delete(PODS, name_of(function, 0), namespace=SPACE, grace_seconds=0)
    assert len(await scene.host.present()) == 1
    before = scene.watching.pods.revision
    scene.watching.pods.start()
    while scene.watching.pods.revision < before + 2:  # it came, it went
        await scene.watching.pods.changed(5.0, since=scene.watching.pods.revision)
    assert await scene.host.present() == []


async def test_a_worker_that_is_never_seen_is_forgotten_in_time(scene: Scene) -> None:
    function = await scene.deploy()
    await scene.settle()
    request = scene.host.request(function, NO_GPU)
    await scene.watching.pods.stop()
    await scene.host.reconcile({"echo": Wanted({"n1": 1}, request)})
    scene.cluster.clock.advance(UNSEEN_SECONDS - 1)
    assert len(await scene.host.present()) == 1
    scene.cluster.clock.advance(1)
    assert await scene.host.present() == []


async def test_a_worker_that_is_not_seen_yet_has_its_room_and_is_told_to_end(scene: Scene) -> None:
    function = await scene.deploy()
    await scene.settle()
    request = scene.host.request(function, NO_GPU)
    await scene.watching.pods.stop()
    await scene.host.reconcile({"echo": Wanted({"n1": 2}, request)})
    await scene.cluster.deploy(function_object(priority=5))
    while scene.watching.functions.by_name["echo"].function.spec.priority != 5 or not scene.host.takes(
        function
    ):
        await scene.watching.changed(5.0, since=scene.watching.revision)
    assert [each.leaving for each in await scene.host.present()] == [True, True]
    await scene.host.reconcile({"echo": Wanted({"n1": 2}, request)})
    assert scene.cluster.asked("delete", PODS) == 2
    assert await scene.cluster.places() == [], "as far as is seen, both cores are taken"


async def test_no_worker_begins_of_a_function_that_has_changed_since_it_was_decided_on(scene: Scene) -> None:
    """Its quota was kept for what it was, and those that were there are still there."""
    await scene.deploy()
    await scene.settle()
    decided = scene.watching.functions.by_name["echo"].function
    request = scene.host.request(decided, NO_GPU)
    await scene.host.reconcile({"echo": Wanted({"n1": 1}, request, of=decided)})
    assert len(await scene.cluster.places()) == 1
    await scene.deploy(priority=5)
    await scene.host.reconcile({"echo": Wanted({"n1": 1, "n2": 1}, request, of=decided)})
    assert await scene.cluster.places() == []
    changed = scene.watching.functions.by_name["echo"].function
    await scene.host.reconcile({"echo": Wanted({"n2": 1}, request, of=changed)})
    assert [node for _, node in await scene.cluster.places()] == ["n2"]


async def test_a_leaving_worker_keeps_its_room_until_it_is_gone(scene: Scene) -> None:
    function = await scene.deploy()
    old = [await scene.cluster.add_worker(function, ordinal, "n1") for ordinal in range(2)]
    changed = await scene.deploy(priority=5)
    await scene.reconcile({"n1": 2})
    assert await scene.cluster.leaving() == sorted(old)
    assert await scene.cluster.places() == []
    await scene.cluster.kube.delete(PODS, old[0], namespace=SPACE, grace_seconds=0)
    await scene.reconcile({"n1": 2})
    assert await scene.cluster.places() == [(name_of(changed, 0), "n1")]


async def test_what_others_run_on_a_node_takes_room_there(scene: Scene) -> None:
    await scene.deploy()
    container = {"name": "other", "resources": {"requests": {"cpu": "1500m"}}}
    other = {"metadata": {"name": "other", "namespace": "default"}, "spec": {"containers": [container]}}
    await scene.cluster.kube.create(PODS, other)
    scene.cluster.kube.bind("other", "n1", namespace="default")
    await scene.reconcile({"n1": 1})
    assert await scene.cluster.places() == []


async def test_workers_of_another_digest_are_told_as_leaving_and_ended_ones_are_not_told(
    scene: Scene,
) -> None:
    function = await scene.deploy()
    old = await scene.cluster.add_worker(function, 7, "n1", digest="0" * 64)
    new = await scene.cluster.add_worker(function, 0, "n1")
    ended = await scene.cluster.add_worker(function, 1, "n1")
    await scene.cluster.tell_status(ended, phase="Succeeded")
    await scene.settle()
    present = await scene.host.present()
    assert {each.name: each.leaving for each in present} == {old: True, new: False}


async def test_pods_on_a_node_that_is_gone_are_removed_at_once(scene: Scene) -> None:
    function = await scene.deploy()
    await scene.cluster.add_worker(function, 0, "n1")
    await scene.cluster.kube.delete(NODES, "n1")
    await scene.reconcile({"n2": 1})
    assert await scene.cluster.leaving() == []
    assert await scene.cluster.places() == [(name_of(function, 1), "n2")]


async def test_a_pod_on_a_node_that_the_mirror_has_not_seen_yet_is_left_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = await scene.deploy()
    name = await scene.cluster.add_worker(function, 0, "n1")
    await scene.settle()
    monkeypatch.delitem(scene.watching.nodes._items, ("", "n1"))
    request = scene.host.request(function, NO_GPU)
    await scene.host.reconcile({"echo": Wanted({"n1": 1}, request)})
    assert await scene.cluster.places() == [(name, "n1")]


async def test_a_function_that_is_no_more_keeps_no_worker(scene: Scene) -> None:
    function = await scene.deploy()
    name = await scene.cluster.add_worker(function, 0, "n1")
    await scene.settle()
    await scene.host.reconcile({})
    assert await scene.cluster.leaving() == [name]


async def test_behind_a_fence_nothing_is_done(scene: Scene) -> None:
    function = await scene.deploy()
    name = await scene.cluster.add_worker(function, 0, "n1")
    scene.leads = False
    await scene.reconcile({"n2": 1})
    assert await scene.cluster.places() == [(name, "n1")]
    assert await scene.cluster.leaving() == []


async def test_a_pod_that_is_refused_is_tried_again_later_and_told(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def full(verb: str, kind: Kind, *_: Manifest | None) -> str | None:
        return "exceeded quota" if (verb, kind) == ("create", PODS) else None

    await scene.deploy()
    scene.cluster.kube.admit = full
    for _ in range(3):
        await scene.reconcile({"n1": 2})
    assert scene.cluster.asked("create", PODS) == 2, "both of one step"
    assert "exceeded quota" in scene.host.troubles["echo"]
    assert caplog.text.count("exceeded quota") == 1
    scene.cluster.kube.admit = lambda *_: None
    scene.cluster.clock.advance(1.0)
    await scene.reconcile({"n1": 2})
    assert len(await scene.cluster.places()) == 2


async def test_an_api_server_that_is_away_is_told_once_all_calls_have_ended(scene: Scene) -> None:
    function = await scene.deploy()
    await scene.settle()
    scene.cluster.kube.unreachable = True
    with pytest.raises(TransientError):
        await scene.host.reconcile({"echo": Wanted({"n1": 2}, scene.host.request(function, NO_GPU))})


# What workers hold


async def test_a_worker_holds_what_it_told_last(scene: Scene) -> None:
    function = await scene.deploy()
    name = await scene.cluster.add_worker(function, 0, "n1")
    await scene.settle()
    await scene.host.listen()
    await scene.cluster.stand("echo", name, 3)
    (found,) = await scene.host.present()
    assert found.standing is not None
    assert found.standing.held == 3


async def test_until_all_must_have_told_a_worker_that_was_there_before_is_believed_to_work(
    scene: Scene,
) -> None:
    function = await scene.deploy()
    await scene.cluster.add_worker(function, 0, "n1")
    await scene.cluster.add_worker(function, 1, "n1", running=False)
    scene.cluster.clock.advance(5.0)
    await scene.settle()
    assert [each.standing.held for each in await scene.host.present() if each.standing] == [1, 0]
    scene.cluster.clock.advance(ALL_HEARD_SECONDS)
    assert [each.standing.held for each in await scene.host.present() if each.standing] == [0, 0]


async def test_a_worker_that_came_while_we_listened_is_idle_until_it_tells(scene: Scene) -> None:
    function = await scene.deploy()
    await scene.host.listen()
    scene.cluster.clock.advance(5.0)
    await scene.cluster.add_worker(function, 0, "n1")
    await scene.settle()
    assert [each.standing.held for each in await scene.host.present() if each.standing] == [0]


@pytest.mark.parametrize("fault", [TransientError("the queue is away"), ConfigurationError("it refuses us")])
async def test_after_the_queue_was_away_workers_must_tell_anew(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, fault: HeadraceError
) -> None:
    async def away() -> None:
        raise fault

    function = await scene.deploy()
    await scene.cluster.add_worker(function, 0, "n1")
    await scene.settle()
    await scene.host.listen()
    scene.cluster.clock.advance(ALL_HEARD_SECONDS + 1)
    with monkeypatch.context() as patched:
        patched.setattr(scene.cluster.queue, "standings", away)
        with pytest.raises(type(fault)):
            await scene.host.present()
    assert [each.standing.held for each in await scene.host.present() if each.standing] == [1]


async def test_workers_of_a_tenant_that_was_not_heard_must_tell_anew_and_the_others_need_not(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = await scene.deploy()
    await scene.cluster.add_worker(function, 0, "n1")
    await scene.settle()
    await scene.host.listen()
    scene.cluster.clock.advance(ALL_HEARD_SECONDS + 1)
    for unheard, held in ((("lab",), 0), (("",), 1), ((), 1)):
        monkeypatch.setattr(MemoryQueue, "unheard", unheard)
        assert [each.standing.held for each in await scene.host.present() if each.standing] == [held]
        scene.cluster.clock.advance(ALL_HEARD_SECONDS - 1)
    scene.cluster.clock.advance(1.0)
    assert [each.standing.held for each in await scene.host.present() if each.standing] == [0]

"""What the scaler on Kubernetes writes down, reads back, and hears of people: maps and annotations."""

import base64
from collections.abc import Mapping

import pytest

from headrace.kube.kinds import CONFIG_MAPS, NODE_POOLS, NODES
from headrace.kube.mirror import Mirror
from headrace.model import labels
from headrace.model.labels import ENABLED, NODE, enabled_of
from headrace.model.resources import CPU, ResourceList
from headrace.scaler.decide import decide
from headrace.scaler.explaining import Explanation
from headrace.scaler.kubernetes import keeping
from headrace.scaler.kubernetes.keeping import MapKeeper
from headrace.scaler.kubernetes.objects import pools_in
from headrace.scaler.kubernetes.telling import Bulletin, LeftOut, Remarks
from headrace.scaler.kubernetes.wishes import NodeWishes
from headrace.scaler.learning import ServiceHistory
from headrace.scaler.memory import UNSEEN, FunctionMemory, Remembered
from headrace.scaler.plan import ReasonCode
from headrace.scaler.service import Decision
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import Files, FunctionView, Snapshot
from tests.unit.scaler_cluster import PLATFORM, Cluster, pool_object


def learned(files: int) -> Remembered:
    service = ServiceHistory(UNSEEN)
    for _ in range(files):
        service = service.observed(1, 100, 2.0)
    return Remembered(functions={"echo": FunctionMemory(service=service)})


async def keeper_of(cluster: Cluster) -> MapKeeper:
    return await MapKeeper.load(cluster.kube, PLATFORM)


async def test_what_is_kept_is_read_by_the_next_leader() -> None:
    cluster = Cluster()
    first = await keeper_of(cluster)
    assert first.read() == Remembered()
    first.keep(learned(3))
    await first.write()
    assert (await keeper_of(cluster)).read() == learned(3)


async def test_what_has_not_changed_is_not_written() -> None:
    cluster = Cluster()
    keeper = await keeper_of(cluster)
    keeper.keep(learned(1))
    for _ in range(3):
        await keeper.write()
    keeper.keep(learned(1))
    await keeper.write()
    assert cluster.asked("apply", CONFIG_MAPS) == 1


async def test_a_late_leader_does_not_write_over_what_the_next_one_wrote(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = Cluster()
    late, new = await keeper_of(cluster), await keeper_of(cluster)
    late.keep(learned(1))
    await late.write()
    new = await keeper_of(cluster)
    new.keep(learned(2))
    await new.write()
    late.keep(learned(3))
    await late.write()
    assert "not kept" in caplog.text
    assert (await keeper_of(cluster)).read() == learned(2)
    await late.write()
    assert (await keeper_of(cluster)).read() == learned(3), "it leads after all, as it asks its fence before"


async def test_while_the_server_is_away_it_is_tried_again() -> None:
    cluster = Cluster()
    keeper = await keeper_of(cluster)
    keeper.keep(learned(1))
    cluster.kube.unreachable = True
    await keeper.write()
    cluster.kube.unreachable = False
    await keeper.write()
    assert (await keeper_of(cluster)).read() == learned(1)


async def test_a_memory_that_is_too_large_is_told_and_not_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping, "MOST_BYTES", 10)
    cluster = Cluster()
    keeper = await keeper_of(cluster)
    keeper.keep(learned(1))
    await keeper.write()
    assert "too many for config map" in caplog.text
    assert cluster.asked("apply", CONFIG_MAPS) == 0


@pytest.mark.parametrize(
    "data", [{}, {keeping.KEY: "%"}, {keeping.KEY: base64.b64encode(b"rubbish").decode()}]
)
async def test_a_memory_that_can_not_be_read_is_begun_anew(
    data: Mapping[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    cluster = Cluster()
    broken = {"metadata": {"name": labels.SCALER_MEMORY, "namespace": PLATFORM}, "binaryData": data}
    await cluster.kube.create(CONFIG_MAPS, broken)
    keeper = await keeper_of(cluster)
    assert keeper.read() == Remembered()
    assert labels.SCALER_MEMORY in caplog.text
    keeper.keep(learned(1))
    await keeper.write()
    assert (await keeper_of(cluster)).read() == learned(1)


# The plan


def decision(moment: float, waiting: int = 2) -> Decision:
    function = FunctionView(
        "echo", ResourceList.of({CPU: 1000}), (), waiting=(Files(moment - 1, waiting),) if waiting else ()
    )
    snapshot = Snapshot((function,), ())
    return Decision(moment, snapshot, decide(snapshot, ScalerSettings(), moment))


async def told(cluster: Cluster) -> Explanation:
    return Explanation.from_json((await cluster.map(labels.PLAN))["data"][labels.PLAN_KEY])


async def test_the_newest_decision_is_told_and_only_what_is_new() -> None:
    cluster = Cluster()
    bulletin = Bulletin(cluster.kube, PLATFORM, Remarks)
    await bulletin.write()
    for moment in (1.0, 2.0):
        bulletin.tell(decision(moment, 0))
        await bulletin.write()
    assert cluster.asked("apply", CONFIG_MAPS) == 1, "only the time is another"
    bulletin.tell(decision(3.0, 5))
    await bulletin.write()
    assert (await told(cluster)).functions[0].waiting == 5


async def test_what_hinders_workers_and_pools_that_nobody_can_switch_are_told_too() -> None:
    cluster = Cluster()
    mirror = Mirror(cluster.kube, NODE_POOLS)
    await cluster.kube.create(NODE_POOLS, pool_object("cloud", driver="eks"))
    async with mirror:
        await mirror.sync(5.0)
        (pool,) = pools_in(mirror).values
    remarks = Remarks({"echo": "function: ErrImagePull"}, [LeftOut(pool, "driver eks does not work")])
    bulletin = Bulletin(cluster.kube, PLATFORM, lambda: remarks)
    bulletin.tell(decision(1.0))
    await bulletin.write()
    found = await told(cluster)
    (short,) = [s for s in found.functions[0].unmet if s.reason.code is ReasonCode.WORKERS_FAILING]
    assert (short.files, "ErrImagePull" in short.reason.text) == (2, True)
    assert [(pool.name, "driver eks does not work" in pool.left_out) for pool in found.pools] == [
        ("cloud", True)
    ]


# Wishes and pools


async def test_annotations_of_nodes_say_whether_they_may_be_used() -> None:
    cluster = Cluster()
    for name, word in (("a", "true"), ("b", "false"), ("c", "maybe"), ("d", None)):
        await cluster.add_node(name)
        if word is not None:
            await cluster.kube.patch(NODES, name, {"metadata": {"annotations": {ENABLED: word}}})
    await cluster.kube.patch(NODES, "d", {"metadata": {"labels": {NODE: "sim-1"}}})
    pool = pool_object()
    words = {"a": "false", "sim-0": "false", "sim-1": "true", "sim-2": "maybe"}
    pool["metadata"]["annotations"] = {enabled_of(name): word for name, word in words.items()}
    await cluster.kube.create(NODE_POOLS, pool)
    async with Mirror(cluster.kube, NODES) as nodes, Mirror(cluster.kube, NODE_POOLS) as pools:
        assert await nodes.sync(5.0)
        assert await pools.sync(5.0)
        wishes = NodeWishes(nodes, pools)
        # Of the pool counts what is said of nodes that say nothing themselves
        assert wishes.enabled() == {"a": True, "b": False, "sim-0": False, "sim-1": True}
        before = nodes.revision
        await cluster.kube.patch(NODES, "d", {"metadata": {"annotations": {ENABLED: "false"}}})
        await nodes.changed(5.0, since=before)
        assert wishes.enabled()["sim-1"] is False, "by the name that its label says"


async def test_an_unsound_pool_is_left_out_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster()
    broken = pool_object("broken")
    broken["spec"]["capacity"] = {}
    for each in (broken, pool_object("sound")):
        await cluster.kube.create(NODE_POOLS, each)
    async with Mirror(cluster.kube, NODE_POOLS) as mirror:
        await mirror.sync(5.0)
        pools = pools_in(mirror)
        before = pools.values
        assert [pool.name for pool in before] == ["sound"]
        revision = mirror.revision
        await cluster.kube.apply_status(
            NODE_POOLS, {"metadata": {"name": "sound"}, "status": {"nodes": 1}}, manager="tests"
        )
        await mirror.changed(5.0, since=revision)
        assert pools.values is before, "a status is no change of a pool"
    assert caplog.text.count("broken is left out") == 1

"""The scaler counts GPUs of servers as it counts nodes: what is decided, given out, and given way."""

from dataclasses import replace

import pytest

from headrace.model.function import Access, Isolation
from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.placement.packing import RemoteRoom
from headrace.placement.ways import Choice, GpuClaim, Way
from headrace.scaler.decide import decide
from headrace.scaler.deciding.workers import share_out
from headrace.scaler.explaining import explanation
from headrace.scaler.plan import ReasonCode
from headrace.scaler.settings import ScalerSettings
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
from headrace.scaler.turns import with_room

NOW = 1000.0
GIB = 2**30
ONE = ResourceList.of({"cpu": 1000})
POOL = PoolView("cpu", ResourceList.of({"cpu": 4000}), BootEstimate(100.0, 100.0))
HERE = NodeView("here", "cpu", NodeState.IDLE, 0.0)
GPUS = (RemoteRoom("gpu1", 0, 16 * GIB, 16 * GIB, 8), RemoteRoom("gpu1", 1, 16 * GIB, 16 * GIB, 8))


def remote(name: str, files: int, gibibytes: int = 8, **more: object) -> FunctionView:
    claim = GpuClaim(1, gibibytes * GIB, Isolation.NONE)
    way = Way(Access.REMOTE, ("cpu",), claim=claim, servers=("gpu1",))
    waiting = (Files(NOW - 1.0, files),) if files else ()
    return replace(FunctionView(name, ONE, ("cpu",), waiting, gpu=Choice(way, (way,))), **more)


def worker(function: str, number: int = 0, *, busy: bool = True, gpu: int = 0) -> WorkerView:
    return WorkerView(f"{function}-{number}", function, "here", NOW - 60, busy, places=(("gpu1", gpu),))


def snapshot(
    *functions: FunctionView, there: tuple[WorkerView, ...] = (), nodes: tuple[NodeView, ...] = (HERE,)
) -> Snapshot:
    return Snapshot(functions, (POOL,), nodes, there, remote=GPUS)


def given(found: Snapshot) -> dict[str, tuple[int, ReasonCode]]:
    return {each.function: (each.count, each.reason.code) for each in share_out(found, NOW)}


def test_no_more_workers_than_the_servers_have_room_for():
    nodes = (HERE, replace(HERE, name="there"))
    assert given(snapshot(remote("a", 9), nodes=nodes)) == {"a": (4, ReasonCode.NO_GPU_ROOM)}


def test_busy_workers_keep_what_they_hold_and_idle_ones_room_counts_as_free():
    busy = remote("a", 9, running=(Running(NOW - 9, "here"),))
    idle = remote("b", 0, 16)
    there = (worker("a"), worker("b", busy=False, gpu=1))
    found = given(snapshot(busy, idle, there=there))
    assert found["a"] == (4, ReasonCode.NO_GPU_ROOM)
    assert found["b"][0] == 0, "its GPU is wanted by files that wait"


def test_two_functions_never_get_the_same_memory():
    found = given(snapshot(remote("a", 9, 12), remote("b", 9, 4)))
    assert (found["a"][0], found["b"][0]) == (2, 2)


def test_no_node_is_ordered_for_workers_that_no_server_has_room_for():
    plan = decide(snapshot(remote("a", 5000), nodes=()), ScalerSettings(), NOW + 60)
    assert len(plan.start) == 1, "four workers fill one node, and four claims fill the GPUs"
    (unmet,) = (each for each in plan.unmet if each.reason.code is ReasonCode.NO_GPU_ROOM)
    assert (unmet.function, "gpu1" in unmet.reason.text) == ("a", True)


def test_who_has_none_gets_one_of_who_has_several():
    running = tuple(Running(NOW - 60, "here") for _ in range(2))
    greedy = remote("a", 99, 16, running=running)
    there = (worker("a", 0), worker("a", 1, gpu=1))
    freed = with_room(snapshot(greedy, remote("b", 3, 16), there=there), NOW)
    assert [each.busy for each in freed.workers].count(False) == 1
    assert given(freed)["b"] == (1, ReasonCode.NO_GPU_ROOM)


@pytest.mark.parametrize("files", [0, 3])
def test_a_wish_that_can_not_be_met_is_told_in_its_words(files: int):
    refused = Way(Access.MIG, (), reason="no way to a GPU: mig: no pool has it")
    function = replace(remote("a", files), pools=(), gpu=Choice(refused, (refused,)))
    found = snapshot(function)
    plan = decide(found, ScalerSettings(), NOW)
    told = explanation(found, plan, NOW).functions[0]
    assert (told.reason.text, told.gpu) == (refused.reason, refused.reason)
    assert [each.reason.text for each in plan.unmet] == ([refused.reason] if files else [])


def test_the_way_that_was_taken_is_told_with_those_that_were_not():
    passed = Way(Access.MIG, (), reason="no pool has it")
    way = remote("a", 0).way
    function = replace(remote("a", 1), gpu=Choice(way, (passed, way)))
    found = snapshot(function)
    told = explanation(found, decide(found, ScalerSettings(), NOW), NOW).functions[0]
    assert told.gpu == "remote on gpu1; not mig: no pool has it"


# Servers that are switched


SERVERS = PoolView(
    "servers", ResourceList.of({"nvidia.com/gpu": 1}), BootEstimate(100.0, 120.0), max_nodes=3, named=True
)


def host(name: str, state: NodeState, *, ordered: float = 0.0, enabled: bool = True) -> NodeView:
    return NodeView(name, "servers", state, 0.0, ordered, enabled)


def seats(server: str, count: int) -> RemoteRoom:
    """A GPU for so many workers of 8 GiB, of a server whose host has its name."""
    return RemoteRoom(server, 0, 8 * count * GIB, 8 * count * GIB, count, server)


def served(name: str, files: int, **more: object) -> FunctionView:
    way = Way(Access.REMOTE, ("cpu",), claim=GpuClaim(1, 8 * GIB, Isolation.NONE), servers=("a", "b", "c"))
    found = remote(name, files, **more)
    return replace(found, gpu=Choice(way, (way,)))


def switched(
    *functions: FunctionView, off: str = "abc", on: str = "", hosts: tuple[NodeView, ...] = ()
) -> Snapshot:
    """One node of four slots that is on; each server has two seats."""
    nodes = hosts or (
        *(host(name, NodeState.OFF) for name in off), *(host(name, NodeState.IDLE) for name in on)
    )  # fmt: skip
    standby = tuple(seats(each.name, 2) for each in nodes if each.state is not NodeState.IDLE)
    ready = tuple(seats(name, 2) for name in on)
    return Snapshot(functions, (POOL, SERVERS), (HERE, *nodes), remote=ready, standby=standby)


def started(found: Snapshot, now: float = NOW) -> list[str]:
    return [each.node for each in decide(found, ScalerSettings(), now).start]


@pytest.mark.parametrize(
    ("files", "seconds", "hosts"),
    [
        (0, 1.0, []),
        (1, 1.0, ["a"]),
        (60, 1.0, ["a"]),  # a minute of work in a minute's promise
        (200, 1.0, ["a", "b"]),
        (5000, 1.0, ["a", "b"]),  # the node holds four workers, and no pool has another
    ],
)
def test_as_few_servers_are_switched_on_as_keep_the_promise(
    files: int, seconds: float, hosts: list[str]
) -> None:
    function = served("f", files, service=ServiceEstimate(file_seconds=seconds), max_wait_seconds=60.0)
    pool = replace(POOL, max_nodes=1)
    found = replace(switched(function), pools=(pool, SERVERS))
    assert started(found) == hosts


def test_a_server_that_answers_is_enough_where_it_keeps_the_promise() -> None:
    assert started(switched(served("f", 10), off="bc", on="a")) == []
    plan = decide(switched(served("f", 10), off="bc", on="a"), ScalerSettings(), NOW)
    assert plan.stop == (), "its seats are needed"


def test_nothing_is_switched_on_twice() -> None:
    coming = (host("b", NodeState.BOOTING, ordered=NOW - 50), host("a", NodeState.OFF))
    assert started(switched(served("f", 10), hosts=coming)) == []
    late = (host("b", NodeState.BOOTING, ordered=NOW - 500), host("a", NodeState.OFF))
    assert started(switched(served("f", 10), hosts=late)) == []


def test_hosts_that_failed_or_that_a_person_disabled_are_left_out() -> None:
    hosts = (host("a", NodeState.FAILED), host("b", NodeState.OFF, enabled=False), host("c", NodeState.OFF))
    assert started(switched(served("f", 10), hosts=hosts)) == ["c"]
    none = (host("a", NodeState.FAILED), host("b", NodeState.OFF, enabled=False))
    plan = decide(switched(served("f", 10), hosts=none), ScalerSettings(), NOW)
    assert (plan.start, [each.reason.code for each in plan.unmet]) == ((), [ReasonCode.NO_GPU_ROOM])


def test_files_that_are_late_already_switch_a_server_on_all_the_same() -> None:
    assert started(switched(served("f", 3)), NOW + 5000) == ["a"]


def test_a_server_that_nobody_uses_goes_off_and_one_in_use_stays() -> None:
    plan = decide(switched(served("f", 0), off="bc", on="a"), ScalerSettings(), NOW)
    assert [each.node for each in plan.stop if each.pool == "servers"] == ["a"]
    busy = (host("a", NodeState.BUSY),)
    found = replace(switched(served("f", 0), hosts=busy), standby=(), remote=(seats("a", 2),))
    assert [each.node for each in decide(found, ScalerSettings(), NOW).stop if each.pool == "servers"] == []


def test_why_a_server_is_switched_on_is_told() -> None:
    found = switched(served("f", 10))
    told = explanation(found, decide(found, ScalerSettings(), NOW), NOW)
    (story,) = (each for each in told.nodes if each.name == "a")
    assert story.reason.text == "files wait for the GPUs that it serves"
    assert story.expected == NOW + 120.0


def test_a_server_is_kept_where_files_come_so_often_that_it_would_be_needed_again() -> None:
    often = tuple(Files(NOW - 3.0 * number, 1) for number in range(60, 0, -1))
    function = served("f", 0, recent=often, service=ServiceEstimate(file_seconds=4.0))
    plan = decide(switched(function, off="bc", on="a"), ScalerSettings(), NOW)
    assert plan.kept["a"].code is ReasonCode.WORTH_KEEPING

"""The document: its written example, what fills it, what is not known, and how large it gets."""

import gzip
import json
import re
from pathlib import Path

from headrace.model.errors import TransientError
from headrace.model.node import NodeState
from headrace.model.observation import Standing
from headrace.model.record import Ending, FailureRecord
from headrace.model.task import Task
from headrace.operations.gpus import Gpus, LocalOffer, ServerGpu, ServerState, Use
from headrace.queue.port import Backlog
from headrace.scaler.plan import Reason, ReasonCode
from headrace.status.document import (
    MOST_FAILED,
    MOST_FUNCTIONS,
    MOST_NODES,
    MOST_POINTS,
    MOST_TEXT,
    MOST_USERS,
    MOST_WORKERS,
    Document,
    Login,
)
from headrace.status.history import POINT_SECONDS, Followed, History, after
from headrace.status.installed import seen
from headrace.status.sight import Counted, Counts, FunctionSeen, GpusSeen, Heard, Sight
from headrace.status.writing import Head, written
from tests.fixtures.world import installed
from tests.unit.api_bench import settings_of
from tests.unit.status_bench import NOW, Bench, node, node_pool, plan, pool_story, story

EXAMPLE = Path(__file__).parents[2] / "docs/examples/status/status.json"
HEAD = Head("first", "lab", "0.1.0", "kubernetes", Login.NONE, 1.0)
GIB = 2**30


def test_the_example_has_every_field_and_nothing_else():
    text = EXAMPLE.read_text()
    assert json.loads(Document.from_json(text).to_json()) == json.loads(text)


async def test_files_wait_run_end_and_fail():
    bench = Bench()
    await bench.world.open()
    tasks = [await bench.world.upload(f"echo/{number}.dcm") for number in range(4)]
    first = await bench.look()
    await bench.queue.pull("echo", 3, wait_seconds=0)
    second = await bench.look()
    await bench.world.finish(tasks[0])
    await bench.world.fail(tasks[1], reason="no such view", log="secret\n")
    third = await bench.look()
    states = [
        {name: document["functions"]["items"][0][name] for name in ("waiting", "running", "done", "failed")}
        for document in (first, second, third)
    ]
    assert states == [
        {"waiting": 4, "running": 0, "done": 0, "failed": 0},
        {"waiting": 1, "running": 3, "done": 0, "failed": 0},
        {"waiting": 1, "running": 1, "done": 1, "failed": 1},
    ]
    (failed,) = third["failed"]["items"]
    assert (failed["key"], failed["reason"], failed["task"]) == ("echo/1.dcm", "no such view", tasks[1].id)
    assert "secret" not in json.dumps(third)
    assert third["functions"]["items"][0]["oldestAt"] == round(NOW)
    assert third["totals"]["failed"] == third["failed"]["total"] == 1


async def test_what_has_never_answered_is_null_and_named():
    bench = Bench()
    bench.plan = TransientError("the scaler is away")
    document = await bench.look()
    (function,) = document["functions"]["items"]
    assert [function[name] for name in ("workers", "wanted", "why", "gpu")] == [None] * 4
    assert (document["nodes"]["total"], document["pools"], document["totals"]["nodes"]) == (None, None, None)
    (source,) = (each for each in document["sources"] if each["name"] == "plan")
    assert (source["at"], source["error"]) == (None, "the scaler is away")
    assert {"nodes", "pools", "functions.workers"} <= set(source["feeds"])


async def test_a_source_that_goes_away_leaves_what_it_told_and_the_others_go_on():
    bench = Bench()
    await bench.world.open()
    before = await bench.look()
    bench.plan = TransientError("the scaler is away")
    await bench.world.upload("echo/1.dcm")
    document = await bench.look(50.0)
    sources = {each["name"]: each for each in document["sources"]}
    assert (sources["plan"]["at"], sources["plan"]["errorSince"]) == (round(NOW + 1), round(NOW + 51))
    assert (sources["queue"]["at"], sources["queue"]["error"]) == (round(NOW + 51), None)
    assert document["pools"] == before["pools"]
    assert document["totals"]["waiting"] == 1


async def test_a_function_that_can_t_be_worked_is_there_first_with_its_fault():
    bench = Bench()
    bench.unsound = (FunctionSeen("view", "", None, fault="spec.image is missing; write it"),)
    await bench.world.open()
    document = await bench.look()
    first, second = document["functions"]["items"]
    assert (first["name"], first["fault"], first["waiting"]) == (
        "view",
        "spec.image is missing; write it",
        None,
    )
    assert (second["name"], second["fault"]) == ("echo", None)


async def test_a_function_without_a_queue_says_so():
    bench = Bench()
    document = await bench.look()
    (function,) = document["functions"]["items"]
    assert function["remark"] == "it has no queue yet: the receiver has not seen it"
    assert function["waiting"] == 0


async def test_nodes_that_are_ordered_are_wanted_and_those_that_go_are_not():
    bench = Bench()
    states = {NodeState.BUSY: 1, NodeState.OFF: 1, NodeState.STOPPING: 1}
    bench.plan = plan(
        node("gpu-0", NodeState.BUSY),
        node("gpu-1", NodeState.OFF, expected=NOW + 100),
        node("gpu-2", NodeState.STOPPING),
        pool_story("gpu", states),
    )
    bench.pools = {"gpu": node_pool("gpu", price=0.75)}
    document = await bench.look()
    (pool,) = document["pools"]
    assert (pool["wanted"], pool["pricePerHour"], pool["driver"]) == (2, 0.75, "kwok")
    assert pool["states"] == {"busy": 1, "off": 1, "stopping": 1}
    assert document["totals"]["nodesOn"] == 2


def _crowd() -> tuple[Sight, Followed]:
    """10,000 tasks and 1,000 nodes, everything at its bounds, names as long as people make them."""
    functions = tuple(
        seen(installed(f"classify-echocardiograms-{number}").function, "d", settings_of())
        for number in range(40)
    )
    names = [each.name for each in functions]
    long = "no view of a heart is found in the frames of this file; " * 10
    nodes = [
        node(f"gpu-pool-of-the-lab-{number:04d}", list(NodeState)[number % 8], pool=f"pool-{number % 5}",
             since=NOW - number, workers={"e": 4},
             reason=Reason(ReasonCode.PROMISE, f"{number % 300}: {long}"))
        for number in range(1000)
    ]  # fmt: skip
    pools = [pool_story(f"pool-{number}", dict.fromkeys(NodeState, 25), most=200) for number in range(5)]
    found = plan(*(story(name, wanted=9, workers=9) for name in names), *nodes, pools=pools)
    failures = tuple(
        FailureRecord(
            state=Ending.FAILED,
            task=Task(id=f"{number:032x}", function=names[number % 40], bucket="uploads", etag="e", size=1,
                      key=f"echo/2026/patients/{number:06d}/clip-of-some-length.dcm", received=NOW),
            reason=long, attempts=3, function_digest="d", worker="w", ended=NOW - number,
        )
        for number in range(2000)
    )  # fmt: skip
    uses = tuple(Use(f"functions/classify-echocardiograms-{number}-{number}", 1) for number in range(100))
    sight = Sight(
        sources=(),
        functions=functions,
        backlogs={name: Backlog(250, 9, NOW - 100, 0, paused=False) for name in names},
        counts=Counts({name: Counted({None: 1000, Ending.FAILED: 50}, NOW) for name in names}, failures),
        plan=found,
        plan_is_fresh=True,
        pools={f"pool-{number}": node_pool(f"pool-{number}", price=0.5) for number in range(5)},
        heard=Heard(
            {
                f"w-{n}": Standing(function=names[n % 40], worker=f"classify-{n:06d}", held=2, since=NOW)
                for n in range(5000)
            }
        ),
        gpus=GpusSeen(
            Gpus(
                (LocalOffer("pool-1", "mig", "nvidia.com/mig", "A100", GIB, 7, 200, 1400, uses),),
                tuple(
                    ServerState(
                        f"gpu{n}", "10.0.0.1:8308", "rcuda", "none", (ServerGpu(0, "A100", GIB, 16, uses),)
                    )
                    for n in range(8)
                ),
            )
        ),
    )
    known = Followed(History())
    for step in range(200):
        state = [NodeState.IDLE, NodeState.BUSY, NodeState.DRAINING][step % 3]
        moved = [node(each.name, state, pool=each.pool, since=NOW + POINT_SECONDS * step) for each in nodes]
        seen_then = found.model_copy(update={"nodes": tuple(moved), "at": NOW + step})
        known = after(
            known,
            Sight(
                sources=(), plan=seen_then, plan_is_fresh=True, backlogs=sight.backlogs, counts=sight.counts
            ),
            NOW + POINT_SECONDS * step,
        )
    return sight, known


def test_10_000_tasks_and_1_000_nodes_are_less_than_200_kib():
    sight, known = _crowd()
    document = written(HEAD, sight, known, NOW + POINT_SECONDS * 200)
    body = document.to_json()
    assert len(body) < 200 * 1024
    assert len(gzip.compress(body)) < 60 * 1024
    assert (document.totals.waiting, document.nodes.total, len(document.nodes.names)) == (9640, 1000, 1000)
    assert (document.failed.total, len(document.failed.items)) == (2000, MOST_FAILED)
    assert (document.workers.total, len(document.workers.names)) == (5000, MOST_WORKERS)
    gpus = document.gpus.items or ()
    assert [(each.users_total, len(each.users)) for each in gpus] == [(100, MOST_USERS)] * 9


def test_beyond_the_bounds_what_is_off_goes_first_and_all_are_counted():
    on = [node(f"on-{number}", NodeState.BUSY) for number in range(MOST_NODES - 10)]
    off = [node(f"off-{number}", NodeState.OFF) for number in range(500)]
    functions = tuple(
        FunctionSeen(f"f{number}", "", None, fault="x" * 9999) for number in range(MOST_FUNCTIONS + 5)
    )
    sight = Sight(sources=(), functions=functions, plan=plan(*off, *on))
    document = written(HEAD, sight, Followed(History()), NOW)
    assert (document.nodes.total, len(document.nodes.names)) == (MOST_NODES + 490, MOST_NODES)
    assert sum(name.startswith("on-") for name in document.nodes.names) == MOST_NODES - 10
    assert (document.functions.total, len(document.functions.items)) == (MOST_FUNCTIONS + 5, MOST_FUNCTIONS)
    assert len(document.functions.items[0].fault or "") == MOST_TEXT


def test_of_too_many_functions_those_that_have_nothing_to_do_are_left_out_first():
    names = [f"f{number:03d}" for number in range(MOST_FUNCTIONS + 5)]
    functions = tuple(seen(installed(name).function, "d", settings_of()) for name in names)
    busy = names[-1]
    backlogs = {name: Backlog(int(name == busy), 0, None, 0, paused=False) for name in names}
    document = written(
        HEAD, Sight(sources=(), functions=functions, backlogs=backlogs), Followed(History()), NOW
    )
    shown = [each.name for each in document.functions.items]
    assert (len(shown), shown[-1], shown == sorted(shown)) == (MOST_FUNCTIONS, busy, True)
    assert document.totals.waiting == 1


def _fields(value: object) -> set[str]:
    """Names of every field, but of mappings whose keys are data."""
    if isinstance(value, list):
        return {name for each in value for name in _fields(each)}
    if isinstance(value, dict):
        return set(value) | {name for each in value.values() for name in _fields(each)}
    return set()


def test_the_docs_name_every_field():
    document = json.loads(EXAMPLE.read_text())
    for section in ("pools", "tenants"):
        for each in document[section]:
            each.update(dict.fromkeys(("capacity", "states", "used", "quota") & each.keys()))
    document["course"]["pools"] = None
    text = (Path(__file__).parents[2] / "docs/status.md").read_text()
    known = set(re.findall(r"`([a-zA-Z]+)`", text))
    assert _fields(document) - known == set()


def test_the_docs_name_the_bounds():
    text = (Path(__file__).parents[2] / "docs/status.md").read_text()
    assert f"`items` ({MOST_FUNCTIONS}): below" in text
    assert f"columns of {MOST_WORKERS}:" in text
    assert f"columns of {MOST_NODES:,}:" in text
    assert text.count(f"`items` ({MOST_FAILED}, newest first)") == 2
    assert f"`users` ({MOST_USERS}:" in text
    assert f"columns of {MOST_POINTS}:" in text

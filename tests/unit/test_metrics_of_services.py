"""What each service tells of itself: its state read, its counts taken where something happens."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import httpx2
import pytest
from starlette.applications import Starlette

from headrace.api.app import application
from headrace.api.traffic import Traffic
from headrace.controller.census import Counts
from headrace.controller.figures import Standing as ControllerStanding
from headrace.controller.figures import figures as controller_figures
from headrace.events.deposit import Deposit
from headrace.events.figures import Standing as ReceiverStanding
from headrace.events.figures import figures as receiver_figures
from headrace.events.listing import Listing
from headrace.events.receiver import Receiver
from headrace.events.watcher import Watcher
from headrace.gpu.plugin.figures import figures as plugin_figures
from headrace.gpu.plugin.plan import Preparation
from headrace.gpu.publisher.figures import Seen, ServerStanding
from headrace.gpu.publisher.figures import figures as publisher_figures
from headrace.kube.kinds import FUNCTIONS
from headrace.manifests.gpu_slices import Grant, Held, Published
from headrace.metrics import catalogue as m
from headrace.metrics.family import Family, Figure
from headrace.model.backed import LastBackup
from headrace.model.errors import TransientError
from headrace.model.gpu_server import Backend
from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.bill import Bill
from headrace.scaler.booted import Booted, BootEnd, booted
from headrace.scaler.figures import figures as scaler_figures
from headrace.scaler.monitor import Monitor
from headrace.scaler.plan import Plan, Reason, ReasonCode, StartNode, StopNode, Unmet, Workers
from headrace.scaler.service import Decision
from headrace.scaler.snapshot import (
    BootEstimate,
    Files,
    FunctionView,
    Leaving,
    NodeView,
    PoolView,
    Running,
    Snapshot,
    TenantView,
    WorkerView,
)
from headrace.status.__main__ import metrics_page as status_page
from headrace.status.streaming import Seats
from tests.unit import api_bench, intake_bench
from tests.unit.controller_bench import a_function, running
from tests.unit.notifications import saved
from tests.unit.test_receiver import AUTHORISED, TOKEN, call, ready

NOW = 10_000.0
ONE = ResourceList()
WHY = Reason(ReasonCode.PROMISE, "")


class Tally:
    """A meter that remembers."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], float] = {}
        self.seen: list[tuple[object, ...]] = []

    def count(self, family: Family, *labels: str, by: float = 1.0) -> None:
        key = (family.name, *labels)
        self.counts[key] = self.counts.get(key, 0.0) + by

    def observe(self, family: Family, value: float, *labels: str) -> None:
        self.seen.append((family.name, *labels, value))


def told(figures: Sequence[Figure]) -> Mapping[tuple[str, ...], float]:
    found = {(each.family.name, *each.labels): each.value for each in figures}
    assert len(found) == len(figures), "a series is told once"
    return found


# Scaler


def pool(name: str = "gpu", usual: float = 100.0, **fields: object) -> PoolView:
    return PoolView(name, ONE, BootEstimate(usual, 2 * usual), **{"max_nodes": 4, **fields})


def snapshot(*nodes: NodeView, **parts: object) -> Snapshot:
    return Snapshot(**{"functions": (), "pools": (pool(),), "nodes": nodes, **parts})


def node(state: NodeState, name: str = "n1", *, ordered: float = NOW - 90.0, of: str = "gpu") -> NodeView:
    return NodeView(name, of, state, NOW - 5.0, ordered)


def test_the_scaler_tells_of_waits_beside_their_promise():
    files = (Files(NOW - 170.0, 2), Files(NOW - 150.0, 3), Files(NOW - 1.0, 5))
    running = (Running(NOW - 3.0, "n1"),)
    own = FunctionView("echo", ONE, ("gpu", "slow"), waiting=files, running=running, max_wait_seconds=60.0)
    theirs = FunctionView("lab.echo", ONE, (), max_wait_seconds=30.0)
    pools = (pool(), pool("slow", 99.0), pool("other", 999.0))
    found = told(scaler_figures(snapshot(functions=(own, theirs), pools=pools), Plan(), NOW))
    assert {key: value for key, value in found.items() if key[1:] == ("echo", "")} == {
        ("headrace_files_waiting", "echo", ""): 10,
        ("headrace_files_running", "echo", ""): 1,
        ("headrace_oldest_wait_seconds", "echo", ""): 170.0,
        ("headrace_promise_seconds", "echo", ""): 160.0,  # one boot of the slowest pool that suits it
        ("headrace_files_overdue", "echo", ""): 2,
    }
    assert found["headrace_oldest_wait_seconds", "echo", "lab"] == 0.0
    assert found["headrace_promise_seconds", "echo", "lab"] == 30.0


def test_the_scaler_tells_of_workers_and_of_files_without_room_by_reason():
    workers = (
        WorkerView("w1", "echo", "n1", NOW, busy=True),
        WorkerView("w2", "echo", "n1", NOW, busy=True),
        WorkerView("w3", "echo", "n1", NOW, busy=False),
    )
    limit, share = Reason(ReasonCode.LIMIT, ""), Reason(ReasonCode.SHARE, "")
    plan = Plan(
        workers=(Workers("echo", {"n1": 2, "n2": 3}, WHY),),
        unmet=(Unmet("echo", 4, limit), Unmet("echo", 1, limit), Unmet("echo", 2, share)),
    )
    seen = snapshot(
        functions=(FunctionView("echo", ONE, ()),),
        workers=workers,
        leaving=(Leaving("w4", "lab", ONE), Leaving("w5", "lab", ONE)),
        tenants=(TenantView("ward"),),
    )
    found = told(scaler_figures(seen, plan, NOW))
    assert found["headrace_workers_wanted", "echo", ""] == 5
    assert (found["headrace_workers", "echo", "", "busy"], found["headrace_workers", "echo", "", "idle"]) == (
        2,
        1,
    )
    assert found["headrace_files_unmet", "echo", "", "limit"] == 5
    assert found["headrace_files_unmet", "echo", "", "share"] == 2
    leaving = {key[1]: value for key, value in found.items() if key[0] == "headrace_workers_leaving"}
    assert leaving == {"": 0, "lab": 2, "ward": 0}


def test_every_state_of_a_pools_nodes_is_told_those_without_a_node_as_none():
    nodes = (node(NodeState.IDLE), node(NodeState.IDLE, "n2"), node(NodeState.BUSY, "n1", of="cpu"))
    found = told(scaler_figures(snapshot(*nodes, pools=(pool(), pool("cpu"))), Plan(), NOW))
    states = {key[2]: value for key, value in found.items() if key[:2] == ("headrace_nodes", "gpu")}
    assert states == {state.value: 2 if state is NodeState.IDLE else 0 for state in NodeState}
    assert found["headrace_nodes", "cpu", "busy"] == 1
    assert found["headrace_nodes_limit", "gpu"] == 4


@pytest.mark.parametrize(
    ("state", "is_paid"),
    [(state, state not in (NodeState.OFF, NodeState.FAILED, NodeState.UNKNOWN)) for state in NodeState],
)
def test_a_node_is_paid_for_while_it_is_on_or_on_its_way(state, is_paid):
    bill = Bill().after(snapshot(node(state), pools=(pool(price_per_hour=2.0),)), 1800.0)
    assert bill == Bill({"gpu": 1800.0 * is_paid}, {"gpu": 1.0 * is_paid}, {"gpu": 4.0})


def test_a_bill_adds_up_and_keeps_pools_that_are_gone():
    first = Bill().after(snapshot(node(NodeState.BUSY), node(NodeState.IDLE, "n2")), 60.0)
    second = first.after(snapshot(pools=(pool("cpu", max_nodes=1),)), 60.0)
    assert second.seconds == {"gpu": 120.0, "cpu": 0.0}
    assert second.always_on == pytest.approx({"gpu": 4 / 60, "cpu": 1 / 60})


@pytest.mark.parametrize(
    ("before", "after", "end"),
    [
        (NodeState.BOOTING, NodeState.IDLE, BootEnd.READY),
        (NodeState.BOOTING, NodeState.BUSY, BootEnd.READY),
        (NodeState.BOOTING, NodeState.FAILED, BootEnd.FAILED),
        (NodeState.BOOTING, NodeState.OFF, BootEnd.GIVEN_UP),
        (NodeState.BOOTING, NodeState.BOOTING, None),
        (NodeState.BOOTING, NodeState.UNKNOWN, None),
        (NodeState.OFF, NodeState.IDLE, None),
        (NodeState.STOPPING, NodeState.OFF, None),
    ],
)
def test_a_boot_has_ended_when_its_node_boots_no_more(before, after, end):
    found = list(booted(snapshot(node(before)), snapshot(node(after)), NOW))
    assert found == ([Booted("gpu", end, 90.0)] if end is not None else [])
    assert list(booted(snapshot(node(before)), snapshot(), NOW)) == []


def test_the_monitor_counts_from_one_decision_to_the_next():
    tally, clock = Tally(), [NOW]
    monitor = Monitor(lambda: clock[0], tally)
    monitor.begin()
    start, stop = StartNode("n1", "gpu", WHY), StopNode("n2", "gpu", Reason(ReasonCode.IDLE, ""))
    booting = snapshot(node(NodeState.BOOTING, ordered=NOW - 50.0), pools=(pool(price_per_hour=36.0),))
    monitor.tell(Decision(NOW - 10.0, booting, Plan(start=(start,), stop=(stop,)), seconds=0.25))
    assert tally.counts == {
        ("headrace_scaler_actions_total", "gpu", "start", "promise"): 1,
        ("headrace_scaler_actions_total", "gpu", "stop", "idle"): 1,
        **{("headrace_node_boots_total", "gpu", end.value): 0 for end in BootEnd},
    }
    monitor.tell(Decision(NOW, replace(booting, nodes=(node(NodeState.IDLE, ordered=NOW - 50.0),)), Plan()))
    assert tally.counts["headrace_node_boots_total", "gpu", "ready"] == 1
    assert tally.seen == [
        ("headrace_scaler_decide_seconds", 0.25),
        ("headrace_scaler_decide_seconds", 0.0),
        ("headrace_node_boot_seconds", "gpu", 50.0),
    ]
    clock[0] = NOW + 7.0
    found = told(monitor.figures())
    assert found["headrace_scaler_observation_age_seconds",] == 7.0
    assert found["headrace_node_seconds_total", "gpu"] == 10.0
    assert found["headrace_node_cost_total", "gpu"] == pytest.approx(0.1)
    assert found["headrace_nodes", "gpu", "idle"] == 1


def test_a_leader_that_sees_nothing_grows_old_and_a_standby_tells_only_what_it_paid():
    clock = [NOW]
    monitor = Monitor(lambda: clock[0])
    assert monitor.figures() == ()
    monitor.begin()
    clock[0] += 30.0
    assert told(monitor.figures()) == {("headrace_scaler_observation_age_seconds",): 30.0}
    monitor.tell(Decision(NOW + 30.0, snapshot(node(NodeState.BUSY)), Plan()))
    monitor.tell(Decision(NOW + 40.0, snapshot(node(NodeState.BUSY)), Plan()))
    monitor.end()
    assert {key[0] for key in told(monitor.figures())} == {
        "headrace_node_seconds_total",
        "headrace_node_cost_total",
        "headrace_node_cost_always_on_total",
    }
    monitor.begin()  # what happened while another led is not this one's
    clock[0] += 100.0
    monitor.tell(Decision(clock[0], snapshot(node(NodeState.BUSY)), Plan()))
    assert told(monitor.figures())["headrace_node_seconds_total", "gpu"] == 10.0


# Receiver


@pytest.mark.parametrize(
    ("options", "dialect", "outcome"),
    [
        ({}, "SeaweedFS", "taken"),
        ({"body": b"{}"}, "none", "refused"),
        ({"headers": {}}, "none", "unauthorised"),
        ({"headers": {**AUTHORISED, "content-length": "99999999"}}, "none", "too-large"),
        ({"fault": TransientError("away")}, "SeaweedFS", "postponed"),
    ],
)
async def test_a_notification_is_counted_by_dialect_and_outcome(options, dialect, outcome):
    bench, tally = await intake_bench.Bench().open(), Tally()
    await bench.put("echo/a.dcm")
    queue = intake_bench.Watched(bench.queue)
    if fault := options.get("fault"):

        async def fail(*_: object) -> None:
            raise fault

        queue.before = fail
    receiver = Receiver(bench.intake(queue=queue), token=TOKEN, probe=ready, watcher=Watcher(tally))
    body = options.get("body", saved("seaweedfs/put"))
    await call(bench, "/events", body, headers=options.get("headers", AUTHORISED), receiver=receiver)
    notified = {key: n for key, n in tally.counts.items() if key[0] == "headrace_notifications_total"}
    assert notified == {("headrace_notifications_total", "http", dialect, outcome): 1}


async def test_tasks_are_counted_by_how_they_became_known():
    bench, tally = await intake_bench.Bench().open(), Tally()
    await bench.put("echo/a.dcm")
    deposit, settings = Deposit(bench.queue, bench.settings.queue), bench.settings
    listing = Listing(
        bench.storage, bench.queue, deposit, settings=settings, clock=bench.now, watcher=Watcher(tally)
    )
    await listing.run(bench.listed())
    assert tally.counts == {
        ("headrace_tasks_total", "echo", "", "listing", "stored"): 1,
        ("headrace_listing_objects_total",): 1,
        ("headrace_listing_faults_total",): 0,
    }


def test_the_receiver_tells_which_servers_answer_and_when_it_listed():
    standing = ReceiverStanding(
        {"store": True, "queue": False},
        is_leading=True,
        listed_at=NOW,
        listing_seconds=300.0,
        dropped_spans=3,
    )
    assert told(receiver_figures(standing)) == {
        ("headrace_leading", "receiver"): 1,
        ("headrace_server_up", "store"): 1,
        ("headrace_server_up", "queue"): 0,
        ("headrace_listing_timestamp_seconds",): NOW,
        ("headrace_listing_period_seconds",): 300.0,
        ("headrace_trace_spans_dropped_total",): 3,
    }


def test_the_receiver_tells_of_the_last_backup_where_there_is_one():
    backup = LastBackup(snapshot="b", began=NOW - 60.0, period_seconds=86400.0)
    standing = ReceiverStanding({}, is_leading=True, listed_at=NOW, listing_seconds=300.0, dropped_spans=0)
    assert not any("backup" in name for name, *_ in told(receiver_figures(standing)))
    found = told(receiver_figures(replace(standing, backup=backup)))
    assert found["headrace_backup_timestamp_seconds",] == NOW - 60.0
    assert found["headrace_backup_period_seconds",] == 86400.0


# Controller


def test_the_controller_tells_of_ended_files_only_while_it_leads():
    standing = ControllerStanding(
        is_leading=True,
        silent_seconds=2.0,
        objects={"Function": 2},
        failing={"Function": 1},
        counts={"lab.echo": Counts(7, 1)},
    )
    found = told(controller_figures(standing))
    assert found == {
        ("headrace_leading", "controller"): 1,
        ("headrace_kube_silent_seconds", "controller"): 2.0,
        ("headrace_objects", "Function"): 2,
        ("headrace_objects_failing", "Function"): 1,
        ("headrace_files_done", "echo", "lab"): 7,
        ("headrace_files_failed", "echo", "lab"): 1,
    }
    standby = told(controller_figures(replace(standing, is_leading=False)))
    assert {key[0] for key in found.keys() - standby.keys()} == {
        "headrace_objects_failing", "headrace_files_done", "headrace_files_failed",
    }  # fmt: skip


async def test_a_controller_that_runs_tells_of_its_objects():
    async with running() as bench:
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(15)
        await bench.service.count()
        found = told(await bench.service.figures())
        assert found["headrace_leading", "controller"] == 1
        assert found["headrace_objects", "Function"] == 1
        assert found["headrace_objects_failing", "Function"] == 0
        assert found["headrace_files_done", "echo", ""] == 0


# GPUs


def test_the_publisher_tells_of_servers_but_not_of_one_that_is_switched_off():
    seen = Seen(
        is_leading=True,
        silent_seconds=0.0,
        servers={
            "up": ServerStanding(is_answering=True, is_stopping=False),
            "down": ServerStanding(is_answering=False, is_stopping=False),
            "off": ServerStanding(is_answering=False, is_stopping=True),
        },
        published=[Published("up", number, 2**34, 4, "stub", "T4", silent=False) for number in (0, 1)],
        held=[Held("lab", "claim", "uid", (Grant("up", 0, 1), Grant("up", 1, 1)), ())],
    )
    found = told(publisher_figures(seen))
    assert found == {
        ("headrace_leading", "publisher"): 1,
        ("headrace_kube_silent_seconds", "publisher"): 0.0,
        ("headrace_gpu_server_up", "up"): 1,
        ("headrace_gpu_server_up", "down"): 0,
        ("headrace_gpu_sessions", "up"): 2,
        ("headrace_gpu_sessions_limit", "up"): 8,
    }
    assert len(publisher_figures(replace(seen, is_leading=False))) == 2


def test_a_plugin_tells_of_its_claims_by_backend():
    prepared = [Preparation(namespace="lab", name="c", uid="u", backend=Backend.STUB, granted=())]
    found = told(plugin_figures(prepared, is_registered=False))
    assert found["headrace_gpu_plugin_registered",] == 0
    assert found["headrace_gpu_claims_prepared", "stub"] == 1
    assert found["headrace_gpu_claims_prepared", "rcuda"] == 0


# API


async def test_the_api_counts_calls_by_route_and_never_by_path(tmp_path):
    bench, tally = api_bench.Bench(tmp_path), Tally()
    api = replace(bench.api, traffic=Traffic(tally, timer=lambda: NOW))
    transport = httpx2.ASGITransport(application(api, bench.site))
    async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
        await client.get("/health")
        await client.get("/system/services/secret-name", headers=api_bench.basic())
        await client.get("/made/up")
        await client.put("/health")
    calls = {key[1:]: n for key, n in tally.counts.items() if key[0] == m.CALLS.name}
    assert calls == {
        ("GET", "/health", "200"): 1,
        ("GET", "/system/services/{service}", "404"): 1,
        ("other", "other", "404"): 1,
        ("other", "other", "405"): 1,
    }
    assert (m.CALL_SECONDS.name, "GET", "/health", 0.0) in tally.seen


async def test_a_call_is_under_way_until_it_is_answered_or_cut_off(tmp_path):
    tally, spool = Tally(), api_bench.Bench(tmp_path).spool
    traffic = Traffic(tally)
    with suppress(ConnectionError), traffic.call("POST", "/run"), spool.room(100):
        assert told(traffic.figures(spool)) == {
            ("headrace_api_calls_under_way",): 1,
            ("headrace_api_spool_bytes",): 100,
            ("headrace_api_spool_limit_bytes",): 50_000,
        }
        raise ConnectionError
    assert told(traffic.figures(spool))["headrace_api_calls_under_way",] == 0
    assert tally.counts == {(m.CALLS.name, "POST", "/run", "500"): 1}


# Status page


async def test_the_status_page_tells_how_many_look_on():
    seats = Seats(most=7)
    transport = httpx2.ASGITransport(Starlette(routes=[status_page(seats)]))
    async with httpx2.AsyncClient(transport=transport, base_url="http://page") as client:
        with seats.one(), seats.one():
            text = (await client.get("/metrics")).text
    assert "headrace_status_streams 2.0\n" in text
    assert "headrace_status_streams_limit 7.0\n" in text

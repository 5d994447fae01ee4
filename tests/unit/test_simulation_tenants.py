"""Runs with several tenants: one floods, another trickles, and its promise holds; quotas and weights too."""

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.model.resources import ResourceList
from headrace.scaler.decide import decide
from headrace.scaler.plan import Plan
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.simulation.engine import simulate
from headrace.scaler.simulation.generators import Kind, flood
from headrace.scaler.simulation.outcome import Outcome
from headrace.scaler.simulation.policies.headrace import HeadracePolicy
from headrace.scaler.simulation.setting import Setting, SimFunction, SimPool
from headrace.scaler.simulation.trace import Arrival, Trace
from headrace.scaler.snapshot import BootEstimate, PoolView, Snapshot, TenantView

SEEDS = range(10)
WAIT, BOOT = 60.0, 60.0
BOTH = (TenantView("lab"), TenantView("ward"))


def slots(number: int) -> ResourceList:
    return ResourceList.of({"slot": number})


def pool(nodes: int = 4) -> SimPool:
    return SimPool(PoolView("p", slots(4), BootEstimate(BOOT, BOOT), max_nodes=nodes), BOOT)


def function(name: str, tenant: str, size: int = 1, **fields: object) -> SimFunction:
    return replace(
        SimFunction(name, slots(size), ("p",), max_wait_seconds=WAIT, max_workers=1000, tenant=tenant),
        **fields,
    )


def run(seed: int, *, tenants=BOTH, size: int = 1, seconds: float = 60.0, files: int = 300) -> Outcome:
    """Some twenty minutes of work at once, on sixteen slots, beside a file a minute of another tenant."""
    trace = flood(
        Random(seed),
        Kind("flood", seconds),
        Kind("thin", 5),
        files=files,
        floods=1,
        gap_seconds=60,
        hours=0.5,
    )
    functions = (function("flood", "lab"), function("thin", "ward", size))
    return simulate(trace, Setting(functions, (pool(),), tenants), HeadracePolicy())


# One floods, the other trickles


@pytest.mark.parametrize("size", [1, 3, 4])
def test_the_promise_of_who_trickles_holds_beside_a_flood_over_many_seeds(size):
    """Also where its files need three of four slots of a node, or all, and slots come free one by one."""
    for seed in SEEDS:
        outcome = run(seed, size=size)
        ward, lab = outcome.tenants["ward"], outcome.tenants["lab"]
        assert (ward.late, ward.wait.max <= WAIT + BOOT) == (0, True), (seed, ward)
        assert lab.late > 100, "it is a flood: at maxNodes its own promise can't be kept"
        assert outcome.unfinished == 0


def test_undeclared_the_same_files_wait_for_the_flood():
    late = [run(seed, tenants=()).tenants["ward"].late for seed in SEEDS]
    assert min(late) > 5


def test_beside_files_of_a_quarter_hour_the_bound_is_one_such_file():
    """All slots have long files when the thin one's come: nothing is cut off, so they wait for an end."""
    longest = max(run(seed, seconds=900.0, files=40).tenants["ward"].wait.max for seed in SEEDS)
    assert WAIT + BOOT < longest <= 900.0


def test_a_quota_below_the_pool_keeps_the_promise_beside_files_of_any_length():
    bounded = (replace(BOTH[0], bounds=(("workers", 12),)), BOTH[1])
    for seed in SEEDS:
        ward = run(seed, tenants=bounded, seconds=900.0, files=40).tenants["ward"]
        assert (ward.late, ward.wait.max <= WAIT + BOOT) == (0, True), (seed, ward)


def test_the_flood_loses_nothing_but_what_the_other_uses():
    for seed in SEEDS[:4]:
        with_share, without = run(seed), run(seed, tenants=())
        assert with_share.node_hours <= 1.03 * without.node_hours


# Weights, priorities, quotas


@dataclass
class Watched:
    """The real decision; what each tenant has in work is noted.

    So is what tenants were given at most, and how many nodes there were: that no file starts beyond a quota
    is the simulator's own doing.
    """

    seen: list[Counter[str]] = field(default_factory=list)
    most_given: Counter[str] = field(default_factory=Counter)
    most_nodes: int = 0

    def decide(self, snapshot: Snapshot, now: float) -> Plan:
        working = Counter({each.tenant: 0 for each in snapshot.functions})
        for each in snapshot.functions:
            working[each.tenant] += len(each.running)
        if all(each.waiting for each in snapshot.functions):
            self.seen.append(working)
        plan = decide(snapshot, ScalerSettings(), now)
        counts = Counter[str]()
        for each, workers in zip(snapshot.functions, plan.workers, strict=True):
            counts[each.tenant] += workers.count
        self.most_given |= counts
        self.most_nodes = max(self.most_nodes, len(snapshot.nodes) + len(plan.start))
        return plan


def two_floods(*tenants: TenantView) -> Watched:
    """Each with more than there is room for."""
    trace = Trace.of([*(Arrival(0.0, name, 1, 30.0) for name in ("a", "b") for _ in range(400))])
    watched = Watched()
    functions = (function("a", "lab"), function("b", "ward"))
    outcome = simulate(trace, Setting(functions, (pool(),), tenants), watched)
    assert outcome.unfinished == 0
    return watched


@pytest.mark.parametrize(
    ("weights", "expected"), [((1.0, 1.0), (8, 8)), ((3.0, 1.0), (12, 4)), ((1.0, 7.0), (2, 14))]
)
def test_where_both_flood_files_in_work_are_as_the_weights(weights, expected):
    tenants = [replace(each, weight=weight) for each, weight in zip(BOTH, weights, strict=True)]
    full = [each for each in two_floods(*tenants).seen if each.total() == 16]
    assert {(each["lab"], each["ward"]) for each in full} == {expected}


def test_a_tenant_of_higher_priority_is_served_first():
    full = [each for each in two_floods(BOTH[0], replace(BOTH[1], priority=1)).seen if each.total() == 16]
    assert {(each["lab"], each["ward"]) for each in full} == {(0, 16)}


def test_in_no_moment_of_a_run_a_quota_is_exceeded_by_what_is_decided_or_worked():
    bounded = (replace(BOTH[0], bounds=(("slot", 5),)), replace(BOTH[1], bounds=(("workers", 3),)))
    watched = two_floods(*bounded)
    assert watched.most_given == {"lab": 5, "ward": 3}
    assert watched.most_nodes == 2, "eight workers fill two of the four nodes"
    assert max(each["lab"] for each in watched.seen) == 5
    assert max(each["ward"] for each in watched.seen) == 3


# What always holds


def test_a_single_tenant_changes_no_run():
    for seed in SEEDS[:3]:
        trace = flood(
            Random(seed), Kind("flood", 60), Kind("thin", 5), files=100, floods=1, gap_seconds=60, hours=0.5
        )
        functions = (function("flood", "lab"), function("thin", "lab", 3))
        alone, without = (
            simulate(trace, Setting(functions, (pool(),), tenants), HeadracePolicy())
            for tenants in ((BOTH[0],), ())
        )
        assert alone == without


@st.composite
def runs(draw):
    """Two or three tenants, some with bounds that leave a way through, and nodes that may die."""
    most = draw(st.integers(1, 3))
    sim_pool = SimPool(
        PoolView("p", slots(draw(st.integers(3, 4))), BootEstimate(BOOT, BOOT), max_nodes=most),
        BOOT,
        deaths_per_hour=draw(st.sampled_from([0.0, 3.0])),
    )
    names = ("a", "b", "c")[: draw(st.integers(2, 3))]
    functions = tuple(
        function(name, draw(st.sampled_from(["lab", "ward", "clinic"])), draw(st.integers(1, 3)))
        for name in names
    )
    tenants = tuple(
        TenantView(
            name,
            draw(st.sampled_from([0.5, 1.0, 2.0])),
            draw(st.integers(0, 1)),
            draw(st.sampled_from([(), (("workers", 1),), (("slot", 3), ("workers", 4))])),
        )
        for name in draw(st.sets(st.sampled_from(["lab", "ward", "clinic"])))
    )
    files = st.tuples(st.integers(0, 600), st.sampled_from(names), st.integers(1, 120))
    arrivals = draw(st.lists(files, min_size=1, max_size=40))
    trace = Trace.of(Arrival(float(time), name, 1, float(seconds)) for time, name, seconds in arrivals)
    return trace, Setting(functions, (sim_pool,), tenants, seed=draw(st.integers(0, 99)))


@given(runs())
@settings(max_examples=40, deadline=None)
def test_every_file_is_worked_in_the_end_whoever_owns_it(found):
    trace, setting = found
    assert simulate(trace, setting, HeadracePolicy()).unfinished == 0

"""A node's life: one step at a time as a table, whole lives by virtual time, and what never happens."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.model.node import NodeState
from headrace.model.pool import Hook
from headrace.model.resources import CPU, GPU, ResourceList
from headrace.nodes.memory import Course, MemoryNodes
from headrace.nodes.port import Power, Sighting
from headrace.scaler import lifecycle
from headrace.scaler.lifecycle import Change, Expected, NodeMemory, Order
from headrace.scaler.settings import ScalerSettings
from tests.fixtures.clock import VirtualClock

OFF, BOOTING, IDLE, BUSY = NodeState.OFF, NodeState.BOOTING, NodeState.IDLE, NodeState.BUSY
DRAINING, STOPPING, FAILED = NodeState.DRAINING, NodeState.STOPPING, NodeState.FAILED
UNKNOWN = NodeState.UNKNOWN

WHOLE = ResourceList.of({CPU: 4000, GPU: 1})
EXPECTED = Expected(WHOLE, boot_seconds=100.0, settings=ScalerSettings())  # overdue after 150
READY = Sighting("n", Power.ON, joined=True, allocatable=WHOLE)
BARE = replace(READY, allocatable=ResourceList.of({CPU: 4000}))
APART = Sighting("n", Power.ON)  # on, but it has not joined
SEEN = {power: Sighting("n", power) for power in Power}
GONE = Sighting("n", Power.OFF, certain=True)
HINDERED = replace(GONE, hindrance="AWS has none")
FAILING = (Hook.POWER_ON_FAILED,)
POWERING_OFF = (Hook.PRE_POWER_OFF, Hook.POST_POWER_OFF)
NOW = 10_000.0


def node(state: NodeState, ago: float = 0.0, **more: object) -> NodeMemory:
    """A node that got its state so many seconds ago, and its order to boot too."""
    return NodeMemory("n", state, since=NOW - ago, **{"ordered": NOW - ago, **more})


def seen(memory: NodeMemory, sighting: Sighting, *, busy: bool = False, **options: float) -> Change:
    expected = replace(EXPECTED, settings=ScalerSettings(**options))
    return lifecycle.observe(memory, sighting, busy=busy, expected=expected, now=NOW)


# One sighting


@pytest.mark.parametrize(
    ("memory", "sighting", "busy", "state", "hooks", "order"),
    [
        # What is not known yet is taken as it is seen
        (NodeMemory("n"), READY, False, IDLE, (), None),
        (NodeMemory("n"), READY, True, BUSY, (Hook.BUSY,), None),
        (NodeMemory("n"), BARE, False, BOOTING, (), None),
        (NodeMemory("n"), APART, False, BOOTING, (), None),
        (NodeMemory("n"), SEEN[Power.STARTING], False, BOOTING, (), None),
        (NodeMemory("n"), SEEN[Power.STOPPING], False, STOPPING, (), None),
        (NodeMemory("n"), SEEN[Power.STOPPING], True, DRAINING, (), None),
        (NodeMemory("n"), SEEN[Power.OFF], False, OFF, (), None),
        (NodeMemory("n"), SEEN[Power.UNKNOWN], False, UNKNOWN, (), None),
        # Off: somebody else switched it on
        (node(OFF), SEEN[Power.OFF], False, OFF, (), None),
        (node(OFF), SEEN[Power.STOPPING], False, OFF, (), None),
        (node(OFF), READY, False, IDLE, (Hook.UNEXPECTED_POWER_ON,), None),
        (node(OFF), READY, True, BUSY, (Hook.UNEXPECTED_POWER_ON, Hook.BUSY), None),
        (node(OFF), BARE, False, BOOTING, (Hook.UNEXPECTED_POWER_ON,), None),
        (node(OFF), SEEN[Power.STARTING], False, BOOTING, (Hook.UNEXPECTED_POWER_ON,), None),
        (node(OFF), SEEN[Power.UNKNOWN], False, OFF, (), None),
        (node(OFF, missed=NOW - 120), SEEN[Power.UNKNOWN], False, UNKNOWN, (Hook.UNKNOWN,), None),
        # Booting: until it is there with its devices, or overdue
        (node(BOOTING, 10), READY, False, IDLE, (Hook.POWERED_ON,), None),
        (node(BOOTING, 900), READY, False, IDLE, (Hook.POWERED_ON,), None),
        *(
            (node(BOOTING, 150), SEEN[power], False, BOOTING, (), None)
            for power in (Power.OFF, Power.STARTING, Power.STOPPING, Power.UNKNOWN)
        ),
        *(
            (node(BOOTING, 151), SEEN[power], False, FAILED, FAILING, Order.STOP)
            for power in (Power.OFF, Power.STARTING, Power.STOPPING, Power.UNKNOWN)
        ),
        (node(BOOTING, 151), APART, False, FAILED, FAILING, Order.STOP),
        (node(BOOTING, 151, enabled=False), APART, False, FAILED, FAILING, None),
        (node(BOOTING, 151), BARE, False, BOOTING, (), None),
        (node(BOOTING, 1000, joined=NOW - 900), BARE, False, BOOTING, (), None),
        (node(BOOTING, 1000, joined=NOW - 901), BARE, False, FAILED, FAILING, Order.STOP),
        (node(BOOTING, 1000, joined=NOW - 850), APART, False, BOOTING, (), None),
        (node(BOOTING, 1000, joined=NOW - 850), SEEN[Power.UNKNOWN], False, BOOTING, (), None),
        (node(BOOTING, 140, joined=NOW - 30), SEEN[Power.OFF], False, BOOTING, (), None),
        (
            node(BOOTING, 160, joined=NOW - 30),
            SEEN[Power.OFF],
            False,
            FAILED,
            (Hook.POWER_ON_FAILED,),
            Order.STOP,
        ),
        # Booting, and its driver has given the start up: that is no failure, and it may be started again
        (node(BOOTING, 10), HINDERED, False, OFF, FAILING, None),
        (node(BOOTING, 500), HINDERED, False, OFF, FAILING, None),
        (node(BOOTING, 10, failures=2, failed=Order.START), HINDERED, False, OFF, FAILING, None),
        (node(OFF), HINDERED, False, OFF, (), None),
        (node(STOPPING, 10), HINDERED, False, OFF, (Hook.POWERED_OFF,), None),
        (node(IDLE), HINDERED, False, OFF, (Hook.UNEXPECTED_POWER_OFF,), None),
        # On: as its workers are
        (node(IDLE), READY, False, IDLE, (), None),
        (node(IDLE), READY, True, BUSY, (Hook.BUSY,), None),
        (node(BUSY), READY, False, IDLE, (Hook.IDLE,), None),
        (node(BUSY), BARE, True, BUSY, (), None),
        (node(DRAINING), READY, True, DRAINING, (), None),
        (node(DRAINING), READY, False, STOPPING, POWERING_OFF, Order.STOP),
        (node(DRAINING, enabled=False), READY, False, DRAINING, (), None),
        # On, but stopped by somebody else
        (node(IDLE), SEEN[Power.STOPPING], False, STOPPING, (), None),
        (node(BUSY), SEEN[Power.STOPPING], True, DRAINING, (), None),
        (node(BUSY), SEEN[Power.STOPPING], False, STOPPING, (Hook.IDLE,), None),
        # On, but not seen so: a glitch, until it has lasted
        *(
            (node(state, missed=NOW - 119), sighting, state is BUSY, state, (), None)
            for state in (IDLE, BUSY, DRAINING)
            for sighting in (SEEN[Power.OFF], SEEN[Power.STARTING], SEEN[Power.UNKNOWN], APART)
        ),
        *(
            (node(state, missed=NOW - 120), sighting, state is BUSY, OFF, (Hook.UNEXPECTED_POWER_OFF,), None)
            for state in (IDLE, BUSY, DRAINING)
            for sighting in (SEEN[Power.OFF], SEEN[Power.STARTING])
        ),
        # On, but certainly not: believed at once
        (node(IDLE), GONE, False, OFF, (Hook.UNEXPECTED_POWER_OFF,), None),
        (node(BUSY), GONE, True, OFF, (Hook.UNEXPECTED_POWER_OFF,), None),
        (node(IDLE, missed=NOW - 120), SEEN[Power.UNKNOWN], False, UNKNOWN, (Hook.UNKNOWN,), None),
        (node(IDLE, missed=NOW - 120), APART, False, FAILED, (Hook.UNEXPECTED_POWER_OFF,), Order.STOP),
        (node(BUSY, missed=NOW - 120), APART, True, FAILED, (Hook.UNEXPECTED_POWER_OFF,), None),
        # Stopping: until it is off, or overdue
        (node(STOPPING, 300), SEEN[Power.STOPPING], False, STOPPING, (), None),
        (node(STOPPING, 300), READY, False, STOPPING, (), None),
        (node(STOPPING, 300), READY, True, STOPPING, (), None),
        (node(STOPPING, 1), SEEN[Power.OFF], False, OFF, (Hook.POWERED_OFF,), None),
        (node(STOPPING, 301), READY, False, FAILED, (Hook.POWER_OFF_FAILED,), None),
        (node(STOPPING, 301), SEEN[Power.UNKNOWN], False, FAILED, (Hook.POWER_OFF_FAILED,), None),
        # Failed: tried again after a while, a few times
        (node(FAILED, 29, failures=1, failed=Order.START), SEEN[Power.OFF], False, FAILED, (), None),
        (node(FAILED, 30, failures=1, failed=Order.START), SEEN[Power.OFF], False, OFF, (), None),
        (node(FAILED, 30, failures=3, failed=Order.START), SEEN[Power.OFF], False, FAILED, (), None),
        (node(FAILED, 30, failures=3, failed=Order.STOP), READY, False, FAILED, (), None),
        (node(FAILED, 29, failures=1, failed=Order.START), READY, False, FAILED, (), None),
        (node(FAILED, 30, failures=1, failed=Order.START), READY, False, IDLE, (Hook.POWERED_ON,), None),
        (node(FAILED, 30, failures=1, failed=Order.STOP), READY, False, IDLE, (Hook.POWERED_ON,), None),
        (node(FAILED, 30, failures=1, failed=Order.START), BARE, False, STOPPING, POWERING_OFF, Order.STOP),
        (node(FAILED, 30, failures=1, failed=Order.START), APART, True, FAILED, (), None),
        (node(FAILED, 30, failures=1, enabled=False), APART, False, FAILED, (), None),
        (node(FAILED, 30, failures=1), SEEN[Power.STOPPING], False, FAILED, (), None),
        (node(FAILED, 30, failures=1), SEEN[Power.UNKNOWN], False, FAILED, (), None),
    ],
)
def test_a_sighting_changes_a_node_as_the_table_says(memory, sighting, busy, state, hooks, order):
    change = seen(memory, sighting, busy=busy)
    assert (change.memory.state, change.hooks, change.order) == (state, hooks, order)
    assert change.memory.since == (memory.since if state is memory.state else NOW)


def test_a_glitch_leaves_no_trace():
    idle = node(IDLE, 500)
    missed = seen(idle, SEEN[Power.OFF]).memory
    assert missed == replace(idle, missed=NOW)
    assert seen(missed, READY).memory == idle


def test_what_is_off_as_it_should_be_is_missed_no_longer():
    assert seen(node(OFF, 500, missed=NOW - 60), SEEN[Power.OFF]).memory == node(OFF, 500)


@pytest.mark.parametrize(
    ("memory", "sighting", "state"),
    [
        (node(BOOTING, 60, joined=NOW - 30), READY, IDLE),
        (node(IDLE, 500, missed=NOW - 120), SEEN[Power.OFF], OFF),
    ],
)
def test_a_new_state_forgets_the_waits_of_the_old_one(memory, sighting, state):
    expected = replace(memory, state=state, since=NOW, joined=None, missed=None)
    assert seen(memory, sighting).memory == expected


@pytest.mark.parametrize(("sighting", "joined"), [(SEEN[Power.STARTING], None), (APART, None), (BARE, NOW)])
def test_a_node_switched_on_by_others_has_a_whole_boot_to_join(sighting, joined):
    expected = NodeMemory("n", BOOTING, since=NOW, ordered=NOW, joined=joined)
    assert seen(node(OFF, 5000), sighting).memory == expected


def test_a_node_waits_for_its_devices_from_when_it_joined():
    joined = seen(node(BOOTING, 100), BARE).memory
    assert joined.joined == NOW
    later = lifecycle.observe(joined, BARE, busy=False, expected=EXPECTED, now=NOW + 900)
    assert later.memory == joined


def test_a_node_short_of_memory_or_cpu_is_there_all_the_same():
    small = replace(READY, allocatable=ResourceList.of({CPU: 1, GPU: 1}))
    assert seen(node(BOOTING, 10), small).memory.state is IDLE


# Options


@pytest.mark.parametrize(
    ("memory", "sighting", "options", "state"),
    [
        (node(BOOTING, 60), APART, {"max_wait_power_on_seconds": 60.0}, BOOTING),
        (node(BOOTING, 61), APART, {"max_wait_power_on_seconds": 60.0}, FAILED),
        (node(BOOTING, 9), READY, {"delay_power_on_seconds": 10.0}, BOOTING),
        (node(BOOTING, 10), READY, {"delay_power_on_seconds": 10.0}, IDLE),
        (node(STOPPING, 9), SEEN[Power.OFF], {"delay_power_off_seconds": 10.0}, STOPPING),
        (node(STOPPING, 10), SEEN[Power.OFF], {"delay_power_off_seconds": 10.0}, OFF),
        (node(STOPPING, 31), READY, {"max_wait_power_off_seconds": 30.0}, FAILED),
        (node(BOOTING, 61, joined=NOW - 61), BARE, {"max_wait_devices_seconds": 60.0}, FAILED),
        (node(IDLE), SEEN[Power.OFF], {"glitch_seconds": 0.0}, OFF),
        (node(FAILED, 0, failures=1), SEEN[Power.OFF], {"recovery_seconds": 0.0}, OFF),
        (node(FAILED, 99, failures=1, failed=Order.START), SEEN[Power.OFF], {"retries_power_on": 1}, FAILED),
        (node(FAILED, 99, failures=1, failed=Order.START), SEEN[Power.OFF], {"retries_power_off": 1}, OFF),
        (node(FAILED, 99, failures=1, failed=Order.STOP), SEEN[Power.OFF], {"retries_power_off": 1}, FAILED),
        (node(FAILED, 99, failures=1, failed=Order.STOP), SEEN[Power.OFF], {"retries_power_on": 1}, OFF),
    ],
)
def test_an_option_does_what_it_says(memory, sighting, options, state):
    assert seen(memory, sighting, **options).memory.state is state


@pytest.mark.parametrize(
    ("options", "boot", "waits"),
    [({}, 100.0, 150.0), ({}, 4.0, 14.0), ({}, 0.0, 10.0), ({"max_wait_power_on_seconds": 7.0}, 100.0, 7.0)],
)
def test_a_boot_is_overdue_after_half_as_long_again_or_as_said(options, boot, waits):
    assert ScalerSettings(**options).power_on_seconds(boot) == waits


@pytest.mark.parametrize(
    "options",
    [
        {"period_seconds": 0},
        {"retries_power_on": -1},
        {"wait_worth": float("nan")},
        {"x": 1},
    ],
)
def test_an_option_that_means_nothing_is_refused(options):
    with pytest.raises(ValidationError):
        ScalerSettings(**options)


# Orders


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("state", NodeState)
def test_a_start_boots_what_is_off_and_calls_off_a_draining(state, enabled):
    memory = node(state, 50, enabled=enabled)
    change = lifecycle.start(memory, NOW)
    if enabled and state is OFF:
        booting = replace(memory, state=BOOTING, since=NOW, ordered=NOW)
        assert change == Change(booting, (Hook.PRE_POWER_ON, Hook.POST_POWER_ON), Order.START)
    elif enabled and state is DRAINING:
        assert change == Change(replace(memory, state=IDLE, since=NOW))
    else:
        assert change == Change(memory)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("state", NodeState)
def test_a_stop_ends_what_is_idle_or_drained_and_nothing_that_works(state, busy, enabled):
    memory = node(state, 50, enabled=enabled)
    change = lifecycle.stop(memory, busy=busy, now=NOW)
    if enabled and not busy and state in (IDLE, DRAINING):
        assert change == Change(replace(memory, state=STOPPING, since=NOW), POWERING_OFF, Order.STOP)
    else:
        assert change == Change(memory)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("state", NodeState)
def test_only_what_is_on_is_drained(state, enabled):
    memory = node(state, 50, enabled=enabled)
    drained = enabled and state in (IDLE, BUSY)
    expected = replace(memory, state=DRAINING, since=NOW) if drained else memory
    assert lifecycle.drain(memory, NOW) == Change(expected)


def test_a_person_has_a_failed_node_looked_at_anew():
    failed = node(FAILED, 5000, failures=3, failed=Order.START, enabled=False)
    enabled = lifecycle.enable(failed, NOW).memory
    assert enabled == replace(failed, state=UNKNOWN, since=NOW, failures=0, failed=None, enabled=True)
    assert seen(enabled, SEEN[Power.OFF]).memory.state is OFF


def test_disabling_changes_nothing_else():
    busy = node(BUSY, 50)
    assert lifecycle.disable(busy).memory == replace(busy, enabled=False)


# Failures in a row


def test_failed_boots_are_counted_until_one_goes_well():
    memory = node(OFF)
    for failures in (1, 2):
        booting = lifecycle.start(memory, NOW - 400).memory
        failed = lifecycle.observe(booting, APART, busy=False, expected=EXPECTED, now=NOW - 200).memory
        assert (failed.state, failed.failures, failed.failed) == (FAILED, failures, Order.START)
        stopping = seen(failed, APART).memory
        memory = seen(stopping, SEEN[Power.OFF]).memory
        assert (memory.state, memory.failures) == (OFF, failures)
    good = seen(lifecycle.start(memory, NOW).memory, READY).memory
    assert (good.state, good.failures, good.failed) == (IDLE, 0, None)


def test_failed_stops_are_counted_until_one_goes_well():
    failed = node(FAILED, 30, failures=2, failed=Order.STOP)
    idle = seen(failed, READY).memory
    assert (idle.state, idle.failures) == (IDLE, 2)
    off = seen(lifecycle.stop(idle, busy=False, now=NOW).memory, SEEN[Power.OFF]).memory
    assert (off.state, off.failures, off.failed) == (OFF, 0, None)


# Over a restart


numbers = st.floats(0, 1e10)
memories = st.builds(
    NodeMemory,
    name=st.text(max_size=8),
    state=st.sampled_from(NodeState),
    since=numbers,
    ordered=numbers,
    enabled=st.booleans(),
    failures=st.integers(0, 9),
    failed=st.none() | st.sampled_from(Order),
    joined=st.none() | numbers,
    missed=st.none() | numbers,
)


@given(memories)
def test_a_memory_survives_a_restart(memory):
    assert NodeMemory.from_json(memory.to_json()) == memory


def test_a_memory_of_a_newer_version_is_read_and_a_broken_one_refused():
    read = NodeMemory.from_json(b'{"name": "n", "state": "busy", "since": 5, "news": {"x": 1}}')
    assert read == NodeMemory("n", BUSY, since=5.0)
    with pytest.raises(ValidationError):
        NodeMemory.from_json(b'{"name": "n", "state": "asleep"}')


# What never happens


sightings = st.builds(
    Sighting,
    st.just("n"),
    st.sampled_from(Power),
    joined=st.booleans(),
    allocatable=st.sampled_from([ResourceList(), WHOLE, BARE.allocatable]),
)
acts = st.one_of(
    st.tuples(st.just("observe"), sightings),
    st.tuples(st.sampled_from(["start", "stop", "drain", "enable", "disable", "restart"]), st.none()),
)
waits = st.sampled_from([0.0, 1.0, 29.0, 31.0, 119.0, 121.0, 151.0, 301.0, 901.0])


def changed(memory: NodeMemory, act: str, sighting: Sighting | None, *, busy: bool, now: float) -> Change:
    match act:
        case "observe":
            return lifecycle.observe(memory, sighting, busy=busy, expected=EXPECTED, now=now)
        case "start":
            return lifecycle.start(memory, now)
        case "stop":
            return lifecycle.stop(memory, busy=busy, now=now)
        case "drain":
            return lifecycle.drain(memory, now)
        case "enable":
            return lifecycle.enable(memory, now)
        case "disable":
            return lifecycle.disable(memory)
        case _:
            return Change(NodeMemory.from_json(memory.to_json()))


@settings(max_examples=300)
@given(memories, st.lists(st.tuples(acts, st.booleans(), waits), max_size=30))
def test_whatever_is_seen_and_ordered_no_step_is_illegal_and_no_work_is_stopped(memory, lived):
    now = 2e10
    for (act, sighting), busy, wait in lived:
        now += wait
        before, change = memory, changed(memory, act, sighting, busy=busy, now=now)
        memory = change.memory
        moved = memory.state is not before.state
        assert memory.name == before.name
        assert memory.since == (now if moved else before.since)
        assert not (busy and moved and memory.state is STOPPING), "a node that works is stopped"
        assert change.order is not Order.STOP or (not busy and memory.state in (STOPPING, FAILED))
        assert change.order is not Order.START or (before.state, memory.state) == (OFF, BOOTING)
        assert change.order is None or before.enabled, "a disabled node is ordered about"
        assert (Hook.PRE_POWER_ON in change.hooks) is (change.order is Order.START)


@given(memories, st.sampled_from([SEEN[Power.OFF], READY]), st.booleans())
def test_an_enabled_node_becomes_what_it_is_seen_as_for_long(memory, sighting, busy):
    now = 2e10
    memory = lifecycle.enable(memory, now).memory
    drained = memory.state is DRAINING and busy
    for _ in range(6):
        now += 301.0
        memory = lifecycle.observe(memory, sighting, busy=busy, expected=EXPECTED, now=now).memory
    on = DRAINING if drained else BUSY if busy else IDLE
    assert memory.state is (on if sighting is READY else OFF)


@given(memories, sightings, st.booleans())
def test_the_same_look_twice_changes_no_more_than_once(memory, sighting, busy):
    now = 2e10
    once = lifecycle.observe(memory, sighting, busy=busy, expected=EXPECTED, now=now).memory
    twice = lifecycle.observe(once, sighting, busy=busy, expected=EXPECTED, now=now)
    if once.state is OFF and sighting.power is Power.STARTING:
        assert twice.memory.state is BOOTING, "lost, and on its way again"
    else:
        assert twice == Change(once)


# Whole lives, on the driver in memory


async def lived(course: Course, *, seconds: float) -> list[tuple[float, NodeState, Order | None]]:
    """(seconds since its start, state, order) of each change of a node that is started at 0."""
    clock = VirtualClock(start=0.0)
    driver = MemoryNodes(["n"], WHOLE, now=clock.now, plan=lambda _: course, stop_seconds=5.0)
    change, told = lifecycle.start(NodeMemory("n", OFF), 0.0), []
    while clock.now() < seconds:
        if change.order is not None:
            await (driver.start if change.order is Order.START else driver.stop)("n")
        before = change.memory
        clock.advance(10.0)
        (sighting,) = await driver.nodes()
        change = lifecycle.observe(before, sighting, busy=False, expected=EXPECTED, now=clock.now())
        if change.memory.state is not before.state:
            told.append((clock.now(), change.memory.state, change.order))
    return told


async def test_a_good_boot_ends_idle():
    assert await lived(Course(95.0), seconds=500.0) == [(100.0, IDLE, None)]


async def test_late_devices_keep_a_node_booting_and_nothing_fails():
    assert await lived(Course(95.0, device_seconds=600.0), seconds=2000.0) == [(700.0, IDLE, None)]


async def test_a_boot_that_hangs_is_ended_and_the_node_is_free_again():
    assert await lived(Course(float("inf")), seconds=500.0) == [
        (160.0, FAILED, Order.STOP),
        (190.0, OFF, None),
    ]


async def test_a_node_that_dies_is_given_up_after_the_glitch_time():
    told = await lived(Course(95.0, life_seconds=100.0), seconds=500.0)
    assert told == [(100.0, IDLE, None), (320.0, OFF, None)]

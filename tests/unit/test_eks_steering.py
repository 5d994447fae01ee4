"""What a look at a node group changes, and what AWS is asked for then: tables of slots and instances."""

from dataclasses import replace

import pytest

from headrace.nodes.eks.group import GroupView, Instance, Launch, Phase
from headrace.nodes.eks.register import Pause, Register, Slot, started, stopped
from headrace.nodes.eks.steering import (
    CLAIM_SECONDS,
    LATE_SECONDS,
    PATIENCE_SECONDS,
    Ending,
    Look,
    Todo,
    counted,
    is_moving,
    refusal,
    settled,
    todo,
)

NOW = 1_000_000.0
REASON = (
    "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request "
    "configuration. Please adjust your request and try again."
)


def group(*instances: Instance, desired: int | None = None, most: int = 9, **more: object) -> GroupView:
    size = len([each for each in instances if each.is_alive]) if desired is None else desired
    return GroupView(size, most, instances={each.id: each for each in instances}, **more)


def on(name: str) -> Instance:
    return Instance(name, Phase.IN_SERVICE, protected=True)


def bare(name: str) -> Instance:
    return Instance(name, Phase.IN_SERVICE)


def pending(name: str) -> Instance:
    return Instance(name, Phase.PENDING, protected=True)


def ending(name: str) -> Instance:
    return Instance(name, Phase.ENDING, protected=True)


def register(**slots: Slot) -> Register:
    return Register(pool="p").with_slots({name.replace("_", "-"): slot for name, slot in slots.items()})


def waiting(ago: float = 10.0) -> Slot:
    return Slot(ordered=NOW - ago)


def has(instance: str, *, up: bool = True, **more: float) -> Slot:
    return Slot(NOW - 100.0, instance, up, **more)


def after(before: Register, view: GroupView, **more: object) -> Register:
    return settled(before, Look(view, NOW, **more))


def instances(found: Register) -> dict[str, str]:
    return {name: slot.instance for name, slot in found.slots.items()}


# Slots <-> instances


@pytest.mark.parametrize(
    ("before", "view", "more", "expected"),
    [
        # Whoever waits longest gets the first instance; at the same time, names decide
        (register(p_0=waiting(), p_1=waiting()), group(pending("i-1")), {}, {"p-0": "i-1", "p-1": ""}),
        (register(p_0=waiting(5), p_1=waiting(9)), group(pending("i-1")), {}, {"p-0": "", "p-1": "i-1"}),
        (
            register(p_0=waiting(), p_1=waiting()),
            group(on("i-2"), on("i-1")),
            {},
            {"p-0": "i-1", "p-1": "i-2"},
        ),
        # What has a slot keeps it
        (register(p_0=has("i-1"), p_1=waiting()), group(on("i-1")), {}, {"p-0": "i-1", "p-1": ""}),
        # One that nobody ordered is a node as well, by the first name that is free
        (register(), group(on("i-1")), {}, {"p-0": "i-1"}),
        (register(p_0=has("i-1")), group(on("i-1"), on("i-2")), {}, {"p-0": "i-1", "p-1": "i-2"}),
        # also beyond the bound of the pool, which knows nothing of it here
        (register(p_0=has("i-1")), group(on("i-1"), on("i-2"), most=1), {}, {"p-0": "i-1", "p-1": "i-2"}),
        # One whose launch was called off takes the slot that was called off, unless another one waits
        (register(p_3=replace(waiting(), ending=NOW - 1)), group(on("i-1")), {}, {"p-3": "i-1"}),
        (
            register(p_3=replace(waiting(50), ending=NOW - 1), p_4=waiting(2)),
            group(on("i-1")),
            {},
            {"p-3": "", "p-4": "i-1"},
        ),
        # A register that was lost is made anew by what Node objects say
        (
            register(),
            group(on("i-1"), on("i-2")),
            {"marks": {"i-1": "p-7", "i-2": "p-3"}},
            {"p-3": "i-2", "p-7": "i-1"},
        ),
        (register(p_7=waiting()), group(on("i-1")), {"marks": {"i-1": "p-7"}}, {"p-7": "i-1"}),
        # which counts for nothing where another has it, or where it is none of this pool's names
        (
            register(p_7=has("i-2")),
            group(on("i-1"), on("i-2")),
            {"marks": {"i-1": "p-7"}},
            {"p-0": "i-1", "p-7": "i-2"},
        ),
        (register(), group(on("i-1")), {"marks": {"i-1": "q-7"}}, {"p-0": "i-1"}),
        (register(), group(on("i-1")), {"marks": {"i-1": "p-07"}}, {"p-0": "i-1"}),
        # One that is gone has no slot; its replacement does not bear its name at once
        (register(p_0=has("i-1")), group(), {"ended": {"i-1": "spot"}}, {}),
        (register(p_0=has("i-1")), group(on("i-2")), {"ended": {"i-1": "spot"}}, {"p-1": "i-2"}),
        (register(), group(on("i-2")), {"avoid": ("p-0", "p-1")}, {"p-2": "i-2"}),
        # unless somebody waits already: that is what it is for
        (
            register(p_0=has("i-1"), p_2=waiting()),
            group(on("i-2")),
            {"ended": {"i-1": "spot"}},
            {"p-2": "i-2"},
        ),
        # One that was gone before it was in service has not come yet, unless it was to end
        (register(p_0=has("i-1", up=False)), group(), {"ended": {"i-1": "shrank"}}, {"p-0": ""}),
        (register(p_0=has("i-1", up=False)), group(on("i-2")), {"ended": {"i-1": "shrank"}}, {"p-0": "i-2"}),
        (register(p_0=has("i-1", up=False, ending=NOW)), group(), {"ended": {"i-1": "told"}}, {}),
        # What ends has its slot until it is gone; what ends and never had one gets none
        (register(p_0=has("i-1")), group(ending("i-1")), {}, {"p-0": "i-1"}),
        (register(), group(ending("i-1")), {}, {}),
        (register(), group(Instance("i-1", Phase.ASIDE)), {}, {}),
        # One that is not listed and not gone either: a person has detached it
        (register(p_0=has("i-1")), group(), {}, {"p-0": "i-1"}),
    ],
)
def test_instances_get_slots(before, view, more, expected):
    found = after(before, view, **more)
    assert instances(found) == expected
    again = settled(found, Look(view, NOW, **{**more, "ended": {}}))
    assert instances(again) == expected, "looked at again, nothing changes"


# Launches that do not come


def failed(ago: float, reason: str = REASON) -> Launch:
    return Launch(NOW - ago, reason)


@pytest.mark.parametrize(
    ("launches", "since", "expected"),
    [
        ([], NOW - 100, ""),
        ([failed(70)], NOW - 100, REASON),
        ([failed(PATIENCE_SECONDS)], NOW - 100, REASON),
        ([failed(PATIENCE_SECONDS - 1)], NOW - 100, ""),  # AWS tries its other zones
        ([failed(5, "new"), failed(20, "older"), failed(70, "old")], NOW - 100, "new"),
        ([failed(5), Launch(NOW - 20, succeeded=True), failed(70)], NOW - 100, ""),  # some came meanwhile
        ([Launch(NOW - 1), failed(70)], NOW - 100, REASON),  # one more is under way
        ([failed(70)], NOW - 60, ""),  # of an order before
        ([failed(64)], NOW - 60, REASON),  # of this one: clocks differ
        ([failed(70)], None, ""),  # nobody waits
    ],
)
def test_a_launch_is_given_up_once_it_has_failed_for_a_while(launches, since, expected):
    assert refusal(launches, since=since, now=NOW) == expected


def test_what_waits_is_given_up_with_the_reason_and_what_came_stays():
    before = register(p_0=has("i-1"), p_1=waiting(90), p_2=waiting(90))
    found = after(before, group(on("i-1"), desired=3), launches=[failed(70)])
    assert instances(found) == {"p-0": "i-1"}
    assert found.pause == Pause(1, NOW + 60.0, REASON)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 60.0), (1, 120.0), (2, 240.0), (3, 480.0), (4, 900.0), (60, 900.0)]
)
def test_pauses_grow(failures, seconds):
    assert Pause(failures).after_failure("no", NOW) == Pause(failures + 1, NOW + seconds, "no")


def test_an_instance_that_was_waited_for_ends_the_row_of_failures():
    tired = Pause(3, NOW - 1, REASON)
    before = register(p_0=waiting()).model_copy(update={"pause": tired})
    assert after(before, group(desired=1)).pause == tired
    assert after(before, group(on("i-1"))).pause == Pause()
    idle = register(p_0=has("i-1")).model_copy(update={"pause": tired})
    assert after(idle, group(on("i-1"), on("i-2"))).pause == tired, "nobody waited for that one"


def test_what_waits_beyond_the_greatest_size_is_given_up_the_newest_first():
    before = register(p_0=has("i-1"), p_1=waiting(9), p_2=waiting(5), p_3=waiting(7))
    assert instances(after(before, group(on("i-1"), most=2))) == {"p-0": "i-1", "p-1": ""}


def test_while_eks_updates_the_group_nobody_waits_for_an_instance():
    held = group(on("i-1"), held="node group g is being updated by EKS")
    found = after(register(p_0=has("i-1"), p_1=waiting()), held)
    assert (instances(found), found.pause) == ({"p-0": "i-1"}, Pause())


def test_in_a_pause_no_node_is_wanted_anew():
    tired = register().model_copy(update={"pause": Pause(1, NOW + 1, REASON)})
    assert started(tired, "p-0", NOW) == tired
    assert started(tired, "p-0", NOW + 1).slots == {"p-0": Slot(NOW + 1)}


def test_orders_say_how_a_node_shall_be():
    once = started(register(), "p-0", NOW)
    assert started(once, "p-0", NOW + 5) == once
    off = stopped(once, "p-0", NOW + 9)
    assert off.slots == {"p-0": Slot(NOW, ending=NOW + 9)}
    assert stopped(off, "p-0", NOW + 20) == started(off, "p-0", NOW + 20) == off
    assert stopped(off, "p-1", NOW) == off


# What AWS is asked for


@pytest.mark.parametrize(
    ("found", "view", "expected"),
    [
        (register(), group(), None),
        # Raised to all that are there and waited for
        (register(p_0=waiting()), group(), 1),
        (register(p_0=has("i-1"), p_1=waiting(), p_2=waiting()), group(on("i-1")), 3),
        (register(p_0=has("i-1"), p_1=waiting()), group(pending("i-1"), desired=1), 2),
        (register(p_0=has("i-1"), p_1=waiting()), group(on("i-1"), desired=2), None),
        (register(p_0=waiting(), p_1=waiting()), group(most=1), 1),
        (register(p_0=has("i-1"), p_1=waiting()), group(on("i-1"), most=1), None),
        # but not for an instance that AWS has added to replace another: that would be one too many
        (register(p_0=has("i-1"), p_1=has("i-2")), group(on("i-1"), on("i-2"), desired=1), None),
        # What is about to end counts until it is told so
        (register(p_0=has("i-1", ending=NOW), p_1=waiting()), group(on("i-1")), 2),
        (register(p_0=has("i-1", ending=NOW), p_1=waiting()), group(ending("i-1"), desired=0), 1),
        # Lowered only where nothing can be ended by it
        (register(p_0=has("i-1")), group(on("i-1"), desired=2), 1),
        (register(p_0=has("i-1")), group(pending("i-1"), desired=2), None),
        (register(p_0=has("i-1")), group(bare("i-1"), desired=2), None),
        (register(p_0=has("i-1")), group(ending("i-1"), desired=1), 0),
        (register(), group(desired=3, least=1), 1),
        (register(p_0=replace(waiting(), ending=NOW)), group(desired=1), 0),
        # nor where it could end one that is on the way and not shown yet
        (register(p_0=replace(waiting(), ending=NOW), p_1=waiting()), group(desired=2), None),
        # While EKS has its hand on the group, and where an instance is aside: it is not the group's to count
        (register(p_0=waiting()), group(held="updating"), None),
        (register(p_0=has("i-1")), group(Instance("i-1", Phase.ASIDE), desired=0), None),
    ],
)
def test_the_desired_size(found, view, expected):
    assert todo(found, Look(view, NOW)).desired == expected


def claimed(instance: str, at: float = NOW) -> Slot:
    return has(instance, ending=NOW - 50.0, claimed=at)


@pytest.mark.parametrize(
    ("found", "view", "expected"),
    [
        # With the size lowered, so that nothing takes its place
        (register(p_0=claimed("i-1")), group(on("i-1")), [Ending("i-1", lower=True)]),
        (register(p_0=claimed("i-1")), group(pending("i-1")), [Ending("i-1", lower=True)]),
        (
            register(p_0=claimed("i-1"), p_1=claimed("i-2"), p_2=has("i-3")),
            group(on("i-1"), on("i-2"), on("i-3")),
            [Ending("i-1", lower=True), Ending("i-2", lower=True)],
        ),
        # unless it is low enough already
        (
            register(p_0=claimed("i-1"), p_1=has("i-2")),
            group(on("i-1"), on("i-2"), desired=1),
            [Ending("i-1", lower=False)],
        ),
        (
            register(p_0=claimed("i-1"), p_1=claimed("i-2")),
            group(on("i-1"), on("i-2"), desired=1),
            [Ending("i-1", lower=False), Ending("i-2", lower=True)],
        ),
        # By whoever said so last, once; never what ends already, or is gone
        (register(p_0=claimed("i-1", NOW - 1)), group(on("i-1")), []),
        (register(p_0=claimed("i-1")), group(ending("i-1"), desired=0), []),
        (register(p_0=claimed("i-1")), group(), []),
        (register(p_0=claimed("i-1")), group(on("i-1"), held="updating"), []),
    ],
)  # fmt: skip
def test_exactly_the_chosen_instances_end(found, view, expected):
    asked = todo(found, Look(view, NOW))
    assert (list(asked.endings), asked.refused) == (expected, ())


def test_a_group_that_may_not_shrink_keeps_its_instances_and_that_is_told():
    found = register(p_0=claimed("i-1"), p_1=claimed("i-2"))
    asked = todo(found, Look(group(on("i-1"), on("i-2"), least=1), NOW))
    assert asked == Todo(None, (Ending("i-1", lower=True),), ("i-2",))


@pytest.mark.parametrize(
    ("slot", "view", "claims"),
    [
        (has("i-1", ending=NOW), group(on("i-1")), True),
        (has("i-1", ending=NOW - 99, claimed=NOW - CLAIM_SECONDS), group(on("i-1")), True),
        (has("i-1", ending=NOW - 99, claimed=NOW - CLAIM_SECONDS + 1), group(on("i-1")), False),
        (has("i-1"), group(on("i-1")), False),
        (has("i-1", ending=NOW), group(ending("i-1")), False),
        (has("i-1", ending=NOW), group(on("i-1"), held="updating"), False),
    ],
)
def test_one_scaler_at_a_time_says_that_it_ends_an_instance(slot, view, claims):
    assert (after(register(p_0=slot), view).slots["p-0"].claimed == NOW) == claims


@pytest.mark.parametrize(
    ("instance", "up"), [(pending("i-1"), False), (bare("i-1"), False), (on("i-1"), True)]
)
def test_that_an_instance_has_been_in_service_is_remembered(instance, up):
    found = after(register(p_0=waiting()), group(instance))
    assert found.slots["p-0"].up is up
    assert after(found, group(ending("i-1"))).slots["p-0"].up is up


@pytest.mark.parametrize(
    ("ago", "view", "left"),
    [
        (LATE_SECONDS, group(), {}),
        (LATE_SECONDS - 1, group(), {"p-0": ""}),  # it may have been launched a moment before
        (LATE_SECONDS, group(desired=1), {"p-0": ""}),  # and AWS has not been told yet
        (LATE_SECONDS, group(desired=1, held="updating"), {}),
    ],
)
def test_a_launch_that_was_called_off_is_over_once_nothing_came_of_it(ago, view, left):
    before = register(p_0=Slot(NOW - 99, ending=NOW - ago))
    assert instances(after(before, view)) == left


@pytest.mark.parametrize(
    ("found", "view", "expected"),
    [
        (register(), group(), False),
        (register(p_0=has("i-1")), group(on("i-1")), False),
        (register(p_0=waiting()), group(), True),
        (register(p_0=has("i-1")), group(pending("i-1")), True),
        (register(p_0=has("i-1")), group(bare("i-1")), True),
        (register(p_0=has("i-1")), group(ending("i-1")), True),
        (register(p_0=has("i-1", ending=NOW)), group(on("i-1")), True),
        (register(p_0=has("i-1")), group(Instance("i-1", Phase.ASIDE)), False),
        (register(p_0=has("i-1")), group(on("i-1"), held="updating"), True),
    ],
)
def test_what_moves_is_looked_at_more_often(found, view, expected):
    assert is_moving(found.slots, view) == expected


def test_a_register_survives_its_way_through_json():
    found = register(p_0=has("i-1", ending=NOW, claimed=NOW - 0.1), p_1=waiting())
    found = found.model_copy(update={"pause": Pause(2, NOW + 5, REASON)})
    assert Register.from_json(found.to_json()) == found
    assert counted(found.slots, group(on("i-1"))) == 2

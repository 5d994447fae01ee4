"""Whose turn it is, what is told of pods and ages, and what counts as wanted."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.controller.parts import covers
from headrace.controller.statuses import coarse
from headrace.controller.troubles import trouble_of
from headrace.controller.turns import MOST_SECONDS, Turns, pause
from tests.fixtures.clock import VirtualClock


def test_a_key_is_in_one_hand_at_a_time():
    turns = Turns(lambda: 0.0)
    turns.add("a")
    assert turns.take() == "a"
    turns.add("a")
    assert turns.take() is None
    turns.done("a", None)
    assert turns.take() == "a"


def test_a_key_is_due_at_the_earliest_of_its_times():
    clock = VirtualClock()
    turns = Turns(clock.now)
    turns.add("a", after_seconds=10)
    turns.add("a", after_seconds=1)
    turns.add("a", after_seconds=5)
    assert turns.take() is None
    clock.advance(1)
    assert turns.take() == "a"
    clock.advance(100)
    turns.done("a", None)
    assert turns.take() is None


def test_who_waited_longest_comes_first():
    clock = VirtualClock()
    turns = Turns(clock.now)
    turns.add("late", after_seconds=2)
    turns.add("early", after_seconds=1)
    clock.advance(3)
    assert [turns.take(), turns.take()] == ["early", "late"]


def test_a_pause_doubles_with_each_failure_and_a_success_forgets_them():
    clock = VirtualClock()
    turns = Turns(clock.now)
    turns.add("a")
    for failures in (1, 2, 3):
        assert turns.take() == "a"
        assert turns.failed("a") == failures
        clock.advance(pause(failures) - 0.01)
        assert turns.take() is None
        clock.advance(0.02)
    turns.take()
    turns.done("a", 0)
    assert turns.failures("a") == 0
    assert [pause(0), pause(1), pause(2), pause(100)] == [0, 0.5, 1, MOST_SECONDS]


async def test_who_waits_hears_of_what_is_added():
    turns = Turns(lambda: 0.0)
    waiting = asyncio.create_task(turns.next())
    await asyncio.sleep(0)
    turns.add("a")
    assert await waiting == "a"


async def test_who_waits_hears_of_what_was_given_back():
    turns = Turns(lambda: 0.0)
    turns.add("a")
    turns.take()
    waiting = asyncio.create_task(turns.next())
    await asyncio.sleep(0)
    turns.done("a", 0.0)
    assert await waiting == "a"


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "done", "failed"]), st.sampled_from("abc"))))
def test_no_key_that_was_added_is_ever_lost(steps):
    clock = VirtualClock()
    turns: Turns[str] = Turns(clock.now)
    owed, held = set(), set()
    for step, key in steps:
        if step == "add":
            turns.add(key)
            owed.add(key)
        elif step == "take":
            taken = turns.take()
            if taken is not None:
                assert taken not in held
                owed.discard(taken)
                held.add(taken)
        elif key in held:
            held.discard(key)
            if step == "done":
                turns.done(key, None)
            else:
                turns.failed(key)
                owed.add(key)
    for key in held:
        turns.done(key, None)
    clock.advance(MOST_SECONDS)
    left = set()
    while (key := turns.take()) is not None:
        left.add(key)
    assert left == owed


# Pods


def waiting(reason: str, group: str = "containerStatuses", phase: str = "Pending"):
    container = {"name": "function", "state": {"waiting": {"reason": reason, "message": "m"}}}
    return {"status": {"phase": phase, group: [container]}}


def ended(**state: object):
    container = {"name": "function", "state": {"terminated": state}}
    return {"status": {"phase": "Failed", "containerStatuses": [container]}}


@pytest.mark.parametrize(
    ("pod", "found"),
    [
        ({}, None),
        ({"status": {"phase": "Running"}}, None),
        (waiting("ContainerCreating"), None),
        (waiting("PodInitializing"), None),
        (waiting("ErrImagePull"), ("ErrImagePull", "function: m")),
        (waiting("CreateContainerConfigError"), ("CreateContainerConfigError", "function: m")),
        (waiting("ImagePullBackOff", "initContainerStatuses"), ("ImagePullBackOff", "function: m")),
        (ended(exitCode=137, reason="OOMKilled"), ("OOMKilled", "function ended with status 137")),
        (ended(exitCode=1, message="boom"), ("Error", "function ended with status 1: boom")),
        ({"status": {"phase": "Failed", "reason": "Evicted", "message": "disk"}}, ("Evicted", "disk")),
        (ended(exitCode=0), ("Failed", "the pod failed")),
    ],
)
def test_a_pods_trouble_is_what_kubernetes_says(pod, found):
    trouble = trouble_of(pod)
    assert (trouble and (trouble.reason, trouble.message)) == found


# Ages and wants


@pytest.mark.parametrize(
    ("seconds", "told"), [(-3, 0), (0.9, 0), (59, 59), (64, 60), (599, 595), (659, 600), (3725, 3720)]
)
def test_an_age_is_told_the_rougher_the_longer_it_is(seconds, told):
    assert coarse(seconds) == told


@pytest.mark.parametrize(
    ("found", "wanted", "is_covered"),
    [
        ({"a": 1, "server": "adds"}, {"a": 1}, True),
        ({"a": 2}, {"a": 1}, False),
        ({}, {"a": 1}, False),
        ({}, {"a": []}, True),  # the server drops empty lists
        ({"a": [1]}, {"a": []}, False),  # what somebody added to a list is taken out again
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, True),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}]}, False),
        ({"a": "x"}, {"a": "y"}, False),
        ({"a": None}, {"a": {}}, True),
    ],
)
def test_what_a_server_adds_is_no_difference(found, wanted, is_covered):
    assert covers(found, wanted) is is_covered

"""Workers that die or can't start: how long others of their kind are held up, and what is told."""

import logging
from dataclasses import replace

import pytest

from headrace.model.resources import ResourceList
from headrace.scaler.backoff import FIRST_SECONDS, MOST_SECONDS, STEADY_SECONDS
from headrace.scaler.kubernetes.failing import FORGOTTEN_SECONDS, Failing
from headrace.scaler.kubernetes.pods import WorkerPod
from tests.fixtures.clock import VirtualClock

DIGEST, OTHER = "d" * 10, "e" * 10
KIND = ("echo", DIGEST)


class Scene:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.failing = Failing(self.clock.now)
        self.made = 0

    def pod(self, **changes: object) -> WorkerPod:
        self.made += 1
        started = self.clock.now()
        found = WorkerPod(
            f"echo-{DIGEST}-{self.made}", f"u{self.made}", "echo", DIGEST, "n1", started, ResourceList()
        )
        return replace(found, **changes)

    def dies(self, *, after: float = 0.0) -> None:
        pod = self.pod()
        self.clock.advance(after)
        self.failing.learn([replace(pod, ended=True, trouble="function: OOMKilled")])

    def pause(self) -> float:
        """How long the kind is held up from now on."""
        seconds, began = 0.0, self.clock.now()
        while self.failing.is_held_up(KIND):
            self.clock.advance(0.01)
            seconds = self.clock.now() - began
        return round(seconds, 1)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_each_early_death_in_a_row_doubles_the_pause_up_to_a_bound(scene: Scene) -> None:
    pauses = []
    for _ in range(10):
        scene.dies()
        pauses.append(scene.pause())
    assert pauses[:3] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
    assert pauses[-1] == MOST_SECONDS


def test_who_ran_for_long_before_it_died_counts_as_the_first(scene: Scene) -> None:
    for _ in range(5):
        scene.dies()
        scene.pause()
    scene.dies(after=STEADY_SECONDS)
    assert scene.pause() == FIRST_SECONDS


def test_those_that_die_together_and_those_seen_again_count_once(scene: Scene) -> None:
    dead = [scene.pod(ended=True) for _ in range(9)]
    for _ in range(3):
        scene.failing.learn(dead)
    assert scene.pause() == FIRST_SECONDS


def test_who_ends_as_it_was_told_has_not_died(scene: Scene) -> None:
    scene.failing.learn([scene.pod(ended=True, leaving=True)])
    assert not scene.failing.is_held_up(KIND)


def test_one_that_can_not_start_holds_up_the_others_until_it_can_or_leaves(scene: Scene) -> None:
    stuck = scene.pod(stuck=True, trouble="function: ErrImagePull")
    scene.failing.learn([stuck])
    assert scene.failing.is_held_up(KIND)
    assert not scene.failing.is_held_up(("echo", OTHER)), "another digest has another image"
    scene.failing.learn([replace(stuck, leaving=True)])
    assert not scene.failing.is_held_up(KIND)
    scene.failing.learn([stuck])
    scene.failing.learn([replace(stuck, stuck=False, trouble="")])
    assert not scene.failing.is_held_up(KIND)


def test_where_one_runs_well_a_stuck_one_holds_up_nobody(scene: Scene) -> None:
    scene.failing.learn([scene.pod(stuck=True, trouble="function: ErrImagePull"), scene.pod(running=True)])
    assert not scene.failing.is_held_up(KIND)
    assert scene.failing.troubles == {"echo": "function: ErrImagePull"}


def test_a_trouble_is_logged_once_and_told_until_workers_run_steadily(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        scene.dies()
        scene.pause()
    assert scene.failing.troubles == {"echo": "function: OOMKilled"}
    assert caplog.text.count("OOMKilled") == 1
    well = scene.pod(running=True)
    scene.failing.learn([well])
    assert scene.failing.troubles, "it may die as those before"
    scene.clock.advance(STEADY_SECONDS)
    scene.failing.learn([well])
    assert scene.failing.troubles == {}


def test_what_is_long_past_is_forgotten(scene: Scene) -> None:
    scene.dies()
    scene.pause()
    scene.clock.advance(FORGOTTEN_SECONDS)
    scene.failing.learn([])
    assert scene.failing.troubles == {}


def test_pods_that_are_refused_together_count_once(scene: Scene) -> None:
    for _ in range(9):
        scene.failing.refused(KIND, "exceeded quota")
    assert scene.pause() == FIRST_SECONDS
